"""A deadline, and the mark of a retry, end with the call that set them: inherited copies are free.

After moai-adk 1687 and ogx 5221 (background work that kept a request's context) and trio 264.
"""

import asyncio
import contextvars
import math
import threading
from contextlib import nullcontext

import pytest

from holdfast import (
    AttemptTimeout,
    Coalesce,
    DeadlineExceeded,
    Hedge,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    detached,
    remaining,
)
from holdfast.deadline import current
from holdfast.testing import VirtualClock, run

AT_ONCE = backoff.constant(0.0)
SHORT = Timeout(1.0)
SETTERS = {
    "timeout": (SHORT,),
    "adaptive timeout": (Timeout.adaptive(ceiling=1.0),),
    "total and attempt": (SHORT, Retry(2), Timeout(0.5)),
    "mark": (Retry(2, nested="outer"),),
    "mark and timeout": (Retry(2, nested="outer"), SHORT),
    "hedge": (SHORT, Hedge(0.1)),
    "coalesce": (SHORT, Coalesce(key=lambda: 1)),
}
blocking = pytest.mark.parametrize("sync", ["cooperative", "thread"])
everything = pytest.mark.parametrize("layers", SETTERS.values(), ids=SETTERS)


def free():
    """Return what an unbound call sees."""
    return remaining(), current()[2]


FREE = (math.inf, None)


@everything
def test_a_task_that_outlives_the_call_is_free(layers):
    """A client's flusher that is started by its first request, and lives on."""
    seen = []

    async def flusher():
        seen.append(free())
        await asyncio.sleep(2.0)
        seen.append(free())

    async def request():
        task = asyncio.create_task(flusher())
        await asyncio.sleep(0.01)
        return task

    async def main():
        await (await Pipeline("request", *layers).acall(request))

    run(main())
    assert seen[0] != FREE
    assert seen[1] == FREE


def test_a_timer_that_outlives_the_call_is_free():
    """`call_later` copies the context as well."""
    seen = []

    async def request():
        asyncio.get_running_loop().call_later(3.0, lambda: seen.append(free()))

    async def main():
        await Pipeline("request", SHORT).acall(request)
        await asyncio.sleep(4.0)

    run(main())
    assert seen == [FREE]


@everything
def test_a_context_that_outlives_a_blocking_call_is_free(layers):
    """As a pool's thread inherits it from Python 3.14 on, without the GIL."""
    kept = []
    with VirtualClock():
        Pipeline("request", *layers).call(lambda: kept.append(contextvars.copy_context()))
    assert kept[0].run(free) == FREE


@pytest.mark.real_time
@pytest.mark.parametrize(
    "layers", [(Timeout(9.0, sync="thread"),), (Timeout(9.0), Hedge(5.0))], ids=["timeout", "hedge"]
)
def test_a_context_that_outlives_a_workers_call_is_free(layers):
    """The same where the call ran in a worker of ours."""
    kept = []
    Pipeline("request", *layers).call(lambda: kept.append(contextvars.copy_context()))
    assert kept[0].run(free) == FREE


@blocking
def test_a_block_that_is_left_frees_what_was_started_in_it(sync):
    """``with pipeline:``, and ``with deadline():``."""
    if sync == "cooperative":
        with Pipeline("block", SHORT):
            in_block = contextvars.copy_context()
        assert in_block.run(free) == FREE
    with deadline(5.0):
        in_deadline = contextvars.copy_context()
    assert in_deadline.run(free) == FREE


def test_a_background_job_retries_again():
    """Started inside of ``nested="outer"``, it was never to retry for the life of the process."""
    tries = []

    async def send():
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("down")
        return "sent"

    async def worker():
        await asyncio.sleep(1.0)
        return await Pipeline("sender", Retry(3, backoff=AT_ONCE)).acall(send)

    async def request():
        return asyncio.create_task(worker())

    async def main():
        return await (await Pipeline("request", Retry(2, nested="outer")).acall(request))

    assert run(main()) == "sent"


