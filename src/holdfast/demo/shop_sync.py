"""The sync shop: a WSGI application on a fixed pool of threads, with one ``httpx.Client``.

The unprotected and the protected shop differ by decorators, and by nothing else.

``python -m holdfast.demo.shop_sync SETUP`` where SETUP is `Setup.to_json`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.demo.answers import DONE, NOT_FOUND, Answer, failed
from holdfast.demo.serving import listen, settled
from holdfast.demo.shop import Figures, Setup, idempotent
from holdfast.demo.wire import Wire

if TYPE_CHECKING:
    from holdfast.demo.protection import Protection

F = TypeVar("F")
Headers = dict[str, str]
Call = Callable[[Headers], None]
Route = Callable[[], Answer]
Decorator = Callable[[Call], Call]
PageDecorator = Callable[[Route], Route]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def undecorated(function: F) -> F:
    """Return the function as it is."""
    return function


def decorators(protection: Protection | None) -> tuple[Decorator, Decorator, PageDecorator]:
    """All that the two shops differ by: what stands above the calls of the services, and a page."""
    if protection is None:
        return undecorated, undecorated, undecorated
    return protection.payments, protection.notifications, protection.page


def routes(setup: Setup, figures: Figures) -> dict[str, Route]:
    """The shop's two pages."""
    import httpx

    from holdfast.demo.counted import Counted, gauges

    counts = gauges({setup.payments: figures.payments, setup.notifications: figures.notifications})
    limits = httpx.Limits(max_connections=setup.settings.connections)
    # No timeout, with protection or without: what `requests` does by default, and what every client
    # does whose author switched the timeout off because a call "sometimes takes longer". Nothing
    # here stands between the client and its sockets but what counts, in both shops.
    client = httpx.Client(
        transport=Counted(httpx.HTTPTransport(limits=limits), counts),
        timeout=None,  # noqa: S113 - the point
    )
    payments, notifications, page = decorators(figures.protection)

    # An error status is raised inside, where a retry and a breaker can judge it. The headers come
    # from outside: each attempt of a call has the same key, so that it may be made twice.
    @payments
    def charge(headers: Headers) -> None:
        client.post(setup.payments, headers=headers).raise_for_status()

    @notifications
    def send(headers: Headers) -> None:
        client.post(setup.notifications, headers=headers).raise_for_status()

    @page
    def pay() -> Answer:
        charge(idempotent())
        return DONE

    def notify() -> Answer:
        send(idempotent())
        return DONE

    return {"/pay": pay, "/notify": notify}


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
