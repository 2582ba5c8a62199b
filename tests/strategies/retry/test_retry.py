"""`Retry`: the outcome of an attempt and the history of a call in, a verdict out."""

import math
import random
import threading
import warnings
from random import Random

import pytest

from holdfast import (
    AttemptTimeout,
    BadResultError,
    BulkheadFullError,
    CircuitOpenError,
    ConfigurationError,
    NestedRetryWarning,
    RateLimitedError,
    RejectedError,
    Retry,
    RetryBudget,
    backoff,
    deadline,
    on_result,
)
from holdfast import events as told
from holdfast._ongoing import ongoing
from holdfast._world import world
from holdfast.deadline import Ambient, ambient
from holdfast.shapes import Again, Earlier, History, Instead, Reaction
from tests.ids import spelt

DOWN = ConnectionError("down")
SECOND = backoff.constant(1.0)


class Lowest(Random):
    """Randomness that always draws the lower end, so that a test knows the number."""

    def uniform(self, a, b):
        return a


class Highest(Random):
    def uniform(self, a, b):
        return b


def history(now=0.0, started=None, *, rng=None, name="payments"):
    made = History(name, now, started)
    made.rng = rng or Lowest()
    return made


def delay(verdict):
    assert type(verdict) is Again
    return verdict.delay


def retried(retry, errors, history):
    """Return the verdicts on a series of failed attempts, each of no duration."""
    verdicts = []
    for error in errors:
        verdict = retry.after_error(error, history)
        verdicts.append(verdict)
        if type(verdict) is Again:
            history.resumed(history.now + verdict.delay, verdict.delay)
            history.ended(history.now)
    return verdicts


# -- attempts ---------------------------------------------------------------------------------


def test_a_retry_has_the_shape_of_a_reaction():
    """It looks at results and instants only where its options ask for them."""
    retry = Retry()

    assert isinstance(retry, Reaction)
    assert (retry.judges, retry.timed, retry.claims, retry.credit) == (False, False, False, None)


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_count_the_first_one(attempts):
    """`attempts=5` means four retries."""
    past = history()

    verdicts = retried(Retry(attempts, backoff=SECOND), [ValueError() for _ in range(9)], past)

    assert [type(verdict) is Again for verdict in verdicts[:attempts]] == (
        [True] * (attempts - 1) + [False]
    )
    assert past.reason == (
        "its only attempt is used up" if attempts == 1 else f"all {attempts} attempts are used up"
    )


def test_without_a_number_it_goes_on():
    """As long as the deadline, the budget and `max_elapsed` allow."""
    verdicts = retried(Retry(None, backoff=SECOND), [ValueError() for _ in range(1_000)], history())

    assert all(type(verdict) is Again for verdict in verdicts)


def test_the_delay_is_the_backoffs():
    """It is told the attempt's number and the delay before."""
    past = history()

    verdicts = retried(Retry(backoff=backoff.exponential(jitter=None)), [DOWN] * 4, past)

    assert [verdict.delay for verdict in verdicts] == [1.0, 2.0, 4.0, 8.0]
    assert (past.attempt, past.previous) == (5, 8.0)


def test_a_backoff_that_looks_back_sees_the_delay_before():
    """Decorrelated jitter draws up to three times the previous delay."""
    past = history(rng=Highest())
    retry = Retry(backoff=backoff.exponential(1.0, cap=20.0, jitter="decorrelated"))

    assert [verdict.delay for verdict in retried(retry, [DOWN] * 4, past)] == [3.0, 9.0, 20.0, 20.0]


def test_any_function_of_the_attempt_is_a_backoff():
    """It is told the attempt's number, from 1."""
    verdicts = retried(Retry(backoff=lambda attempt: attempt * 10), [DOWN] * 3, history())

    assert [verdict.delay for verdict in verdicts] == [10.0, 20.0, 30.0]


