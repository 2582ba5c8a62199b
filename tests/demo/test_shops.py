"""The two shops, in the test's own process and without sockets: their pages are plain functions."""

import asyncio
import inspect
import warnings

import httpx
import pytest

from holdfast.demo import shop_async, shop_sync
from holdfast.demo.answers import DONE, Answer
from holdfast.demo.protection import Protection
from holdfast.demo.settings import Settings
from holdfast.demo.shop import Figures, Setup
from holdfast.testing.faults import FaultServer, Vanish


def setup(*, protected, payments="http://payments/", speed=5.0):
    return Setup(
        settings=Settings(speed=speed),
        protected=protected,
        payments=payments,
        notifications="http://notes/",
    )


class Services:
    """What answers instead of the services, with a status or a response; an exception is raised."""

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
        return answer if isinstance(answer, httpx.Response) else httpx.Response(answer)


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


@pytest.mark.parametrize("failure", [httpx.ConnectError("no"), 503])
@pytest.mark.parametrize("path", ["/pay", "/notify"])
def test_with_protection_one_failure_is_tried_again(open_shop, path, failure):
    """The second attempt succeeds, with the same key: the user sees nothing, and nobody pays twice."""
    services = Services(failure, 200)
    _, ask = open_shop(services, protected=True)

    assert ask(path) == (200, "ok", "")
    assert len(services.timeouts) == 2
    assert len(services.keys) == 1


def test_two_orders_have_two_keys(open_shop):
    """The same user may buy the same thing twice."""
    services = Services(200)
    _, ask = open_shop(services, protected=True)
    ask("/pay")
    ask("/pay")

    assert len(services.keys) == 2


def test_with_protection_a_refused_request_is_not_tried_again(open_shop):
    """A status that says that the request is wrong stays wrong."""
    services = Services(400, 200)
    _, ask = open_shop(services, protected=True)

    assert ask("/pay") == (502, "failed", "HTTPStatusError")
    assert len(services.timeouts) == 1


def test_with_protection_a_service_is_asked_again_when_it_says(open_shop):
    """A ``Retry-After`` beyond all that a payment may take: there is no second attempt."""
    services = Services(httpx.Response(503, headers={"Retry-After": "60"}), 200)
    _, ask = open_shop(services, protected=True)

    assert ask("/pay") == (502, "failed", "HTTPStatusError")
    assert len(services.timeouts) == 1


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


@pytest.fixture
def open_sync_shop(monkeypatch):
    """Make the sync shop's pages, over scripted services."""

    def make(services, *, protected):
        plan = setup(protected=protected)
        monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(services))
        return shop_sync.routes(plan, Figures(plan.protection()))

    return make


@pytest.mark.parametrize("path", ["/pay", "/notify"])
def test_the_sync_shops_clients_are_the_same(open_sync_shop, path):
    """The protected one has no timeout either: nothing is asked of a client."""
    services = Services(200)
    for protected in (False, True):
        open_sync_shop(services, protected=protected)[path]()

    assert services.timeouts == [None, None]


@pytest.mark.parametrize("path", ["/pay", "/notify"])
def test_the_sync_shops_differ_by_decorators(open_sync_shop, path):
    """What stands below them is the same code."""
    bare, held = (open_sync_shop(Services(200), protected=one)[path] for one in (False, True))

    assert inspect.unwrap(held).__code__ is inspect.unwrap(bare).__code__
    assert not hasattr(bare, "pipeline")


@pytest.mark.real_time
@pytest.mark.parametrize("after", ["request", "headers", "body"])
def test_the_protected_sync_shop_leaves_a_service_that_hangs(after):
    """Wherever it hangs, the call is cut in its own thread, and made once more with the same key."""
    with FaultServer(Vanish(after)) as server:
        plan = setup(protected=True, payments=server.url, speed=2.0)
        figures = Figures(plan.protection())
        answer = shop_sync.routes(plan, figures)["/pay"]()
        keys = [request.headers["idempotency-key"] for request in server.requests]

    assert answer == Answer(202, "fallback", "AttemptTimeout")
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert figures()["payments"] == 0


def test_the_pipelines_are_in_a_sound_order():
    """Holdfast itself has nothing to object to them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        protection = Protection(Settings(), "http://payments/", "http://notes/")

    assert protection.states() == {"payments": "closed", "notifications": "closed"}
    assert protection.page.call(lambda: DONE) == Answer(200, "ok")
    assert protection.pipeline_of("http://payments") is protection.payments
    assert protection.pipeline_of("http://notes") is protection.notifications
