"""A call whose time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast._runtimes.cutting.wheel import THREAD
from holdfast.deadline import NOTHING, OVER, RAN_OUT

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.wheel import Wheel


class Overdue:
    """A call whose time is up, and that has not ended.

    It keeps nothing of the user's: the watcher would be the one to end it.
    """

    __slots__ = (
        "is_job",
        "look_at",
        "marks",
        "own",
        "refused",
        "told",
        "wheel",
        "why_not",
    )

    def __init__(self, own: Any, wheel: Wheel, now: float, *, is_job: bool = False) -> None:
        self.own: Any = own
        self.wheel: Wheel = wheel
        self.look_at: float = now
        self.is_job: bool = is_job
        """Whether it is a worker's, which nobody waits for any more."""
        self.marks: dict[str, str] = {}
        """Whether it was cut; a dict, for C writes it between the look and the cut."""
        self.refused: list[Any] = []
        """What its function has returned after the cut, until its limit takes it out."""
        self.told: bool = is_job  # who has left it alone tells that
        self.why_not: str = ""

    @property
    def key(self) -> int:
        """What it is known by among the overdue ones."""
        return id(self.own)

    @property
    def thread(self) -> int:
        """The identity of its thread; 0 for a job that no worker has begun."""
        return int(self.own[THREAD])

    @property
    def depth(self) -> int:
        """How many limits there are around it."""
        found, entry = 0, self.own
        while (entry := entry[4]) is not None and entry is not NOTHING:
            found += 1
        return found

    @property
    def cut(self) -> bool:
        """Whether a socket was shut down in it."""
        return bool(self.marks)

    @property
    def over(self) -> bool:
        """Whether it has ended in this very instant."""
        return self.own[3] in {OVER, RAN_OUT}
