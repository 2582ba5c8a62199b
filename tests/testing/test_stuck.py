"""What a deadlock says: who is stuck, in which line, and what it waits for."""

import asyncio
import re

import pytest

from holdfast import Bulkhead, ConcurrencyLimiter, Hedge, Pipeline, Retry, Timeout
from holdfast.testing import DeadlockError, Hang, Ok, Scripted, VirtualClock, run


def message_of(function):
    with pytest.raises(DeadlockError) as caught:
        function()
    return str(caught.value)


async def never():
    await asyncio.get_running_loop().create_future()


async def endless():
    await asyncio.Event().wait()
    yield


async def lock():
    one = asyncio.Lock()
    await one.acquire()
    await one.acquire()


async def condition():
    one = asyncio.Condition()
    async with one:
        await one.wait()


async def queue():
    await asyncio.Queue(maxsize=3).get()


async def generator():
    async for _ in endless():
        pass


async def task():
    await asyncio.create_task(never(), name="other")


async def gathered():
    await asyncio.gather(never(), asyncio.create_task(never(), name="other"))


async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(never(), name="other")


async def many():
    await asyncio.wait([asyncio.create_task(never(), name=f"child-{one}") for one in range(5)])


async def forever():
    await asyncio.sleep(float("inf"))


async def hang():
    service = Scripted([Ok(), Hang()])
    call = Pipeline("shop", Retry(3))(service.aio)
    await call()
    await call()


async def bulkhead():
    shop = Pipeline("shop", Bulkhead(1, queue=5))
    holder = asyncio.create_task(shop.acall(never))  # kept, or the collector ends it
    await asyncio.wait([holder], timeout=1.0)
    await shop.acall(never)


async def limiter():
    limit = ConcurrencyLimiter(initial=1, min=1, max=1, queue=5)
    shop = Pipeline("shop", limit)
    holder = asyncio.create_task(shop.acall(never))  # kept, or the collector ends it
    await asyncio.wait([holder], timeout=1.0)
    await shop.acall(never)


@pytest.mark.parametrize(
    "stuck, waits_for",
    [
        (never, "a Future that nobody resolves"),
        (lock, "Lock.acquire() [locked, waiters:1]"),
        (condition, "Condition.wait() [unlocked, waiters:1]"),
        (queue, "Queue.get() maxsize=3 _getters[1]"),
        (task, "other (never)"),
        (gathered, "other (never), Task-"),
        (group, "the TaskGroup's other (never)"),
        (many, "child-0 (never), child-1 (never), child-2 (never) and 2 more"),
        (forever, "the end of a sleep of inf s"),
        (hang, "Hang() of a Scripted, its call number 2"),
        (
            bulkhead,
            "its turn at bulkhead 'shop' of pipeline 'shop' (<Bulkhead 'shop' 1 of 1 in flight",
        ),
        (limiter, "its turn at concurrency limiter 'shop' of pipeline 'shop'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_task_is_named_with_its_wait_and_its_line(stuck, waits_for):
    """Each kind of wait has words of its own, and the line is the user's, not the library's."""
    message = message_of(lambda: run(stuck()))
    (line,) = [line for line in message.splitlines() if f"({stuck.__name__}): " in line]
    assert f"({stuck.__name__}): waits for {waits_for}" in line
    assert re.search(rf", at .*test_stuck\.py:\d+ in {stuck.__name__}$", line)


def test_who_holds_a_permit_does_not_wait_for_its_turn():
    """What it waits for is its own affair, though the gate stands around it."""
    message = message_of(lambda: run(bulkhead()))
    (holder,) = [line for line in message.splitlines() if line.endswith("in never")]
    assert ": waits for a Future that nobody resolves, at " in holder


def test_the_line_is_the_one_inside_an_async_generator():
    """A task that iterates is found where the generator is suspended."""
    message = message_of(lambda: run(generator()))
    assert re.search(r"\(generator\): waits for Event\.wait\(\) .* in endless", message)


def test_few_of_many_are_listed():
    """A thousand stuck tasks make a message of a dozen lines."""

    async def main():
        await asyncio.gather(*(never() for _ in range(1000)))

    lines = message_of(lambda: run(main())).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  ... and 991 more"


def test_attempts_of_a_hedge_are_named():
    """In threads, each attempt of a race that hangs is told."""
    with VirtualClock():
        message = message_of(Pipeline("shop", Hedge(0.2))(Scripted([Hang()])))
    assert "attempt 1 of pipeline 'shop': waits for Hang() of a Scripted" in message
    assert "attempt 2 of pipeline 'shop': waits for Hang() of a Scripted" in message


def test_a_race_among_others_is_named():
    """A function that waits for its hedge says so."""
    with VirtualClock() as clock:
        call = Pipeline("shop", Hedge(0.2))(Scripted([Hang()]))
        message = message_of(lambda: clock.together(call, lambda: clock.sleep(1.0)))
    assert "waits for the attempts of its hedge" in message


def test_what_a_timeout_ends_is_no_deadlock():
    """A hang with a timeout around it ends, in both worlds."""
    pipeline = Pipeline("shop", Timeout(3600.0, sync="thread"))
    with VirtualClock() as clock:
        (outcome,) = clock.together(pipeline(Scripted([Hang()])))
    assert isinstance(outcome, TimeoutError)
    with pytest.raises(TimeoutError):
        run(pipeline(Scripted([Hang()]).aio)())
