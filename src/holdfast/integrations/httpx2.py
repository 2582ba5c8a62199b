"""Transports for httpx2: timeouts, retries, a breaker and a bulkhead for each host.

>>> client = httpx2.Client(transport=Transport())

Install it with the extra: ``pip install 'holdfast[httpx2]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from holdfast.integrations import _httpx_transport as implementation
from holdfast.integrations._extras import needs
from holdfast.integrations._httpx_kit import Kit
from holdfast.integrations.http import STATUSES, Repeat
from holdfast.pipeline import Pipeline

if TYPE_CHECKING:
    from datetime import timedelta

with needs("httpx2"):
    import httpx2

__all__ = ["AsyncTransport", "Transport"]

KIT = Kit(httpx2)
"""Ours: what the implementation needs of this module."""


class Transport(implementation.BlockingTransport, httpx2.BaseTransport):
    """For `httpx2.Client`; thread-safe.

    Each host (scheme, host and port) has a pipeline and a connection pool of its own, as large as its
    bulkhead.  Requests that may not be sent twice (see ``repeat``) go through the same pipeline, whose
    `Retry` then repeats only what was never sent.  Every timeout that the client asks for is cut to what
    is left of the deadline; those of the pipeline count as cooperative.

    An answer with one of ``statuses`` is an ``HTTPStatusError`` inside the pipeline, and a plain
    response for the caller.  Rejections and timeouts of ours are `httpx2.TransportError`s and
    `httpx2.TimeoutException`s, too.

    Args:
        pipeline: one for all hosts together, or a function that makes one for an origin such as
            ``"https://api.example.com"``; by default `holdfast.integrations.http.standard`.
        transport: the transport to wrap, for all hosts; by default an `httpx2.HTTPTransport` for each.
        connect: the longest time for making a connection, in seconds.
        statuses: which answers are failures: they are repeated where the request may be, and those
            that you add count for the breaker, too.
        repeat: which requests may be sent twice: a set of methods, or a function that takes the request
            and says so; by default the idempotent methods, and what has an ``Idempotency-Key``.  What
            was never sent, for no connection came about, may always be.
        idempotency_key: give requests that are not idempotent an ``Idempotency-Key``, one for each call,
            so that they may be sent twice: True for a random one, or a function that takes the request
            and returns it.  For servers that know the header.
        max_hosts: above this number, hosts that are idle and healthy are forgotten.
        options: ``trust_env=False`` to ignore the proxies that the environment names, and for each
            `httpx2.HTTPTransport`: ``http2``, ``verify``, ``proxy``, ``limits``, ...

    Raises:
        ConfigurationError: for a value outside its range.
    """

    _kit = KIT

    def __init__(
        self,
        pipeline: Pipeline | Callable[[str], Pipeline] | None = None,
        *,
        transport: httpx2.BaseTransport | None = None,
        connect: float | timedelta = implementation.CONNECT,
        statuses: Collection[int] = STATUSES,
        repeat: Repeat = None,
        idempotency_key: bool | Callable[[Any], str] = False,
        max_hosts: int = 1_000,
        **options: Any,
    ) -> None:
        super().__init__(
            pipeline, transport=transport, connect=connect, statuses=statuses, repeat=repeat,
            idempotency_key=idempotency_key, max_hosts=max_hosts, **options,
        )  # fmt: skip


class AsyncTransport(implementation.AsyncioTransport, httpx2.AsyncBaseTransport):
    """For `httpx2.AsyncClient`; the same as `Transport`, for the tasks of one event loop."""

    _kit = KIT

    def __init__(
        self,
        pipeline: Pipeline | Callable[[str], Pipeline] | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        connect: float | timedelta = implementation.CONNECT,
        statuses: Collection[int] = STATUSES,
        repeat: Repeat = None,
        idempotency_key: bool | Callable[[Any], str] = False,
        max_hosts: int = 1_000,
        **options: Any,
    ) -> None:
        super().__init__(
            pipeline, transport=transport, connect=connect, statuses=statuses, repeat=repeat,
            idempotency_key=idempotency_key, max_hosts=max_hosts, **options,
        )  # fmt: skip