@pytest.mark.parametrize(
    "answer, reason",
    [
        (lambda attempt: 1 / 0, "the backoff raised ZeroDivisionError"),
        (lambda attempt: -1.0, "the backoff raised ConfigurationError"),
        (lambda attempt: None, "the backoff raised ConfigurationError"),
    ],
    ids=["raises", "negative", "nothing"],
)
def test_a_broken_backoff_ends_the_retry_and_not_the_call(answer, reason):
    """The user's own exception stands, and its note tells what happened."""
    past, error = history(), ValueError()

    assert Retry(backoff=answer).after_error(error, past) is None
    assert past.reason.startswith(reason)
    assert reason in error.__notes__[0]


def test_a_backoff_of_the_users_own_is_checked_as_well():
    """What it returns must be a duration."""

    class Own:
        def delay(self, attempt, previous, rng, /):
            return math.nan

    past = history()

    assert Retry(backoff=Own()).after_error(DOWN, past) is None
    assert "delay=nan" in past.reason


# -- which outcomes ---------------------------------------------------------------------------


def test_only_what_is_meant_is_retried():
    """Another exception stands at once, untouched."""
    error, past = KeyError("no such customer"), history()

    assert Retry(on=ConnectionError).after_error(error, past) is None
    assert not hasattr(error, "__notes__")
    assert past.errors == {}


def test_an_exception_that_is_not_meant_ends_a_series_with_a_note():
    """It says how many attempts there were, and of what the others died."""
    retry, past, error = Retry(on=ConnectionError, backoff=SECOND), history(), KeyError("gone")
    retried(retry, [ConnectionError()], past)

    assert retry.after_error(error, past) is None
    assert error.__notes__ == [
        (
            "holdfast: pipeline 'payments' gave up after 2 attempts in 1 s after the first failure "
            "(ConnectionError ×1): KeyError is not retried"
        )
    ]


def test_a_predicate_that_raises_retries_nothing():
    """The user's error stands, with a note about the predicate."""
    error = ValueError("no status")

    assert Retry(on=lambda error: error.status == 503).after_error(error, history()) is None
    assert "the predicate" in error.__notes__[0]


@pytest.mark.parametrize("on, judges", [(Exception, False), (on_result(bool), True)])
def test_it_asks_for_results_only_where_it_judges_them(on, judges):
    """Otherwise a good call passes it untouched."""
    assert Retry(on=on).judges is judges


def test_a_bad_result_is_retried():
    """Good ones stand, and so do exceptions where only results are meant."""
    retry = Retry(2, on=on_result(lambda status: status == 503), backoff=SECOND)
    past = history()

    assert retry.after_error(DOWN, past) is None
    assert retry.after_result(200, past) is None
    assert delay(retry.after_result(503, past)) == 1.0
    past.resumed(1.0, 1.0)
    assert retry.after_result(503, past) is None
    assert past.errors == {"result": 2}


def test_results_are_no_matter_where_only_exceptions_are_meant():
    """A gate further in may show them all the same."""
    assert Retry().after_result("anything", history()) is None


# -- rejections -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [CircuitOpenError(retry_after=0.1), BulkheadFullError()])
def test_a_rejection_is_not_retried(error):
    """The gate has just said that it is no use; the exception stands as it is."""
    assert Retry().after_error(error, history()) is None
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize(
    "on", [RateLimitedError, RejectedError, ConnectionError | RateLimitedError]
)
def test_a_rejection_is_retried_where_it_is_named(on):
    """And when it says when to come back, that is when."""
    error = RateLimitedError(retry_after=7.0)

    assert delay(Retry(on=on, backoff=SECOND).after_error(error, history())) == 7.0


@pytest.mark.parametrize("on", [CircuitOpenError, Exception, lambda error: True])
def test_naming_another_class_does_not_mean_it(on):
    """Neither does a wider class, nor a predicate that says yes to everything."""
    assert Retry(on=on).after_error(RateLimitedError(retry_after=7.0), history()) is None


