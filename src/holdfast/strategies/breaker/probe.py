"""The permit of a trial call."""

from __future__ import annotations

from typing import Any, Self


class Probe(tuple[int, float]):  # noqa: SLOT001 - a tuple cannot have slots that are not empty
    """The permit of a trial call: (epoch, start), with a lease.  Equal to itself alone."""

    expires: float
    """The instant at which its place is given back."""
    aside: float = 0.0
    """Seconds since a stream's answer began to come: they are no part of its duration."""

    def __new__(cls, epoch: int, began: float, expires: float) -> Self:
        """Make a probe with its lease."""
        probe = super().__new__(cls, (epoch, began))
        probe.expires = expires
        return probe

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def answered(permit: Any, at: float, now: float, /) -> Any:
    """Return the permit of a stream whose answer began to come at ``at``: so long it took."""
    if type(permit) is Probe:
        permit.aside = now - at
    elif type(permit) is not int:
        permit = permit[0], permit[1] + now - at
    return permit
