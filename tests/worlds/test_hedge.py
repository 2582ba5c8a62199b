"""Hedge, in threads and in asyncio."""

import asyncio

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    CompositionWarning,
    Pipeline,
    RejectedError,
    RetryBudget,
    Timeout,
    deadline,
    on_result,
)
from holdfast.errors import CircuitOpenError, DeadlineTooShortError
from holdfast.events import AbandonedFinished, HedgeStarted, HedgeWon, TimedOut
from holdfast.strategies.hedge.delay import knee, quantile
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.testing import Fail, Hang, Ok, record
from tests.ids import spelt

DOWN = ConnectionError("down")


def instants(world, dependency):
    return [pytest.approx(at - world.start) for at in dependency.times]


def test_a_quick_call_is_made_once(world):
    """An answer before the delay is returned, and no other attempt is made."""
    dependency = world.dependency(Ok("paid", takes=0.1))
    hedge = Hedge(0.2)

    assert world.call(Pipeline("p", hedge), dependency) == "paid"

    assert world.elapsed() == pytest.approx(0.1)
    assert len(dependency.calls) == 1
    assert (hedge.started, hedge.won) == (0, 0)


def test_a_slow_call_is_made_again_and_the_first_answer_wins(world):
    """After the delay a second attempt starts; its answer is returned without waiting for the first."""
    dependency = world.dependency(Ok("slow", takes=9.0), Ok("quick", takes=0.1))
    hedge = Hedge(0.2)

    with record() as events:
        assert world.call(Pipeline("p", hedge), dependency, "x") == "quick"

    assert world.elapsed() == pytest.approx(0.3)
    assert instants(world, dependency) == [0.0, 0.2]
    assert [call.args for call in dependency.calls] == [("x",), ("x",)]
    assert (hedge.started, hedge.won) == (1, 1)
    (started,), (won,) = events.of(HedgeStarted), events.of(HedgeWon)
    assert (started.strategy, started.attempt, started.error) == ("hedge 'p'", 2, None)
    assert started.delay == pytest.approx(0.2)
    assert (won.attempt, won.duration) == (2, pytest.approx(0.3))


def test_the_first_attempt_may_still_win(world):
    """A hedge does not replace the first attempt: whichever answers first wins."""
    dependency = world.dependency(Ok("first", takes=0.3), Ok("second", takes=5.0))
    hedge = Hedge(0.2)

    assert world.call(Pipeline("p", hedge), dependency) == "first"

    assert world.elapsed() == pytest.approx(0.3)
    assert (hedge.started, hedge.won) == (1, 0)


def test_an_attempt_that_fails_starts_the_next_at_once(world):
    """A failure before the delay does not wait for it."""
    dependency = world.dependency(Fail(DOWN, takes=0.05), Ok("paid", takes=0.05))
    with record() as events:
        assert world.call(Pipeline("p", Hedge(0.2)), dependency) == "paid"

    assert instants(world, dependency) == [0.0, 0.05]
    assert events.of(HedgeStarted)[0].error is DOWN


def test_a_hedge_that_fails_leaves_the_race_to_the_others(world):
    """With no attempt left to start, the one that is under way decides."""
    dependency = world.dependency(Ok("first", takes=1.0), Fail(DOWN, takes=0.1))

    assert world.call(Pipeline("p", Hedge(0.2)), dependency) == "first"

    assert world.elapsed() == pytest.approx(1.0)


def test_if_all_fail_the_first_error_is_raised(world):
    """The first attempt's own exception passes, with a note that tells of the others."""
    first, second = ConnectionError("down"), KeyError("second")
    dependency = world.dependency(Fail(first, takes=0.5), Fail(second, takes=0.1))

    with pytest.raises(ConnectionError) as caught:
        world.call(Pipeline("payments", Hedge(0.2)), dependency)

    assert caught.value is first
    assert caught.value.__notes__ == [
        "holdfast: pipeline 'payments' hedged this call: attempt 2 raised KeyError('second')"
    ]


def test_several_hedges_start_one_delay_after_the_other(world):
    """With `max_hedges=3` up to four attempts are under way; the last may win."""
    dependency = world.dependency(*[Hang()] * 3, Ok("fourth", takes=0.1))
    hedge = Hedge(0.2, max_hedges=3)

    assert world.call(Pipeline("p", hedge), dependency) == "fourth"

    assert instants(world, dependency) == [0.0, 0.2, 0.4, 0.6]
    assert world.elapsed() == pytest.approx(0.7)


def test_after_a_failure_the_delay_begins_again(world):
    """An attempt that was started early, after a failure, gets a whole delay before the next."""
    dependency = world.dependency(Fail(DOWN, takes=0.1), Hang(), Ok("third", takes=0.1))

    assert world.call(Pipeline("p", Hedge(0.2, max_hedges=2)), dependency) == "third"

    assert instants(world, dependency) == [0.0, 0.1, pytest.approx(0.3)]