def test_when_a_later_attempt_is_rejected_the_functions_own_error_is_raised():
    """What the dependency said is the news, and the rejection is told in the note."""
    retry, past, error = Retry(backoff=SECOND), history(), ConnectionError("down")
    retried(retry, [error], past)

    verdict = retry.after_error(CircuitOpenError(strategy="circuit breaker 'payments'"), past)

    assert type(verdict) is Earlier
    assert verdict.error is error
    assert error.__notes__ == [
        (
            "holdfast: pipeline 'payments' gave up after 1 attempt (ConnectionError ×1): "
            "the next attempt was rejected: circuit breaker 'payments' is open"
        )
    ]


def test_after_a_bad_result_a_rejection_lets_that_result_stand(heard):
    """The function did run, and its result is what the call ends with when attempts run out, too."""
    retry, past = Retry(on=on_result(bool), backoff=SECOND), history()
    past.resumed(1.0, retry.after_result("bad", past).delay)

    verdict = retry.after_error(CircuitOpenError(), past)

    assert type(verdict) is Instead
    assert verdict.make(verdict.subject) == "bad"
    assert past.attempt == 1


# -- time -------------------------------------------------------------------------------------


def test_it_never_sleeps_past_the_deadline(clock):
    """A delay that would end after it is not begun, and not shortened either."""
    with deadline(1.5):
        past = history()
        short, long = Retry(backoff=SECOND), Retry(backoff=backoff.constant(2.0))

        assert delay(short.after_error(DOWN, past)) == 1.0
        assert long.after_error(DOWN, past) is None

    assert past.reason == "the deadline, 1.5 s away, would pass"


def test_a_delay_that_ends_at_the_deadline_leaves_nothing_for_an_attempt(clock):
    """So it is not slept."""
    with deadline(1.0):
        assert Retry(backoff=SECOND).after_error(DOWN, history()) is None


@pytest.mark.parametrize("took, again", [(0.4, True), (0.5, False), (0.6, False)])
def test_it_starts_no_attempt_that_cannot_finish(clock, took, again):
    """The shortest attempt so far must fit in what the delay leaves of the deadline."""
    with deadline(took + 1.5):
        past = history(0.0, started=0.0)
        past.ended(took)

    verdict = Retry(backoff=SECOND).after_error(DOWN, past)

    assert (type(verdict) is Again) is again


def test_the_shortest_attempt_so_far_is_what_counts(clock):
    """A slow first attempt does not stop a retry that a quick second one makes promising."""
    with deadline(10.0):
        past = history(0.0, started=0.0)
        past.ended(4.0)
        past.resumed(5.0, 1.0)
        past.ended(5.5)

    assert past.shortest == 0.5
    assert delay(Retry(backoff=SECOND).after_error(DOWN, past)) == 1.0


def test_the_limit_of_an_attempt_is_a_duration_that_is_known(clock):
    """An attempt that was given up on after 2 s took 2 s, also where nobody measured it."""
    with deadline(2.9):
        past = history()

        assert Retry(backoff=SECOND).after_error(AttemptTimeout(seconds=2.0), past) is None

    assert past.shortest == 2.0


@pytest.mark.parametrize("started, elapsed", [(0.0, 3.0), (None, 0.0)])
def test_max_elapsed_counts_from_the_calls_start(started, elapsed):
    """Where the start is not known, from the first outcome."""
    past = history(3.0, started)
    assert past.elapsed == elapsed
    retry = Retry(backoff=SECOND, max_elapsed=4.0)

    assert retry.timed
    assert delay(retry.after_error(DOWN, past)) == 1.0
    past.resumed(4.5 + elapsed, 1.0)
    past.ended(3.001 + (0.0 if started is not None else 3.0))
    assert retry.after_error(DOWN, past) is None
    assert past.reason == "max_elapsed=4 s would pass"


# -- Retry-After ------------------------------------------------------------------------------


class Busy(ConnectionError):
    def __init__(self, retry_after):
        super().__init__("busy")
        self.retry_after = retry_after


@pytest.mark.parametrize("rng, expected", [(Lowest(), 10.0), (Highest(), 11.0)])
def test_a_retry_after_lengthens_a_shorter_delay(rng, expected):
    """Jitter is added to it and never subtracted, so nobody comes before they may."""
    verdict = Retry(backoff=SECOND).after_error(Busy(10), history(rng=rng))

    assert verdict.delay == pytest.approx(expected)


