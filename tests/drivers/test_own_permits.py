"""A call that waits for its own permit: an error, not a hang (redis-mutex 39, griptape 4469)."""

import asyncio
import sys
import threading

import pytest

from holdfast import (
    Bulkhead,
    Coalesce,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    Retry,
)
from holdfast.testing import VirtualClock

GATES = {
    "bulkhead": lambda: Bulkhead(1, queue=10),
    "two permits": lambda: Bulkhead(2, queue=10),
    "limiter": lambda: ConcurrencyLimiter(initial=1, min=1, max=1, queue=10),
    "keyed": lambda: Keyed(lambda *_: "one", lambda _key: Bulkhead(1, queue=10)),
}
each = pytest.mark.parametrize("make", GATES.values(), ids=GATES)
OWN = "this call would wait for ever: all that is in flight .* its own caller included"


async def enter_for_ever(pipeline):
    """Until all permits are out, and one more."""
    while True:
        await pipeline.__aenter__()


def enter_blocks_for_ever(pipeline):
    """The same, blocking."""
    while True:
        pipeline.__enter__()


@each
def test_a_function_that_calls_itself_is_told(make, balanced):
    """In threads: it would wait for the permit that it holds."""
    gate = make()
    pipeline = Pipeline("db", gate)

    @pipeline
    def nested(depth):
        return nested(depth - 1) if depth else "end"

    with pytest.raises(RuntimeError, match=OWN):
        nested(5)
    assert nested(0) == "end"


@each
def test_a_coroutine_that_calls_itself_is_told(make):
    """In asyncio, too."""
    pipeline = Pipeline("db", make())

    @pipeline
    async def nested(depth):
        return await nested(depth - 1) if depth else "end"

    async def main():
        with pytest.raises(RuntimeError, match=OWN):
            await nested(5)
        return await nested(0)

    assert asyncio.run(main()) == "end"


def test_two_pipelines_that_share_a_bulkhead_are_told():
    """What counts is the gate, not the pipeline; the message names the one that waits."""
    shared = Bulkhead(1, queue=10, name="connections")
    inner = Pipeline("inner", shared)
    with pytest.raises(RuntimeError, match=r"pipeline 'inner': .* bulkhead 'connections' \(1\)"):
        Pipeline("outer", shared).call(inner.call, lambda: "never")


def test_nobody_answers_in_its_place():
    """It passes the layers of its pipeline as an interruption does: no retry, no fallback."""
    shared = Bulkhead(1, queue=10)
    calls = []
    inner = Pipeline("inner", Fallback("masked"), Retry(3), shared)

    def outer():
        calls.append(1)
        return inner.call(lambda: "never")

    with pytest.raises(RuntimeError, match=OWN):
        Pipeline("outer", shared).call(outer)
    assert (calls, shared.in_flight, shared.waiting) == ([1], 0, 0)


def test_a_block_in_a_block_is_told():
    """``with pipeline:`` twice, and a call inside of a block."""
    pipeline = Pipeline("db", Bulkhead(1, queue=10))
    with pipeline, pytest.raises(RuntimeError, match=OWN), pipeline:
        pass
    with pipeline, pytest.raises(RuntimeError, match=OWN):
        pipeline.call(lambda: "never")


def test_a_block_that_holds_a_key_s_permit_is_told():
    """The permit is that of the key's own bulkhead."""
    pipeline = Pipeline("db", GATES["keyed"]())
    with pipeline, pytest.raises(RuntimeError, match=OWN), pipeline:
        pass
    with pipeline, pytest.raises(RuntimeError, match=OWN):
        pipeline.call(lambda: "never")

    async def main():
        async with pipeline:
            with pytest.raises(RuntimeError, match=OWN):
                await pipeline.acall(asyncio.sleep, 0)

    asyncio.run(main())


def test_a_block_of_another_key_is_waited_for():
    """Its bulkhead is another one, so nobody waits for himself."""
    keys = iter("abb")
    keyed = Keyed(lambda *_: next(keys), lambda _key: Bulkhead(1, queue=10))
    pipeline = Pipeline("db", keyed)
    with pipeline:
        assert pipeline.call(lambda: "another key's") == "another key's"
        with pipeline:
            assert [keyed.at(key).in_flight for key in "ab"] == [1, 1]


@each
def test_a_loop_inside_of_a_block_is_told(make):
    """The block's thread runs the loop, and leaves the block when the loop has ended."""
    pipeline = Pipeline("db", make())

    async def main():
        with pytest.raises(RuntimeError, match=OWN):
            await enter_for_ever(pipeline)

    with pipeline:
        asyncio.run(main())


@each
@pytest.mark.filterwarnings("ignore:pipeline 'db'. a wait for its turn:RuntimeWarning")
def test_a_blocking_wait_for_another_task_s_block_is_told(make):
    """The task can't leave its block while its loop is blocked."""
    pipeline = Pipeline("db", make())

    async def hold(inside):
        async with pipeline:
            inside.set()
            await asyncio.sleep(0.01)

    async def main():
        inside = asyncio.Event()
        holder = asyncio.create_task(hold(inside))
        await inside.wait()
        with pytest.raises(RuntimeError, match="are tasks of the event loop that it blocks"):
            enter_blocks_for_ever(pipeline)
        await holder

    asyncio.run(main())


def test_a_callback_s_block_is_not_its_thread_s():
    """Another callback leaves it while the loop goes on: a task that waits for it is no hang."""
    pipeline = Pipeline("db", Bulkhead(1, queue=10))

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(pipeline.__enter__)
        await asyncio.sleep(0)
        loop.call_later(0.01, pipeline.__exit__, None, None, None)
        return await pipeline.acall(asyncio.sleep, 0, "served")

    assert asyncio.run(main()) == "served"


