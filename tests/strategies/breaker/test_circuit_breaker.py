"""`CircuitBreaker`: instants and outcomes in, verdicts out."""

from random import Random

import pytest

from holdfast import (
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    IsolatedError,
    RejectedError,
    on_result,
)
from holdfast import events as told
from holdfast.shapes import Gate, Site
from holdfast.strategies.breaker.machine import Machine

DOWN = ConnectionError("down")


def made(**options):
    """Return a breaker without jitter that opens at the first failure, unless told otherwise."""
    usual = {"failures": 1, "open_for": 5.0, "open_jitter": 0.0, "probes": 1}
    return CircuitBreaker(**(usual | options))


def enter(breaker, now=0.0):
    return breaker.enter(now, (), {})


def succeed(breaker, now=0.0, *, took=0.0, result=None):
    permit = enter(breaker, now)
    breaker.succeeded(permit, now + took, result)


def fail(breaker, now=0.0, *, took=0.0, error=DOWN):
    permit = enter(breaker, now)
    breaker.failed(permit, now + took, error)


def rejection(breaker, now=0.0):
    with pytest.raises(CircuitOpenError) as caught:
        enter(breaker, now)
    return caught.value


def half_opened(now=5.0, **options):
    """Return a breaker that let its first probe through at ``now``, and that probe."""
    breaker = made(**options)
    fail(breaker)
    return breaker, enter(breaker, now)


# -- closed -----------------------------------------------------------------------------------


def test_a_breaker_has_the_shape_of_a_gate():
    """It can be handed to a pipeline."""
    assert isinstance(made(), Gate)
    assert made().timed


def test_a_closed_breaker_lets_everybody_through(clock):
    """Any number of calls may be in flight at once."""
    breaker = CircuitBreaker()

    permits = [enter(breaker) for _ in range(1_000)]

    assert None not in permits
    assert breaker.state == "closed"


def test_it_opens_at_so_many_failures_in_a_row(clock):
    """The fifth failure in a row opens it, by default."""
    breaker = CircuitBreaker()
    for _ in range(4):
        fail(breaker)
        assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


def test_a_success_between_failures_keeps_it_closed(clock):
    """Only failures in a row count for `failures`."""
    breaker = made(failures=2)
    for _ in range(100):
        fail(breaker)
        succeed(breaker)

    assert breaker.state == "closed"


def test_it_opens_by_the_share_of_failures(clock):
    """Half of the last calls failed, in any order."""
    breaker = made(failures=None, failure_rate=0.5, window_calls=10, min_calls=4)
    for turn in (succeed, fail, succeed):
        turn(breaker)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"
    assert breaker.snapshot()["reason"] == "2 of 4 calls failed"


def test_failures_that_have_left_the_window_no_longer_speak(clock):
    """A window is a duration: nineteen failures of long ago and a new one open nothing."""
    breaker = made(failures=None, failure_rate=0.5, window=10.0, min_calls=20)
    for _ in range(19):
        fail(breaker, 0.0)

    fail(breaker, 30.0)

    assert breaker.state == "closed"


def test_it_opens_by_the_share_of_slow_calls(clock):
    """Calls that succeed late are a reason as well; the limit itself is not slow yet."""
    breaker = made(failures=None, slow=1.0, slow_rate=0.5, window_calls=10, min_calls=4)
    for took in (1.0, 1.0, 1.001):
        succeed(breaker, took=took)
    assert breaker.state == "closed"

    succeed(breaker, took=30.0)

    assert breaker.state == "open"
    assert breaker.snapshot()["reason"] == "2 of 4 calls were slow"


def test_a_slow_failure_counts_as_slow(clock):
    """It is both."""
    breaker = made(failures=None, slow=1.0, slow_rate=0.5, window_calls=10, min_calls=2)
    fail(breaker, took=2.0)
    fail(breaker, took=2.0)

    assert breaker.state == "open"


@pytest.mark.parametrize("outcome", [succeed, fail])
def test_a_call_that_takes_exactly_the_limit_is_not_slow(clock, outcome):
    """Slow is what takes longer, whether it succeeds or fails."""
    breaker = made(failures=None, slow=1.0, slow_rate=0.5, window_calls=10, min_calls=5)
    fail(breaker)

    outcome(breaker, took=1.0)
    assert breaker.snapshot()["slow_calls"] == 0

    outcome(breaker, took=1.001)
    assert breaker.snapshot()["slow_calls"] == 1


