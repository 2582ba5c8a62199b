"""What travels through a simulation, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Request:
    """What one user asked for, with all the attempts that are made at it.

    It is the one argument of the protected function, so that a policy's ``key``, ``cost`` or
    ``priority`` can look at it.

    Attributes:
        number: 0, 1, 2, ... in the order of arrival.
        arrived: when, in seconds since the beginning.
        client: the number of the process that makes the call.
        key: which host, tenant or item it is for.
        work: how long a worker of full speed needs for it, in seconds.
        shard: which server has that key; the key's own number by default.
        priority: ``"critical"``, ``"default"`` or ``"sheddable"``.
        attempts: how many have been made so far.
    """

    __slots__ = ("arrived", "attempts", "client", "key", "number", "priority", "shard", "work")

    def __init__(
        self,
        number: int,
        arrived: float,
        client: int,
        key: int,
        work: float,
        *,
        shard: int | None = None,
        priority: str = "default",
    ) -> None:
        self.number: int = number
        self.arrived: float = arrived
        self.client: int = client
        self.key: int = key
        self.work: float = work
        self.shard: int = key if shard is None else shard
        self.priority: str = priority
        self.attempts: int = 0


Target = Callable[[Request], Awaitable[None]]
"""The call of a client, unprotected or protected."""

Decorator = Callable[[Target], Target]
"""What protects it: a pipeline, or any decorator of an async function."""


class ServerError(ConnectionError):
    """The server answered that it can't: what HTTP calls a 503.

    Attributes:
        retry_after: when to come again, in seconds, if the server said so.
    """

    retry_after: float | None = None


class Conflict(ServerError):
    """Another request has written the same row since the work began: what HTTP calls a 412."""


class Refused(ConnectionRefusedError):
    """Nobody listens there."""


class TooLate(Exception):
    """The answer came when the user had lost patience."""
