"""One pipeline and one connection pool for each host, made when it is first met, bounded in number.

Above `limit` hosts the one that was used least recently goes, but never one that is in use, or whose
breaker is open or held by hand: forgetting it would let calls pass.  While there is none that may go,
there are more than `limit`.

The lock guards the order and the counts only; hosts are made, and closed, outside of it.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from holdfast._world import renew_after_fork
from holdfast.pipeline import Pipeline
from holdfast.strategies.breaker import CircuitBreaker

FORGETTABLE = ("closed", "half-open")

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Host(Generic[T]):
    """What belongs to one scheme, host and port."""

    origin: str
    pipeline: Pipeline
    inner: T
    """The client's own transport, with its connection pool."""
    repeating: Callable[[Any], Any]
    """The protected function, for requests that may be sent more than once, ..."""
    once: Callable[[Any], Any]
    """... and for those that may not, unless no connection came about; ..."""
    singly: Callable[[Any], Any] | None = None
    """... and for those of which only one can be under way at a time: their body is a file."""
    most: float = math.inf
    """How many attempts it makes in all, where that is known."""
    keyed: bool = True
    """Whether the pipeline is this host's own."""
    in_use: int = 0

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten without harm."""
        if self.in_use:
            return False
        breakers = (one for one in self.pipeline.strategies if isinstance(one, CircuitBreaker))
        return not self.keyed or all(one.state in FORGETTABLE for one in breakers)


class Hosts(Generic[T]):
    """The hosts of one transport, the least recently used first.  Thread- and task-safe."""

    def __init__(self, make: Callable[[Any], Host[T]], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        """Start afresh in a child process: the connections are the parent's."""
        self._lock = threading.RLock()  # a body's finaliser may come back here in the same thread
        self._hosts: OrderedDict[Hashable, Host[T]] = OrderedDict()

    def use(self, key: Hashable) -> tuple[Host[T], list[Host[T]]]:
        """Return the host of ``key``, in use until `release`, and those to close now."""
        with self._lock:
            host = self._hosts.get(key)
            if host is not None:
                self._hosts.move_to_end(key)
                host.in_use += 1
                return host, []
        made = self._make(key)
        with self._lock:
            host = self._hosts.setdefault(key, made)  # another thread may have been faster
            host.in_use += 1
            return host, self._surplus_locked()

    def of(self, key: Hashable) -> Host[T]:
        """Return the host of ``key``, made if need be, without using it; nobody has to go for it yet."""
        with self._lock:
            host = self._hosts.get(key)
        if host is not None:
            return host
        made = self._make(key)
        with self._lock:
            return self._hosts.setdefault(key, made)

    def release(self, host: Host[T]) -> None:
        """End one use of ``host``."""
        with self._lock:
            host.in_use -= 1

    def _surplus_locked(self) -> list[Host[T]]:
        gone: list[Host[T]] = []
        surplus = len(self._hosts) - self._limit
        if surplus > 0:
            idle = (key for key, one in self._hosts.items() if one.idle)
            gone = [self._hosts.pop(key) for key in list(islice(idle, surplus))]
        return gone

    def clear(self) -> list[Host[T]]:
        """Forget all, and return them, to be closed."""
        with self._lock:
            gone = list(self._hosts.values())
            self._hosts.clear()
        return gone

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the state of each host as plain data, by its origin."""
        with self._lock:
            hosts = list(self._hosts.values())
        return {one.origin: {"in_use": one.in_use, **one.pipeline.snapshot()} for one in hosts}

    def __len__(self) -> int:
        return len(self._hosts)