def test_a_retry_after_does_not_shorten_a_longer_delay():
    """The backoff may know better."""
    verdict = Retry(backoff=backoff.constant(20.0)).after_error(Busy(10), history(rng=Highest()))

    assert verdict.delay == 20.0


@pytest.mark.parametrize("asked", [120.0, 121.0, 4_294_967.0, math.inf])
def test_a_retry_after_is_capped(asked):
    """Nobody sleeps for 49 days because a server said so."""
    verdict = Retry(backoff=SECOND).after_error(Busy(asked), history(rng=Highest()))

    assert verdict.delay == pytest.approx(132.0)


@pytest.mark.parametrize("cap, expected", [(300.0, 330.0), (None, 396.0), (60.0, 66.0)])
def test_the_cap_of_a_retry_after_can_be_chosen(cap, expected):
    """A batch job has all the time in the world: urllib3 1338 and 3743."""
    retry = Retry(backoff=SECOND, retry_after_cap=cap)

    assert retry.after_error(Busy(360), history(rng=Highest())).delay == pytest.approx(expected)


def test_too_long_a_retry_after_can_end_the_retry():
    """The caller learns at once, and what is asked for."""
    retry, past, error = Retry(backoff=SECOND, retry_after_limit=60.0), history(), Busy(61)

    assert retry.after_error(error, past) is None
    assert "asks to wait for 61 s" in error.__notes__[0]
    assert "retry_after_limit=60" in error.__notes__[0]
    assert delay(retry.after_error(Busy(60), history())) == 60.0


@pytest.mark.parametrize("option", ["retry_after_cap", "retry_after_limit"])
@pytest.mark.parametrize("value", [0, -1.0, "60"])
def test_a_bound_of_retry_after_is_a_duration(option, value):
    """Or None."""
    with pytest.raises(ConfigurationError, match=f"{option}="):
        Retry(**{option: value})


@pytest.mark.parametrize("asked", [0, -5, math.nan])
def test_a_retry_after_of_nothing_leaves_the_backoff(asked):
    """Zero, a date that has passed, and nonsense do not abolish the backoff."""
    assert delay(Retry(backoff=SECOND).after_error(Busy(asked), history())) == 1.0


def test_a_retry_after_can_be_ignored():
    """With `respect_retry_after=False` the backoff alone decides."""
    retry = Retry(backoff=SECOND, respect_retry_after=False)

    assert delay(retry.after_error(Busy(10), history())) == 1.0


def test_a_retry_after_beyond_the_deadline_ends_the_retry(clock):
    """It is neither slept nor shortened."""
    with deadline(5.0):
        past = history()

        assert Retry(backoff=SECOND).after_error(Busy(10), past) is None

    assert "the deadline" in past.reason


def test_a_result_may_say_when_to_come_back():
    """A response is an outcome as well."""

    class Response:
        status = 429
        retry_after = 4.0

    retry = Retry(on=on_result(lambda response: response.status == 429), backoff=SECOND)

    assert delay(retry.after_result(Response(), history())) == 4.0


# -- the budget -------------------------------------------------------------------------------


def test_each_retry_takes_a_token_and_an_empty_budget_ends_it():
    """The last outcome stands then, and its note tells why."""
    budget = RetryBudget(capacity=2.0)
    past, errors = history(), [ConnectionError() for _ in range(3)]

    verdicts = retried(Retry(None, backoff=SECOND, budget=budget), errors, past)

    assert [type(verdict) is Again for verdict in verdicts] == [True, True, False]
    assert "the retry budget is empty" in errors[2].__notes__[0]


@pytest.mark.parametrize("error, left", [(ConnectionError(), 9.0), (TimeoutError(), 8.0)])
def test_a_retry_after_a_timeout_costs_double(error, left):
    """It cost the dependency a whole timeout's work."""
    budget = RetryBudget()

    Retry(backoff=SECOND, budget=budget).after_error(error, history())

    assert budget.tokens == left


