"""`RateLimiter.adaptive`: a rate that is learnt, and told."""

import asyncio
import os
import pickle
import threading

import pytest

from holdfast import (
    AdaptiveRateLimiter,
    ConfigurationError,
    DeadlineTooShortError,
    Keyed,
    Pipeline,
    RateLimitedError,
    RateLimiter,
    Retry,
    Timeout,
    on_result,
)
from holdfast import events as told
from holdfast.shapes import NO_RESULT, Gate, Wait
from holdfast.strategies.rate.adaptive import REMEMBERED
from holdfast.testing import Ok

NOW = 1000.0
DRAFT = '"default";r={};t={}'


class TooMany(Exception):
    """A client's 429."""

    status_code = 429

    def __init__(self, retry_after=None, headers=None):
        super().__init__("429")
        self.headers = headers or {}
        if retry_after is not None:
            self.retry_after = retry_after


class Answer:
    """A response."""

    def __init__(self, status_code=200, **headers):
        self.status_code = status_code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def limiter(**options):
    return RateLimiter.adaptive(**options)


def enter(one, now=NOW):
    return one.enter(now, (), {})


def feed(one, rate, seconds, begin=NOW, result="fine"):
    """Let calls come at a rate, each answered at once; return when they end."""
    count = int(rate * seconds)
    for number in range(count):
        now = begin + number / rate
        permit = enter(one, now)
        if isinstance(permit, Wait):
            one.abandoned(permit.permit, now)
        else:
            one.succeeded(permit, now, result)
    return begin + seconds


def throttle(one, now, error=None):
    """Have a call that was sent just now refused."""
    one.failed(now, now, error or TooMany())


# -- the gate ---------------------------------------------------------------------------------


def test_it_is_made_by_the_rate_limiter():
    """It has the shape of a gate, and says how it was made."""
    one = limiter(ceiling=50.0, name="quota")
    assert isinstance(one, AdaptiveRateLimiter)
    assert isinstance(one, Gate)
    assert one.spelt() == "RateLimiter.adaptive(ceiling=50.0, name='quota')"
    assert repr(one) == "<AdaptiveRateLimiter 'quota' 10 per 1 s, learnt, 0 waiting>"


@pytest.mark.parametrize(
    "options",
    [
        {"initial": 0}, {"floor": 0}, {"ceiling": -1}, {"initial": 5, "floor": 6},
        {"initial": 20, "ceiling": 10}, {"floor": 20, "ceiling": 10}, {"max_wait": -1},
        {"on": 3}, {"shadow": 1}, {"initial": float("nan")}, {"ceiling": float("inf")},
    ],
)  # fmt: skip
def test_options_outside_their_range_are_refused(options):
    """Each says which option and what is allowed."""
    with pytest.raises(ConfigurationError):
        limiter(**options)


def test_calls_above_the_rate_wait_in_order():
    """One passes at once, the others are spread at the rate of the moment."""
    one = limiter(initial=10)
    assert enter(one) == NOW
    first, second = enter(one), enter(one)
    assert (first.delay, second.delay) == (pytest.approx(0.1), pytest.approx(0.2))
    assert one.waiting == 2
    assert one.woken(second.permit, NOW + 0.1) == pytest.approx(0.1)
    assert one.woken(first.permit, NOW + 0.1) is None
    assert one.woken(second.permit, NOW + 0.2) is None
    assert one.waiting == 0


def test_a_turn_later_than_max_wait_is_refused():
    """At once, with the rate that was found and when the turn would have come; it is counted."""
    one = limiter(initial=10, max_wait=0.15)
    enter(one)
    assert isinstance(enter(one), Wait)
    with pytest.raises(RateLimitedError, match="has found a rate of 10 calls a second") as caught:
        enter(one)
    assert caught.value.retry_after == pytest.approx(0.2)
    assert (one.detected, one.enforced) == (1, 1)


