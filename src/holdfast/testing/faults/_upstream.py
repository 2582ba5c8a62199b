"""Where a proxy's traffic goes: an address, in the ways that people have it."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from holdfast._validate import refuse

PORTS = {"http": 80, "https": 443, "redis": 6379, "postgresql": 5432, "postgres": 5432}
ALLOWED = (
    "it must be 'host:port', a URL with a port, a pair (host, port), or a FaultServer that runs"
)


class HasUrl(Protocol):
    """Such as a `FaultServer`."""

    @property
    def url(self) -> str: ...


Upstream = str | tuple[str, int] | HasUrl


class Target:
    """An upstream's address, and how its URL reads with another one in its place."""

    def __init__(self, upstream: Upstream) -> None:
        if isinstance(upstream, tuple):
            host, port = upstream
            text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        else:
            text = upstream if isinstance(upstream, str) else str(getattr(upstream, "url", ""))
        self._parts = urlsplit(text if "//" in text else f"tcp://{text}")
        self.address: tuple[str, int] = self._address(upstream)

    def _address(self, upstream: object) -> tuple[str, int]:
        try:
            port = self._parts.port or PORTS.get(self._parts.scheme)
        except ValueError:
            port = None
        if not self._parts.hostname or not port:
            raise refuse("upstream", upstream, ALLOWED)
        return self._parts.hostname, port

    def url_at(self, host: str, port: int) -> str:
        """Return the URL of the upstream as if it were there."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}{at}{host}:{port}").geturl()