@pytest.mark.parametrize(
    "options",
    [{"attempts": 1}, {"max_elapsed": 0.5}, {"backoff": lambda attempt: 1 / 0}],
    ids=spelt,
)
def test_no_token_is_spent_on_a_retry_that_does_not_happen(options):
    """The budget is asked last."""
    budget = RetryBudget()

    Retry(**({"backoff": SECOND} | options), budget=budget).after_error(DOWN, history())

    assert budget.full


def test_no_token_is_spent_where_the_deadline_is_too_near(clock):
    """Nor for an exception that is not meant."""
    budget = RetryBudget()
    with deadline(0.5):
        Retry(backoff=SECOND, budget=budget).after_error(DOWN, history())
    Retry(on=KeyError, budget=budget).after_error(DOWN, history())

    assert budget.full


def test_a_success_earns_its_credit():
    """Without a condition on results the driver calls `credit`, with one `after_result` does."""
    budget = RetryBudget(ratio=0.5)
    budget.withdraw(5.0)

    Retry(budget=budget).credit()
    assert budget.tokens == 5.5

    retry = Retry(on=on_result(bool), budget=budget)
    retry.after_result("", history())
    assert budget.tokens == 6.0
    retry.after_result("bad", history())
    assert budget.tokens == 5.0


# -- giving up --------------------------------------------------------------------------------


def test_the_note_tells_the_history():
    """Attempts, time, what they died of, and why there is no further one."""
    past = history(0.5, started=0.0)
    errors = [ConnectionError(), TimeoutError(), ConnectionError("last")]

    retried(Retry(3, backoff=SECOND), errors, past)

    assert errors[-1].__notes__ == [
        (
            "holdfast: pipeline 'payments' gave up after 3 attempts in 2.5 s "
            "(ConnectionError ×2, TimeoutError ×1): all 3 attempts are used up"
        )
    ]


def test_the_note_after_one_attempt_has_no_duration():
    """There was nothing to wait for."""
    error = ConnectionError()

    Retry(1).after_error(error, history())

    assert error.__notes__ == [
        (
            "holdfast: pipeline 'payments' gave up after 1 attempt (ConnectionError ×1): "
            "its only attempt is used up"
        )
    ]


def test_an_exception_that_takes_no_note_is_raised_all_the_same():
    """A frozen exception stays as it is."""

    class Frozen(Exception):
        def __setattr__(self, name, value):
            raise AttributeError(name)

        def add_note(self, note):
            raise AttributeError

    past = history()
    errors = [Frozen(), Frozen()]

    assert retried(Retry(2, backoff=SECOND), errors, past)[-1] is None
    assert past.reason == "all 2 attempts are used up"


def test_retries_are_told(heard):
    """The next attempt with its delay, the end with its reason."""
    past, errors = history(2.0), [ConnectionError("one"), ConnectionError("two")]

    retried(Retry(2, backoff=SECOND), errors, past)

    assert heard == [
        told.RetryScheduled(
            pipeline="payments", strategy="retry", at=2.0, attempt=1, delay=1.0, error=errors[0]
        ),
        told.RetriesExhausted(
            pipeline="payments", strategy="retry", at=3.0, attempts=2, elapsed=1.0,
            reason="all 2 attempts are used up", error=errors[1],
        ),
    ]  # fmt: skip


def test_retries_of_results_are_told_without_an_error(heard):
    """There is none."""
    retry, past = Retry(2, on=on_result(bool), backoff=SECOND), history()
    past.resumed(1.0, retry.after_result("bad", past).delay)
    retry.after_result("bad", past)

    scheduled, exhausted = heard
    assert (scheduled.error, scheduled.attempt) == (None, 1)
    assert (exhausted.error, exhausted.attempts) == (None, 2)


def test_a_rejected_attempt_is_told_as_not_made(heard):
    """One attempt was made, the second was refused."""
    retry, past = Retry(backoff=SECOND), history()
    retried(retry, [ConnectionError()], past)

    retry.after_error(CircuitOpenError(), past)

    assert heard[-1].attempts == 1
    assert "rejected" in heard[-1].reason