def test_who_waits_is_refused_where_the_rate_is_cut_too_far():
    """When it wakes, if its turn would come much later than ``max_wait`` after all."""
    one = limiter(initial=10, max_wait=0.5)
    enter(one)
    wait = enter(one)
    throttle(one, NOW, TooMany(retry_after=20.0))
    error = one.woken(wait.permit, NOW + 0.1)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == pytest.approx(20.0, abs=0.2)
    one.abandoned(wait.permit, NOW + 0.1)
    assert (one.waiting, one.enforced) == (0, 1)


def test_who_leaves_the_line_gives_its_place_back():
    """Whoever is behind moves up."""
    one = limiter(initial=10)
    enter(one)
    first, second = enter(one), enter(one)
    one.abandoned(first.permit, NOW)
    assert one.woken(second.permit, NOW + 0.1) is None


def test_who_hangs_holds_up_nobody():
    """A call that was told to wake and hasn't is overtaken; it passes when it comes."""
    one = limiter(initial=10)
    enter(one)
    hung, other = enter(one), enter(one)
    assert one.woken(other.permit, NOW + 0.2) is None
    assert one.woken(hung.permit, NOW + 0.3) is None


def test_those_who_wait_profit_from_a_higher_rate():
    """Nobody keeps a turn that was booked at a lower one."""
    one = limiter(initial=1.0)
    enter(one)
    waits = [enter(one) for _ in range(20)]
    one.succeeded(NOW, NOW, Answer(RateLimit=DRAFT.format(6000, 60)))
    assert one.rate == pytest.approx(100.0)
    assert max(wait.delay for wait in waits) <= 0.5
    starts = [one.woken(wait.permit, NOW + 0.5) for wait in waits]
    assert starts.count(None) >= 5
    assert max(start or 0.0 for start in starts) <= 0.2


def test_a_turn_beyond_the_deadline_is_refused_at_once(world):
    """Nobody waits in vain."""
    pipeline = Pipeline("p", Timeout(1.0), limiter(initial=0.5))
    dependency = world.dependency(Ok("one"), Ok("two"))
    assert world.call(pipeline, dependency) == "one"
    with pytest.raises(DeadlineTooShortError):
        world.call(pipeline, dependency)
    assert world.elapsed() == 0.0


def test_in_shadow_mode_it_learns_and_tells_and_delays_nobody(heard):
    """What would have waited passes, and is counted."""
    one = limiter(initial=10, shadow=True)
    assert [enter(one) for _ in range(3)] == [NOW] * 3
    assert (one.detected, one.enforced) == (2, 0)
    throttle(one, NOW)
    assert one.snapshot()["cuts"] == 1


# -- what it learns from ----------------------------------------------------------------------


def test_a_429_cuts_to_what_was_accepted():
    """Not a part of the configured rate: a little less than what went through."""
    one = limiter(initial=100)
    now = feed(one, 50, 2.0)
    throttle(one, now)
    assert 45 <= one.rate <= 50


def test_a_burst_of_refusals_is_one_signal():
    """Those of calls that were sent before the cut say nothing new."""
    one = limiter(initial=100)
    now = feed(one, 50, 2.0)
    for number in range(30):
        one.failed(now - 0.01, now + number / 1000, TooMany())
    assert one.snapshot()["cuts"] == 1
    assert one.rate >= 45


@pytest.mark.parametrize("status, cuts", [(429, 1), (500, 0), (200, 0), (404, 0)])
def test_a_result_counts_as_well_as_an_error(status, cuts):
    """Clients that don't raise return the 429."""
    one = limiter()
    one.succeeded(enter(one), NOW, Answer(status))
    assert one.snapshot()["cuts"] == cuts


def test_no_answer_teaches_nothing():
    """A connection that fails was no request that was let in; a cancelled call is nothing either."""
    one = limiter(initial=10)
    before = one.rate
    for _ in range(100):
        one.failed(NOW, NOW + 1, ConnectionError("down"))
        one.abandoned(NOW, NOW + 1)
    assert one.rate == before