@pytest.mark.real_time
@pytest.mark.parametrize("key", [None, lambda *_: "one"], ids=["gate", "keyed gate"])
def test_a_gate_that_hears_of_an_abandoned_worker_is_told(key):
    """Within a hedge a driver sees a gate that keeps notes; the permit is that of the gate behind it."""

    def limiter(_key=None):
        return ConcurrencyLimiter(initial=1, min=1, max=1, queue=10)

    shared = limiter() if key is None else Keyed(key, limiter)
    outer, inner = Pipeline("outer", Hedge(60.0), shared), Pipeline("inner", shared)
    with pytest.raises(RuntimeError, match=OWN):
        outer.call(inner.call, lambda: "never")
    assert outer.call(lambda: "afterwards") == "afterwards"


ATTEMPTS = {
    "hedge": lambda: Hedge(60.0),
    "hedges at once": lambda: Hedge(1e-4, max_hedges=3, budget=None),
    "flight": lambda: Coalesce(key=lambda depth: depth),
}


@pytest.mark.real_time
@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
@pytest.mark.parametrize("gate", ["bulkhead", "two permits", "keyed"])
@pytest.mark.parametrize("attempt", ["hedge", "hedges at once", "flight"])
def test_an_attempt_on_another_stack_is_told(attempt, gate):
    """A worker's caller waits for it, and so does who takes a flight or has a hedge."""
    if getattr(sys, "_is_gil_enabled", lambda: True)() is False:
        pytest.skip("frames of other threads can't be read safely")
    strategy = GATES[gate]()
    pipeline = Pipeline("db", strategy, ATTEMPTS[attempt]())

    @pipeline
    def nested(depth):
        return nested(depth - 1) if depth else "end"

    with pytest.raises(RuntimeError, match=OWN):
        nested(5)
    assert nested(0) == "end"


@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
@pytest.mark.parametrize("gate", ["bulkhead", "two permits", "keyed"])
@pytest.mark.parametrize("attempt", ["hedge", "hedges at once", "flight"])
def test_an_attempt_in_another_task_is_told(attempt, gate):
    """In asyncio, too."""
    pipeline = Pipeline("db", GATES[gate](), ATTEMPTS[attempt]())

    @pipeline
    async def nested(depth):
        return await nested(depth - 1) if depth else "end"

    async def main():
        with pytest.raises(RuntimeError, match=OWN):
            await nested(5)
        return await nested(0)

    assert asyncio.run(main()) == "end"


def test_a_block_around_a_flight_is_told():
    """The flight's task is another one; who waits for it is in the block."""
    shared = Bulkhead(1, queue=10)
    block, inner = Pipeline("block", shared), Pipeline("inner", shared)
    load = Pipeline("load", Coalesce(key=lambda: 1))

    async def flown():
        return await inner.acall(asyncio.sleep, 0)

    async def around():
        async with block:
            with pytest.raises(RuntimeError, match=OWN):
                await load.acall(flown)

    asyncio.run(around())


def test_a_wait_with_a_limit_is_waited():
    """It ends by itself, so it is no hang."""
    pipeline = Pipeline("db", Bulkhead(1, queue=10, max_wait=1.0))
    with VirtualClock() as clock, pipeline:
        began = clock.now()
        assert pipeline.try_call(lambda: "never").rejected
        assert clock.now() - began == 1.0


@pytest.mark.real_time
def test_a_permit_that_somebody_else_will_give_back_is_waited_for():
    """Not every nesting hangs: another caller's permit comes free."""
    gate = Bulkhead(2, queue=10)
    pipeline = Pipeline("db", gate)
    inside, leave = threading.Event(), threading.Event()

    def other():
        inside.set()
        leave.wait(5.0)

    thread = threading.Thread(target=pipeline.call, args=(other,))
    thread.start()
    inside.wait(5.0)

    def outer():
        threading.Timer(0.05, leave.set).start()
        return pipeline.call(lambda: "inner")

    assert pipeline.call(outer) == "inner"
    thread.join()


@pytest.mark.real_time
def test_two_callers_that_wait_for_each_other_are_told():
    """Each holds one permit of two, and wants another one: the second to wait gives way."""
    pipeline = Pipeline("db", Bulkhead(2, queue=10))
    both, answers = threading.Barrier(2), []

    def outer():
        both.wait(5.0)
        return pipeline.call(lambda: "inner")

    def caller():
        try:
            answers.append(pipeline.call(outer))
        except RuntimeError:
            answers.append("told")

    threads = [threading.Thread(target=caller) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert sorted(answers) == ["inner", "told"]


@pytest.mark.filterwarnings("ignore:pipeline 'db'. a wait for its turn:RuntimeWarning")
def test_a_blocking_wait_for_a_task_of_its_own_loop_is_told():
    """The task can't go on while its loop is blocked, so the permit would never come."""
    pipeline = Pipeline("db", Bulkhead(1, queue=10))

    async def main():
        holder = asyncio.create_task(pipeline.acall(asyncio.sleep, 0.01))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="are tasks of the event loop that it blocks"):
            pipeline.call(lambda: "never")
        await holder
        return pipeline.call(lambda: "now")

    assert asyncio.run(main()) == "now"


def test_a_full_shedder_is_no_hang():
    """It never waits without a limit."""
    shedder = LoadShedder(1)
    pipeline = Pipeline("shop", shedder)
    with VirtualClock():
        answer = pipeline.call(lambda: pipeline.try_call(lambda: "inner"))
    assert not answer.ok
