"""Results that nobody gets are handed to `discard`: connections are to be closed, leases given back."""

import asyncio

import pytest

from holdfast import ConfigurationError, Hedge, Pipeline, Retry, Timeout, backoff, on_result
from holdfast.events import AbandonedFinished
from tests.worlds.test_stop import REAL

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


class Connection:
    """Something that is open until it is closed."""

    def __init__(self, opened):
        opened.append(self)
        self.closed = 0

    def close(self):
        self.closed += 1


def still_open(opened):
    return [one for one in opened if not one.closed]


def test_a_retry_discards_what_it_repeats(world):
    """Each bad result but the one that stands."""
    opened = []

    @world.function
    async def connect():
        return Connection(opened)

    retry = Retry(
        4, on=on_result(lambda one: one is not opened[2 % len(opened)] or len(opened) < 3),
        backoff=backoff.constant(1.0), discard=Connection.close,
    )  # fmt: skip
    assert world.call(Pipeline("p", retry), connect) is opened[2]
    assert still_open(opened) == [opened[2]]


@asyncio_only
def test_a_hedge_discards_what_loses(world):
    """A hand-shake that can't be stopped half way ends with a connection all the same (Polly 1131)."""
    opened = []

    async def connect():
        try:
            await asyncio.sleep(3.0)
        except asyncio.CancelledError:
            pass
        return Connection(opened)

    got = world.call(Pipeline("p", Hedge(2.0, budget=None, discard=Connection.close)), connect)
    assert len(opened) == 2
    assert still_open(opened) == [got]


@asyncio_only
def test_a_hedge_discards_what_comes_when_its_caller_has_left(world):
    """Nobody gets the winner's result where the caller is cancelled while the losers end."""
    opened, begun = [], []

    async def connect():
        first = not begun
        begun.append(first)
        try:
            await asyncio.sleep(5.0 if first else 1.0)
        except asyncio.CancelledError:
            await asyncio.sleep(5.0)
        return Connection(opened)

    pipeline = Pipeline("p", Hedge(2.0, budget=None, discard=Connection.close))

    async def main():
        task = asyncio.ensure_future(pipeline.acall(connect))
        await asyncio.sleep(4.0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert world.run(main)
    assert [one.closed for one in opened] == [1]


def test_a_hedge_discards_bad_results(world):
    """What `on` takes for a failure, and another attempt has outdone."""
    opened = []

    @world.function
    async def connect():
        return Connection(opened)

    hedge = Hedge(
        9.0, on=on_result(lambda one: one is opened[0]), budget=None, discard=Connection.close
    )
    assert world.call(Pipeline("p", hedge), connect) is opened[1]
    assert still_open(opened) == [opened[1]]


def test_a_timeout_discards_what_comes_too_late_in_virtual_time(world):
    """In threads; in asyncio the function is cancelled, and what it returns all the same is returned."""
    opened = []

    @world.function
    async def connect():
        try:
            await world.sleep(0.5)
        finally:
            if world.name == "threads":
                world.advance(1.0)
        return Connection(opened)

    pipeline = Pipeline("p", Timeout(1.0, sync="thread", discard=Connection.close))
    if world.name == "asyncio":
        assert world.call(pipeline, connect) is opened[0]
        assert still_open(opened) == opened
        return
    with pytest.raises(TimeoutError):
        world.call(pipeline, connect)
    assert [one.closed for one in opened] == [1]


@pytest.mark.parametrize(
    "strategy",
    [
        Timeout(0.01, sync="thread", discard=Connection.close),
        Timeout.adaptive(ceiling=0.01, floor=0.01, sync="thread", discard=Connection.close),
        Hedge(0.01, budget=None, discard=Connection.close),
    ],
    ids=["timeout", "adaptive timeout", "hedge"],
)
def test_a_worker_that_is_late_discards_its_result(strategy):
    """A real worker thread can't be stopped, so its connection comes late (Polly 1171, Kevlar 336)."""
    import threading

    opened, leave, late = [], threading.Event(), threading.Event()
    lock = threading.Lock()

    def connect():
        with lock:
            slow = not opened
            opened.append(None)
        if slow:
            leave.wait(REAL)
        made = Connection([])
        if slow:
            opened[0] = made
        return made

    def told(event):
        if isinstance(event, AbandonedFinished):
            late.result, late.error = event.result, event.error
            late.set()

    from holdfast.events import subscribe

    with subscribe(told):
        outcome = Pipeline("p", strategy).try_call(connect)
        assert outcome.ok is isinstance(strategy, Hedge)
        leave.set()
        assert late.wait(REAL)
    assert (late.result, late.error) == (opened[0], None)
    deadline = threading.Event()
    while not opened[0].closed:
        deadline.wait(0.01)
    assert opened[0].closed == 1
    if outcome.ok:
        assert outcome.unwrap().closed == 0


def test_a_late_error_is_told():
    """With the event of the worker that was left alone (bpo-37658)."""
    import threading

    leave, late = threading.Event(), threading.Event()

    def fail():
        leave.wait(REAL)
        raise ValueError("late")

    from holdfast.events import subscribe

    def told(event):
        if isinstance(event, AbandonedFinished):
            late.error = event.error
            late.set()

    with subscribe(told):
        Pipeline("p", Timeout(0.01, sync="thread")).try_call(fail)
        leave.set()
        assert late.wait(REAL)
    assert isinstance(late.error, ValueError)


@pytest.mark.parametrize("make", [lambda it: Timeout(1.0, discard=it), lambda it: Hedge(discard=it),
                                  lambda it: Timeout.adaptive(discard=it)])  # fmt: skip
def test_discard_must_be_a_plain_function(make):
    """Nobody would await another one."""

    async def later(result): ...

    with pytest.raises(ConfigurationError, match="discard="):
        make(later)
