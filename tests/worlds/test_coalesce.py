"""Coalesce, in threads and in asyncio."""

from dataclasses import dataclass

import pytest

from holdfast import Coalesce, ConfigurationError, DeadlineExceeded, Pipeline, Retry, backoff
from holdfast.deadline import deadline
from holdfast.events import CallCoalesced
from holdfast.testing import Fail, Ok, VirtualClock, record


def by_order(order, **_options):
    return order


def with_order(world, call, order, *, seconds=None, at=0.0):
    """Return a function that calls with an order, perhaps with a deadline, and tells when it ended."""

    @world.function
    async def function():
        await world.sleep(at)
        try:
            if seconds is None:
                answer = await world.do(call, order)
            else:
                with deadline(seconds):
                    answer = await world.do(call, order)
        except Exception as error:
            answer = error
        return world.elapsed(), answer

    return function


def test_identical_calls_share_one_attempt(world):
    """Who calls while an attempt is under way gets its result, when it ends."""
    dependency = world.dependency(Ok("tea", takes=2.0), Ok("milk", takes=2.0))
    call = world.protect(Pipeline("p", Coalesce(by_order)), dependency)
    assert world.together(
        with_order(world, call, 1),
        with_order(world, call, 1, at=1.0),
        with_order(world, call, 2, at=1.5),
    ) == [(2.0, "tea"), (2.0, "tea"), (3.5, "milk")]
    assert len(dependency.calls) == 2


def test_nothing_is_kept(world):
    """The next call makes an attempt of its own: this is no cache."""
    dependency = world.dependency(Ok("old", takes=1.0), Ok("new", takes=1.0))
    call = world.protect(Pipeline("p", Coalesce(by_order)), dependency)
    assert world.run(call, 1) == "old"
    assert world.run(call, 1) == "new"


def test_an_error_is_shared_too(world):
    """All raise the same object, and what is inside is tried once for all of them."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=1.0))
    pipeline = Pipeline("p", Coalesce(by_order), Retry(3, backoff=backoff.constant(1.0)))
    call = world.protect(pipeline, dependency)
    outcomes = world.together(*[with_order(world, call, 1)] * 3)
    assert [when for when, _ in outcomes] == [5.0] * 3
    assert isinstance(outcomes[0][1], ConnectionError)
    assert len({id(error) for _, error in outcomes}) == 1
    assert len(dependency.calls) == 3


def test_who_shares_waits_no_longer_than_its_deadline(world):
    """It leaves at that instant; the attempt goes on."""
    dependency = world.dependency(Ok("tea", takes=5.0))
    call = world.protect(Pipeline("p", Coalesce(by_order)), dependency)
    (_, answer), (left, error) = world.together(
        with_order(world, call, 1), with_order(world, call, 1, at=1.0, seconds=2.0)
    )
    assert answer == "tea"
    assert left == 3.0
    assert isinstance(error, DeadlineExceeded)


def test_functions_do_not_share_with_each_other(world):
    """One instance may protect several: the same key means a different call in each."""
    pipeline = Pipeline("p", Coalesce(by_order))
    tea = world.protect(pipeline, world.dependency(Ok("tea", takes=1.0)))
    milk = world.protect(pipeline, world.dependency(Ok("milk", takes=1.0)))
    assert world.together(with_order(world, tea, 1), with_order(world, milk, 1)) == [
        (1.0, "tea"),
        (1.0, "milk"),
    ]


def test_sharing_is_told(world):
    """An event for each caller that joins, with how many wait now."""
    coalesce = Coalesce(by_order)
    call = world.protect(Pipeline("p", coalesce), world.dependency(Ok(takes=1.0)))
    with record() as events:
        world.together(*[with_order(world, call, 1)] * 3)
    assert [event.sharing for event in events.of(CallCoalesced)] == [2, 3]
    assert (coalesce.led, coalesce.shared) == (1, 2)


def test_a_callable_that_is_not_hashable_is_told_by_what_it_is():
    """Callables of one pipeline are kept apart, those that can't be a key like all others."""

    @dataclass
    class Client:  # its __eq__ takes its hash away
        answer: str
        calls: int = 0

        def __call__(self, order):
            self.calls += 1
            clock.sleep(2.0)
            return f"{self.answer} {order}"

    with VirtualClock() as clock:
        call, tea, milk = Pipeline("p", Coalesce(by_order)).call, Client("tea"), Client("tea")
        milk.answer = "milk"
        answers = clock.together(*[lambda one=one: call(one, 1) for one in (tea, tea, milk)])
    assert answers == ["tea 1", "tea 1", "milk 1"]
    assert (tea.calls, milk.calls) == (1, 1)


def test_an_unhashable_key_is_an_error_of_the_call(world):
    """It names the key, and the next call is not harmed."""
    call = world.protect(Pipeline("p", Coalesce(by_order)), world.dependency(Ok("tea")))
    with pytest.raises(ConfigurationError, match="hashable"):
        world.run(call, [1])
    assert world.run(call, 1) == "tea"
