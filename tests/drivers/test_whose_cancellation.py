"""Whose cancellation it was, where a `TaskGroup` or a clean-up is in the way (cpython 133747)."""

import asyncio

import pytest

from holdfast import AttemptTimeout, Hedge, Pipeline, Retry, Timeout, backoff
from holdfast.events import TimedOut
from holdfast.testing import record, run

LIMITS = {
    "a total": (Timeout(1.0),),
    "a learnt one": (Timeout.adaptive(ceiling=1.0),),
    "a total and attempts": (
        Timeout(1.0),
        Retry(None, backoff=backoff.constant(0.2)),
        Timeout(0.9),
    ),
}


async def failing_group(takes=0.05):
    async with asyncio.TaskGroup() as group:
        group.create_task(fails(takes))
        group.create_task(asyncio.sleep(60.0))


async def fails(takes):
    await asyncio.sleep(takes)
    raise ConnectionError("reset")


def _same(call):
    return call


async def groups_then_hang():
    for _ in range(2):
        with pytest.raises(ExceptionGroup):
            await failing_group()
    await asyncio.sleep(60.0)


@pytest.mark.parametrize("layers", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("wrapped", [False, True], ids=["outermost", "in the same limit"])
def test_a_group_that_has_failed_makes_no_cancellation_of_a_timeout(layers, wrapped):
    """Up to Python 3.12 it leaves the count raised, and the raw `CancelledError` came out."""
    pipeline = Pipeline("calls", *layers)

    async def main():
        call = pipeline.acall(groups_then_hang)
        with pytest.raises(AttemptTimeout, match="no answer within"):
            await (pipeline.acall(_same, call) if wrapped else call)

    run(main())


def test_retried_groups_end_with_the_total():
    """Each attempt uses one, and each fails."""
    pipeline = Pipeline("calls", Timeout(1.0), Retry(None, backoff=backoff.constant(0.2)))

    async def main():
        with pytest.raises((AttemptTimeout, ExceptionGroup)):
            await pipeline.acall(failing_group)

    run(main())


def test_a_hedge_wins_over_an_attempt_whose_group_has_failed():
    """The loser's cancellation is ours, whatever the count says."""
    numbers = iter([groups_then_hang, lambda: asyncio.sleep(0, "won")])
    pipeline = Pipeline("calls", Hedge(0.5, budget=None))

    async def one_of_two():
        return await next(numbers)()

    assert run(pipeline.acall(one_of_two)) == "won"


@pytest.mark.parametrize("after", [0.5, 1.0, 1.1], ids=["before", "with", "after"])
@pytest.mark.parametrize("groups", [0, 2])
def test_a_cancellation_from_outside_passes_through(after, groups):
    """Also one that is under way when the limit is reached, and one that comes in the clean-up."""

    async def slow_to_leave():
        try:
            for _ in range(groups):
                with pytest.raises(ExceptionGroup):
                    await failing_group()
            await asyncio.sleep(60.0)
        finally:
            await asyncio.sleep(0.3)

    async def main():
        call = asyncio.create_task(Pipeline("calls", Timeout(1.0)).acall(slow_to_leave))
        asyncio.get_running_loop().call_later(after, call.cancel)
        with pytest.raises(asyncio.CancelledError):
            await call

    run(main())


def test_a_clean_up_that_fails_shows_the_time_out():
    """The user's error comes out, with the time-out in its context and in the events (as 3.13 does)."""

    async def untidy():
        try:
            await asyncio.sleep(60.0)
        finally:
            raise OSError("could not close")

    async def main():
        with pytest.raises(OSError, match="could not close") as caught:
            await Pipeline("calls", Timeout(1.0)).acall(untidy)
        return caught.value

    with record() as events:
        error = run(main())
    assert isinstance(error.__context__, AttemptTimeout)
    assert isinstance(error.__context__.__cause__, asyncio.CancelledError)
    assert events.only(TimedOut).seconds == 1.0


def test_a_group_whose_clean_up_fails_shows_the_time_out_in_its_leaves():
    """A `TaskGroup` hands the failures of its children on as one."""

    async def untidy():
        try:
            await asyncio.sleep(60.0)
        finally:
            raise OSError("could not close")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(untidy())

    async def called():
        with pytest.raises(ExceptionGroup) as caught:
            await Pipeline("calls", Timeout(1.0)).acall(main)
        return caught.value

    with record() as events:
        (leaf,) = run(called()).exceptions
    assert isinstance(leaf.__context__, AttemptTimeout)
    assert events.only(TimedOut).seconds == 1.0