def test_an_error_that_is_no_failure_is_an_answer(world):
    """What `on` does not match wins the race, and is raised at once."""
    dependency = world.dependency(Hang(), Fail(KeyError("no such order"), takes=0.1))

    with pytest.raises(KeyError):
        world.call(Pipeline("p", Hedge(0.2, on=ConnectionError)), dependency)

    assert world.elapsed() == pytest.approx(0.3)


def test_a_result_can_be_a_failure(world):
    """With `on_result` a bad result does not win; if all are bad, the first one is returned."""
    bad = on_result(lambda result: result < 0)
    pipeline = Pipeline("p", Hedge(5.0, on=bad))

    assert world.call(pipeline, world.dependency(Ok(-1, takes=0.1), Ok(7))) == 7
    assert world.call(pipeline, world.dependency(Ok(-1, takes=0.1), Ok(-2))) == -1


def test_a_predicate_that_raises_ends_the_race(world):
    """The caller gets to see what is wrong with its own predicate."""
    pipeline = Pipeline("p", Hedge(0.1, on=on_result(lambda result: result["status"] > 500)))

    with pytest.raises(TypeError):
        world.call(pipeline, world.dependency(Ok("text", takes=1.0), Ok(None, takes=0.1)))

    assert world.elapsed() == pytest.approx(0.2)


def test_a_rejection_starts_nothing_at_once(world):
    """What one of our own strategies refuses would be refused again; the rejection passes."""
    breaker = CircuitBreaker()
    breaker.trip()
    dependency = world.dependency(Ok("never"))
    hedge = Hedge(0.1)

    with pytest.raises(CircuitOpenError):
        world.call(Pipeline("p", hedge, breaker), dependency)

    assert (world.elapsed(), dependency.calls, hedge.started) == (0.0, [], 0)