@pytest.mark.parametrize(
    "control, left", [("trip", 10), ("isolate", 0), ("disable", 0), ("reset", 0)]
)
def test_calls_of_before_a_transition_are_forgotten(clock, control, left):
    """Also those that were good; but while it is open, all that were counted stay in sight."""
    breaker = made(failures=None, failure_rate=0.5, window_calls=100)
    for _ in range(10):
        succeed(breaker)

    getattr(breaker, control)()

    assert breaker.snapshot()["calls"] == left


@pytest.mark.parametrize("calls", [63, 64, 65, 200])
@pytest.mark.parametrize("window", [{"window_calls": 1_000}, {"window": 10}])
def test_good_calls_are_all_counted(clock, calls, window):
    """However the breaker keeps its books, its report has every call."""
    breaker = made(failures=None, failure_rate=0.5, **window)

    for _ in range(calls):
        succeed(breaker)

    assert breaker.snapshot()["calls"] == calls
    fail(breaker)
    report = breaker.snapshot()
    assert (report["calls"], report["failures"], report["failures_in_a_row"]) == (calls + 1, 1, 1)


def test_good_calls_dilute_the_failures_that_follow(clock):
    """Thirty good calls before twenty bad ones are 40 %, not 100 %."""
    breaker = made(failures=None, failure_rate=0.5, window_calls=100, min_calls=20)
    for _ in range(30):
        succeed(breaker)
    for _ in range(29):
        fail(breaker)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


# -- what is a failure ------------------------------------------------------------------------


def test_on_names_the_failures_and_all_else_is_success(clock):
    """An exception that `on` does not name shows that the dependency answers."""
    breaker = made(failures=2, on=ConnectionError)
    fail(breaker)
    fail(breaker, error=KeyError("no such customer"))
    fail(breaker)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


def test_an_ignored_exception_neither_counts_nor_resets(clock):
    """It leaves the row of failures as it was."""
    breaker = made(failures=2, ignore=KeyError)
    fail(breaker)
    fail(breaker, error=KeyError())
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


def test_ignored_wins_over_on(clock):
    """What is in both is ignored."""
    breaker = made(on=Exception, ignore=ConnectionError)

    fail(breaker)

    assert breaker.state == "closed"
    assert breaker.snapshot()["failures_in_a_row"] == 0


def test_a_bad_result_is_a_failure(clock):
    """`on_result` makes failures of results; other results are successes."""
    breaker = made(failures=2, on=ConnectionError | on_result(lambda status: status >= 500))
    succeed(breaker, result=503)
    succeed(breaker, result=200)
    succeed(breaker, result=500)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


def test_an_error_in_the_failure_predicate_counts_as_a_failure(clock):
    """The user's error stays the one that is raised, with a note about the predicate."""
    breaker = made(on=lambda error: error.status == 503)
    error = ValueError("no status here")

    fail(breaker, error=error)

    assert breaker.state == "open"
    assert "the predicate" in error.__notes__[0]
    assert "AttributeError" in error.__notes__[0]


def test_an_error_in_the_ignore_predicate_ignores_nothing(clock):
    """In doubt an exception is judged by `on`."""
    breaker = made(ignore=lambda error: error.status == 404)

    fail(breaker)

    assert breaker.state == "open"


@pytest.mark.parametrize("state", ["closed", "half-open"])
def test_an_error_in_the_result_predicate_reaches_the_caller_and_keeps_no_place(clock, state):
    """The call is no outcome then, and a probe's place is free again."""

    def broken(result):
        raise ZeroDivisionError

    breaker = made(on=ConnectionError | on_result(broken))
    if state == "half-open":
        fail(breaker)
        clock.now = 5.0

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            succeed(breaker, clock.now, result=200)

    assert breaker.state == state
    assert breaker.snapshot()["probes_in_flight"] == 0


@pytest.mark.parametrize("state", ["closed", "half-open"])
def test_a_rejection_further_in_is_no_outcome(clock, state):
    """The function never ran, so nothing is known about the dependency."""
    breaker = made()
    if state == "half-open":
        fail(breaker)
        clock.now = 5.0

    fail(breaker, clock.now, error=BulkheadFullError())

    assert breaker.state == state
    assert breaker.snapshot()["probes_in_flight"] == 0


def test_a_rejection_counts_where_it_is_named(clock):
    """Who asks for it by its class gets it."""
    breaker = made(on=(ConnectionError, RejectedError))

    fail(breaker, error=BulkheadFullError())

    assert breaker.state == "open"


@pytest.mark.parametrize("took", [0.0, 99.0])
def test_an_abandoned_call_leaves_no_trace(clock, took):
    """A cancelled call is neither success nor failure nor slow."""
    breaker = made(failures=2, slow=1.0, slow_rate=0.5, window_calls=10, min_calls=1)
    fail(breaker)

    breaker.abandoned(enter(breaker), took)

    report = breaker.snapshot()
    assert (report["failures_in_a_row"], report["calls"]) == (1, 1)


