"""A call whose time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast._runtimes.cutting.wheel import THREAD
from holdfast.deadline import NOTHING, OVER, RAN_OUT

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.wheel import Wheel
    from holdfast._runtimes.job import Job


class Overdue:
    """A call whose time is up, and that has not ended."""

    __slots__ = ("counted", "job", "look_at", "marks", "own", "refused", "told", "wheel", "why_not")

    def __init__(self, own: Any, wheel: Wheel, now: float, job: Job | None = None) -> None:
        self.own: Any = own
        self.wheel: Wheel = wheel
        self.look_at: float = now
        self.job: Job | None = job
        """A worker's, which nobody waits for any more; None for a call in its own thread."""
        self.marks: dict[str, str] = {}
        """Whether it was cut; a dict, for C writes it between the look and the cut."""
        self.refused: list[Any] = []
        """What its function has returned after the cut."""
        self.counted: bool = False
        self.told: bool = job is not None  # who has left it alone tells that
        self.why_not: str = ""

    @property
    def key(self) -> int:
        """What it is known by among the overdue ones."""
        return id(self.owner)

    @property
    def depth(self) -> int:
        """How many limits there are around it."""
        found, entry = 0, self.own
        while (entry := entry[4]) is not None and entry is not NOTHING:
            found += 1
        return found

    @property
    def thread(self) -> int:
        """The identity of its thread; 0 for a job that no worker has begun."""
        return int(self.own[THREAD]) if self.job is None else self.job.thread

    @property
    def owner(self) -> Any:
        """What is found on the stack of its thread, as long as it has not ended."""
        return self.own if self.job is None else self.job

    @property
    def cut(self) -> bool:
        """Whether a socket was shut down in it."""
        return bool(self.marks)

    @property
    def over(self) -> bool:
        """Whether it has ended in this very instant."""
        return self.own[3] in {OVER, RAN_OUT} if self.job is None else self.job.over
