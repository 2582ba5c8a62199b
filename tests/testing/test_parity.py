"""What virtual time shows is what real threads do: the same calls, in both, at a scale of 1 to 25."""

import socket
import threading
import time

import pytest

from holdfast import Bulkhead, CircuitBreaker, Fallback, Pipeline, Retry, Timeout, backoff, deadline
from holdfast.testing import VirtualClock, record

SCALE = 0.04
"""How long a virtual second is in real time, in seconds."""


def simple(unit):
    return Pipeline("parity", Timeout(2 * unit))


def per_attempt(unit):
    pause = backoff.constant(unit)
    return Pipeline("parity", Fallback("later"), Retry(2, backoff=pause), Timeout(2 * unit))


def total(unit):
    return Pipeline("parity", Timeout(2 * unit), Retry(None, backoff=backoff.constant(unit / 2)))


def both(unit):
    pause = backoff.constant(unit / 4)
    return Pipeline("parity", Timeout(5 * unit), Retry(None, backoff=pause), Timeout(3 * unit))


def breaker_outside(unit):
    return Pipeline("parity", CircuitBreaker(failures=1), Timeout(2 * unit))


def compartment(unit):
    return Pipeline("parity", Bulkhead(1), Timeout(2 * unit))


def compartment_with_queue(unit):
    return Pipeline("parity", Bulkhead(1, queue=1, max_wait=30 * unit), Timeout(2 * unit))


def cooperative(unit):
    return Pipeline("parity", Timeout(2 * unit, sync="cooperative"))


def on_a_socket(seconds):
    """Wait for an answer that comes after so many seconds: what a sleep on the clock stands for."""
    here, there = socket.socketpair()
    with here, there:
        answer = threading.Timer(seconds, there.send, [b"!"])
        answer.daemon = True
        answer.start()
        here.recv(1)
        answer.cancel()


def story(sleep, unit, layout, limit):
    """Make two calls that sleep for four seconds, each with a deadline, and tell how they ended."""
    pipeline = layout(unit)
    told = []

    def slow():
        sleep(4 * unit)
        return "slow"

    for _ in range(2):
        try:
            with deadline(limit * unit):
                told.append(pipeline.call(slow))
        except Exception as error:
            told.append(type(error).__name__)
    return told


@pytest.mark.real_time
@pytest.mark.parametrize(
    "limit",
    [
        2,
        1000,
    ],
)
def test_a_wait_in_a_queue_that_is_cut_is_the_same(limit):
    """A call whose time, or whose caller's time, runs out in a queue ends alike in both."""

    def ends(unit):
        bulkhead = Bulkhead(1, queue=1)
        pipeline = Pipeline("waiter", Timeout(4 * unit), bulkhead)
        with Pipeline("holder", bulkhead), deadline(limit * unit):
            try:
                return pipeline.call(lambda: "never reached")
            except Exception as error:
                return type(error).__name__

    real = ends(SCALE)
    with VirtualClock():
        assert ends(1.0) == real


@pytest.mark.real_time
@pytest.mark.parametrize(
    "layout, limit",
    [
        (simple, 1000),
        (simple, 1.5),
        (per_attempt, 1000),
        (total, 1000),
        (both, 1000),
        (both, 1.5),
        (breaker_outside, 1000),
        (compartment, 1000),
        (compartment_with_queue, 1000),
        (compartment_with_queue, 1.5),
        (cooperative, 1.5),
    ],
)
def test_virtual_and_real_threads_tell_the_same_story(layout, limit):
    """Results, errors and events are the same, in the same order."""
    with record() as real_events:
        real = story(on_a_socket, SCALE, layout, limit)
    with VirtualClock() as clock, record() as virtual_events:
        virtual = story(clock.sleep, 1.0, layout, limit)
    assert virtual == real
    assert told(virtual_events) == told(real_events)
    settle()


def told(events):
    """Return the names of the events; not of those that a worker tells, whenever it comes to it.

    Workers that other tests have abandoned may still tell theirs: they are of other pipelines.
    """
    ours = [event for event in events if event.pipeline == "parity"]
    return [type(one).__name__ for one in ours if type(one).__name__ != "AbandonedFinished"]


def settle():
    """Let the real workers that were abandoned end, so that they don't disturb other tests."""
    from holdfast.extend import worker_pool

    limit = time.monotonic() + 5.0
    while worker_pool().snapshot()["abandoned"] and time.monotonic() < limit:
        threading.Event().wait(SCALE)
