"""Who waits for a limiter: a line for each class of each party, in the order of arrival.

All of one line fit, or none: so to find who comes next it is enough to look at the first of each.
"""

from __future__ import annotations

from collections import OrderedDict

from holdfast.strategies.concurrency.partitions import Party, Permit


class Waiting:
    """Permits that are not granted yet.  Not locked: the limiter's lock guards it."""

    __slots__ = ("_joined", "_lines")

    def __init__(self) -> None:
        self._lines: dict[tuple[int, Party | None], OrderedDict[Permit, None]] = {}
        self._joined = 0

    def __len__(self) -> int:
        return sum(map(len, list(self._lines.values())))

    def has(self, rank: int, party: Party | None) -> bool:
        """Return whether anybody of that class and party waits."""
        return bool(self._lines.get((rank, party)))

    def join(self, permit: Permit) -> None:
        """Let somebody wait."""
        self._joined += 1
        permit.place = self._joined
        self._lines.setdefault((permit.rank, permit.party), OrderedDict())[permit] = None

    def leave(self, permit: Permit) -> None:
        """Take somebody out, who may have left already."""
        line = self._lines.get((permit.rank, permit.party))
        if line is not None:
            line.pop(permit, None)

    def heads(self) -> list[Permit]:
        """Return the first of each line: the more important before others, then by arrival."""
        firsts = [next(iter(line), None) for line in list(self._lines.values())]
        heads = [permit for permit in firsts if permit is not None]
        if len(heads) > 1:
            heads.sort(key=lambda permit: (permit.rank, permit.place))
        return heads
