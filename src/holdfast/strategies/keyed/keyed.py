"""`Keyed`: a strategy for each host, shard or tenant, so that one of them cannot fail the others.

One breaker over a sharded dependency turns one dead shard into a full outage; a breaker for each finds
the dead one by itself.  Each key's strategy is made when the key is first met, and forgotten again:
after ``idle`` seconds without use, or, when ``max_keys`` are there and another one comes, the least
recently used first (`table` says how).  Never forgotten is one that a call is inside of, or that
is *busy*: an open breaker, a bulkhead with calls in flight, a rate limiter in debt.  It says so itself,
by a method ``busy(now)``.  Where all are busy, further keys share one strategy, the *overflow*: so a
million keys of an attacker cost the memory of ``max_keys``.  A key that gets its own while calls of it
are in the overflow has, until they end, what both admit.

The parent is a breaker for the case that most keys fail at once.  It is no part of a call's way while
it is closed: what trips it is the share of the recently used keys that are open, so one dead shard never
does, however many of the calls go there.  Open, it rejects the calls of all keys, new ones too; its
probes are the only calls whose outcomes it hears.

`Keys` finds, makes and drops them.  Under its lock run no factories, no strategies and no listeners; of
the user's code only the ``__eq__`` and ``__hash__`` of keys, when one comes or goes, as in
`functools.lru_cache`.

One file because it is the gate alone: what it does with keys is in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast.shapes import NOWHERE, Arguments, Instead, Keywords, Site, Wait
from holdfast.strategies.breaker import CircuitBreaker, Probe
from holdfast.strategies.keyed.answer import behind, rewrapped, waited
from holdfast.strategies.keyed.by_key import ByKey
from holdfast.strategies.keyed.child import no_gate, report, tell_full
from holdfast.strategies.keyed.keys import FULL, Keys
from holdfast.strategies.keyed.maker import Maker, is_strategy_class
from holdfast.strategies.keyed.table import Entry

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.strategies.keyed.lanes import Step

PASSING = ("closed", "ramping")
"""The states in which the parent lets calls pass without looking at their outcomes."""

WORST = 5
"""How many open keys a snapshot shows."""


class Keyed(ByKey):
    """Guard each key with a strategy of its own.

    An identity: share one instance between pipelines to share the state of its keys.  Thread- and
    task-safe; one instance serves threads and any number of event loops.

    Args:
        key: takes the call's arguments and returns what tells its calls apart; hashable.
        factory: makes a key's strategy: a class, which is called without arguments, or a function
            of the key.  Gates (CircuitBreaker, Bulkhead, RateLimiter, ...) and strategies with steps
            of their own (adaptive timeouts, Hedge, Coalesce) can be keyed; values need not be.
        max_keys: how many keys to keep; further ones take the place of the least recently used.
        idle: seconds without use after which a key is forgotten.
        parent: a breaker that rejects all keys while most of them are open.
        parent_share: it opens when this share, in (0, 1], of the recently used keys is open, ...
        parent_min_keys: ... and at least so many are.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range; (on calls) for a key that is not hashable,
            or a factory that makes something that cannot be keyed.
    """

    __slots__ = ("_key", "_make", "_parent", "resting")
    kind = "keyed"
    timed = True

    def __init__(
        self,
        key: Callable[..., Hashable],
        factory: Callable[[Any], Any] | type[object],
        *,
        max_keys: int = 10_000,
        idle: float | timedelta = 600.0,
        parent: CircuitBreaker | None = None,
        parent_share: float = 0.5,
        parent_min_keys: int = 5,
        name: str | None = None,
    ) -> None:
        if is_strategy_class(key):
            raise _validate.refuse(
                "key",
                key,
                "the function that takes the call's arguments comes first: Keyed(key, factory)",
            )
        _validate.plain_callable("key", key)
        self._make = Maker(factory, alone=parent is None)
        limit = _validate.count("max_keys", max_keys)
        idle = _validate.seconds("idle", idle)
        if parent is not None and not isinstance(parent, CircuitBreaker):
            raise _validate.refuse("parent", parent, "it must be a CircuitBreaker or None")
        least = _validate.count("parent_min_keys", parent_min_keys)
        quorum = least, _validate.share("parent_share", parent_share)
        self._key = key
        self._parent = parent
        self._keys = Keys(key, self._make, limit, idle, None if parent is None else quorum)
        self.resting: Any = None  # never: the key is to be asked for
        super().__init__(name)

    def _after_fork(self) -> None:
        """Start afresh: whoever is inside lives in the parent process."""
        self._keys.renew()

    @property
    def makes(self) -> str:
        """What kind of strategy each key gets; empty while only the factory knows."""
        return self._make.kind

    def joined(self, pipeline: str) -> None:
        """Note that a pipeline uses this strategy, and so the strategies of its keys."""
        super().joined(pipeline)
        children = [entry.child for entry in list(self._keys.table.entries.values())]
        self._make.joined(self._pipelines, children)
        if self._parent is not None:
            self._parent.joined(pipeline)

    def _met(self, args: Arguments, kwargs: Keywords, now: float) -> Entry:
        """Return the entry of a call's key, which is used now."""
        return self._used(self._key(*args, **kwargs), now)

    def _used(self, key: Hashable, now: float) -> Entry:
        """Return the entry of a key, which is used now."""
        entry = self._keys.meet(key, now)
        if self._keys.untold:
            self._tell_news(now)
        return entry

    def _tell_news(self, now: float) -> None:
        """Tell what has become of other keys while one was met."""
        for what in self._keys.news():
            if what is FULL:
                tell_full(self.title, self._keys.table.limit)
            else:
                self._tell("KeyDropped", at=now, key=what[0], reason=what[1])

    # -- the gate ------------------------------------------------------------------------------

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site = NOWHERE, /) -> Any:
        """Answer as the key's strategy does, below the parent."""
        parent = self._parent
        if parent is not None and parent.resting is None:
            return self._enter_below(parent, now, args, kwargs, site)
        keys = self._keys  # as `_met` does, in place: it is the way of each call
        entry = keys.meet(self._key(*args, **kwargs), now)
        if keys.untold:
            self._tell_news(now)
        try:
            permit = entry.child.resting
        except AttributeError:
            raise no_gate(entry.child) from None
        if permit is None:
            permit = self._ask(entry, now, args, kwargs, site)
            if type(permit) is Wait:
                return rewrapped(permit, entry, None)
        return entry, permit, None

    def succeeded(self, held: Any, now: float, result: Any, /) -> None:
        """Tell the key's strategy, and the parent where the call was its probe."""
        entry, permit, probe = held
        try:
            if permit is not entry.child.resting:
                entry.child.succeeded(permit, now, result)
        finally:
            try:
                if entry.failing:
                    self._keys.recovered(entry, now)
            finally:
                if probe is not None:
                    self._probed(probe, now, result)

    def failed(self, held: Any, now: float, error: Exception, /) -> None:
        """Tell the key's strategy, and the parent where the call was its probe."""
        entry, permit, probe = held
        try:
            entry.child.failed(permit, now, error)
        finally:
            parent, reason = self._parent, None
            try:
                reason = self._keys.troubled(entry, now)
            finally:
                if parent is not None and probe is not None:
                    parent.failed(probe, now, error)
            if (
                parent is not None
                and probe is None
                and reason is not None
                and parent.state in PASSING
            ):
                parent.trip(reason, now=now)

    def follows(self, held: Any, /) -> bool:
        """Return whether the key's strategy wants to see a stream's last item."""
        tell = getattr(held[0].child, "follows", None)
        return tell is not None and tell(held[1])

    def answered(self, held: Any, at: float, now: float, /) -> Any:
        """Tell the key's strategy, and the parent, that a stream's answer began to come at ``at``."""
        entry, permit, probe = held
        tell = getattr(entry.child, "answered", None)
        if tell is not None:
            permit = tell(permit, at, now)
        if probe is not None and self._parent is not None:
            probe = self._parent.answered(probe, at, now)
        return entry, permit, probe

    def abandoned(self, held: Any, now: float, /) -> None:
        """Tell the key's strategy, and the parent, that a call has no outcome."""
        entry, permit, probe = waited(held)
        try:
            entry.child.abandoned(permit, now)
        finally:
            self._give_back(probe, now)

    def woken(self, held: Any, now: float, /) -> Any:
        """Ask the key's strategy whether a call whose turn has come may start."""
        entry, permit, _ = waited(held)
        ask = getattr(entry.child, "woken", None)
        return None if ask is None else ask(permit, now)

    def expired(self, held: Any, now: float, /) -> Any:
        """Ask the key's strategy what to do about a wait that was too long."""
        entry, permit, probe = waited(held)
        error: Any = True  # until it has said otherwise
        try:
            error = entry.child.expired(permit, now)
        finally:
            if error is not None:
                self._give_back(probe, now)
        return error

    def _ask(self, entry: Entry, now: float, args: Arguments, kwargs: Keywords, site: Site) -> Any:
        permit = None
        try:
            permit = entry.child.enter(now, args, kwargs, site)
        finally:
            if permit is None and not entry.failing:
                self._keys.noticed(entry)
        return permit

    def _enter_below(
        self, parent: CircuitBreaker, now: float, args: Arguments, kwargs: Keywords, site: Site
    ) -> Any:
        """Enter where the parent wants to be asked: it is open, or half-open, or has a window."""
        probe = parent.enter(now, args, kwargs, site)
        if not isinstance(probe, Probe):
            parent.abandoned(probe, now)
            probe = None
        permit = None
        try:
            entry = self._met(args, kwargs, now)
            permit = self._ask(entry, now, args, kwargs, site)
        finally:
            if permit is None:
                self._give_back(probe, now)
        if type(permit) is not Wait:
            return entry, permit, probe
        if type(permit.permit) is Instead:
            self._give_back(probe, now)
        return rewrapped(permit, entry, probe)

    def _give_back(self, probe: Any, now: float) -> None:
        if probe is not None and self._parent is not None:
            self._parent.abandoned(probe, now)

    def _probed(self, probe: Any, now: float, result: Any) -> None:
        """Tell the parent that its probe succeeded."""
        parent = self._parent
        if parent is None:
            return
        parent.succeeded(probe, now, result)
        if parent.state in PASSING:
            self._keys.forgive()  # what the keys' breakers remember is older than this

    @staticmethod
    def behind(held: Any) -> Any:
        """Return the gate behind what a call holds."""
        return behind(held)

    # -- other shapes --------------------------------------------------------------------------

    def attach(self, driver: ModuleType, inner: Step, runtime: Any, site: Site) -> Step:
        """Return the step of this layer: a gate's, or a step for each key (see `Lanes`)."""
        gated: Step = driver.gated(runtime.overseen(self, site), inner, runtime, site)
        make = self._make
        if make.attaches is False:
            return gated
        from holdfast.strategies.keyed.lanes import Lanes

        lanes = Lanes(self._met, self._keys, driver, inner, runtime, site)

        def step(args: Arguments, kwargs: Keywords) -> Any:
            if make.attaches is False:
                return gated(args, kwargs)
            return lanes.step(args, kwargs, gated)

        return step

    def holder(self, args: Arguments, kwargs: Keywords) -> Any:
        """Return the key's bulkhead, for abandoned workers to hold; None if it is none."""
        child = self.get(self._key(*args, **kwargs))
        return child if hasattr(child, "hold") else None

    # -- people --------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data: how many keys there are, and the worst few."""
        keys = self._keys
        broken, overflow = keys.broken(), keys.overflow
        return {
            "strategy": self.kind, "name": self.name, "keys": len(self),
            "max_keys": keys.table.limit, "idle": keys.idle, "open": len(broken),
            "worst": {str(entry.key): report(entry.child) for entry in broken[:WORST]},
            "evicted": keys.evicted, "overflowed": keys.overflowed,
            "overflow": None if overflow is None else report(overflow.child),
            "parent": None if self._parent is None else self._parent.snapshot(),
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Keyed{name} {len(self)} keys, {len(self._keys.open)} open>"