# -- open -------------------------------------------------------------------------------------


def test_an_open_breaker_rejects_and_says_when_to_come_back(clock):
    """The rejection tells state, cause, time of opening and seconds to the next probe."""
    breaker = made(name="payments")
    fail(breaker, 100.0)

    error = rejection(breaker, 102.0)

    assert (error.state, error.opened_at, error.retry_after) == ("open", 100.0, 3.0)
    assert error.strategy == "circuit breaker 'payments'"
    assert str(error) == (
        "circuit breaker 'payments' is open after ConnectionError: down; next probe in 3 s"
    )


def test_a_rejection_names_the_pipeline_that_was_called(clock):
    """A shared breaker rejects for each of its pipelines, and each error says for which."""
    breaker = made()
    fail(breaker)

    with pytest.raises(CircuitOpenError) as caught:
        breaker.enter(1.0, (), {}, Site("refunds"))

    assert caught.value.pipeline == "refunds"
    assert str(caught.value).startswith("pipeline 'refunds': circuit breaker is open")


def test_the_cause_is_a_copy_of_the_failure_that_opened_it(clock):
    """It has no traceback, so the request that failed is not kept alive."""
    breaker = made()
    try:
        raise KeyError("price")
    except KeyError as error:
        original = error
        fail(breaker, error=error)

    cause = rejection(breaker).__cause__

    assert repr(cause) == "KeyError('price')"
    assert cause is not original
    assert cause.__traceback__ is None


@pytest.mark.parametrize("how", ["trip", "isolate", "bad result", "slow success"])
def test_where_no_exception_opened_it_there_is_no_cause(clock, how):
    """A failure of long ago, which did not open it, is not blamed."""
    breaker = made(
        failures=2,
        slow=1.0,
        slow_rate=0.5,
        window_calls=10,
        min_calls=2,
        on=ValueError | on_result(bool),
    )
    fail(breaker, error=ValueError("long ago"))
    if how == "trip":
        breaker.trip()
    elif how == "isolate":
        breaker.isolate()
    elif how == "bad result":
        succeed(breaker, result="bad")
    else:
        succeed(breaker, took=2.0)

    assert rejection(breaker).__cause__ is None
    assert breaker.snapshot()["cause"] is None


@pytest.mark.parametrize("control", ["trip", "isolate"])
def test_the_cause_is_forgotten_when_it_closes(clock, control):
    """A later opening by hand does not blame it."""
    breaker, probe = half_opened()
    assert breaker.snapshot()["cause"] == "ConnectionError('down')"

    breaker.succeeded(probe, 6.0, None)
    assert breaker.snapshot()["cause"] is None
    getattr(breaker, control)()

    assert rejection(breaker).__cause__ is None


def test_a_probe_that_failed_otherwise_is_not_explained_by_the_failure_before(clock):
    """It opened because of a result; the exception that opened it first is history."""
    breaker, probe = half_opened(on=Exception | on_result(lambda result: result == "bad"))

    breaker.succeeded(probe, 6.0, "bad")

    assert rejection(breaker, 6.0).__cause__ is None


@pytest.mark.parametrize("instant, state", [(0.0, "open"), (4.999, "open"), (5.0, "half-open")])
def test_it_stays_open_for_its_time(clock, instant, state):
    """At the very end of `open_for` a probe may pass."""
    breaker = made()
    fail(breaker)
    clock.now = instant

    assert breaker.state == state
    if state == "open":
        rejection(breaker, instant)
    else:
        assert enter(breaker, instant) is not None


def test_a_clock_that_goes_backwards_leaves_it_open(clock):
    """It is open until the instant that it chose, wherever the clock is meanwhile."""
    breaker = made()
    fail(breaker, 100.0)

    assert rejection(breaker, 50.0).retry_after == 55.0
    assert enter(breaker, 105.0)


def test_the_open_time_grows_with_each_failed_trial_and_is_reset_by_closing(clock):
    """5, 10, 20, 40, 60, 60, ... and 5 again after it was closed."""
    breaker = made()
    fail(breaker)
    now, found = 0.0, []
    for _ in range(6):
        waits = rejection(breaker, now).retry_after
        found.append(waits)
        now += waits
        fail(breaker, now)
    now += rejection(breaker, now).retry_after
    succeed(breaker, now)
    fail(breaker, now)

    assert found == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert rejection(breaker, now).retry_after == 5.0


