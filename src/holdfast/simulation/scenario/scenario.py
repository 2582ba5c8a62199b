"""`Scenario`: what is simulated, as a value; `holdfast.simulation.files.files` reads it from TOML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from holdfast import _validate
from holdfast.errors import ConfigurationError
from holdfast.simulation.scenario.distributions import FORBID, Constant, Distribution
from holdfast.simulation.scenario.faults import Fault
from holdfast.simulation.scenario.load import Closed, Load

__all__ = ["Cache", "Clients", "Fault", "Network", "Scenario", "Servers"]

QUEUES = ("fifo", "lifo", "codel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A cache in front of a server's work, which fills as requests miss it.

    Requests spread evenly over ``items``, so the share of hits is ``hit_rate`` times the share of items
    that are stored; a miss stores one when its work is done.  An empty cache makes the work of a whole
    service heavier, until it has been done: a cache stampede.

    Args:
        items: how many there are to store.
        hit: how long a hit takes, at full speed.
        hit_rate: the share of requests that can be hits at all.
        warm: whether it is full in the beginning.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    items: int
    hit: Distribution
    hit_rate: float = 1.0
    warm: bool = True

    def __post_init__(self) -> None:
        _validate.count("items", self.items)
        _validate.share("hit_rate", self.hit_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The service that is called.

    Args:
        workers: how many requests each of them serves at once.
        service: how long one takes, at full speed.
        queue: which request is served first: ``"fifo"``, ``"lifo"``, or ``"codel"``: the oldest, but
            the newest while the queue stands, and those that wait too long are refused (Maurer, "Fail
            at Scale", ACM Queue 13(8), 2015).
        queue_limit: how many may wait; one more is refused with an error.
        queue_target: how long a request may wait in a queue that stands, in seconds; for ``"codel"``.
        queue_interval: how long it may wait otherwise, and how long a queue must not have been empty
            to stand.
        drop_abandoned: whether work that nobody waits for any more is dropped when its turn comes.
        error_rate: what share of requests is answered with an error, at once, even in health.
        cold_start: pairs of seconds and speed that a server goes through after a restart:
            ``[(5, 0.2), (5, 0.6)]``.
        cold: whether it begins so.
        cache: what spares it work.
        conflicts: whether each key is a row that requests update with optimistic locking: one whose row
            has been written by another since its work began gets a `Conflict`, which is a
            `ServerError`.
        shards: how many such servers there are, each with its own share of the keys.
        protect: makes the protection of one server: called with the scenario, as a policy's ``make``
            is, it returns a `Pipeline` or another decorator of an async function of one request, which
            is put around queue and work.
        propagate: whether a request brings its deadline and priority along, as headers do; for
            ``protect``, and for layers of clients, to see.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    workers: int
    service: Distribution
    queue: Literal["fifo", "lifo", "codel"] = "fifo"
    queue_limit: int | None = None
    queue_target: float = 0.005
    queue_interval: float = 0.1
    drop_abandoned: bool = False
    error_rate: float = 0.0
    cold_start: tuple[tuple[float, float], ...] = ()
    cold: bool = False
    cache: Cache | None = None
    conflicts: bool = False
    shards: int = 1
    protect: Callable[..., Any] | None = None
    propagate: bool = True

    def __post_init__(self) -> None:
        _validate.count("workers", self.workers)
        _validate.count("shards", self.shards)
        _validate.one_of("queue", self.queue, QUEUES)
        if self.queue_limit is not None:
            _validate.count("queue_limit", self.queue_limit, low=0)
        _validate.seconds_of(self, "queue_target")
        _validate.seconds_of(self, "queue_interval")
        _validate.number("error_rate", self.error_rate, low=0.0, high=1.0)
        for seconds, speed in self.cold_start:
            _validate.seconds("cold_start", seconds)
            _validate.number("cold_start", speed, low=0.0)
        if self.cold and not self.cold_start:
            raise _validate.refuse("cold", self.cold, "give cold_start=..., too: how it warms up")
        if self.protect is not None:
            _validate.plain_callable("protect", self.protect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What lies between clients and servers.

    Args:
        delay: of each message, one way; jitter is what this distribution has of it.
        reply_delay: of answers, where it differs.
        loss: the share of requests that are lost on the way: not served, and never answered.
        reply_loss: the share of answers that are lost: served, and the client never knows.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    delay: Distribution = field(default_factory=lambda: Constant(value=0.0))
    reply_delay: Distribution | None = None
    loss: float = 0.0
    reply_loss: float = 0.0

    def __post_init__(self) -> None:
        _validate.number("loss", self.loss, low=0.0, high=1.0)
        _validate.number("reply_loss", self.reply_loss, low=0.0, high=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The processes that call the service.

    Args:
        count: how many there are; each user comes to one of them, by chance.
        shared: whether all of them share one policy's state, as a fleet does through a store, or
            each has its own.
        attempt_timeout: how long a policy shall wait for one attempt, in seconds.
        patience: an answer that takes longer than this, in seconds, is of no use to the user, who is
            counted as failed, by the error `TooLate`; the call itself goes on.
        layers: how many services call each other, each through a policy of its own, before the
            servers are called; more than one shows what layered retries do.  Between them nothing
            travels but a deadline and a priority, see ``propagate``.
        keys: how many keys, hosts or tenants the requests are for; as many as shards by default.  Key
            ``k`` is on shard ``k % shards``.
        zipf: how unequal they are: the k-th key is asked for in proportion to 1 / k ** zipf; 0 for
            all alike.
        critical: the share of requests that are made in ``with priority("critical")``.
        sheddable: the share that are made in ``with priority("sheddable")``.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    count: int = 1
    shared: bool = False
    attempt_timeout: float = 1.0
    patience: float | None = None
    layers: int = 1
    keys: int | None = None
    zipf: float = 0.0
    critical: float = 0.0
    sheddable: float = 0.0

    def __post_init__(self) -> None:
        _validate.count("count", self.count)
        _validate.seconds_of(self, "attempt_timeout")
        _validate.seconds_of(self, "patience", optional=True)
        _validate.count("layers", self.layers)
        if self.keys is not None:
            _validate.count("keys", self.keys)
        _validate.number("zipf", self.zipf, low=0.0)
        _validate.number("critical", self.critical, low=0.0, high=1.0)
        _validate.number("sheddable", self.sheddable, low=0.0, high=1.0 - self.critical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A service, its clients, and what goes wrong; frozen.

    Args:
        name: a word, as in ``holdfast simulate NAME``.
        title: one sentence for people.
        story: a paragraph for people: what it shows, and what to look at.
        compare: the policies that ``holdfast simulate`` plays where it isn't told which.
        columns: the figures that tables have a column for, where others than the usual ones matter: as
            in "success", "critical" or "fault.p99", see `holdfast.simulation.runs.results.Figures`.
        seconds: how long users come; the run ends ``drain`` seconds later.
        load: when users come.
        servers: who serves them.
        clients: who calls for them.
        network: what lies between.
        faults: what goes wrong, in any order; those that overlap add up.
        drain: seconds in which the last users can still be served.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    name: str
    title: str = ""
    story: str = ""
    compare: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    seconds: float
    load: Load
    servers: Servers
    clients: Clients = field(default_factory=Clients)
    network: Network = field(default_factory=Network)
    faults: tuple[Fault, ...] = ()
    drain: float = 20.0

    def __post_init__(self) -> None:
        _validate.text("name", self.name)
        _validate.seconds_of(self, "seconds")
        _validate.seconds_of(self, "drain", positive=False)
        for key, names in (("compare", self.compare), ("columns", self.columns)):
            if type(names) is not tuple or any(type(name) is not str for name in names):
                raise _validate.refuse(key, names, "it must be a tuple of names")
        for number, fault in enumerate(self.faults):
            self._check(number, fault)

    def _check(self, number: int, fault: Fault) -> None:
        where, servers = f"faults[{number}]", self.servers
        if fault.at >= self.seconds:
            raise ConfigurationError(
                f"{where}: at={fault.at!r} is not allowed: users come for seconds={self.seconds!r} only"
            )
        if fault.shard is not None and fault.shard >= servers.shards:
            raise ConfigurationError(
                f"{where}: shard={fault.shard!r} is not allowed: there are {servers.shards} shards, "
                "counted from 0"
            )
        if fault.load is not None and isinstance(self.load, Closed):
            raise ConfigurationError(
                f"{where}: load={fault.load!r} is not allowed with a closed load: its users are counted"
            )
        if fault.restart and not servers.cold_start and servers.cache is None:
            raise ConfigurationError(
                f"{where}: restart=True is not allowed without servers.cold_start or servers.cache: "
                "it would change nothing"
            )