def test_on_says_what_a_refusal_is():
    """An exception of one's own, or a result."""
    one = limiter(on=on_result(lambda result: result == "slow down"))
    one.failed(NOW, NOW, TooMany())
    assert one.snapshot()["cuts"] == 0
    one.succeeded(NOW, NOW, "slow down")
    assert one.snapshot()["cuts"] == 1
    one.succeeded(NOW, NOW, NO_RESULT)


def test_retry_after_is_obeyed():
    """Nobody starts before; after it one by one."""
    one = limiter(initial=100)
    throttle(one, NOW, TooMany(retry_after=3.0))
    wait = enter(one, NOW + 0.1)
    assert one.snapshot()["cuts"] == 1
    assert one.woken(wait.permit, NOW + 2.9) == pytest.approx(0.1, abs=0.02)
    assert one.woken(wait.permit, NOW + 3.02) is None


def test_a_retry_after_of_a_day_is_not_believed():
    """One bad answer must not stop everything."""
    one = limiter(max_wait=0)
    throttle(one, NOW, TooMany(retry_after=86400.0))
    with pytest.raises(RateLimitedError) as caught:
        enter(one, NOW + 1)
    assert caught.value.retry_after <= 301


def test_a_changed_rate_is_told(heard):
    """With the rate before and after, where it has moved by a tenth."""
    one = limiter(initial=100)
    now = feed(one, 50, 2.0)
    throttle(one, now)
    changes = [event for event in heard if isinstance(event, told.RateChanged)]
    assert changes[-1].after == one.rate < changes[-1].before
    assert all(abs(one.after - one.before) >= 0.1 * one.before for one in changes)


# -- what servers say -------------------------------------------------------------------------


def test_what_a_server_says_is_obeyed():
    """What is left is spread over the time until the reset."""
    one = limiter()
    one.succeeded(NOW, NOW, Answer(RateLimit=DRAFT.format(50, 10)))
    assert (one.rate, one._told.speaks(NOW)) == (pytest.approx(5.0), True)


def test_errors_have_fields_too():
    """With nothing left, nobody starts before the reset."""
    one = limiter(max_wait=0)
    headers = {"RateLimit": DRAFT.format(0, 7)}
    throttle(one, NOW, TooMany(headers=headers))
    with pytest.raises(RateLimitedError) as caught:
        enter(one, NOW + 1.0)
    assert caught.value.retry_after == pytest.approx(6.0)
    assert enter(one, NOW + 7.01) == NOW + 7.01


def test_what_is_said_stays_within_the_bounds():
    """The ceiling is the user's word."""
    one = limiter(ceiling=20)
    one.succeeded(NOW, NOW, Answer(RateLimit=DRAFT.format(5000, 1)))
    assert one.rate == 20


def test_without_a_word_it_searches_again():
    """Ten answers without fields: the server has stopped telling; it goes on from the last rate."""
    one = limiter()
    one.succeeded(NOW, NOW, Answer(RateLimit=DRAFT.format(50, 10)))
    for _ in range(10):
        one.succeeded(NOW, NOW, Answer())
    assert not one.told
    assert one.rate == pytest.approx(5.0)


def test_a_refusal_while_calls_are_left_is_believed():
    """There is another limit that nobody tells: what is told is only a ceiling then."""
    one = limiter(initial=100)
    now = feed(one, 50, 2.0, result=Answer(RateLimit=DRAFT.format(1000, 10)))
    assert one.rate == pytest.approx(100.0)
    throttle(one, now)
    assert one.rate <= 50


# -- being at home ----------------------------------------------------------------------------


def test_options_can_be_changed_at_work():
    """The rate is moved within the new bounds; a snapshot shows them."""
    one = limiter()
    one.ceiling = 5.0
    assert one.rate == 5.0
    with pytest.raises(ConfigurationError):
        one.configure(floor=6.0)
    assert one.snapshot()["ceiling"] == 5.0