def test_jitter_lengthens_the_open_time(clock):
    """Between 5.0 and 5.5 s, so that a fleet's probes do not come together; also at the cap."""
    found = []
    for seed in range(200):
        breaker = made(open_jitter=0.1, open_cap=5.0, rng=Random(seed))
        fail(breaker)
        found.append(rejection(breaker).retry_after)

    assert min(found) >= 5.0
    assert max(found) <= 5.5
    assert max(found) - min(found) > 0.4
    assert len(set(found)) == 200


def test_the_same_seed_gives_the_same_jitter(clock):
    """Randomness comes from outside."""

    def first():
        breaker = made(open_jitter=1.0, rng=Random(7))
        fail(breaker)
        return rejection(breaker).retry_after

    assert first() == first()


def test_so_many_calls_are_rejected_at_least_before_the_first_trial(clock):
    """Where calls are rare each would be a trial otherwise."""
    breaker = made(open_calls=2)
    fail(breaker, 0.0)

    clock.now = 100.0
    assert breaker.state == "open"
    assert [rejection(breaker, 100.0 + call).retry_after for call in (0.0, 1.0)] == [0.0, 0.0]
    assert breaker.state == "half-open"
    succeed(breaker, 102.0)
    assert breaker.state == "closed"


def test_after_a_failed_trial_time_alone_decides(clock):
    """Who has been rejected once has paid: a service that is back is found at the next call."""
    breaker = made(open_calls=2)
    fail(breaker, 0.0)
    rejection(breaker, 1.0)
    rejection(breaker, 2.0)
    fail(breaker, 5.0)

    succeed(breaker, 100.0)
    assert breaker.state == "closed"


def test_once_a_call_has_succeeded_time_alone_decides(clock):
    """Calls are rejected for nothing only by who has never seen the dependency work."""
    breaker = made(open_calls=2)
    assert breaker.resting is None
    succeed(breaker, 0.0)
    assert breaker.resting is not None
    fail(breaker, 0.0)

    succeed(breaker, 5.0)
    assert breaker.state == "closed"


def test_calls_that_were_rejected_in_time_count_too(clock):
    """Where calls are many, it is the time alone that matters."""
    breaker = made(open_calls=2)
    fail(breaker, 0.0)
    rejection(breaker, 1.0)
    rejection(breaker, 2.0)

    succeed(breaker, 5.0)
    assert breaker.state == "closed"


# -- half-open --------------------------------------------------------------------------------


@pytest.mark.parametrize("probes", [1, 3])
def test_only_its_probes_pass_half_open(clock, probes):
    """Of two hundred callers that arrive together exactly `probes` get through."""
    breaker = made(probes=probes)
    fail(breaker)
    clock.now = 5.0
    passed = 0
    for _ in range(200):
        try:
            passed += enter(breaker, 5.0) is not None
        except CircuitOpenError as error:
            assert (error.state, error.retry_after) == ("half-open", 5.0)  # noqa: PT017 - of 200

    assert passed == probes
    assert breaker.snapshot()["probes_in_flight"] == probes


def test_as_many_successes_as_probes_close_it(clock, heard):
    """Two of three are not enough."""
    breaker, first = half_opened(probes=3)
    second, third = enter(breaker, 5.0), enter(breaker, 5.0)

    breaker.succeeded(first, 6.0, None)
    breaker.succeeded(third, 6.0, None)
    clock.now = 6.0
    assert breaker.state == "half-open"
    assert breaker.snapshot()["probes_passed"] == 2

    breaker.succeeded(second, 7.0, None)

    assert breaker.state == "closed"
    assert heard[-1].reason == "3 probes succeeded"


def test_probes_in_flight_and_passed_never_exceed_the_number(clock):
    """After one success of three, two may be in flight."""
    breaker, first = half_opened(probes=3)
    breaker.succeeded(first, 6.0, None)

    assert [enter(breaker, 6.0) is not None for _ in range(2)] == [True, True]
    rejection(breaker, 6.0)


def test_one_failed_probe_opens_it_again(clock):
    """However many have succeeded before; it then stays open for longer."""
    breaker, first = half_opened(probes=3)
    breaker.succeeded(first, 6.0, None)

    fail(breaker, 6.0, error=TimeoutError("still down"))

    error = rejection(breaker, 6.0)
    assert (error.state, error.retry_after) == ("open", 10.0)
    assert str(error.__cause__) == "still down"
    assert breaker.snapshot()["reason"] == "a probe failed"


def test_a_bad_result_of_a_probe_opens_it_again(clock):
    """Results are judged half-open as they are closed."""
    breaker, probe = half_opened(on=Exception | on_result(lambda result: result == "bad"))

    breaker.succeeded(probe, 6.0, "bad")

    assert rejection(breaker, 6.0).state == "open"


