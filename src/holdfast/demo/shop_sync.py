"""The sync shop: a WSGI application on a fixed pool of threads, with one ``httpx.Client``.

``python -m holdfast.demo.shop_sync SETUP`` where SETUP is `Setup.to_json`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from holdfast.demo.answers import DONE, NOT_FOUND, Answer, failed
from holdfast.demo.serving import listen, settled
from holdfast.demo.shop import Figures, Setup, idempotent
from holdfast.demo.wire import Wire

Route = Callable[[], Answer]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def routes(setup: Setup, figures: Figures) -> dict[str, Route]:
    """The shop's two pages."""
    import httpx

    from holdfast.demo.counted import Counted, gauges
    from holdfast.integrations.httpx import Transport

    counts = gauges({setup.payments: figures.payments, setup.notifications: figures.notifications})
    limits = httpx.Limits(max_connections=setup.settings.connections)
    plain = Counted(httpx.HTTPTransport(limits=limits), counts)
    protection = figures.protection
    # Without protection there is no timeout at all: what `requests` does by default, and what every
    # client does whose author switched the timeout off because a call "sometimes takes longer".
    client = httpx.Client(
        transport=Transport(protection.pipeline_of, transport=plain) if protection else plain,
        timeout=None,  # noqa: S113 - the point
    )

    def pay() -> Answer:
        reply = client.post(setup.payments, headers=idempotent())
        reply.raise_for_status()
        return DONE

    def notify() -> Answer:
        reply = client.post(setup.notifications, headers=idempotent())
        reply.raise_for_status()
        return DONE

    return {"/pay": protection.page(pay) if protection else pay, "/notify": notify}


def application(
    pages: dict[str, Route], figures: Figures
) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """The WSGI application."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        with figures.workers:
            page = pages.get(environ["PATH_INFO"])
            try:
                answer = page() if page else NOT_FOUND
            except Exception as error:  # noqa: BLE001 - whatever it is, the user gets an answer
                answer = failed(error)
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", answer.headers)
        return [b""]

    return application


def main(setup: Setup) -> None:
    """Serve until the story ends."""
    logging.getLogger("waitress").setLevel(logging.ERROR)
    wire = Wire()
    listener = listen(wire)
    wire.hear(lambda _: None)
    figures = Figures(setup.protection())
    server = application(routes(setup, figures), figures)
    wire.report(figures)

    import waitress

    settled()
    waitress.serve(server, sockets=[listener], threads=setup.settings.threads)


if __name__ == "__main__":
    main(Setup.from_json(sys.argv[1]))
