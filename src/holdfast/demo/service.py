"""A service that the shop depends on: answers after a fixed time, or hangs when it is told to.

``python -m holdfast.demo.service SECONDS HANG`` where both are real seconds per call.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from holdfast.demo.gauge import Gauge
from holdfast.demo.serving import listen, serve
from holdfast.demo.wire import Wire

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Service:
    """One service: `seconds` per call while it is healthy, `hang` while it isn't."""

    def __init__(self, seconds: float, hang: float) -> None:
        self._seconds = seconds
        self._hang = hang
        self._hanging = False
        self.sockets: Gauge = Gauge()
        self.calls: Gauge = Gauge()

    def obey(self, command: Mapping[str, Any]) -> None:
        """Hang or heal. A call that already hangs goes on hanging, as it would in a real service."""
        self._hanging = bool(command["hang"])

    async def answer(self, _request: Request) -> Response:
        """The one endpoint."""
        from starlette.responses import PlainTextResponse

        with self.calls:
            await asyncio.sleep(self._hang if self._hanging else self._seconds)
        return PlainTextResponse("done")

    def figures(self) -> dict[str, int]:
        """For the story's view and report."""
        return {
            "sockets": self.sockets.now,
            "sockets_peak": self.sockets.peak,
            "calls": self.calls.now,
        }


def main(seconds: float, hang: float) -> None:
    """Serve until the story ends."""
    service, wire = Service(seconds, hang), Wire()
    listener = listen(wire)
    wire.hear(service.obey)
    wire.report(service.figures)

    from starlette.applications import Starlette
    from starlette.routing import Route

    app = Starlette(routes=[Route("/", service.answer, methods=["POST"])])
    serve(app, listener, service.sockets)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
