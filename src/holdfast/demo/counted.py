"""Transports that count what is under way at each dependency, in both runs alike.

They stand innermost, where a call holds a socket or waits for one.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from holdfast.demo.gauge import Gauge

Gauges = Mapping[str, Gauge]
"""By the dependency's host and port."""


def gauges(by_url: Mapping[str, Gauge]) -> Gauges:
    """Key gauges by what stands in the requests."""
    return {httpx.URL(url).netloc.decode(): gauge for url, gauge in by_url.items()}


class Counted(httpx.BaseTransport):
    """For the sync shop."""

    def __init__(self, inner: httpx.BaseTransport, gauges: Gauges) -> None:
        self._inner = inner
        self._gauges = gauges

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Count until the response's headers are there."""
        with self._gauges[request.url.netloc.decode()]:
            return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class AsyncCounted(httpx.AsyncBaseTransport):
    """For the async shop."""

    def __init__(self, inner: httpx.AsyncBaseTransport, gauges: Gauges) -> None:
        self._inner = inner
        self._gauges = gauges

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count until the response's headers are there."""
        with self._gauges[request.url.netloc.decode()]:
            return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
