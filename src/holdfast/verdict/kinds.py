"""The kinds of outcomes, and what follows from each: may it be repeated, does it count."""

from __future__ import annotations

from typing import Final, final


@final
class Kind:
    """What an outcome is.  There is one object for each kind; compare with ``is``.

    Attributes:
        name: a word or two for people.
        repeat: whether another attempt is likely to fare better.
        any_method: whether it may be repeated though the request can't be sent twice: it never was.
        counts: whether it speaks against the dependency, so that a breaker counts it.
        about: a sentence for people.
    """

    __slots__ = ("about", "any_method", "counts", "name", "repeat")

    def __init__(
        self, name: str, about: str, *, repeat: bool, counts: bool, any_method: bool = False
    ) -> None:
        self.name: str = name
        self.about: str = about
        self.repeat: bool = repeat
        self.counts: bool = counts
        self.any_method: bool = any_method

    def __repr__(self) -> str:
        return f"<Kind {self.name!r}>"

    def __reduce__(self) -> str:
        return self.name.upper().replace(" ", "_")


NEVER_SENT: Final = Kind(
    "never sent",
    "No connection came about (refused, not found, too slow), so nothing was sent.",
    repeat=True, any_method=True, counts=True,
)  # fmt: skip
POOL_EXHAUSTED: Final = Kind(
    "pool exhausted",
    "The client's own connections or buffers were all taken; the dependency was not asked.",
    repeat=True, any_method=True, counts=False,
)  # fmt: skip
TIMEOUT: Final = Kind(
    "timeout",
    "No answer in time; whether the request was carried out is unknown.",
    repeat=True, counts=True,
)  # fmt: skip
TRANSIENT: Final = Kind(
    "transient",
    "The connection broke, or the dependency failed in a way that passes.",
    repeat=True, counts=True,
)  # fmt: skip
THROTTLED: Final = Kind(
    "throttled",
    "The dependency is alive and asks for fewer requests.",
    repeat=True, counts=False,
)  # fmt: skip
NOT_NOW: Final = Kind(
    "not now",
    "The dependency is alive and asks to try again: a deadlock, a conflict, a lock.",
    repeat=True, counts=False,
)  # fmt: skip
FAILED: Final = Kind(
    "failed",
    "The dependency failed in a way that another attempt does not mend.",
    repeat=False, counts=True,
)  # fmt: skip
PERMANENT: Final = Kind(
    "permanent",
    "It will be the same the next time, or nothing is known about it.",
    repeat=False, counts=False,
)  # fmt: skip
REJECTED: Final = Kind(
    "rejected",
    "A strategy of Holdfast refused the call; the dependency was not asked.",
    repeat=False, counts=False,
)  # fmt: skip
CONTROL_FLOW: Final = Kind(
    "control flow",
    "A framework's way to end or repeat a task: never an outcome, no condition is met by it.",
    repeat=False, counts=False,
)  # fmt: skip
FINE: Final = Kind("fine", "No failure at all.", repeat=False, counts=False)

KINDS: Final = (
    NEVER_SENT, POOL_EXHAUSTED, TIMEOUT, TRANSIENT, THROTTLED, NOT_NOW, FAILED, PERMANENT, REJECTED,
    CONTROL_FLOW, FINE,
)  # fmt: skip