def test_a_call_under_way_is_freed_when_the_outer_one_returns():
    """It began under the request's limit, and goes on with its own."""

    async def worker():
        began = asyncio.get_running_loop().time()
        with pytest.raises(AttemptTimeout) as caught:
            await Pipeline("worker", Timeout(5.0)).acall(asyncio.sleep, 60.0)
        return type(caught.value), asyncio.get_running_loop().time() - began

    async def request():
        task = asyncio.create_task(worker())
        await asyncio.sleep(0.5)
        return task

    async def main():
        return await (await Pipeline("request", SHORT).acall(request))

    assert run(main()) == (AttemptTimeout, 5.0)


def test_a_call_under_way_ends_with_an_outer_one_that_ran_out():
    """Nobody waits for it: it is cut at that limit, as it always was."""
    ended = []

    async def worker():
        try:
            await Pipeline("worker", Timeout(5.0)).acall(asyncio.sleep, 60.0)
        except DeadlineExceeded:
            ended.append(asyncio.get_running_loop().time())

    async def request():
        ended.append(asyncio.get_running_loop().time())
        task = asyncio.create_task(worker())
        await asyncio.sleep(60.0)
        return task

    async def main():
        with pytest.raises(AttemptTimeout):
            await Pipeline("request", SHORT).acall(request)
        await asyncio.sleep(10.0)

    run(main())
    assert ended[1] - ended[0] == 1.0


@pytest.mark.real_time
def test_a_worker_under_way_is_freed_when_the_outer_call_returns():
    """The same in threads."""
    ended = []

    def worker():
        job = Pipeline("worker", Timeout(9.0, sync="thread"))
        ended.append(job.try_call(threading.Event().wait, 0.2))

    def request():
        thread = threading.Thread(target=contextvars.copy_context().run, args=(worker,))
        thread.start()
        return thread

    Pipeline("request", Timeout(0.1)).call(request).join()
    assert ended[0].ok


@pytest.mark.real_time
def test_an_abandoned_worker_stays_bound():
    """Else it would go on retrying for nobody; what it has started is free when it ends."""
    left_alone, ended, kept = threading.Event(), threading.Event(), []

    def work():
        left_alone.wait(5.0)
        kept.append(remaining())
        kept.append(contextvars.copy_context())
        ended.set()

    with pytest.raises(AttemptTimeout):
        Pipeline("outer", Timeout(0.01, sync="thread")).call(work)
    left_alone.set()
    assert ended.wait(5.0)
    assert kept[0] == 0.0
    while kept[1].run(free) != FREE:  # the worker is on its last lines
        threading.Event().wait(0.001)


def test_detached_work_is_free_at_once():
    """Who starts it says so, and needn't wait for the end of the call."""

    async def request():
        with detached():
            task = asyncio.create_task(asyncio.sleep(0, free()))
        return await task, free() == FREE

    assert run(Pipeline("request", Retry(2, nested="outer"), SHORT).acall(request)) == (FREE, False)


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "shared"])
def test_a_shared_attempt_obeys_an_outer_retry_while_all_its_callers_do(others):
    """The first caller's mark must not switch the retry off for somebody else."""
    tries = []

    async def flaky():
        tries.append(1)
        await asyncio.sleep(0.1)
        raise ConnectionError("down")

    shared = Pipeline("shared", Coalesce(key=lambda: 1), Retry(3, backoff=AT_ONCE))
    outer = Pipeline("outer", Retry(1, nested="outer"))

    async def main():
        first = asyncio.create_task(outer.outcome(shared.acall, flaky))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, *(shared.outcome(flaky) for _ in range(others)))

    run(main())
    assert len(tries) == (3 if others else 1)


@pytest.mark.parametrize("virtual", [True, pytest.param(False, marks=pytest.mark.real_time)])
def test_what_the_winner_of_a_hedge_has_set_comes_back(virtual):
    """A blocking attempt runs in a worker; a plain call would have left its variables, too."""
    tenant = contextvars.ContextVar("tenant", default="nobody")
    call = Pipeline("p", Hedge(5.0))(lambda: tenant.set("acme"))
    with VirtualClock() if virtual else nullcontext():
        call()
    assert tenant.get() == "acme"
