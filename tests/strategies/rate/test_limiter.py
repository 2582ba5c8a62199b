"""`RateLimiter`: so much at once, so much in a second, and what is told to the rest."""

import math
import pickle

import pytest

from holdfast import ConfigurationError, Rate, RateLimitedError, RateLimiter
from holdfast import events as told
from holdfast.shapes import NO_RESULT, Gate, Site, Wait
from holdfast.strategies.identity import SHADOW
from holdfast.strategies.rate.limiter import PASSED, Permit

NOW = 1000.0
DOWN = ConnectionError("down")


def enter(limiter, now=NOW, *args, **kwargs):
    return limiter.enter(now, args, kwargs)


def refused(limiter, now=NOW, *args):
    with pytest.raises(RateLimitedError) as caught:
        enter(limiter, now, *args)
    return caught.value


def passed(limiter, now=NOW, *args):
    """Return how many calls pass at once."""
    count = 0
    while count < 1000:
        try:
            if isinstance(enter(limiter, now, *args), Wait):
                break
        except RateLimitedError:
            break
        count += 1
    return count


# -- one limit --------------------------------------------------------------------------------


def test_a_rate_limiter_has_the_shape_of_a_gate():
    """It never rests, since each call takes something, and it asks for the instant."""
    limiter = RateLimiter(1)
    assert isinstance(limiter, Gate)
    assert (limiter.resting, limiter.timed) == (None, True)
    assert limiter.expired(PASSED, NOW) is None


def test_so_many_calls_a_second_pass():
    """A burst at once, then one for each tenth of a second; nothing is saved up beyond a burst."""
    limiter = RateLimiter(10)
    assert passed(limiter) == 10
    assert passed(limiter, NOW + 0.25) == 2
    assert passed(limiter, NOW + 1000) == 10


def test_a_refusal_says_which_limit_and_when():
    """Pipeline, name, limit and period, and the seconds until the next try; it pickles."""
    limiter = RateLimiter(120, per=60, burst=1, name="mail")
    enter(limiter)
    with pytest.raises(RateLimitedError) as caught:
        limiter.enter(NOW + 0.1, (), {}, Site("orders"))
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == (
        "pipeline 'orders': rate limiter 'mail' has reached its limit of 120 per 60 s; "
        "try again in 0.4 s"
    )
    assert error.retry_after == pytest.approx(0.4)
    assert enter(limiter, NOW + 0.1 + error.retry_after) is PASSED


def test_a_refusal_is_told(heard):
    """With the pipeline that was called and the instant, and it is counted."""
    limiter = RateLimiter(1)
    enter(limiter)
    with pytest.raises(RateLimitedError) as caught:
        limiter.enter(NOW, (), {}, Site("orders"))
    (event,) = heard
    assert (type(event), event.pipeline, event.at) == (told.CallRejected, "orders", NOW)
    assert event.error is caught.value
    assert (limiter.detected, limiter.enforced) == (1, 1)


@pytest.mark.parametrize(
    "rate, capacity",
    [
        (Rate(10), 10),
        (Rate(5, per=0.1), 5),
        (Rate(300, per=60), 30),
        (Rate(5, per=60), 1),
        (Rate(0.5), 1),
        (Rate(300, per=60, cost=50), 50),
        (Rate(300, per=60, burst=7), 7),
        (Rate(90_000, per=60, cost=len), 90_000),
        (Rate(90_000, per=60, cost=900, actual=len), 90_000),
        (Rate(900, per=60, cost=1000, actual=len), 1000),
    ],
)
def test_the_default_burst(rate, capacity):
    """The limit for short periods and costs that vary, else a tenth of it; never below a fixed cost."""
    assert rate.capacity == capacity


def test_a_minute_sees_at_most_a_tenth_more_than_its_limit():
    """With the default burst of a long period, however hard callers try."""
    limiter = RateLimiter(300, per=60)
    admitted = sum(passed(limiter, NOW + second / 10) for second in range(600))
    assert 300 <= admitted <= 330


# -- waiting ----------------------------------------------------------------------------------


def test_calls_wait_in_the_order_of_their_arrival():
    """Each is told the instant of its own turn; who would wait for too long is refused at once."""
    limiter = RateLimiter(10, burst=1, max_wait=0.3)
    assert enter(limiter) is PASSED
    waits = [enter(limiter) for _ in range(3)]
    assert [type(wait) for wait in waits] == [Wait] * 3
    assert [wait.delay for wait in waits] == pytest.approx([0.1, 0.2, 0.3])
    assert {wait.ticket for wait in waits} == {None}
    assert refused(limiter).retry_after == pytest.approx(0.4)
    assert enter(limiter, NOW + 0.15).delay == pytest.approx(0.25)


