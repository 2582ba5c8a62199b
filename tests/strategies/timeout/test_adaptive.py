"""The adaptive timeout: durations in, limits out."""

import inspect
import pickle
import threading
from random import Random

import pytest

from holdfast import (
    AttemptTimeout,
    BulkheadFullError,
    ConfigurationError,
    DeadlineExceeded,
    Timeout,
)
from holdfast._world import world
from holdfast.events import TimeoutChanged
from holdfast.strategies.timeout.adaptive import HUSHED, SILENCE, AdaptiveTimeout

NOW = 1000.0
OURS = AttemptTimeout(pipeline="p", strategy="timeout", seconds=1.0)


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Draw the same numbers in each test."""
    monkeypatch.setattr(world, "rng", Random(0))


def made(**options):
    return Timeout.adaptive(**{"name": "prices", **options})


def test_the_short_way_has_the_options_of_the_class():
    """``Timeout.adaptive`` takes what `AdaptiveTimeout` takes, with the same defaults."""
    short, whole = (
        inspect.signature(one).parameters for one in (Timeout.adaptive, AdaptiveTimeout)
    )
    assert list(short.items()) == list(whole.items())


def succeed(timeout, took, times=1, now=NOW, **options):
    for _ in range(times):
        timeout.succeeded(timeout.begin(now, **options), took, now)


def hang(timeout, times=1, now=NOW, **options):
    """Let attempts run into their limits; return those."""
    limits = []
    for _ in range(times):
        limit = timeout.begin(now, **options)
        timeout.failed(limit, limit.seconds, OURS)
        limits.append(limit.seconds)
    return limits


def taught(took=0.1, **options):
    """Return a timeout that knows its dependency."""
    timeout = made(**options)
    succeed(timeout, took, timeout.min_samples)
    return timeout


# -- learning ------------------------------------------------------------------------------------


def test_the_ceiling_holds_until_there_are_enough_samples():
    """Before that nothing is known that a limit could be made of."""
    timeout = made(min_samples=10)
    succeed(timeout, 0.1, 9)
    assert (timeout.limit, timeout.estimate) == (5.0, None)
    succeed(timeout, 0.1)
    assert timeout.limit == pytest.approx(0.2, rel=0.02)
    assert timeout.estimate == pytest.approx(0.1, rel=0.02)


def test_the_limit_is_a_margin_times_a_quantile():
    """The quantile is that of the successes' durations."""
    timeout = made(quantile=0.9, margin=3.0, min_samples=100)
    for tenths in (5, 8, 3, 9, 1, 10, 6, 2, 7, 4) * 20:
        succeed(timeout, tenths / 10)
    assert timeout.limit == pytest.approx(3.0 * 0.9, rel=0.02)


@pytest.mark.parametrize("took, limit", [(0.001, 0.05), (60.0, 5.0)])
def test_the_limit_stays_between_floor_and_ceiling(took, limit):
    """However fast or slow the dependency is."""
    assert taught(took).limit == limit


def test_it_follows_a_dependency_that_becomes_slower_and_faster():
    """What is older than the window counts no more, once there is enough that is new."""
    timeout = taught(0.1)
    for took, later in ((0.15, 200.0), (0.05, 400.0)):
        for second in range(120):
            succeed(timeout, took, 10, NOW + later + second)
        assert timeout.limit == pytest.approx(2 * took, rel=0.02)


def test_it_is_told_where_the_limit_moves_noticeably(heard):
    """One event for the first limit, none for small moves, one for a large one."""
    timeout = taught(0.1)
    succeed(timeout, 0.101, 300)
    assert [(event.before, event.after) for event in heard] == [(5.0, pytest.approx(0.2, rel=0.02))]
    succeed(timeout, 0.15, 300)
    first, second = heard
    assert isinstance(second, TimeoutChanged)
    assert (second.strategy, second.at) == ("adaptive timeout 'prices'", NOW)
    assert second.before == first.after
    assert second.after == pytest.approx(0.3, rel=0.02)


# -- what is a sample, and what is not -----------------------------------------------------------


def test_failures_are_no_samples():
    """A dependency that refuses quickly is not quick."""
    timeout = taught(0.1)
    before = timeout.snapshot()
    for _ in range(1000):
        timeout.failed(timeout.begin(NOW), 0.001, ConnectionError())
    assert timeout.snapshot() == before


