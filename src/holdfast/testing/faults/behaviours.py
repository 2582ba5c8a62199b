"""What a `FaultServer` does with a request, as frozen values.

Three of them end a connection, and differ in what the client gets to see: `Reset` (RST: an error at
once), `Close` (FIN: an end, perhaps too early) and `Vanish` (nothing at all, for ever).  Each says after
which part of the exchange: see `After`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Literal

from holdfast import _validate
from holdfast.testing.faults._headers import Headers, check_retry_after, checked, octets, pairs
from holdfast.testing.faults._shown import Shown

After = Literal["accept", "request", "headers", "body", "reply"] | int
"""A point of the exchange: the connection was accepted and nothing is read; the request was read in
full; the headers of the reply were sent; half of its body; that many bytes of its body; all of it."""

POINTS = ("accept", "request", "headers", "body", "reply")


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Behaviour(Shown):
    """What all behaviours have in common.

    Args:
        takes: seconds from the request (or from the connection, after ``"accept"``) to the first byte
            or fault.
        jitter: up to so many seconds are added or taken away at random, by the server's seed.
        times: for so many requests in a row.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    takes: float = 0.0
    jitter: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        _validate.count("times", self.times)
        self._set(
            takes=_validate.seconds("takes", self.takes, positive=False),
            jitter=_validate.seconds("jitter", self.jitter, positive=False),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Reply(Behaviour):
    """A whole and correct reply.

    ``Content-Length`` is added, unless ``headers`` have it or ``Transfer-Encoding``; nothing else is.

    Args:
        status: 200 to 999.
        body: bytes, or text that is sent in UTF-8.
        headers: a mapping, or pairs where a name occurs twice.
        retry_after: for ``Retry-After``: seconds, an aware datetime, or text to be sent as it is.
    """

    status: int = 200
    _: KW_ONLY
    body: bytes | str = b""
    headers: Headers = ()
    retry_after: float | datetime | str | None = None

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        _validate.count("status", self.status, low=200, high=999)
        check_retry_after(self.retry_after)
        self._set(headers=checked(pairs(self.headers)), body=octets(self.body))


SAMPLE = Reply(body=b"0123456789" * 10)
"""What is sent in part, or wrongly, where no reply is given: 100 bytes."""


@dataclass(frozen=True, slots=True, repr=False)
class _Ending(Behaviour):
    """A reply, up to a point of it.

    Args:
        after: the point: see `After`.
        of: the reply.
    """

    after: After = "request"
    _: KW_ONLY
    of: Reply = SAMPLE

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        size = len(self.of.body)
        if isinstance(self.after, int):
            _validate.count("after", self.after, low=0, high=size)
        else:
            _validate.one_of("after", self.after, POINTS)


@dataclass(frozen=True, slots=True, repr=False)
class Reset(_Ending):
    """The connection is reset: RST instead of FIN.  Clients see ECONNRESET."""


@dataclass(frozen=True, slots=True, repr=False)
class Close(_Ending):
    """The connection is closed in order, with FIN, though the reply may lack or be cut off.

    Args:
        half: only the direction to the client is closed, and whatever it sends is read for ever.
    """

    _: KW_ONLY
    half: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Vanish(_Ending):
    """The connection stays open for ever and nothing more is read or sent: the peer is gone.

    After ``"accept"`` it is a black hole: the operating system accepts, the server never reads.
    """


@dataclass(frozen=True, slots=True, repr=False)
class Trickle(Behaviour):
    """A reply that is sent little by little.

    Args:
        of: the reply.
        size: bytes that are sent at once.
        every: seconds between them.
        part: what trickles; the rest is sent at once.
    """

    of: Reply = SAMPLE
    _: KW_ONLY
    size: int = 1
    every: float = 0.05
    part: Literal["headers", "body", "all"] = "body"

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        _validate.count("size", self.size)
        _validate.one_of("part", self.part, ("headers", "body", "all"))
        self._set(every=_validate.seconds("every", self.every, positive=False))


@dataclass(frozen=True, slots=True, repr=False)
class WrongLength(Behaviour):
    """A reply whose ``Content-Length`` is wrong, on a connection that stays open.

    Args:
        by: bytes that it says too many (the client waits for them) or, below 0, too few (what is left
            over looks like the beginning of the next reply).
        of: the reply.
    """

    by: int = 10
    _: KW_ONLY
    of: Reply = SAMPLE

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        _validate.count("by", self.by, low=-len(self.of.body))
        if self.by == 0:
            raise _validate.refuse("by", self.by, "with 0 the length would be right")


@dataclass(frozen=True, slots=True, repr=False)
class Garbage(Behaviour):
    """Something that isn't HTTP, and then the end of the connection."""

    data: bytes = b"\x00\xff\x15\x03\x01 this is not HTTP \r\n\r\n"


@dataclass(frozen=True, slots=True, repr=False)
class Endless(Behaviour):
    """A body that does not end: chunks, and after ``limit`` bytes a close without the last chunk.

    Args:
        limit: bytes.
        size: bytes of a chunk.
        every: seconds between two of them.
    """

    _: KW_ONLY
    limit: int = 10_000_000
    size: int = 65_536
    every: float = 0.0

    def __post_init__(self) -> None:
        Behaviour.__post_init__(self)
        _validate.count("limit", self.limit)
        _validate.count("size", self.size)
        self._set(every=_validate.seconds("every", self.every, positive=False))