def test_it_is_pickled_by_how_it_was_made():
    """In its own process a pickle is the same object."""
    one = limiter(initial=3)
    assert pickle.loads(pickle.dumps(one)) is one


def test_each_key_learns_its_own_rate():
    """`Keyed` keeps one for each, and does not forget one that has just learnt."""
    keyed = Keyed(lambda key: key, lambda _key: limiter(initial=50))
    pipeline = Pipeline("p", keyed)
    with pytest.raises(TooMany):
        pipeline.call(fail, "a")
    pipeline.call(lambda _key: None, "b")
    assert keyed.at("a").snapshot()["cuts"] == 1
    assert keyed.at("b").snapshot()["cuts"] == 0


def fail(_key):
    raise TooMany


def test_it_is_busy_while_it_has_just_learnt():
    """A minute after the last refusal it may be forgotten."""
    one = limiter()
    assert not one.busy(NOW)
    throttle(one, NOW)
    assert one.busy(NOW + 1)
    assert not one.busy(NOW + REMEMBERED + 1)


def test_a_stream_teaches_when_it_begins():
    """Its end, minutes later, says nothing more."""
    one = limiter()
    permit = one.answered(enter(one), NOW + 0.1, NOW + 0.1)
    rate = one.rate
    one.failed(permit, NOW + 60, TooMany())
    assert (one.rate, one.snapshot()["cuts"]) == (rate, 0)


def test_each_attempt_counts():
    """Within a retry it hears of every 429, and delays what comes again."""
    one = limiter(initial=1000)
    left = [TooMany(), TooMany(), "fine"]

    def call():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Pipeline("p", Retry(5), one).call(call) == "fine"
    assert one.snapshot()["cuts"] >= 1


def test_a_forked_child_starts_afresh():
    """Who waits lives in the parent; what its calls come to teaches the child nothing."""
    one = limiter(initial=50)
    throttle(one, NOW)
    held = enter(one, NOW)
    one._after_fork()
    assert (one.rate, one.waiting, one.snapshot()["cuts"]) == (50, 0, 0)
    one._forked_at = NOW + 1
    one.failed(NOW, NOW + 2, TooMany())
    one.abandoned(held.permit, NOW + 2)
    assert one.snapshot()["cuts"] == 0
    assert one.waiting == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_real_fork_has_a_lock_of_its_own():
    """A child that is forked while the lock is held can go on."""
    one = limiter(initial=50)
    with one._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if one.snapshot()["rate"] == 50 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_eight_threads_share_it():
    """No call is lost, none starts too early, and the line is empty in the end."""
    one = limiter(initial=1000)
    pipeline = Pipeline("p", one)
    done, start = [], threading.Barrier(8)

    def work():
        start.wait()
        for number in range(25):
            try:
                pipeline.call(fail if number % 10 == 9 else str, "x")
            except TooMany:
                pass
            done.append(number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 200
    assert one.waiting == 0
    assert one.floor <= one.rate <= one.ceiling


def test_both_worlds_wait_for_their_turn(world):
    """Threads and tasks alike: thirty calls at ten a second take three seconds."""
    one = limiter(ceiling=10)
    pipeline = Pipeline("p", one)
    call = world.protect(pipeline, world.dependency(*[Ok("fine")] * 31))
    assert world.together(*[call] * 31) == ["fine"] * 31
    assert world.elapsed() == pytest.approx(3.0, abs=0.2)
    assert one.waiting == 0


def test_a_task_is_cancelled_out_of_the_line():
    """The others go on."""
    one = limiter(initial=50, ceiling=50)
    pipeline = Pipeline("p", one)

    async def call():
        return "fine"

    async def main():
        tasks = [asyncio.create_task(pipeline.acall(call)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert [result == "fine" for result in results] == [True, True, True, False, True]
    assert one.waiting == 0
