"""Who is inside a limiter, who waits, and how many may be inside.

The calls in flight are counted by the length of a list, which CPython changes atomically with and
without the GIL: below three quarters of the limit, where everybody may enter, nobody takes the lock.
It guards who enters above that, and who waits:

* A caller that finds no room joins the queue under the lock, then looks for room once more.
* A caller that makes room looks, after that, whether somebody waits.

Whichever comes first, one of the two sees the other, so no wake-up is lost.  With anybody waiting,
nobody passes without the lock.

What is given back in the middle of a section of its own thread is put aside: see `aside`.
"""

from __future__ import annotations

from typing import Any

from holdfast._rounding import SHARE
from holdfast.criticality import CLASSES
from holdfast.errors import ConcurrencyLimitedError
from holdfast.shapes import Wait
from holdfast.strategies.aside import Queueing
from holdfast.strategies.concurrency.lasting import Lasting
from holdfast.strategies.concurrency.partitions import Partitions, Party, Permit, admitted
from holdfast.strategies.concurrency.waiting import Waiting
from holdfast.strategies.options import Option

SHEDDABLE = 0.75
"""The part of the limit that sheddable calls may fill."""


class Crowd(Queueing):
    """A gate with a limit that moves; what finds the limit is its subclass."""

    __slots__ = (
        "_inside", "_judges", "_lasting", "_limit", "_max_wait", "_open", "_partitions", "_queue",
        "_reserve", "_rest_until", "_slow", "_waiting",
    )  # fmt: skip
    queue: Option[int | None] = Option(None)
    """How many may wait; those who wait already stay."""
    max_wait: Option[float | None] = Option()
    reserve: Option[float] = Option()
    _queue: float
    _max_wait: float | None
    _reserve: float
    _judges: bool
    _lasting: Lasting | None
    _partitions: Partitions | None

    def _empty(self, limit: float) -> None:
        self._nobody_inside()
        self._inside: list[None] = []
        self._waiting = Waiting()
        self._rest_until = 0.0
        if self._partitions is not None:
            self._partitions.clear()
        self._learnt_locked(limit)

    def _learnt_locked(self, limit: float) -> None:
        self._limit = limit
        looks = self._contended or self._partitions is not None
        self._open = 0 if looks else int(limit * SHEDDABLE) or int(limit)
        """So many in flight are open to everybody, without a further look."""
        self._slow = self._contended or self._judges or limit < 1

    # -- coming in -----------------------------------------------------------------------------

    def _admit(self, now: float, rank: int, party: Party | None) -> Any:
        """Return a permit or a place in the queue; None where there is room in neither."""
        waits = not self._aside.inside()  # who would wake it stands still meanwhile
        with self._lock:
            permit: Any = None
            self._inside.append(None)
            try:
                if self._has_room_locked(now, rank, party) and not self._waiting.has(rank, party):
                    permit = admitted(now, party, sample=self._is_sample_locked())
                    return permit
            finally:
                if permit is None:
                    del self._inside[-1:]
            waits = waits and self._limit >= 1 and not self._shadow
            if waits and len(self._waiting) < self._queue:
                permit = self._join_locked(now, rank, party)
        if self._contended:  # somebody may have left who saw nobody wait, or us inside
            self._look(now)
        if permit is None or permit.granted:
            return permit
        return Wait(permit, self._max_wait, permit)

    def _join_locked(self, now: float, rank: int, party: Party | None) -> Permit:
        permit = Permit(now, party, sample=False, rank=rank)
        permit.wait()
        try:
            self._waiting.join(permit)
            self._note_locked()
        except RecursionError:  # nobody will come for it
            self._aside.append(permit)
            raise
        return permit

    def _overdraw(self, now: float, party: Party | None) -> Any:
        """Return the permit of a call that shadow mode lets in, beyond the limit."""
        with self._lock:
            self._inside.append(None)
            permit = admitted(now, party, sample=False)
        if self._contended:
            self._look(now)
        return permit

    def _has_room_locked(self, now: float, rank: int, party: Party | None) -> bool:
        """Return whether there is room for somebody who has been counted in already."""
        in_flight = len(self._inside)
        if self._limit < 1:
            return in_flight == 1 and now >= self._rest_until
        ceiling = self._ceiling(rank)
        return in_flight <= ceiling or (party is not None and party.guaranteed(ceiling))

    def _ceiling(self, rank: int) -> float:
        if rank == 0:
            return self._limit / (1 - self._reserve) + SHARE
        return self._limit if rank == 1 else max(1.0, self._limit * SHEDDABLE)

    def _is_sample_locked(self) -> bool:
        return len(self._inside) <= max(1, int(self._limit))

    # -- those who wait ------------------------------------------------------------------------

    def _take_back_locked(self, permit: Permit, _now: float) -> None:
        if not permit.granted:
            self._waiting.leave(permit)
        elif not permit.over:
            permit.over = True
            self._count_out_locked(permit.party)
            if self._lasting is not None:
                self._lasting.ended(permit.started)

    def _grant_locked(self, now: float) -> Permit | None:
        """Let in the next for whom there is room, and count the latency from now on."""
        self._note_locked()  # first: there may be no stack for it after the grant
        while True:
            before = len(self._inside)
            for permit in self._waiting.heads():
                if self._let_in_locked(permit, now):
                    return permit
            if len(self._inside) >= before:  # nobody has left who saw no room because of us
                return None

    def _let_in_locked(self, permit: Permit, now: float) -> bool:
        """Grant a waiter, if there is room for it.  Whatever this raises, it waits or it is inside."""
        let_in = False
        self._inside.append(None)
        try:
            if not self._has_room_locked(now, permit.rank, permit.party):
                return False
            sample = self._is_sample_locked()
            self._waiting.leave(permit)
            let_in = permit not in self._aside  # its caller may have left just now
        finally:
            if not let_in:
                del self._inside[-1:]
        if not let_in:
            return False
        if permit.party is not None:
            permit.party.in_flight += 1
        permit.started, permit.sample = now, sample
        permit.granted = True
        return True

    def _count_out_locked(self, party: Party | None) -> None:
        del self._inside[-1:]  # no pop(), which might fail
        if party is not None and party.in_flight > 0:
            party.in_flight -= 1

    def expired(self, permit: Any, now: float, /) -> ConcurrencyLimitedError | None:
        """Leave the queue after a wait that was too long; None if granted meanwhile.

        It passes where a rest has ended in the meantime, about which nobody is told; and in shadow
        mode, switched on while somebody waited, beyond the limit.
        """
        if type(permit) is not Permit:
            return None
        with self._lock:
            if permit.granted:
                return None
            self._waiting.leave(permit)
            self._note_locked()
            self._inside.append(None)
            room = self._has_room_locked(now, permit.rank, permit.party)
            waited, permit.started = now - permit.started, now
            if room or self._shadow:
                permit.granted = True
                permit.sample = room and self._is_sample_locked()
                if permit.party is not None:
                    permit.party.in_flight += 1
            else:
                del self._inside[-1:]
        if self._contended:  # as in `_admit`
            self._look(now)
        if room:
            return None
        self._noted(enforced=not permit.granted)
        error = self._refusal(permit.rank, now, f"; its turn did not come within {waited:.3g} s")
        if permit.granted:
            self._tell("CallRejected", at=now, error=error, enforced=False)
            return None
        return error

    def _note_locked(self) -> None:
        contended = len(self._waiting) > 0
        if contended != self._contended:
            self._contended = contended
            self._learnt_locked(self._limit)
        if self._aside:
            self._contended = True

    # -- for people ----------------------------------------------------------------------------

    def _refusal(self, rank: int, now: float, more: str = "") -> ConcurrencyLimitedError:
        in_flight, rest = len(self._inside), self._rest_until - now if self._limit < 1 else 0.0
        waiting = f" and {self.waiting} wait" if self._contended else ""
        found = f"the limit found for {CLASSES[rank]} calls is {self._ceiling(rank):.3g}"
        return ConcurrencyLimitedError(
            f"{self._title} is at its limit: {in_flight} in flight{waiting}, and {found}{more}",
            strategy=self._title, retry_after=rest if rest > 0 else None,
        )  # fmt: skip

    @property
    def limit(self) -> float:
        """How many calls may be in flight, as far as is known."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many calls are inside now."""
        return len(self._inside)

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn now."""
        return len(self._waiting)

    def busy(self, _now: float) -> bool:
        """Return whether forgetting this limiter now would lose count of what is under way."""
        return bool(self._inside) or self._contended