def test_before_sleep_is_called_with_the_event():
    """Also while nobody listens otherwise."""
    seen = []

    verdict = Retry(backoff=SECOND, before_sleep=seen.append).after_error(DOWN, history())
    assert seen == []  # the driver calls it, since it may have to be awaited
    verdict.before.make(verdict.before.subject)

    (event,) = seen
    assert (type(event), event.delay, event.error) == (told.RetryScheduled, 1.0, DOWN)


def test_before_sleep_is_not_called_when_it_gives_up():
    """There is no sleep then."""
    seen = []

    Retry(1, before_sleep=seen.append).after_error(DOWN, history())

    assert seen == []


# -- nested retries ---------------------------------------------------------------------------


def given_up(past, inner="inner", attempts=3):
    """Return an exception that a retry has given up on that ran in the attempt that has just ended."""
    error, mine = ConnectionError("down"), history(name=inner)
    token = ongoing.set(past.begins())
    try:
        retried(Retry(attempts, backoff=SECOND), [error] * attempts, mine)
    finally:
        ongoing.reset(token)
    return error


def test_two_retries_multiply_and_say_so():
    """The outer one repeats what the inner one has tried, with a warning."""
    retry, past = Retry(backoff=SECOND), history(name="told")

    with pytest.warns(
        NestedRetryWarning, match="'told' repeats what the retry of 'inner' has tried 3"
    ):
        verdict = retry.after_error(given_up(past), past)

    assert type(verdict) is Again


def test_each_pair_of_pipelines_is_warned_of_once():
    """A storm of retries needs no storm of warnings."""
    retry = Retry(backoff=SECOND)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for inner in ("one", "one", "two", "one"):
            past = history(name="told once")
            retry.after_error(given_up(past, inner), past)

    assert len(caught) == 2


def test_a_warning_that_is_an_error_does_not_replace_the_users():
    """It becomes a note of it, and the retry goes on."""
    past = history(name="strict")
    error = given_up(past)

    verdict = Retry(backoff=SECOND).after_error(error, past)

    assert type(verdict) is Again
    assert any("their attempts multiply" in note for note in error.__notes__)


def test_nested_retries_are_told_each_time(heard):
    """The event counts what the warning says once."""
    retry = Retry(backoff=SECOND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            past = history(name="told each time")
            error = given_up(past)
            heard.clear()
            retry.after_error(error, past)
            nested = heard[0]
            assert (type(nested), nested.pipeline) == (told.NestedRetry, "told each time")
            assert (nested.inner, nested.attempts) == ("inner", 3)


def test_the_inner_one_alone_may_retry():
    """With `nested="inner"` what an inner retry gave up on is given up on."""
    past = history(name="outer")

    assert Retry(nested="inner").after_error(given_up(past), past) is None
    assert past.reason == "the retry of pipeline 'inner' has made 3 attempts already"


def test_an_exception_that_nobody_retried_is_retried_by_the_outer_one():
    """`nested="inner"` waives only what an inner retry has tried; one attempt is no retrying."""
    retry = Retry(nested="inner", backoff=SECOND)

    assert type(retry.after_error(ConnectionError(), history())) is Again
    past = history()
    assert type(retry.after_error(given_up(past, attempts=1), past)) is Again


def test_the_outer_one_alone_may_retry():
    """Inside a retry that claims the retrying, a retry lets the first failure stand."""
    assert Retry(nested="outer").claims
    token = ambient.set(Ambient(math.inf, math.inf, "outer"))
    try:
        past = history(name="inner")
    finally:
        ambient.reset(token)

    assert Retry(backoff=SECOND).after_error(DOWN, past) is None
    assert past.reason == "the retry of pipeline 'outer' has claimed it"


# -- as a value -------------------------------------------------------------------------------


def test_a_retry_is_a_value():
    """Equal options make equal retries, which may be keys and be shared."""
    assert Retry(3, on=(ValueError, KeyError)) == Retry(3, on=(ValueError, KeyError))
    assert hash(Retry(3)) == hash(Retry(3))
    assert Retry(3) != Retry(4)
    assert Retry(budget=RetryBudget()) != Retry(budget=RetryBudget())


def test_calls_do_not_share_their_history():
    """One retry serves any number of calls at the same time."""
    retry = Retry(3, backoff=backoff.exponential(jitter=None))
    one, other = history(), history()

    found = []
    for _ in range(2):
        for past in (one, other):
            verdict = retry.after_error(ConnectionError(), past)
            past.resumed(past.now + verdict.delay, verdict.delay)
            found.append(verdict.delay)

    assert found == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("value", [5, "budget", object(), 0.1])
def test_what_is_no_budget_is_refused(value):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match="budget="):
        Retry(budget=value)