@pytest.mark.parametrize("took, state", [(1.0, "closed"), (1.5, "open")])
def test_a_slow_probe_opens_it_again(clock, took, state):
    """Where slowness is a condition, an answer that comes late is no recovery."""
    breaker, probe = half_opened(slow=1.0, slow_rate=0.5, window_calls=10, min_calls=1)
    clock.now = 5.0 + took

    breaker.succeeded(probe, clock.now, None)

    assert breaker.state == state


def test_a_probe_that_ends_in_an_ignored_exception_gives_its_place_back(clock):
    """It says nothing about the dependency, so another one is tried."""
    breaker, probe = half_opened(ignore=KeyError)

    breaker.failed(probe, 6.0, KeyError())

    assert breaker.snapshot()["probes_in_flight"] == 0
    succeed(breaker, 6.0)
    assert breaker.state == "closed"


def test_an_exception_that_is_no_failure_is_a_successful_probe(clock):
    """The dependency answers, and that is what was asked."""
    breaker, probe = half_opened(on=ConnectionError)

    breaker.failed(probe, 6.0, KeyError())

    assert breaker.state == "closed"


def test_a_cancelled_probe_gives_its_place_back_and_closes_nothing(clock):
    """The next caller gets the place at once."""
    breaker, probe = half_opened()
    clock.now = 5.0
    rejection(breaker, 5.0)

    breaker.abandoned(probe, 5.0)

    assert breaker.state == "half-open"
    assert enter(breaker, 5.0) is not None


@pytest.mark.parametrize("instant, expired", [(34.999, False), (35.0, True)])
def test_a_hung_probe_loses_its_place_when_its_lease_ends(clock, heard, instant, expired):
    """Thirty seconds after it was let through somebody else may try."""
    breaker, _hung = half_opened(probe_timeout=30.0)

    if not expired:
        rejection(breaker, instant)
        return
    assert enter(breaker, instant) is not None
    assert [event.lease for event in heard if isinstance(event, told.ProbeExpired)] == [30.0]


def test_the_lease_is_open_cap_by_default(clock):
    """A probe that hangs for longer than the longest open time is not waited for."""
    breaker, _hung = half_opened(open_cap=40.0)

    rejection(breaker, 44.9)
    assert enter(breaker, 45.0) is not None


@pytest.mark.parametrize("outcome, state", [("succeeded", "closed"), ("failed", "open")])
def test_a_hung_probe_that_ends_after_all_is_evidence(clock, outcome, state):
    """If the state is still the same, its outcome counts; it has no place to give back."""
    breaker, hung = half_opened(probe_timeout=30.0)
    other = enter(breaker, 35.0)
    clock.now = 36.0

    getattr(breaker, outcome)(hung, 36.0, DOWN)

    assert breaker.state == state
    breaker.succeeded(other, 37.0, None)
    assert breaker.state == state


def test_giving_the_same_probe_back_twice_frees_one_place(clock):
    """An abandoned probe whose place is taken again does not free the other's place."""
    breaker, probe = half_opened()
    breaker.abandoned(probe, 5.0)
    enter(breaker, 5.0)

    breaker.abandoned(probe, 5.0)

    rejection(breaker, 5.0)


# -- stale permits ----------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "abandoned"])
@pytest.mark.parametrize("state", ["open", "half-open", "closed"])
def test_an_outcome_from_before_changes_nothing(clock, state, outcome):
    """A slow call from before the breaker opened neither closes it nor opens it again."""
    breaker = made()
    old = enter(breaker)
    fail(breaker)
    if state != "open":
        clock.now = 5.0
        probe = enter(breaker, 5.0)
    if state == "closed":
        breaker.succeeded(probe, 5.0, None)
    before = breaker.snapshot()

    arguments = {"succeeded": (None,), "failed": (DOWN,), "abandoned": ()}[outcome]
    getattr(breaker, outcome)(old, 5.0, *arguments)

    assert breaker.snapshot() == before
    assert breaker.state == state


def test_a_probe_of_an_earlier_trial_changes_nothing(clock):
    """Its outcome comes in the next half-open state, and the place is another probe's."""
    breaker, first = half_opened(probes=2)
    fail(breaker, 5.0)
    clock.now = 15.0
    enter(breaker, 15.0)
    before = breaker.snapshot()

    breaker.succeeded(first, 15.0, None)

    assert breaker.snapshot() == before


def test_each_transition_bumps_the_epoch(clock):
    """So that permits of different states can be told apart."""
    breaker = made()
    epochs = [breaker.snapshot()["epoch"]]
    fail(breaker)
    epochs.append(breaker.snapshot()["epoch"])
    clock.now = 5.0
    probe = enter(breaker, 5.0)
    epochs.append(breaker.snapshot()["epoch"])
    breaker.succeeded(probe, 5.0, None)
    epochs.append(breaker.snapshot()["epoch"])

    assert epochs == sorted(set(epochs))


