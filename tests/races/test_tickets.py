"""The moment between a place in the queue and the wait for it: no wake-up is lost there.

A waiter sets ``wake`` and then looks at ``granted``; whoever grants, sets ``granted`` and then calls
``wake``.  These tests let the grant come at the worst of moments.
"""

import asyncio
import threading
import time

import pytest

from holdfast import Bulkhead, BulkheadFullError, Pipeline, RejectedError
from holdfast.extend import Gate, Ticket, Wait
from holdfast.testing import run
from tests.drivers.conftest import WITHOUT_GIL

PATIENCE = 20.0

HAND_OVERS = 500 if WITHOUT_GIL else 3000  # each of them is a switch of the system's there


class GrantedInBetween(Ticket):
    """A ticket that somebody grants just when its waiter says how to be woken."""

    __slots__ = ("_wake", "before")

    def __init__(self, *, before: bool) -> None:
        self.before = before
        """Whether the grant comes before the new `wake` is in place, or right after it."""
        self._wake = lambda: True
        super().__init__()

    @property
    def wake(self):
        return self._wake

    @wake.setter
    def wake(self, wake):
        if self.before:
            self.grant()
        self._wake = wake
        if not self.before:
            self.grant()

    def grant(self):
        self.granted = True
        self._wake()


class Granting(Gate):
    """A gate with a queue of such tickets."""

    def __init__(self, *, before: bool) -> None:
        self.before = before
        self.returned = 0

    def enter(self, now, args, kwargs, site):
        ticket = GrantedInBetween(before=False)
        ticket.granted = False
        ticket.before = self.before
        return Wait(ticket, PATIENCE, ticket)

    def succeeded(self, permit, now, result):
        self.returned += 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_grant_in_between_reaches_a_thread(before):
    """A thread that is granted its permit in that moment does not sleep."""
    gate = Granting(before=before)
    began = time.monotonic()
    assert Pipeline("p", gate)(lambda: "in")() == "in"
    assert time.monotonic() - began < PATIENCE / 2
    assert gate.returned == 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_grant_in_between_reaches_a_task(before):
    """A task neither."""
    gate = Granting(before=before)

    async def main():
        began = asyncio.get_running_loop().time()
        assert await Pipeline("p", gate).acall(asyncio.sleep, 0, "in") == "in"
        assert asyncio.get_running_loop().time() == began

    run(main())
    assert gate.returned == 1


class Refusing(Gate):
    """A gate whose turn never comes."""

    def __init__(self) -> None:
        self.out = []

    def enter(self, now, args, kwargs, site):
        ticket = Ticket()
        self.out.append(ticket)
        return Wait(ticket, 0.01, ticket)

    def abandoned(self, permit, now):
        self.out.remove(permit)

    def expired(self, permit, now):
        self.out.remove(permit)
        return RejectedError("not today")


@pytest.mark.real_time
def test_a_wait_that_is_too_long_is_expired_once(colour_of_wait):
    """A ticket that is never granted is told as expired, and as nothing else."""
    gate = Refusing()
    with pytest.raises(RejectedError, match="pipeline 'p': not today"):
        colour_of_wait(Pipeline("p", gate))
    assert gate.out == []


@pytest.fixture(params=["thread", "task"])
def colour_of_wait(request):
    """Call something through a pipeline, in a thread or in a task."""
    if request.param == "thread":
        return lambda pipeline: pipeline.call(int)
    return lambda pipeline: asyncio.run(pipeline.acall(asyncio.sleep, 0))


def test_a_permit_that_comes_back_just_before_the_queue_is_entered(monkeypatch):
    """Whoever gave it back saw no queue, so the newcomer looks once more, and takes it."""
    bulkhead = Bulkhead(1, queue=1)
    permit = bulkhead.enter(0.0, (), {})

    class Late(Ticket):
        def __init__(self):
            super().__init__()
            bulkhead.succeeded(permit, 0.0, None)

    monkeypatch.setattr("holdfast.strategies.bulkhead.Ticket", Late)
    assert not isinstance(bulkhead.enter(0.0, (), {}), Wait)
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)


def test_a_newcomer_does_not_overtake_while_permits_are_handed_out():
    """With a permit free, but somebody queueing for it, a newcomer goes to the end of the queue."""
    bulkhead = Bulkhead(1, queue=3)
    bulkhead.enter(0.0, (), {})
    first, second = (bulkhead.enter(0.0, (), {}) for _ in range(2))
    newcomers = []

    def wake():
        newcomers.append(bulkhead.enter(0.0, (), {}))
        return True

    first.ticket.wake = wake
    bulkhead.size = 3
    assert [one.ticket.granted for one in (first, second, *newcomers)] == [True, True, False]


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_permits_given_back_while_waiters_arrive(together, balanced):
    """Two threads that pass one permit to and fro, as fast as they can, never wait in vain."""
    bulkhead = Bulkhead(1, queue=4, max_wait=PATIENCE)
    call = Pipeline("p", bulkhead)(lambda: None)

    def thread():
        for _ in range(HAND_OVERS):
            call()
        return "served"

    assert together([thread] * 4) == ["served"] * 4
    balanced(bulkhead)


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_a_thread_and_a_loop_pass_one_permit_to_and_fro(together, balanced):
    """The same between a thread and an event loop, which wake each other."""
    bulkhead = Bulkhead(1, queue=2, max_wait=PATIENCE)
    pipeline = Pipeline("p", bulkhead)

    async def task():
        call = pipeline(asyncio.sleep)
        for _ in range(1500):
            await call(0)
        return "served"

    def thread():
        call = pipeline(lambda: None)
        for _ in range(1500):
            call()
        return "served"

    assert together([thread, lambda: asyncio.run(task())]) == ["served"] * 2
    balanced(bulkhead)


def test_no_room_and_no_queue_is_refused_at_once(together):
    """Of sixteen callers that meet one permit without a queue, one gets in and fifteen don't wait."""
    meeting = threading.Barrier(16)

    @Pipeline("p", Bulkhead(1))
    def work():
        meeting.wait(PATIENCE)
        return "in"

    def caller():
        try:
            return work()
        except BulkheadFullError:
            meeting.wait(PATIENCE)
            return "refused"

    outcomes = together([caller] * 16)
    assert sorted(outcomes) == ["in", *["refused"] * 15]