# -- the history ------------------------------------------------------------------------------


def test_a_history_knows_the_time():
    """Elapsed since the start, or since the first outcome; remaining until the deadline."""
    past = history(3.0, started=1.0)
    assert (past.elapsed, past.remaining) == (2.0, math.inf)

    past.ended(0.5)
    assert past.elapsed == 0.0
    assert past.shortest == 0.0


def test_a_history_without_a_start_measures_from_the_first_outcome():
    """The duration of the first attempt is unknown then, that of the second is known."""
    past = history(3.0)
    past.ended(3.0)
    assert past.shortest == math.inf

    past.resumed(5.0, 2.0)
    past.ended(5.25)
    assert (past.elapsed, past.shortest, past.attempt, past.previous) == (2.25, 0.25, 2, 2.0)


def test_a_history_has_the_calls_arguments():
    """For reactions that need a key."""
    past = History("payments", 0.0, None, (1,), {"a": 2})

    assert (past.args, past.kwargs) == ((1,), {"a": 2})
    assert History("payments", 0.0).kwargs == {}


def test_a_history_lets_go_of_its_exceptions():
    """They would keep the frames of the attempts alive."""
    past = history()
    past.last = DOWN

    assert not past.stands(Again(1.0))
    assert past.last is DOWN
    assert past.stands(None)
    assert past.last is None


# -- as a loop --------------------------------------------------------------------------------


@pytest.mark.parametrize("colour, loop", [("blocking", iter), ("asyncio", aiter)])
def test_a_loop_over_a_retry_is_made_by_the_runtime_in_force(monkeypatch, colour, loop):
    """The waiting between the attempts is the runtime's."""

    class Attempts:
        def __next__(self):
            raise NotImplementedError

        __anext__ = __next__

    attempts = Attempts()
    asked = []

    class Runtime:
        def attempts(self, retry):
            asked.append(retry)
            return attempts

    monkeypatch.setitem(world.overrides, colour, Runtime())
    retry = Retry()

    assert loop(retry) is attempts
    assert asked == [retry]


# -- ignore, exhausted, discard ---------------------------------------------------------------


def test_what_is_ignored_is_not_retried():
    """`ignore` takes from what `on` means: exceptions, groups with one of them in it, results."""
    retry = Retry(3, ignore=(KeyError, IndexError), backoff=SECOND)
    assert delay(retry.after_error(ValueError(), history())) == 1.0
    for error in (KeyError(), ExceptionGroup("two", [ValueError(), KeyError()])):
        assert retry.after_error(error, history()) is None
    bad = Retry(3, on=on_result(lambda it: it < 0), ignore=on_result(lambda it: it == -1))
    assert type(bad.after_result(-2, history())) is Again
    assert bad.after_result(-1, history()) is None
    assert repr(retry) == f"Retry(3, ignore=(KeyError, IndexError), backoff={SECOND!r})"