# -- races -----------------------------------------------------------------------------------


def test_a_caller_that_comes_too_late_for_the_probe_is_rejected(clock, just_before):
    """Others have let the probe through, and it has failed, between the look and the lock."""
    breaker = made()
    fail(breaker)
    just_before(breaker, lambda: fail(breaker, 5.0))

    assert rejection(breaker, 5.0).retry_after == 10.0


def test_a_caller_that_comes_after_the_recovery_passes(clock, just_before):
    """Others have closed it meanwhile."""
    breaker = made()
    fail(breaker)
    just_before(breaker, lambda: succeed(breaker, 5.0))

    assert enter(breaker, 5.0) is not None
    assert breaker.snapshot()["probes_in_flight"] == 0


def test_a_caller_that_comes_after_it_was_isolated_is_rejected(clock, just_before):
    """A person was faster."""
    breaker = made()
    fail(breaker)
    just_before(breaker, breaker.isolate)

    assert isinstance(rejection(breaker, 5.0), IsolatedError)


def test_a_caller_that_read_the_state_before_it_opened_is_no_probe(clock):
    """It was let in as if closed; others have opened it, and half-opened it, between two reads."""
    overtakes = [lambda: (fail(breaker), enter(breaker, 10.0))]

    class Overtaken(Machine):
        __slots__ = ()

        @property
        def manual(self):  # what `enter` reads between the state and the answer
            if overtakes:
                overtakes.pop()()

    breaker = CircuitBreaker(failures=1, open_for=5, probes=1)
    breaker._machine.__class__ = Overtaken
    stale = enter(breaker)
    breaker.succeeded(stale, 11.0, None)

    assert (breaker._machine.state, breaker.snapshot()["probes_in_flight"]) == ("half-open", 1)


def test_a_cause_that_was_overtaken_is_not_kept(clock):
    """The copy is made outside the lock; if the breaker was reset meanwhile, it has no cause."""
    breaker = made()

    class Meddling(Exception):
        def __str__(self):
            breaker.reset()
            return "meddling"

    fail(breaker, error=Meddling())

    assert breaker.state == "closed"
    breaker.trip()
    assert rejection(breaker).__cause__ is None


# -- at rest ----------------------------------------------------------------------------------


def test_a_calm_breaker_rests(clock):
    """While a success would change nothing, its permit is known in advance."""
    breaker = made(failures=2)

    assert breaker.resting is not None
    assert enter(breaker) is breaker.resting


@pytest.mark.parametrize(
    "options",
    [
        {"failure_rate": 0.5},
        {"slow": 1.0, "slow_rate": 0.5},
        {"on": Exception | on_result(bool)},
    ],
    ids=["rate", "slow", "results"],
)
def test_a_breaker_that_counts_successes_never_rests(options):
    """A window wants each call, a predicate each result."""
    assert made(**options).resting is None


def test_it_rests_no_longer_after_a_failure_and_again_after_a_success(clock):
    """The success must be told then, since it ends the row of failures."""
    breaker = made(failures=2)
    fail(breaker)
    assert breaker.resting is None

    succeed(breaker)
    assert breaker.resting is not None


def test_a_call_from_before_a_transition_sees_that_the_rest_is_over(clock):
    """Its permit is no longer the resting one, also after the breaker has closed again."""
    breaker = made()
    before = breaker.resting
    fail(breaker)
    assert breaker.resting is None

    succeed(breaker, 5.0)

    assert breaker.resting is not None
    assert breaker.resting != before


@pytest.mark.parametrize("control", ["isolate", "disable", "trip"])
def test_a_breaker_under_manual_control_does_not_rest(clock, control):
    """Each call asks it, until it is reset."""
    breaker = made()

    getattr(breaker, control)()
    assert breaker.resting is None

    breaker.reset()
    assert breaker.resting is not None


# -- by hand ----------------------------------------------------------------------------------


def test_an_isolated_breaker_rejects_until_it_is_reset(clock):
    """No time and no outcome opens the way."""
    breaker = made(name="payments")
    old = enter(breaker)
    breaker.isolate()
    breaker.succeeded(old, 1.0, None)
    clock.now = 1e9

    error = rejection(breaker, 1e9)

    assert isinstance(error, IsolatedError)
    assert (error.state, error.retry_after) == ("isolated", None)
    assert str(error) == (
        "circuit breaker 'payments' is held open by hand; reset() lets calls pass"
    )
    assert breaker.state == "isolated"

    breaker.reset()
    assert enter(breaker, 1e9) is not None
    assert breaker.state == "closed"


