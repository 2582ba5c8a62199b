"""The two runtimes at their edges: deadlines that have passed, and races that are lost."""

import asyncio

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    Pipeline,
    Timeout,
    deadline,
)
from holdfast._runtimes.abandon import abandon
from holdfast._runtimes.job import Job
from holdfast._runtimes.pool import WorkerPool
from holdfast._runtimes.threads import Threads
from holdfast.deadline import Ambient, ambient
from holdfast.extend import Gate, Site, Ticket, Wait

HERE = Site("payments")


@pytest.fixture
def past_its_deadline():
    """The caller's deadline was at 1.0."""
    token = ambient.set(Ambient(1.0, 0.5, None))
    yield
    ambient.reset(token)


@pytest.mark.usefixtures("past_its_deadline")
@pytest.mark.parametrize("sync", ["thread", "cooperative"])
def test_nothing_starts_after_the_deadline(sync):
    """A blocking call is refused, and its function isn't run, in a worker or not."""
    runtime = Threads(now=lambda: 2.0)
    step = runtime.within(Timeout(5.0, sync=sync), lambda args, kwargs: pytest.fail("it ran"), HERE)

    with pytest.raises(DeadlineTooShortError, match="passed 1 s ago") as caught:
        step((), {})

    assert caught.value.pipeline == "payments"


@pytest.mark.usefixtures("past_its_deadline")
def test_a_permit_that_comes_when_nobody_waits_any_more_goes_back():
    """It was granted in the very instant of the deadline: the permit is given on, and none leaks."""
    bulkhead = Bulkhead(1, queue=1)
    permit = bulkhead.enter(0.0, (), {})
    wait = bulkhead.enter(0.0, (), {})
    bulkhead.succeeded(permit, 0.0, None)
    assert wait.ticket.granted

    with pytest.raises(DeadlineExceeded):
        Threads(now=lambda: 2.0).wait(bulkhead, wait, HERE)

    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_a_worker_that_ends_in_the_instant_of_the_timeout_has_ended():
    """The caller looked, the worker claimed, the caller came too late: the outcome counts."""

    class Ended(Job):
        def take(self):
            return False

    bulkhead, workers = Bulkhead(1), WorkerPool()
    job = Ended(lambda args, kwargs: None, (), {}, lambda: None)

    assert abandon(job, workers, (bulkhead,)) is False
    assert workers.abandoned == 0
    assert bulkhead.in_flight == 0


class Granting(Gate):
    """A gate that grants a ticket just when the wait is over, without waking anybody."""

    def enter(self, now, args, kwargs, site):
        ticket = Ticket()
        return Wait(ticket, 0.0, ticket)

    def expired(self, permit, now):
        permit.granted = True


def test_a_ticket_that_is_granted_as_the_wait_ends_is_taken(world):
    """Whoever is refused too late is not refused at all."""

    @world.function
    async def answer():
        return "done"

    assert world.run(world.protect(Pipeline("p", Granting()), answer)) == "done"


def test_loops_take_turns_on_one_function():
    """Each keeps its own timers, however often the two alternate."""

    async def hang():
        await asyncio.get_running_loop().create_future()

    protected = Pipeline("p", Timeout(0.001))(hang)
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        for loop in (first, second, first, second):
            with pytest.raises(AttemptTimeout):
                loop.run_until_complete(protected())
            loop.call_later(0.05, lambda: None)  # something is left to do
    finally:
        first.close()
        second.close()


def test_without_a_task_there_is_nothing_to_cancel():
    """A coroutine that is driven by hand inside a loop is told so."""

    async def answer():
        return "done"

    protected = Pipeline("p", Timeout(1.0))(answer)
    loop = asyncio.new_event_loop()
    caught = []

    def by_hand():
        try:
            protected().send(None)
        except RuntimeError as error:
            caught.append(str(error))
        loop.stop()

    loop.call_soon(by_hand)
    loop.run_forever()
    loop.close()
    assert caught == ["a Timeout needs a task to cancel: run the call in a task"]


@pytest.mark.parametrize("thing", [None, 5, "a function"])
def test_what_cannot_be_called_cannot_be_protected(thing):
    """It is refused where the function is decorated."""
    with pytest.raises(ConfigurationError, match="protects functions"):
        Pipeline("p")(thing)


def test_a_class_is_no_strategy():
    """Forgotten parentheses are found when the pipeline is built."""
    with pytest.raises(ConfigurationError, match=r"a strategy is an object: Timeout\(\.\.\.\)"):
        Pipeline("p", Timeout)


def test_an_own_limit_inside_the_same_call_is_named():
    """A call within the same call that meets a limit of its own, set further in, says its own."""

    async def inner():
        with deadline(0.1):
            return await Pipeline("q", Timeout(9.0)).acall(asyncio.sleep, 9.0)

    async def main():
        with pytest.raises(DeadlineExceeded):
            await Pipeline("p", Timeout(9.0)).acall(inner)

    asyncio.run(main())
