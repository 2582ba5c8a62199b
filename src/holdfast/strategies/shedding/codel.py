"""When a queue is good and when it is bad: CoDel, in the form that Facebook gave it.

A queue that empties now and then absorbs a burst.  One that never does is a *standing* queue: it
makes everybody wait and serves nobody more.  So how long a request may wait depends on when the queue
was last empty (Maurer, "Fail at Scale", ACM Queue 13(8), 2015, after Nichols and Jacobson,
"Controlling Queue Delay", ACM Queue 10(5), 2012)::

    timeout = target if last_empty < now - interval else interval

and while it stands, the newest is served first (adaptive LIFO, same article): the oldest will run out
of patience anyway, and a served request has then hardly waited at all.
"""

from __future__ import annotations


class Codel:
    """The memory of one queue: since when it has not been empty.  Asked only while somebody waits.

    Args:
        interval: how long a queue may exist before it is a standing one, in seconds; three targets,
            if those are longer, since calls that take long make waits of that order by chance.
        patient: by what to multiply that, and how long a call may wait.
    """

    __slots__ = ("interval", "patient", "since")

    def __init__(self, interval: float, patient: float = 1.0) -> None:
        self.interval: float = interval
        self.patient: float = patient
        self.since: float = 0.0
        """The last instant at which the queue was empty."""

    def began(self, now: float) -> None:
        """Note that somebody joins an empty queue."""
        self.since = now

    def standing(self, now: float, target: float) -> bool:
        """Return whether the queue has not been empty for too long."""
        return self.since < now - max(self.interval, 3 * target) * self.patient

    def patience(self, now: float, target: float) -> float:
        """Return how long a call may wait, in seconds."""
        seconds = target if self.standing(now, target) else max(self.interval, 3 * target)
        return seconds * self.patient