def test_a_disabled_breaker_lets_everything_pass_and_counts(clock):
    """Outcomes are counted, so that its report shows what it would see."""
    breaker = made(failures=3)
    breaker.disable()
    for _ in range(10):
        fail(breaker)

    assert breaker.state == "disabled"
    assert breaker.snapshot()["failures_in_a_row"] == 10
    assert enter(breaker) is not None


@pytest.mark.parametrize("before", ["open", "half-open"])
def test_disabling_lets_calls_pass_at_once(clock, before):
    """Whatever state it was in."""
    breaker = made()
    fail(breaker)
    if before == "half-open":
        enter(breaker, 5.0)

    breaker.disable()

    assert all(enter(breaker, 5.0) is not None for _ in range(10))


def test_reset_starts_afresh(clock):
    """Closed, with no counts, no growth of the open time, and no cause."""
    breaker = made(failures=2)
    fail(breaker)
    fail(breaker)
    fail(breaker, 5.0)
    assert rejection(breaker, 5.0).retry_after == 10.0

    breaker.reset()
    assert breaker.state == "closed"
    fail(breaker, 6.0)
    assert breaker.state == "closed"
    fail(breaker, 6.0)

    assert rejection(breaker, 6.0).retry_after == 5.0


def test_outcomes_of_before_a_reset_change_nothing(clock):
    """`reset` is a transition as others are."""
    breaker = made()
    old = enter(breaker)
    breaker.reset()

    breaker.failed(old, 0.0, DOWN)

    assert breaker.state == "closed"


def test_trip_opens_it_as_a_condition_would(clock):
    """It recovers by itself, with probes, after `open_for`."""
    breaker = made()
    clock.now = 10.0

    breaker.trip("deployment")

    error = rejection(breaker, 11.0)
    assert (error.state, error.retry_after, error.opened_at) == ("open", 4.0, 10.0)
    assert breaker.snapshot()["reason"] == "deployment"
    succeed(breaker, 15.0)
    assert breaker.state == "closed"


@pytest.mark.parametrize("control", ["isolate", "disable"])
def test_trip_ends_manual_control(clock, control):
    """From there on the breaker decides by itself."""
    breaker = made()
    getattr(breaker, control)()

    breaker.trip()

    assert breaker.state == "open"
    clock.now = 5.0
    assert breaker.state == "half-open"


def test_every_user_of_a_tripped_breaker_is_stopped(clock):
    """It is an identity: pipelines that share it share its state."""
    breaker = made()
    breaker.joined("payments")
    breaker.joined("refunds")

    breaker.trip()

    assert breaker.name == "payments"
    rejection(breaker)


# -- events -----------------------------------------------------------------------------------


def test_it_tells_the_story_of_an_outage(clock, heard):
    """Each transition is told once, with its instant and its reason."""
    breaker = made(failures=2)
    breaker.joined("payments")
    fail(breaker, 1.0)
    fail(breaker, 2.0)
    probe = enter(breaker, 7.0)
    breaker.succeeded(probe, 8.0, None)

    opened, halved, closed = heard
    assert opened == told.BreakerOpened(
        pipeline="payments", strategy="circuit breaker 'payments'", at=2.0,
        reason="2 failures in a row", open_for=5.0, error=DOWN,
    )  # fmt: skip
    assert (type(halved), halved.at) == (told.BreakerHalfOpened, 7.0)
    assert (type(closed), closed.at, closed.reason) == (
        told.BreakerClosed,
        8.0,
        "a probe succeeded",
    )


def test_manual_control_is_told(clock, heard):
    """With the instant of the clock in force."""
    breaker = made(name="payments")
    clock.now = 3.0
    breaker.isolate()
    breaker.disable()
    breaker.trip("deployment")
    breaker.reset()

    assert [type(event).__name__ for event in heard] == [
        "BreakerOverridden", "BreakerOverridden", "BreakerOpened", "BreakerClosed",
    ]  # fmt: skip
    assert [event.state for event in heard[:2]] == ["isolated", "disabled"]
    assert (heard[2].reason, heard[3].reason) == ("deployment", "reset by hand")
    assert {event.at for event in heard} == {3.0}
    assert {event.pipeline for event in heard} == {"payments"}


def test_a_rejection_is_told(clock, heard):
    """To the listeners of the pipeline that was called."""
    breaker = made()
    fail(breaker)
    heard.clear()

    with pytest.raises(CircuitOpenError) as caught:
        breaker.enter(1.0, (), {}, Site("refunds"))

    (event,) = heard
    assert (type(event), event.pipeline, event.at) == (told.CallRejected, "refunds", 1.0)
    assert event.error is caught.value


