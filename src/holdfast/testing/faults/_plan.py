"""A behaviour as what is done on a socket, in order: numbers in, bytes out, and no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from http import HTTPStatus

from holdfast.testing.faults._headers import octets, pairs, retry_after
from holdfast.testing.faults.behaviours import (
    Behaviour,
    Close,
    Endless,
    Garbage,
    Reply,
    Reset,
    Trickle,
    Vanish,
    WrongLength,
)


class End(Enum):
    """What becomes of the connection."""

    KEEP = auto()
    CLOSE = auto()
    HALF_CLOSE = auto()
    RESET = auto()
    VANISH = auto()


Action = bytes | float | End
"""Send these bytes; pause for so many seconds; or, last, end like this."""

BODILESS = (204, 304)


def plan(behaviour: Behaviour, *, method: str = "GET", closes: bool = False) -> Iterator[Action]:
    """Yield what to do about a request; the `End` comes last.

    Args:
        behaviour: what is wanted.
        method: of the request, for an answer to HEAD has no body.
        closes: whether the client wants no further exchange on the connection.
    """
    end = End.CLOSE if closes else End.KEEP
    match behaviour:
        case Reply():
            yield b"".join(message(behaviour, method, closes=closes))
        case Trickle():
            head, body = message(behaviour.of, method, closes=closes)
            yield from _trickled(behaviour, head, body)
        case WrongLength():
            head, body = message(behaviour.of, method, closes=closes, off_by=behaviour.by)
            yield head + body
        case Reset() | Close() | Vanish():
            head, body = message(behaviour.of, method, closes=closes)
            yield from _first(behaviour, head, body)
            end = _end(behaviour)
        case Garbage():
            yield behaviour.data
            end = End.CLOSE
        case Endless():
            yield from _endless(behaviour, method)
            end = End.CLOSE
        case _:
            raise TypeError(f"{behaviour!r} is no behaviour of a FaultServer")
    yield end


def message(
    reply: Reply, method: str = "GET", *, closes: bool = False, off_by: int = 0
) -> tuple[bytes, bytes]:
    """Return the head and the body of a reply as they are sent."""
    body, headers = octets(reply.body), pairs(reply.headers)
    names = [name.lower() for name, _ in headers]
    if reply.retry_after is not None:
        headers.append(("Retry-After", retry_after(reply.retry_after)))
    framed = "content-length" in names or "transfer-encoding" in names
    if not framed and reply.status not in BODILESS:
        headers.append(("Content-Length", str(len(body) + off_by)))
    if closes:
        headers.append(("Connection", "close"))
    silent = method == "HEAD" or reply.status in BODILESS
    return _head(reply.status, headers), b"" if silent else body


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in _KNOWN else ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


_KNOWN = frozenset(status.value for status in HTTPStatus)


def _first(behaviour: Reset | Close | Vanish, head: bytes, body: bytes) -> Iterator[Action]:
    match behaviour.after:
        case "accept" | "request":
            return
        case "headers":
            yield head
        case "body":
            yield head + body[: len(body) // 2]
        case "reply":
            yield head + body
        case count:
            yield head + body[:count]


def _end(behaviour: Reset | Close | Vanish) -> End:
    if isinstance(behaviour, Close):
        return End.HALF_CLOSE if behaviour.half else End.CLOSE
    return End.RESET if isinstance(behaviour, Reset) else End.VANISH


def _trickled(behaviour: Trickle, head: bytes, body: bytes) -> Iterator[Action]:
    if behaviour.part == "body":
        yield head
        yield from _drops(behaviour, body)
    elif behaviour.part == "headers":
        yield from _drops(behaviour, head)
        yield body
    else:
        yield from _drops(behaviour, head + body)


def _drops(behaviour: Trickle, data: bytes) -> Iterator[Action]:
    for start in range(0, len(data), behaviour.size):
        if start:
            yield behaviour.every
        yield data[start : start + behaviour.size]


def _endless(behaviour: Endless, method: str) -> Iterator[Action]:
    yield _head(200, [("Transfer-Encoding", "chunked")])
    left = 0 if method == "HEAD" else behaviour.limit
    while left:
        size = min(behaviour.size, left)
        yield b"%x\r\n%b\r\n" % (size, b"x" * size)
        left -= size
        if behaviour.every:
            yield behaviour.every
