"""What a limiter remembers of single calls, and of the parties they belong to.

The parties are after `AbstractPartitionedLimiter` of Netflix' concurrency-limits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from math import inf
from typing import Any, Self

from holdfast import _validate
from holdfast._rounding import SHARE, reached
from holdfast.shapes import Arguments, Keywords, Ticket


class Party:
    """One of those who share a limit; the limiter's lock guards the count."""

    __slots__ = ("in_flight", "share")

    def __init__(self, share: float) -> None:
        self.share: float = share
        self.in_flight: int = 0

    def guaranteed(self, limit: float) -> bool:
        """Return whether one more call is within its own share, which is at least one call."""
        return reached(max(1.0, self.share * limit), self.in_flight + 1)


class Permit(Ticket):
    """The permit of a call that is more than a plain sample; that of a plain one is its start.

    It is the ticket, too, of a call that waits: from the grant on it is a permit.
    """

    __slots__ = ("answered", "party", "place", "rank", "sample", "started")

    def __init__(self, started: float, party: Party | None, *, sample: bool, rank: int = 1) -> None:
        self.granted = True
        self.over = False
        self.started: float = started
        """The instant of its grant; that of its arrival, while it waits."""
        self.answered: float = inf
        """The instant at which a stream's answer began to come: what follows is no latency."""
        self.party: Party | None = party
        self.sample: bool = sample
        self.rank: int = rank
        """Its class: 0 is the most important."""

    def wait(self) -> None:
        """Get ready to wait; few calls have to, and they can afford it."""
        super().__init__()
        self.place: int = 0
        """Its number, in the order of arrival."""


def admitted(now: float, party: Party | None, *, sample: bool) -> Any:
    """Return the permit of a call that has come in, and count it to its party."""
    permit = now if sample and party is None else Permit(now, party, sample=sample)
    if party is not None:
        party.in_flight += 1
    return permit


class Partitions:
    """The parties of a limiter, by key; never changes."""

    __slots__ = ("_key", "parties")

    def __init__(self, key: Callable[..., Hashable], shares: Mapping[Any, float]) -> None:
        self._key = key
        self.parties: dict[Any, Party] = {one: Party(share) for one, share in shares.items()}

    @classmethod
    def of(
        cls, key: Callable[..., Hashable] | None, shares: Mapping[Any, float] | None
    ) -> Self | None:
        """Return the partitions that two options mean, or None where neither was given."""
        if key is None and shares is None:
            return None
        if key is None or not isinstance(shares, Mapping) or not shares:
            raise _validate.refuse(
                "shares", shares, "partition= and shares= belong together: partition=by_tenant, "
                "shares={'ours': 0.8, 'theirs': 0.2}",
            )  # fmt: skip
        _validate.plain_callable("partition", key)
        for one, share in shares.items():
            _validate.share(f"shares[{one!r}]", share)
        if sum(shares.values()) > 1 + SHARE:
            raise _validate.refuse("shares", shares, "together they must be at most 1")
        return cls(key, shares)

    def find(self, args: Arguments, kwargs: Keywords) -> Party | None:
        """Return whose call it is; None for anybody without a share.  Calls the user's function."""
        return self.parties.get(self._key(*args, **kwargs))

    def clear(self) -> None:
        """Start afresh: nobody is inside."""
        for party in self.parties.values():
            party.in_flight = 0
