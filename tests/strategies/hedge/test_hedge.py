"""`Hedge` and its `Race`: numbers in, verdicts out."""

from math import inf

import pytest

from holdfast import ConfigurationError, Pipeline, Retry, RetryBudget
from holdfast.errors import BulkheadFullError
from holdfast.shapes import Site
from holdfast.strategies.hedge.delay import knee, quantile
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.strategies.hedge.race import NEXT, OVER, WAIT, Race
from tests.ids import spelt

SITE = Site("p")
DOWN = ConnectionError("down")


def race(hedge=None, *, deadline=inf):
    return Race(hedge or Hedge(0.5), SITE, 10.0, deadline)


# -- the race --------------------------------------------------------------------------------------


def test_a_race_begins_with_one_attempt_and_a_delay():
    """The first attempt runs, and the second is due after the delay."""
    one = race()
    assert (one.attempts, one.running, one.due, one.verdict) == (1, (1,), 10.5, None)


def test_while_it_learns_nothing_is_due():
    """Without a delay slowness starts nothing."""
    assert race(Hedge()).due == inf


def test_each_tick_starts_one_until_all_are_started():
    """`max_hedges` bounds the attempts, each is due one delay after the last."""
    one = race(Hedge(0.5, max_hedges=2))
    assert one.tick(10.5)
    assert (one.running, one.due) == ((1, 2), 11.0)
    assert one.tick(11.0)
    assert (one.running, one.due) == ((1, 2, 3), inf)
    assert not one.tick(11.5)


def test_the_first_success_wins():
    """Whichever attempt it comes from."""
    one = race()
    one.tick(10.5)
    assert one.returned(2, "hedge", 10.6) == OVER
    assert one.verdict == ("hedge", None)


def test_failures_wait_for_those_that_run():
    """The verdict comes with the last failure, and is the first attempt's."""
    one = race()
    one.tick(10.5)
    second = OSError("second")
    assert one.raised(2, second, 10.6) == WAIT
    assert one.raised(1, DOWN, 10.7) == OVER
    assert one.verdict == (None, DOWN)


def test_a_failure_makes_the_next_start():
    """As long as there is one."""
    one = race(Hedge(0.5, max_hedges=1))
    assert one.raised(1, DOWN, 10.1) == NEXT
    assert (one.attempts, one.running, one.due) == (2, (2,), inf)
    assert one.raised(2, DOWN, 10.2) == OVER


def test_a_rejected_first_attempt_ends_a_race_without_others():
    """There is nobody to wait for, and no reason to try again."""
    one = race()
    full = BulkheadFullError("full")
    assert one.raised(1, full, 10.0) == OVER
    assert one.verdict == (None, full)


def test_a_real_error_stands_before_a_rejection():
    """What the function raised is the news, even where the first attempt was rejected."""
    one = race()
    one.tick(10.5)
    assert one.raised(1, BulkheadFullError("full"), 10.6) == WAIT
    assert one.raised(2, DOWN, 10.7) == OVER
    assert one.verdict[1] is DOWN


def test_a_cancelled_attempt_is_no_outcome():
    """It leaves the race to the others; alone, its cancellation is what there is to raise."""
    one = race()
    one.tick(10.5)
    gone = BaseException()
    assert one.cancelled(2, gone) == WAIT
    assert one.cancelled(1, gone) == OVER
    assert one.verdict == (None, gone)


def test_without_room_nothing_starts():
    """The runtime says whether an attempt has a place to run in."""
    one = race()
    one.room = lambda: False
    assert not one.tick(10.5)
    assert one.hedge.started == 0


def test_forgetting_lets_go_of_the_outcomes():
    """Nothing of a race keeps an exception, and its frames, alive."""
    one = race()
    one.raised(1, DOWN, 10.1)
    one.raised(2, OSError(), 10.2)
    one.forget()
    assert (one.verdict, one._failed) == (None, None)


# -- the deadline ----------------------------------------------------------------------------------


@pytest.mark.parametrize("left, starts", [(-1.0, False), (0.0, False), (0.2, False), (0.3, True)])
def test_a_hedge_must_fit(left, starts):
    """What is left must hold the quickest answer known, and be more than nothing."""
    hedge = Hedge(0.5)
    hedge.answered(0.25, 0.0, earns=True)
    assert race(hedge, deadline=10.5 + left).tick(10.5) == starts
    assert hedge.budget.full != starts


def test_with_nothing_known_any_time_will_do():
    """Before the first answer nobody can say what is too short."""
    assert race(deadline=10.5001).tick(10.5)


# -- what is learnt --------------------------------------------------------------------------------


class Heard:
    """Stands in for what learns: writes down what it is told."""

    delay, quick, slow = 0.5, inf, False

    def __init__(self):
        self.told = []

    def ended(self, seconds, _now):
        self.told.append(("ended", round(seconds, 6)))

    def going(self, seconds, _now):
        self.told.append(("going", round(seconds, 6)))


def heard(hedge=None):
    hedge = hedge or Hedge(0.5, on=(ConnectionError, TimeoutError))
    hedge._learning = Heard()
    one = race(hedge)
    return one, hedge.learning.told


def test_an_answer_of_the_first_attempt_is_a_duration():
    """Prompt, and late."""
    one, told = heard()
    one.returned(1, "answer", 10.2)
    other, told_late = heard()
    other.tick(10.5)
    other.returned(1, "answer", 10.8)
    assert (told, told_late) == ([("ended", 0.2)], [("ended", 0.8)])