def test_without_a_limit_of_its_own_the_wait_is_as_long_as_it_takes():
    """None leaves it to the caller's deadline."""
    limiter = RateLimiter(1, max_wait=None)
    waits = [enter(limiter) for _ in range(1000)]
    assert waits[-1].delay == 999.0


def test_who_is_cancelled_while_waiting_gives_the_place_back():
    """The next one has it; who is cancelled after its turn has taken what it took."""
    limiter = RateLimiter(1, max_wait=10)
    enter(limiter)
    wait = enter(limiter)
    assert wait.delay == 1.0
    limiter.abandoned(wait.permit, NOW + 0.5)
    again = enter(limiter, NOW + 0.5)
    assert again.delay == pytest.approx(0.5)
    assert limiter.woken(again.permit, NOW + 1.0) is None
    limiter.abandoned(again.permit, NOW + 1.0)
    assert enter(limiter, NOW + 1.0).delay == pytest.approx(1.0)


def test_the_outcome_of_a_call_gives_nothing_back():
    """It was made, and that is what counts."""
    limiter = RateLimiter(1, max_wait=10)
    permits = [enter(limiter), enter(limiter).permit]
    for permit in permits:
        limiter.succeeded(permit, NOW + 1, "answer")
        limiter.failed(permit, NOW + 1, DOWN)
        limiter.abandoned(permit, NOW + 1)
    assert enter(limiter, NOW + 1).delay == 1.0


# -- several limits ---------------------------------------------------------------------------


def llm(**options):
    """Return the limits of a language model, whose calls are strings of so many tokens."""
    tokens = Rate(600, per=60, cost=lambda prompt, **_: len(prompt), actual=len)
    return RateLimiter(Rate(2), Rate(100, per=60), tokens, **options)


def test_a_call_passes_where_all_limits_have_room():
    """The scarcest one is named, and a refused call takes nothing from any."""
    limiter = llm()
    assert type(enter(limiter, NOW, "x" * 500)) is Permit
    error = refused(limiter, NOW, "x" * 200)
    assert "limit of 600 per 60 s" in str(error)
    assert error.retry_after == pytest.approx(10.0)
    enter(limiter, NOW, "x")
    error = refused(limiter, NOW, "x")
    assert "limit of 2 per 1 s" in str(error)
    assert error.retry_after == pytest.approx(0.5)


def test_with_several_limits_the_longest_wait_counts():
    """And who comes later does not overtake, even where its own limits would let it."""
    limiter = llm(max_wait=None)
    enter(limiter, NOW, "x" * 600)
    assert enter(limiter, NOW, "x" * 50).delay == pytest.approx(5.0)
    assert enter(limiter, NOW, "").delay == pytest.approx(5.0)


def test_a_cost_that_can_never_be_had_fails_at_once():
    """However long a caller would wait; the message says what to do, and nothing is taken."""
    limiter = llm(max_wait=None)
    error = refused(limiter, NOW, "x" * 1201)
    assert str(error) == (
        "rate limiter: a call that costs 1,201 can never pass, for at most 600 can be taken at once "
        "from 600 per 60 s: raise burst=, or split the call"
    )
    assert error.retry_after is None
    assert type(enter(limiter, NOW, "x" * 600)) is Permit


@pytest.mark.parametrize("cost", [-1, math.nan, math.inf, "7", None, True])
def test_a_cost_that_is_no_cost_is_an_error(cost):
    """It says so, before anything is taken."""
    limiter = RateLimiter(10, cost=lambda: cost)
    with pytest.raises(ConfigurationError, match="cost="):
        enter(limiter)
    assert limiter.waiting == 0


def test_a_cost_function_that_raises_takes_nothing(clock):
    """Its error is the caller's, and the limit is untouched."""

    def cost(prompt):
        raise LookupError(prompt)

    limiter = RateLimiter(10, cost=cost)
    with pytest.raises(LookupError, match="hello"):
        enter(limiter, NOW, "hello")
    assert limiter.available == (10.0,)


def test_a_cost_may_be_a_fraction():
    """Half a token is half a token."""
    assert passed(RateLimiter(1, cost=lambda: 0.25)) == 4
    assert passed(RateLimiter(1, cost=0.25)) == 4


# -- corrections ------------------------------------------------------------------------------


def test_what_a_result_has_really_taken_is_set_right(clock):
    """Less than estimated comes back, more is a debt, for the rate that says so alone."""
    clock.now = NOW
    limiter = llm()
    permit = enter(limiter, NOW, "x" * 400)
    limiter.succeeded(permit, NOW, "x" * 100)
    assert limiter.available == (1.0, 9.0, 500.0)
    permit = enter(limiter, NOW, "x" * 100)
    limiter.succeeded(permit, NOW, "x" * 700)
    clock.now = NOW + 1
    assert refused(limiter, NOW + 1, "x" * 10).retry_after == pytest.approx(20.0)


