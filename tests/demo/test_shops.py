"""The two shops, in the test's own process and without sockets: their pages are plain functions."""

import asyncio
import warnings

import httpx
import pytest

from holdfast.demo import shop_async, shop_sync
from holdfast.demo.answers import DONE, Answer
from holdfast.demo.protection import Protection
from holdfast.demo.settings import Settings
from holdfast.demo.shop import Figures, Setup


def setup(*, protected):
    return Setup(
        settings=Settings(speed=5.0),
        protected=protected,
        payments="http://payments/",
        notifications="http://notes/",
    )


class Services:
    """What answers instead of the services; an exception is raised."""

    def __init__(self, *script):
        self.script = list(script)
        self.timeouts = []
        self.keys = set()

    def __call__(self, request):
        self.timeouts.append(request.extensions["timeout"]["read"])
        self.keys.add(request.headers["idempotency-key"])
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)


class Sync:
    """The sync shop's WSGI application."""

    transport, module = "HTTPTransport", shop_sync

    @staticmethod
    def get(app, path):
        heard = {}
        body = app(
            {"PATH_INFO": path},
            lambda status, headers: heard.update(status=status, **dict(headers)),
        )
        assert b"".join(body) == b""
        return int(heard["status"].split()[0]), heard["x-outcome"], heard["x-why"]


class Async:
    """The async shop's ASGI application."""

    transport, module = "AsyncHTTPTransport", shop_async

    @staticmethod
    def get(app, path):
        async def request():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as user:
                return await user.get(path)

        answer = asyncio.run(request())
        return answer.status_code, answer.headers["x-outcome"], answer.headers["x-why"]


@pytest.fixture(params=[Sync, Async])
def world(request):
    return request.param


@pytest.fixture
def open_shop(world, monkeypatch):
    """Make the application, its figures and a way to ask it, over scripted services."""

    def make(services, *, protected):
        plan = setup(protected=protected)
        monkeypatch.setattr(httpx, world.transport, lambda **_: httpx.MockTransport(services))
        figures = Figures(plan.protection())
        pages = world.module.routes(plan, figures)
        monkeypatch.undo()
        app = world.module.application(pages, figures)
        return figures, lambda path: world.get(app, path)

    return make


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("path", ["/pay", "/notify"])
def test_in_calm_both_shops_do_what_is_asked(open_shop, path, protected):
    """Both pages answer 200, protected or not."""
    figures, ask = open_shop(Services(200), protected=protected)

    assert ask(path) == (200, "ok", "")
    assert figures()["workers"] == 0
    assert figures()["workers_peak"] == 1


@pytest.mark.parametrize("protected", [False, True])
def test_an_unknown_page(open_shop, protected):
    """404, in both."""
    _, ask = open_shop(Services(200), protected=protected)

    assert ask("/nowhere")[0] == 404


def test_without_protection_there_is_no_timeout(open_shop):
    """Without a limit httpx waits for ever, as the report says."""
    services = Services(200)
    _, ask = open_shop(services, protected=False)
    ask("/pay")

    assert services.timeouts == [None]


def test_without_protection_a_failure_reaches_the_user(open_shop):
    """502, with the name of what happened."""
    _, ask = open_shop(Services(httpx.ConnectError("no")), protected=False)

    assert ask("/pay") == (502, "failed", "ConnectError")


def test_with_protection_one_failure_is_tried_again(open_shop):
    """The second attempt succeeds, with the same meaning: the user sees nothing."""
    services = Services(httpx.ConnectError("no"), 200)
    _, ask = open_shop(services, protected=True)

    assert ask("/pay") == (200, "ok", "")
    assert len(services.timeouts) == 2


def test_with_protection_payments_fall_back(open_shop):
    """While the service fails, payments are queued; once the breaker is open, without a call."""
    services = Services(httpx.ReadTimeout("hangs"))
    figures, ask = open_shop(services, protected=True)
    answers = [ask("/pay") for _ in range(6)]
    calls = len(services.timeouts)

    assert answers[0] == (202, "fallback", "ReadTimeout")
    assert ask("/pay") == (202, "fallback", "CircuitOpenError")
    assert len(services.timeouts) == calls
    assert figures()["breakers"] == {"payments": "open", "notifications": "closed"}


def test_with_protection_a_notification_fails_openly(open_shop):
    """A notification has no fallback: its failure is told as one."""
    _, ask = open_shop(Services(httpx.ConnectError("no")), protected=True)

    assert ask("/notify") == (502, "failed", "ConnectError")


def test_the_sync_shop_gives_httpx_what_is_left(monkeypatch):
    """Its per-attempt timeout reaches the socket, for nobody can interrupt a blocking call."""
    services = Services(200)
    plan = setup(protected=True)
    monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(services))
    shop_sync.routes(plan, Figures(plan.protection()))["/pay"]()

    (timeout,) = services.timeouts
    assert 0.0 < timeout <= 0.12


def test_the_pipelines_are_in_a_sound_order():
    """Holdfast itself has nothing to object to them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        protection = Protection(Settings(), "http://payments/", "http://notes/")

    assert protection.states() == {"payments": "closed", "notifications": "closed"}
    assert protection.page.call(lambda: DONE) == Answer(200, "ok")
    assert protection.pipeline_of("http://notes").name == "notifications"
