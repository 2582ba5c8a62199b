"""Losers of hedges: the watcher cuts what they wait for, and what then comes is no outcome."""

import socket
import threading
import time

import pytest

from holdfast import CircuitBreaker, Coalesce, Fallback, Hedge, Pipeline, Retry, backoff
from holdfast._cut import under_cut
from tests.cut.conftest import ended, in_thread, until

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.filterwarnings("ignore::holdfast.errors.CompositionWarning"),
]


class Shop:
    """The first one asked sends half of an answer and hangs; others answer at once."""

    def __init__(self):
        self.asked = 0
        self.ends = []
        self.down = False
        self._kept = []
        self._lock = threading.Lock()

    def ask(self):
        """Return what comes until the connection ends, as a body without a length."""
        if self.down:
            raise ConnectionError
        with self._lock:
            self.asked += 1
            number = self.asked
        here, there = socket.socketpair()
        self._kept.append(there)
        there.send(b"half" if number == 1 else b"whole")
        if number != 1:
            there.close()
        body = b""
        try:
            while got := here.recv(100):
                body += got
            if body == b"half":
                self.fail()
        finally:
            self.ends.append(body)
            here.close()
        return body

    def close(self):
        """Hang up."""
        for one in self._kept:
            one.close()

    def fail(self):
        """Take half of an answer for a whole one, as clients do that know no length."""


class Strict(Shop):
    """Its client knows better."""

    def fail(self):
        """Raise what clients raise."""
        raise ConnectionError("half an answer")


@pytest.fixture
def shop():
    """Return one whose client believes anything."""
    made = Shop()
    yield made
    made.close()


@pytest.fixture
def strict():
    """Return one whose client knows better."""
    made = Strict()
    yield made
    made.close()


@pytest.fixture(params=["one pipeline", "two pipelines"])
def hedged(request):
    """Return what puts a layer inside of a hedge: of its own pipeline, or around another one's call."""

    def make(layer, ask):
        hedge = Hedge(0.05, budget=None)
        if request.param == "one pipeline":
            return Pipeline("hedged", hedge, layer)(ask)
        return Pipeline("hedged", hedge)(Pipeline("inner", layer)(ask))

    return make


def test_a_breaker_hears_nothing_of_it(hedged, strict):
    """It was our cut that made it fail."""
    breaker = CircuitBreaker(failures=1)
    assert hedged(breaker, strict.ask)() == b"whole"
    until(lambda: len(strict.ends) == 2)
    until(lambda: not under_cut)
    assert breaker.state == "closed"


def test_a_retry_makes_no_further_attempt(hedged, strict):
    """Nobody waits for it."""
    retry = Retry(5, on=ConnectionError, backoff=backoff.constant(0))
    assert hedged(retry, strict.ask)() == b"whole"
    until(lambda: len(strict.ends) == 2)
    time.sleep(0.05)
    assert strict.asked == 2


def test_half_an_answer_is_no_good_copy(hedged, shop):
    """A fallback that serves the last good answer would serve it for hours."""
    ask = hedged(Fallback.stale(60.0), shop.ask)
    assert ask() == b"whole"
    until(lambda: len(shop.ends) == 2)
    until(lambda: not under_cut)
    shop.down = True
    assert ask() == b"whole"


def test_half_an_answer_is_not_shared(shop):
    """Who shares a flight with a loser gets an answer of its own."""
    inner = Pipeline("inner", Coalesce(lambda: 1))(shop.ask)
    hedge = Hedge(0.1, budget=None)
    outer = Pipeline("outer", hedge)
    first = [True]

    def ask():
        if first:
            first.clear()
            return inner()
        return shop.ask()

    racing = in_thread(outer.call, ask)
    until(lambda: shop.asked == 1)
    follower = in_thread(inner)
    assert ended(racing) == b"whole"
    assert ended(follower) == b"whole"


def test_the_next_job_of_its_worker_is_none_of_its_business(shop):
    """The mark of the cut goes with the job."""
    ask = Pipeline("hedged", Hedge(0.05, budget=None))(shop.ask)
    assert ask() == b"whole"
    until(lambda: len(shop.ends) == 2)
    for _ in range(20):
        assert ask() == b"whole"
    assert not under_cut