def test_a_few_attempts_that_hang_do_not_move_the_limit():
    """Two in a hundred that never answer would drive it to its ceiling if they were samples."""
    timeout = taught(0.1)
    for second in range(100):
        hang(timeout, 2, NOW + second)
        succeed(timeout, 0.1, 98, NOW + second)
    assert timeout.limit == pytest.approx(0.2, rel=0.02)
    assert timeout.timeouts == 200


@pytest.mark.parametrize("error", [
    DeadlineExceeded(pipeline="p", strategy="timeout", seconds=1.0, at=NOW),
    BulkheadFullError("full", strategy="bulkhead"),
])  # fmt: skip
def test_what_others_cut_or_refuse_says_nothing(error):
    """The caller's deadline is no timeout of ours, and a full bulkhead further in is no answer."""
    timeout = taught(0.1)
    hang(timeout, SILENCE)
    before = timeout.snapshot()
    limit = timeout.begin(NOW)
    timeout.failed(limit, limit.seconds, error)
    assert timeout.snapshot() == before


def test_a_timeout_further_in_is_neither_ours_nor_an_answer():
    """It gave up before we did, which leaves a silence a silence."""
    timeout = taught(0.1)
    hang(timeout, SILENCE)
    timeout.failed(timeout.begin(NOW), 0.01, OURS)
    assert timeout.silent
    assert timeout.timeouts == SILENCE


# -- beyond the limit ----------------------------------------------------------------------------


def test_late_replies_grow_the_limit():
    """An attempt that was given up on and answers after all is a sample of its real duration."""
    timeout = taught(0.1)
    for _ in range(20):
        limit = timeout.begin(NOW, late=True)
        timeout.failed(limit, limit.seconds, OURS)
        timeout.succeeded(limit, 1.5, NOW + 1.5)
    assert timeout.limit == pytest.approx(3.0, rel=0.02)


def test_now_and_then_a_trial_may_take_up_to_the_ceiling():
    """One in a hundred, for a limit of a fifth of a second: a quarter more waiting at the most."""
    timeout = taught(0.1)
    limits = [timeout.begin(NOW).seconds for _ in range(100_000)]
    assert set(limits) == {timeout.limit, 5.0}
    assert limits.count(5.0) == pytest.approx(1000, rel=0.1)
    assert sum(limits) / len(limits) == pytest.approx(1.25 * timeout.limit, rel=0.05)


def test_where_late_replies_are_heard_there_are_no_trials():
    """They tell everything that trials would, at no cost."""
    timeout = taught(0.1)
    assert {timeout.begin(NOW, late=True).seconds for _ in range(10_000)} == {timeout.limit}


def trial(timeout):
    """Begin attempts until one of them is a trial."""
    while True:
        limit = timeout.begin(NOW)
        if limit.weight > 1:
            return limit


def test_a_trial_that_takes_longer_than_the_limit_counts_for_those_that_could_not():
    """It takes a few of them to move the quantile, and hundreds of usual samples can't hide them."""
    timeout = taught(0.1)
    succeed(timeout, 0.1, 900)
    for _ in range(2):
        timeout.succeeded(trial(timeout), 1.0, NOW)
        assert timeout.limit == pytest.approx(0.2, rel=0.02)
    for _ in range(2):
        timeout.succeeded(trial(timeout), 1.0, NOW)
    succeed(timeout, 0.1, 50)
    assert timeout.limit == pytest.approx(2.0, rel=0.021)


def test_a_trial_within_the_limit_counts_once():
    """All the others had the time for that as well."""
    timeout = taught(0.1)
    timeout.succeeded(trial(timeout), 0.1, NOW)
    assert timeout.snapshot()["samples"] == 101


def test_a_dependency_that_jumps_beyond_the_limit_is_found_out():
    """Twenty times slower from one moment to the next: nothing is in time, and still it is learnt."""
    timeout, now = taught(0.1), NOW
    succeed(timeout, 0.1, 1000)
    for _ in range(3000):
        now += 0.02
        limit = timeout.begin(now)
        if limit.seconds >= 2.0:
            timeout.succeeded(limit, 2.0, now)
        else:
            timeout.failed(limit, limit.seconds, OURS)
    assert timeout.limit == pytest.approx(4.0, rel=0.02)


# -- silence -------------------------------------------------------------------------------------


def test_while_nothing_answers_the_estimate_freezes():
    """Hours of it leave what is known as it was."""
    timeout = taught(0.1)
    limit = timeout.limit
    for second in range(0, 36_000, 60):
        hang(timeout, 1, NOW + second)
    succeed(timeout, 0.1, 1, NOW + 36_000)
    assert timeout.limit == limit
    assert timeout.snapshot()["samples"] == 101


