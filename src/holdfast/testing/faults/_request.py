"""What a client sent, as HTTP/1.1."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast._world import now
from holdfast.testing.faults._stream import Stream

END_OF_HEAD = b"\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a server got.

    Attributes:
        method: such as ``"GET"``.
        path: without the query.
        query: what follows the ``?``; empty if there is none.
        headers: by name in lower case; those of one name are joined with a comma.
        body: all of it, chunks put together.
        at: the instant at which it had been read, on the clock in force (`VirtualClock`, too).
        closes: whether the client wants the connection to be closed after it.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    at: float
    closes: bool


async def read_request(stream: Stream) -> Request:
    """Read one request in full.

    Raises:
        EOFError: the connection ended before.
        ValueError: it is no HTTP.
    """
    method, target, version, headers = parse(await stream.until(END_OF_HEAD))
    if headers.get("expect", "").lower() == "100-continue":
        await stream.send(GO_ON)
    body = await _body(stream, headers)
    path, _, query = target.partition("?")
    wish = headers.get("connection", "").lower()
    closes = "close" in wish or (version == "HTTP/1.0" and "keep-alive" not in wish)
    return Request(method, path, query, headers, body, now(), closes)


def parse(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Return method, target, version and headers."""
    first, *lines = head.removesuffix(END_OF_HEAD).decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004 - of a request line
        raise ValueError(f"{first!r} is no request line of HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"{line!r} is no header")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    method, target, version = parts
    return method, target, version, headers


async def _body(stream: Stream, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await stream.exactly(int(headers.get("content-length", "0")))
    chunks: list[bytes] = []
    while size := int((await stream.until(b"\r\n")).partition(b";")[0], 16):
        chunks.append((await stream.exactly(size + 2))[:-2])
    while await stream.until(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(chunks)