def test_a_bad_result_may_be_raised(heard):
    """With `exhausted="raise"` nobody takes the last bad result for a good one (cockatiel 38)."""
    retry = Retry(2, on=on_result(lambda it: it == "bad"), backoff=SECOND, exhausted="raise")
    past = history()
    assert delay(retry.after_result("bad", past)) == 1.0
    past.resumed(1.0, 1.0)
    verdict = retry.after_result("bad", past)
    assert type(verdict) is Earlier
    error = verdict.error
    assert isinstance(error, BadResultError)
    assert (error.result, error.attempts, error.pipeline) == ("bad", 2, "payments")
    assert "bad" not in str(error)
    assert heard[-1].error is error
    assert "gave up after 2 attempts" in error.__notes__[0]


def test_a_bad_result_is_raised_where_a_rejection_or_the_deadline_ends_the_retrying():
    """Whatever the reason is."""
    retry = Retry(9, on=on_result(lambda it: it == "bad"), backoff=SECOND, exhausted="raise")
    past = history()
    retry.after_result("bad", past)
    past.resumed(1.0, 1.0)
    assert isinstance(retry.after_error(CircuitOpenError(), past).error, BadResultError)
    short = history()
    short.deadline = 0.5
    assert isinstance(retry.after_result("bad", short).error, BadResultError)


def test_results_that_nobody_gets_are_discarded():
    """Each one that another attempt has followed; not the one that stands."""
    gone = []
    retry = Retry(3, on=on_result(lambda it: it < 9), backoff=SECOND, discard=gone.append)
    past = history()
    for number in (1, 2):
        assert type(retry.after_result(number, past)) is Again
        past.resumed(past.now + 1.0, 1.0)
    assert gone == [1]
    assert past.stands(retry.after_result(3, past))
    assert gone == [1, 2]


@pytest.mark.parametrize("end", ["good", "error"])
def test_a_bad_result_that_is_followed_by_something_better(end):
    """Then nobody gets it."""
    gone = []
    retry = Retry(2, on=on_result(lambda it: it < 9), backoff=SECOND, discard=gone.append)
    past = history()
    retry.after_result(1, past)
    past.resumed(1.0, 1.0)
    assert gone == []
    verdict = retry.after_result(9, past) if end == "good" else retry.after_error(DOWN, past)
    assert past.stands(verdict)
    assert gone == [1]


def test_a_discard_that_fails_is_logged(caplog):
    """It breaks no call."""

    def broken(result):
        raise ZeroDivisionError

    retry = Retry(2, on=on_result(lambda it: it < 9), backoff=SECOND, discard=broken)
    past = history()
    retry.after_result(1, past)
    past.forget()
    assert "discard=" in caplog.text


@pytest.mark.parametrize(
    "options, text",
    [
        ({"exhausted": "throw"}, "exhausted='throw'.*'return', 'raise'"),
        ({"stop": True}, "stop=True.*is_set"),
        ({"discard": 3}, "discard=3"),
        ({"ignore": [KeyError]}, r"ignore=\["),
        ({"before_sleep": 3}, "before_sleep=3"),
    ],
)
def test_options_that_cannot_work(options, text):
    """They are refused where they are written."""
    with pytest.raises(ConfigurationError, match=text):
        Retry(**options)


# -- stop -------------------------------------------------------------------------------------


def test_nothing_is_retried_once_stop_is_set():
    """The failure stands, with the reason."""
    stop = threading.Event()
    retry, past = Retry(backoff=SECOND, stop=stop), history()
    assert type(retry.after_error(DOWN, past)) is Again
    assert not retry.halted(past)
    stop.set()
    assert retry.halted(past)
    assert type(past.verdict) is Earlier
    assert past.reason == "stop is set"
    assert retry.after_error(DOWN, history()) is None


# -- tiny bases -------------------------------------------------------------------------------


@pytest.mark.parametrize("jitter", [None, "full", "equal", "smooth", "steady", "decorrelated"])
@pytest.mark.parametrize("base", [5e-324, 1e-300, 1e-9])
def test_a_tiny_base_overflows_nothing(base, jitter):
    """Whichever number the attempt has."""
    made = backoff.exponential(base=base, jitter=jitter)
    for attempt in (1, 2, 500, 1_020, 1_080, 3_000, 10**9):
        assert 0.0 <= made.delay(attempt, None, random.Random(attempt)) <= 30.0