def test_a_rejected_hedge_does_not_hide_the_error_of_the_function(world):
    """What the function itself raised is the news, and the note tells of the rejection."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=0.5))
    with pytest.warns(CompositionWarning):
        pipeline = Pipeline("p", Hedge(0.2), Bulkhead(1))

    with pytest.raises(ConnectionError) as caught:
        world.call(pipeline, dependency)

    assert "attempt 2 raised BulkheadFullError" in caught.value.__notes__[0]
    assert len(dependency.calls) == 1


def test_a_rejection_that_is_asked_for_by_name_is_a_failure(world):
    """`on=RejectedError` makes rejections start the next attempt at once."""
    dependency = world.dependency(Fail(RejectedError("busy")), Ok("paid"))

    assert world.call(Pipeline("p", Hedge(5.0, on=RejectedError)), dependency) == "paid"

    assert world.elapsed() == 0.0


# -- the budget ----------------------------------------------------------------------------------


def test_an_empty_budget_means_no_hedge(world):
    """A slow call then takes as long as it takes, and no later tick asks again."""
    budget = RetryBudget(capacity=1)
    budget.withdraw()
    dependency = world.dependency(Ok("slow", takes=3.0))
    hedge = Hedge(0.2, max_hedges=5, budget=budget)

    assert world.call(Pipeline("p", hedge), dependency) == "slow"

    assert (world.elapsed(), len(dependency.calls), hedge.started) == (3.0, 1, 0)


def test_an_empty_budget_means_no_second_attempt_after_a_failure(world):
    """The failure is then raised as it is."""
    budget = RetryBudget(capacity=1)
    budget.withdraw()

    with pytest.raises(ConnectionError):
        world.call(Pipeline("p", Hedge(0.2, budget=budget)), world.dependency(Fail(DOWN)))


def test_only_prompt_successes_earn_hedges(world):
    """A success before the delay is credited, one after it is not, hedged or denied."""
    budget = RetryBudget(ratio=0.5, capacity=2)
    pipeline = Pipeline("p", Hedge(0.2, budget=budget))
    for _ in range(2):
        world.call(pipeline, world.dependency(Hang(), Ok()))
    assert budget.tokens == 0.0

    world.call(pipeline, world.dependency(Ok(takes=0.3)))
    assert budget.tokens == 0.0
    world.call(pipeline, world.dependency(Ok(takes=0.1)))
    assert budget.tokens == 0.5


def test_without_a_budget_every_slow_call_is_hedged(world):
    """`budget=None` leaves `max_hedges` as the only bound."""
    hedge = Hedge(0.1, budget=None)
    for _ in range(30):
        world.call(Pipeline("p", hedge), world.dependency(Hang(), Ok()))

    assert hedge.started == 30
    assert hedge.snapshot()["budget"] is None


# -- time ----------------------------------------------------------------------------------------


def test_a_timeout_outside_ends_all_attempts(world):
    """The total is kept, and no attempt is left behind that would start another."""
    dependency = world.dependency(Hang())
    pipeline = Pipeline("p", Timeout(1.0), Hedge(0.2, max_hedges=9))

    with record() as events, pytest.raises(AttemptTimeout):
        world.call(pipeline, dependency)

    assert world.elapsed() == pytest.approx(1.0)
    assert len(events.of(TimedOut)) == 1
    made = len(dependency.calls)
    world.advance(60.0)
    assert len(dependency.calls) == made == 5


def test_a_timeout_inside_is_per_attempt(world):
    """An attempt that times out is a failure, so the next one starts at once."""
    dependency = world.dependency(Hang(), Ok("second", takes=0.1))
    pipeline = Pipeline("p", Hedge(5.0), Timeout(1.0, sync="thread"))

    assert world.call(pipeline, dependency) == "second"

    assert instants(world, dependency) == [0.0, 1.0]


def test_no_hedge_starts_that_could_not_finish(world):
    """With less left than the quickest answer so far took, another attempt would be for nobody."""
    hedge = Hedge(0.5)
    pipeline = Pipeline("p", hedge)
    world.call(pipeline, world.dependency(Ok(takes=0.4)))
    slow = world.dependency(Ok("late", takes=0.7))

    async def in_a_hurry():
        with deadline(0.8):
            return await world.do(world.protect(pipeline, slow))

    assert world.run(in_a_hurry) == "late"
    assert len(slow.calls) == 1


def test_nothing_starts_after_the_deadline(world):
    """A call whose deadline has passed is refused."""
    dependency = world.dependency(Ok())

    async def too_late():
        with deadline(0.5):
            await world.sleep(1.0)
            await world.do(world.protect(Pipeline("p", Hedge(0.1)), dependency))

    with pytest.raises(DeadlineTooShortError):
        world.run(too_late)
    assert dependency.calls == []


# -- learning ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [quantile(0.9, min_samples=20), knee(min_samples=20)], ids=spelt)
def test_the_delay_is_learnt(world, rule):
    """No call is hedged before enough are known; then whatever is unusually slow is."""
    hedge = Hedge(rule)
    pipeline = Pipeline("p", hedge)
    assert world.call(pipeline, world.dependency(Ok("slow", takes=9.0), Ok("second"))) == "slow"
    for _ in range(40):
        world.call(pipeline, world.dependency(Ok(takes=0.1)))
    assert 0.1 < hedge.delay < 0.2

    assert world.call(pipeline, world.dependency(Hang(), Ok("second"))) == "second"

    assert hedge.snapshot()["started"] == 1
    assert hedge.snapshot()["censored"] == 1


def test_a_failure_starts_the_next_while_it_still_learns(world):
    """For that no delay is needed."""
    assert world.call(Pipeline("p", Hedge()), world.dependency(Fail(DOWN), Ok("paid"))) == "paid"


# -- at the same time ----------------------------------------------------------------------------


def test_many_calls_race_at_once(world):
    """Each call has its own race, and waits for no other."""
    pipeline = Pipeline("p", Hedge(0.2, budget=None))

    def call(number):
        dependency = world.dependency(Hang(), Ok(number, takes=0.1 * number))
        protected = world.protect(pipeline, dependency)

        @world.function
        async def timed():
            return await world.do(protected), world.elapsed()

        return timed

    assert world.together(*[call(number) for number in range(5)]) == [
        (number, pytest.approx(0.2 + 0.1 * number)) for number in range(5)
    ]


def test_a_hedge_within_a_hedge(world):
    """Two of them multiply, as retries do; each ends its own losers."""
    dependency = world.dependency(Hang(), Hang(), Hang(), Ok("fourth", takes=0.1))
    inner = Pipeline("inner", Hedge(0.2))
    outer = Pipeline("outer", Hedge(1.0), *inner.strategies)

    assert world.call(outer, dependency) == "fourth"

    assert instants(world, dependency) == [0.0, 0.2, 1.0, 1.2]


def test_an_abandoned_attempt_is_told(world):
    """In threads a loser runs on, and its end is told; in asyncio it is cancelled, and has none."""
    dependency = world.dependency(Ok(takes=9.0), Ok("quick", takes=0.1))
    bulkhead = Bulkhead(3)
    with record() as events:
        world.call(Pipeline("p", bulkhead, Hedge(0.2)), dependency)
        assert bulkhead.in_flight == (1 if world.name == "threads" else 0)
        world.advance(60.0)
    assert bulkhead.in_flight == 0
    told = [(event.strategy, event.late) for event in events.of(AbandonedFinished)]
    assert told == ([("hedge 'p'", pytest.approx(8.7))] if world.name == "threads" else [])


@pytest.mark.parametrize("world", ["asyncio"], indirect=True)
def test_losers_have_ended_when_the_call_returns(world):
    """In asyncio a loser is cancelled and awaited, its clean-up included."""
    started, ended = [], []

    async def function():
        mine = len(started)
        started.append(mine)
        try:
            await asyncio.sleep(0.1 if mine else 9.0)
            return mine
        finally:
            await asyncio.sleep(0.05)
            ended.append(mine)

    assert world.run(Pipeline("p", Hedge(0.2))(function)) == 1
    assert ended == [1, 0]