def test_a_stale_outcome_tells_nothing(clock, heard):
    """Nothing was decided."""
    breaker = made()
    old = enter(breaker)
    fail(breaker)
    heard.clear()

    breaker.failed(old, 1.0, DOWN)

    assert heard == []


def test_listeners_are_told_after_the_lock(clock, heard):
    """A listener may ask and even control the breaker that tells it something."""
    breaker = made()
    seen = []

    def listener(event):
        seen.append(breaker.snapshot()["state"])
        if isinstance(event, told.BreakerOpened):
            breaker.reset()

    with told.subscribe(listener):
        fail(breaker)

    assert seen == ["open", "closed"]
    assert breaker.state == "closed"


# -- for people -------------------------------------------------------------------------------


def test_the_snapshot_is_plain_data(clock):
    """All that an operator asks about, in one dict."""
    breaker = made(name="payments", failures=2, failure_rate=0.9, window_calls=100, min_calls=50,
                   slow=1.0,
                   slow_rate=0.9)  # fmt: skip
    succeed(breaker, took=2.0)
    fail(breaker)
    fail(breaker, error=TimeoutError("late"))
    rejection(breaker)
    clock.now = 2.0

    report = breaker.snapshot()

    assert {key: report[key] for key in report if key not in ("epoch", "options")} == {
        "strategy": "circuit breaker",
        "name": "payments",
        "state": "open",
        "failures_in_a_row": 2,
        "failures_needed": 2,
        "calls": 3,
        "failures": 2,
        "slow_calls": 1,
        "slow_after": 1.0,
        "probes_in_flight": 0,
        "probes_passed": 0,
        "reason": "2 failures in a row",
        "cause": "TimeoutError('late')",
        "opened_ago": 2.0,
        "retry_after": 3.0,
        "shadow": False,
        "detected": 1,
        "enforced": 1,
    }


def test_the_snapshot_of_a_breaker_without_a_window_has_no_rates(clock):
    """What is not counted is None, not zero."""
    report = made(failures=2).snapshot()

    assert (report["calls"], report["failures"], report["slow_calls"]) == (None, None, None)
    assert (report["retry_after"], report["cause"], report["reason"]) == (None, None, "")


def test_the_snapshot_forgets_what_the_window_has_left_behind(clock):
    """A window of time moves with the clock, not only with calls."""
    breaker = made(failures=None, failure_rate=0.9, window=10.0)
    succeed(breaker, 0.0)
    fail(breaker, 0.0)
    assert breaker.snapshot()["calls"] == 2

    clock.now = 20.0

    assert breaker.snapshot()["calls"] == 0


def test_the_snapshot_counts_slow_calls(clock):
    """Failures and slow calls are told apart."""
    breaker = made(slow=1.0, slow_rate=0.5, failures=10, window_calls=100)
    succeed(breaker, took=2.0)
    succeed(breaker)
    fail(breaker)

    report = breaker.snapshot()

    assert (report["calls"], report["failures"], report["slow_calls"]) == (3, 1, 1)


def test_its_repr_is_alive(clock):
    """State, name, and how long it will be open."""
    breaker = made(name="payments")
    assert repr(breaker) == "<CircuitBreaker 'payments' closed>"

    fail(breaker, 0.0)
    clock.now = 1.8
    assert repr(breaker) == "<CircuitBreaker 'payments' open, 3.2 s left>"

    clock.now = 5.0
    assert repr(breaker) == "<CircuitBreaker 'payments' half-open>"
    assert repr(made()) == "<CircuitBreaker closed>"


def test_nothing_queues_at_a_breaker():
    """So no wait of its own can expire."""
    assert made().expired(None, 0.0) is None


# -- after a fork -----------------------------------------------------------------------------


def test_a_child_process_starts_closed(clock):
    """Its dependency may look different from there."""
    breaker = made()
    fail(breaker)

    breaker._after_fork()

    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"


@pytest.mark.parametrize("control, state", [("isolate", "isolated"), ("disable", "disabled")])
def test_manual_control_outlives_a_fork(clock, control, state):
    """Who holds a breaker by hand before the workers are forked means all of them."""
    breaker = made()
    getattr(breaker, control)()

    breaker._after_fork()

    assert breaker.state == state


def test_a_call_from_before_the_fork_is_no_outcome_in_the_child(clock):
    """Its permit is of another epoch there."""
    breaker = made()
    old = enter(breaker)

    breaker._after_fork()
    breaker.failed(old, 0.0, DOWN)

    assert breaker.state == "closed"