def test_a_first_attempt_that_lost_took_at_least_so_long():
    """Its end is not known, and nobody claims that it is; the hedge's own duration is no sample."""
    one, told = heard()
    one.tick(10.5)
    one.returned(2, "hedge", 10.6)
    assert told == [("going", 0.6)]


def test_a_first_attempt_that_failed_teaches_nothing():
    """A refusal says nothing of how long an answer takes."""
    one, told = heard()
    one.raised(1, DOWN, 10.1)
    one.returned(2, "hedge", 10.6)
    assert told == []


def test_an_error_that_is_an_answer_teaches_nothing():
    """Neither does one that `on` does not match."""
    one, told = heard()
    one.raised(1, KeyError(), 10.1)
    assert told == []


def test_a_timeout_is_a_lower_bound():
    """An attempt that timed out took at least that long."""
    one, told = heard()
    one.raised(1, TimeoutError(), 10.4)
    assert told == [("going", 0.4)]


# -- the budget ------------------------------------------------------------------------------------


def test_a_hedge_takes_a_token_and_after_a_timeout_two():
    """The dependency has worked for as long as the timeout was."""
    slow, timed_out = Hedge(0.5), Hedge(0.5)
    race(slow).tick(10.5)
    race(timed_out).raised(1, TimeoutError(), 10.5)
    assert (slow.budget.tokens, timed_out.budget.tokens) == (9.0, 8.0)


def test_while_everything_is_slow_one_prompt_answer_in_four_is_credited():
    """A dependency in trouble gets less extra load, not as much as before."""
    hedge = Hedge(0.5, budget=RetryBudget(ratio=0.25, capacity=4))
    while hedge.budget.withdraw():
        pass
    hedge.learning.slow = True
    for _ in range(8):
        hedge.answered(0.1, 0.0, earns=True)
    assert hedge.budget.tokens == 0.5


def test_a_budget_shared_with_the_retry_of_the_pipeline_is_credited_once():
    """The retry credits successes; with a budget of its own the hedge does."""
    budget = RetryBudget()
    hedge = Hedge(0.5, budget=budget)
    retry, other = Retry(3, budget=budget), Retry(3, budget=RetryBudget())
    assert not hedge.earns(Site("p", enclosing=(retry,)))
    assert not hedge.earns(Site("p", inside=(retry,)))
    assert hedge.earns(Site("p", enclosing=(other,)))
    assert not Hedge(0.5, budget=None).earns(SITE)


def test_each_hedge_has_a_budget_of_its_own():
    """The default is made anew, and never shared by accident."""
    assert Hedge(0.5).budget is not Hedge(0.5).budget
    assert (Hedge(0.5).budget.ratio, Hedge(0.5).budget.capacity) == (0.1, 10)


# -- the hedge -------------------------------------------------------------------------------------


def test_a_hedge_takes_the_name_of_its_first_pipeline():
    """Unless it has one."""
    unnamed, named = Hedge(0.5), Hedge(0.5, name="reads")
    Pipeline("prices", unnamed)
    assert (unnamed.name, unnamed.title, named.title) == (
        "prices",
        "hedge 'prices'",
        "hedge 'reads'",
    )


def test_its_snapshot_and_repr_say_what_it_does():
    """Plain data for machines, words for people."""
    hedge = Hedge(0.5, name="reads")
    race(hedge).tick(10.5)
    assert hedge.snapshot() == {
        "strategy": "hedge", "name": "reads", "delay": 0.5, "started": 1, "won": 0, "budget": 9.0,
        "options": {"after": 0.5, "max_hedges": 1},
    }  # fmt: skip
    assert repr(hedge) == "<Hedge 'reads' after 0.5 s, 1 started, 0 won>"
    assert repr(Hedge()) == "<Hedge learning, 0 started, 0 won>"
    assert Hedge().snapshot()["samples"] == 0


@pytest.mark.parametrize("rule", [knee(), quantile(0.9)], ids=spelt)
def test_one_rule_serves_many_hedges(rule):
    """The rule is a value; each hedge learns for itself."""
    one, other = Hedge(rule), Hedge(rule)
    for number in range(200):
        one.answered(0.1, number * 0.01, earns=True)
    assert one.delay is not None
    assert other.delay is None


@pytest.mark.parametrize(
    "options, option",
    [
        ({"after": 0}, "after"),
        ({"after": -1.0}, "after"),
        ({"after": "soon"}, "after"),
        ({"after": quantile}, "after"),
        ({"after": 1.0, "max_hedges": 0}, "max_hedges"),
        ({"after": 1.0, "on": "everything"}, "on"),
        ({"after": 1.0, "budget": 0.1}, "budget"),
        ({"after": 1.0, "name": ""}, "name"),
    ],
)
def test_bad_options_are_refused_by_name(options, option):
    """A value outside its range fails where it is written."""
    with pytest.raises(ConfigurationError, match=f"^{option}="):
        Hedge(**options)


def test_after_a_fork_the_locks_are_new():
    """A lock that a thread of the parent holds would never be released in the child."""
    hedge = Hedge()
    hedge.learning._lock.acquire()
    hedge._lock.acquire()
    hedge._after_fork()
    assert hedge.learning._lock.acquire(blocking=False)
    assert hedge._lock.acquire(blocking=False)