def test_in_a_silence_one_attempt_at_a_time_gets_all_of_the_limit():
    """The others get an eighth: they wait for what very likely won't come."""
    timeout = taught(0.5)
    assert hang(timeout, SILENCE) == [timeout.limit] * SILENCE
    assert timeout.silent
    for start in (NOW, NOW + timeout.limit):
        limits = hang(timeout, 5, start, late=True)
        assert limits == [timeout.limit] + [HUSHED * timeout.limit] * 4


def test_of_two_threads_in_the_same_instant_one_gets_all_of_it():
    """Whoever looks whether it may takes it in the same step."""
    timeout = taught(0.5)
    hang(timeout, SILENCE)

    class Nosy(float):
        def __ge__(self, other):
            if not got:  # while the first one looks, another thread tries to come in between
                got.append(None)
                thread = threading.Thread(target=lambda: got.append(timeout.begin(NOW, late=True)))
                thread.start()
                thread.join(0.05)
                threads.append(thread)
            return float.__ge__(self, other)

    got, threads = [], []
    first = timeout.begin(Nosy(NOW), late=True)
    threads[0].join()
    assert sorted([first.seconds, got[1].seconds]) == [HUSHED * timeout.limit, timeout.limit]


def test_an_attempt_that_comes_alone_gets_all_of_it():
    """So the probe of a circuit breaker has its fair chance."""
    timeout = taught(0.5)
    hang(timeout, SILENCE)
    limits = [hang(timeout, 1, NOW + 5 * probe, late=True) for probe in range(1, 10)]
    assert limits == [[timeout.limit]] * 9


@pytest.mark.parametrize("answer", [
    lambda timeout: succeed(timeout, 0.01),
    lambda timeout: timeout.failed(timeout.begin(NOW), 0.01, ConnectionError()),
], ids=["a success", "a failure"])  # fmt: skip
def test_any_answer_ends_a_silence(answer):
    """A dependency that answers, be it with an error, is no black hole."""
    timeout = taught(0.5)
    hang(timeout, SILENCE)
    answer(timeout)
    assert not timeout.silent
    assert hang(timeout, 3, late=True) == [timeout.limit] * 3


def test_a_silence_goes_no_lower_than_the_floor():
    """The floor is a promise."""
    timeout = taught(0.1, floor=0.1)
    assert min(hang(timeout, 2 * SILENCE)) == 0.1


def test_nothing_is_known_of_a_dependency_that_never_answered():
    """Without an estimate there is only the ceiling, in a silence too."""
    assert hang(made(), 100, late=True) == [5.0] * 100


# -- what it is ----------------------------------------------------------------------------------


def test_the_snapshot_tells_the_limit_and_what_it_is_made_of():
    """Plain data, for a dashboard."""
    timeout = taught(0.1)
    hang(timeout)
    assert timeout.snapshot() == {
        "strategy": "adaptive timeout", "name": "prices",
        "limit": pytest.approx(0.2, rel=0.02), "estimate": pytest.approx(0.1, rel=0.02),
        "samples": 100, "timeouts": 1, "silent": False,
        "quantile": 0.99, "margin": 2.0, "floor": 0.05, "ceiling": 5.0, "min_samples": 100,
        "window": 60.0, "sync": "cut",
    }  # fmt: skip
    assert repr(timeout) == "<AdaptiveTimeout 'prices' 0.2 s, 1 timeouts>"


def test_it_takes_the_name_of_its_first_pipeline():
    """As every identity does."""
    timeout = Timeout.adaptive()
    timeout.joined("payments")
    assert timeout.title == "adaptive timeout 'payments'"


def test_a_child_process_keeps_what_was_learnt():
    """A lock that was held in the parent is not held in the child; the limit is the same."""
    timeout = taught(0.1)
    timeout._lock = None
    timeout._after_fork()
    succeed(timeout, 0.1)
    assert timeout.limit == pytest.approx(0.2, rel=0.02)


def test_it_is_no_value():
    """It has a state of its own, so that a copy of it, and its pickle here, is itself."""
    one = made()
    assert one != made()
    assert pickle.loads(pickle.dumps(one)) is one


@pytest.mark.parametrize("options", [
    {"quantile": 0.4}, {"quantile": 1.0}, {"margin": 0.9}, {"floor": -1}, {"floor": 6.0},
    {"ceiling": 0}, {"min_samples": 0}, {"window": 0}, {"sync": "process"}, {"name": ""},
])  # fmt: skip
def test_options_out_of_range_are_refused(options):
    """The option is named, with what is allowed."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Timeout.adaptive(**options)