@pytest.mark.parametrize("result", [NO_RESULT, "no usage"])
def test_no_count_corrects_nothing(clock, result):
    """Neither a block, which has no result, nor a result without a count."""
    clock.now = NOW
    limiter = RateLimiter(10, cost=4, actual=lambda _result: None)
    limiter.succeeded(enter(limiter), NOW, result)
    assert limiter.available == (6.0,)


def test_a_correction_that_raises_is_the_callers():
    """What was estimated stays taken."""
    limiter = RateLimiter(10, actual=lambda result: result["usage"])
    with pytest.raises(KeyError):
        limiter.succeeded(enter(limiter), NOW, {})


def test_a_permit_can_be_adjusted_by_hand(clock):
    """As often as one learns more; the last word counts."""
    clock.now = NOW
    limiter = llm()
    permit = enter(limiter, NOW, "x" * 400)
    permit.adjust(500)
    permit.adjust(50)
    assert limiter.available == (1.0, 9.0, 550.0)
    permit.adjust(3, rate=limiter.rates[1])
    assert limiter.available == (1.0, 7.0, 550.0)
    with pytest.raises(ConfigurationError, match="actual=-1"):
        permit.adjust(-1)


def test_the_limiter_can_be_adjusted_without_a_permit(clock):
    """A difference, up or down, by default of the rate whose cost varies."""
    clock.now = NOW
    limiter = llm()
    limiter.adjust(700)
    assert limiter.available == (2.0, 10.0, 0.0)
    limiter.adjust(-1000)
    assert limiter.available == (2.0, 10.0, 600.0)
    with pytest.raises(ConfigurationError, match="say which one is meant"):
        RateLimiter(Rate(1), Rate(2)).adjust(1)
    with pytest.raises(ConfigurationError, match="say which one is meant"):
        limiter.adjust(1, rate=Rate(77))


# -- by hand ----------------------------------------------------------------------------------


def test_it_can_be_asked_by_hand(clock, heard):
    """Whether it was taken, and apart from that for how long to wait; nothing is told."""
    clock.now = NOW
    limiter = RateLimiter(4)
    assert [limiter.try_acquire(), limiter.wait_for(3), limiter.try_acquire(3)] == [True, 0.0, True]
    assert [limiter.try_acquire(2), limiter.wait_for(2)] == [False, pytest.approx(0.5)]
    assert limiter.available == (0.0,)
    for ask in (limiter.try_acquire, limiter.wait_for):
        with pytest.raises(RateLimitedError, match="can never pass"):
            ask(5)
    assert heard == []


def test_restarts_send_no_burst_each(clock):
    """With ``initial=0`` six starts in a minute keep a quota of sixty (anyio 992, trimeter 6)."""
    sent = 0
    for restart in range(6):
        clock.now = NOW + 10 * restart
        limiter = RateLimiter(60, per=60.0, burst=60, initial=0)
        assert limiter.wait_for() == pytest.approx(1.0)
        for _ in range(10):
            clock.now += 1.0
            sent += limiter.try_acquire()
    assert sent == 60


def test_each_rate_has_a_beginning_of_its_own(clock):
    """Up to its burst, and on the clock of the first call, should that be another one."""
    clock.now = NOW
    limiter = RateLimiter(Rate(10, initial=3), Rate(100, burst=50))
    assert limiter.available == (3.0, 50.0)
    clock.now = 5.0  # a virtual one
    assert limiter.wait_for() == 0.0
    assert [limiter.try_acquire() for _ in range(4)] == [True, True, True, False]
    with pytest.raises(ConfigurationError, match="initial=11 "):
        Rate(10, initial=11)


def test_a_cost_asked_for_by_hand_is_that_of_the_rate_that_varies(clock):
    """The others take their own; where none is given, it has to be."""
    clock.now = NOW
    limiter = llm()
    assert limiter.try_acquire(200) is True
    assert limiter.available == (1.0, 9.0, 400.0)
    with pytest.raises(ConfigurationError, match="say a number"):
        limiter.try_acquire()


def test_the_limits_can_be_changed_while_it_runs(clock):
    """What was taken stays taken; there are as many limits as before."""
    clock.now = NOW
    limiter = RateLimiter(10)
    assert passed(limiter) == 10
    limiter.rates = (Rate(20),)
    assert limiter.available == (10.0,)
    assert passed(limiter, NOW + 0.5) == 20
    limiter.rates = [Rate(5, cost=len)]
    assert refused(limiter, NOW + 0.5, "x").retry_after == pytest.approx(3.2)
    with pytest.raises(ConfigurationError, match="as many as before: 1"):
        limiter.rates = (Rate(1), Rate(2))


