"""The proxies that the environment names: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

A client that is given a transport no longer looks at them, so the transport must.
"""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass


def of_environment(scheme: str, host: str, port: int | None) -> str | None:
    """Return the URL of the proxy for an origin; None where there is none."""
    proxies = getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or proxy_bypass(host if port is None else f"{host}:{port}"):
        return None
    return found if "://" in found else f"http://{found}"
