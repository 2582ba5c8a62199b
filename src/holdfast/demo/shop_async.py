"""The async shop: a Starlette application on uvicorn, with one ``httpx.AsyncClient``.

``python -m holdfast.demo.shop_async SETUP`` where SETUP is `Setup.to_json`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from holdfast.demo.answers import DONE, NOT_FOUND, Answer, failed
from holdfast.demo.gauge import Gauge
from holdfast.demo.serving import listen, serve
from holdfast.demo.shop import Figures, Setup, idempotent
from holdfast.demo.wire import Wire

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Route = Callable[[], Awaitable[Answer]]


def routes(setup: Setup, figures: Figures) -> dict[str, Route]:
    """The shop's two pages."""
    import httpx

    from holdfast.demo.counted import AsyncCounted, gauges
    from holdfast.integrations.httpx import AsyncTransport

    counts = gauges({setup.payments: figures.payments, setup.notifications: figures.notifications})
    limits = httpx.Limits(max_connections=setup.settings.connections)
    plain = AsyncCounted(httpx.AsyncHTTPTransport(limits=limits), counts)
    protection = figures.protection
    # Without protection there is no timeout at all: what `requests` does by default, and what every
    # client does whose author switched the timeout off because a call "sometimes takes longer".
    client = httpx.AsyncClient(
        transport=AsyncTransport(protection.pipeline_of, transport=plain) if protection else plain,
        timeout=None,  # noqa: S113 - the point
    )

    async def pay() -> Answer:
        reply = await client.post(setup.payments, headers=idempotent())
        reply.raise_for_status()
        return DONE

    async def notify() -> Answer:
        reply = await client.post(setup.notifications, headers=idempotent())
        reply.raise_for_status()
        return DONE

    return {"/pay": protection.page(pay) if protection else pay, "/notify": notify}


def application(pages: dict[str, Route], figures: Figures) -> ASGIApp:
    """The ASGI application."""
    from starlette.responses import Response

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        with figures.workers:
            page = pages.get(scope["path"])
            try:
                answer = await page() if page else NOT_FOUND
            except Exception as error:  # noqa: BLE001 - whatever it is, the user gets an answer
                answer = failed(error)
        await Response(status_code=answer.status, headers=dict(answer.headers))(
            scope, receive, send
        )

    return application


def main(setup: Setup) -> None:
    """Serve until the story ends."""
    wire = Wire()
    listener = listen(wire)
    wire.hear(lambda _: None)
    figures = Figures(setup.protection())
    app = application(routes(setup, figures), figures)
    wire.report(figures)
    serve(app, listener, Gauge())


if __name__ == "__main__":
    main(Setup.from_json(sys.argv[1]))