def test_it_is_busy_until_its_burst_is_full_again():
    """Forgotten before that, and made anew, it would let through what it holds back."""
    limiter = RateLimiter(10, max_wait=None)
    assert not limiter.busy(NOW)
    waits = [enter(limiter) for _ in range(15)][10:]
    assert [limiter.woken(wait.permit, NOW + wait.delay) for wait in waits] == [None] * 5
    assert [limiter.busy(NOW + later) for later in (0.0, 1.4, 1.5)] == [True, True, False]


# -- shadow mode ------------------------------------------------------------------------------


def test_in_shadow_mode_nobody_is_refused_or_delayed(heard):
    """It is told and counted, and what passed above the limit takes nothing."""
    limiter = RateLimiter(1, max_wait=5, shadow=True)
    assert enter(limiter) is PASSED
    permit = enter(limiter)
    assert permit is SHADOW
    limiter.succeeded(permit, NOW, "answer")
    limiter.failed(permit, NOW, DOWN)
    limiter.abandoned(permit, NOW)
    assert [event.enforced for event in heard] == [False]
    assert (limiter.detected, limiter.enforced) == (1, 0)
    limiter.shadow = False
    assert enter(limiter).delay == 1.0


# -- what is shown, what is refused -----------------------------------------------------------


def test_the_snapshot_is_plain_data(clock):
    """For people and machines."""
    clock.now = NOW
    limiter = RateLimiter(2, max_wait=None, name="mail")
    for _ in range(3):
        enter(limiter)
    assert limiter.snapshot() == {
        "strategy": "rate limiter",
        "name": "mail",
        "rates": [{"limit": 2.0, "per": 1.0, "burst": 2.0, "available": 0.0}],
        "waiting": 1,
        "max_wait": None,
        "shadow": False,
        "detected": 0,
        "enforced": 0,
    }
    assert repr(limiter) == "<RateLimiter 'mail' 2 per 1 s, 1 waiting>"
    assert repr(llm()).startswith("<RateLimiter 2 per 1 s and 100 per 60 s and 600 per 60 s, 0")


def test_a_rate_is_a_value():
    """Equal by its options, frozen, shown as it is written, and pickled."""
    rate = Rate(300, per=60, burst=5)
    assert rate == Rate(300.0, 60.0, burst=5.0)
    assert repr(rate) == "Rate(300.0, per=60.0, burst=5.0)"
    assert pickle.loads(pickle.dumps(rate)) == rate
    assert rate.replace(limit=1_500_000).capacity == 5
    assert str(rate.replace(limit=1_500_000)) == "1,500,000 per 60 s"
    with pytest.raises(AttributeError):
        rate.limit = 5


async def later(*_args):
    """Nothing that counts."""


@pytest.mark.parametrize(
    "build, message",
    [
        (RateLimiter, "rates="),
        (lambda: RateLimiter(0), "limit=0"),
        (lambda: RateLimiter("10"), "limit='10'"),
        (lambda: RateLimiter(10, 60), r"RateLimiter\(100, per=60\)"),
        (lambda: RateLimiter(Rate(10), 60), r"one Rate or more"),
        (lambda: RateLimiter(Rate(10), per=60), "its options belong into it"),
        (lambda: RateLimiter(Rate(10), Rate(1), cost=5), "its options belong into it"),
        (lambda: RateLimiter(10, per=0), "per=0"),
        (lambda: RateLimiter(10, burst=0.5), "burst=0.5"),
        (lambda: RateLimiter(10, burst=3, cost=5), "burst=3"),
        (lambda: RateLimiter(10, burst=0, cost=len), "burst=0"),
        (lambda: RateLimiter(10, cost=0), "cost=0"),
        (lambda: RateLimiter(10, cost=later), "cost="),
        (lambda: RateLimiter(10, actual=later), "actual="),
        (lambda: RateLimiter(10, max_wait=-1), "max_wait=-1"),
        (lambda: RateLimiter(10, shadow=1), "shadow=1"),
        (lambda: RateLimiter(10, name=""), "name=''"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(build, message):
    """With the option, the value, and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        build()


def test_a_child_process_starts_afresh(clock):
    """Its burst is its own, and so are those who wait."""
    clock.now = NOW
    limiter = RateLimiter(1, max_wait=None)
    enter(limiter)
    enter(limiter)
    limiter._after_fork()
    assert (limiter.waiting, limiter.available) == (0, (1.0,))
