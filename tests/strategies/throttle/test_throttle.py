"""`Throttle`: what share is rejected, and who counts."""

import random

import pytest

from holdfast import ConfigurationError, RateLimitedError, Throttle, ThrottledError, on_result
from holdfast import events as told
from holdfast.shapes import NO_RESULT, Gate, Site
from holdfast.strategies.identity import SHADOW

NOW = 1000.0
DOWN = ConnectionError("down")


class Draws:
    """A source of chance that always draws the same."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


def throttle(draw=0.0, **options):
    """Return a throttle that rejects whenever the probability is above ``draw``."""
    return Throttle(**{"rng": Draws(draw), **options})


def feed(one, now=NOW, *, accepted=0, refused=0):
    """Have calls begin and end, whatever the throttle thinks of it."""
    draws, one._rng = one._rng, Draws(1.0)
    for number in range(accepted + refused):
        permit = one.enter(now, (), {})
        if number < refused:
            one.failed(permit, now, DOWN)
        else:
            one.succeeded(permit, now, "answer")
    one._rng = draws


def counts(one):
    return one._accepts.requests, one._accepts.accepts


def test_a_throttle_has_the_shape_of_a_gate():
    """It never rests, since each call is counted, and it asks for the instant."""
    one = Throttle()
    assert isinstance(one, Gate)
    assert (one.resting, one.timed) == (None, True)
    assert one.expired(object(), NOW) is None


@pytest.mark.parametrize(
    "ratio, accepted, refused, expected",
    [
        (1.5, 100, 0, 0.0),
        (1.5, 67, 33, 0.0),
        (1.5, 50, 50, 25 / 101),
        (2.0, 25, 75, 50 / 101),
        (1.0, 90, 10, 10 / 101),
        (1.5, 0, 9, 0.0),
        (1.5, 0, 10, 0.9),
        (1.5, 0, 1000, 0.9),
    ],
)
def test_the_probability_is_that_of_the_book(clock, ratio, accepted, refused, expected):
    """(requests - ratio * accepts) / (requests + 1), nothing for few calls, and never all of them."""
    clock.now = NOW
    one = throttle(ratio=ratio)
    feed(one, accepted=accepted, refused=refused)
    assert one.rejecting == pytest.approx(expected)
    if expected:
        one._rng = Draws(expected - 0.001)
        with pytest.raises(ThrottledError):
            one.enter(NOW, (), {})
    one._rng = Draws(expected + 0.02)
    assert one.enter(NOW, (), {}) is not None


def test_a_rejection_says_how_much_the_dependency_refuses(heard):
    """It is told, names no instant to come back at, and counts as a request."""
    one = throttle(name="mail")
    feed(one, accepted=38, refused=62)
    with pytest.raises(ThrottledError) as caught:
        one.enter(NOW, (), {}, Site("orders"))
    assert str(caught.value) == (
        "pipeline 'orders': throttle 'mail' rejects 43% of the calls, because the dependency "
        "accepted 38 of 100 in the last 10 s"
    )
    assert caught.value.retry_after is None
    assert [(type(event), event.at) for event in heard] == [(told.CallRejected, NOW)]
    assert counts(one) == (101, 38)
    assert (one.detected, one.enforced) == (1, 1)


def test_the_window_forgets(clock):
    """What is older than the window counts no more, tenth by tenth."""
    clock.now = NOW
    one = throttle(window=10.0)
    feed(one, NOW, refused=50)
    feed(one, NOW + 5, accepted=50)
    clock.now = NOW + 9.9
    assert one.rejecting == pytest.approx(25 / 101)
    clock.now = NOW + 10
    assert one.rejecting == 0.0
    assert counts(one) == (50, 50)
    clock.now = NOW + 1000
    assert one.snapshot()["requests"] == 0


def test_a_clock_that_goes_back_counts_in_the_newest_tenth(clock):
    """Another thread may have read the clock a little earlier."""
    clock.now = NOW
    one = throttle()
    feed(one, NOW + 1, accepted=5)
    feed(one, NOW, accepted=5)
    assert counts(one) == (10, 10)


def test_a_rise_of_healthy_traffic_is_not_throttled():
    """A hundred calls at once, whose answers are still to come, are given the benefit of the doubt."""
    one = throttle()
    permits = [one.enter(NOW, (), {}) for _ in range(100)]
    permits += [one.enter(NOW + 4.5, (), {}) for _ in range(100)]
    for permit in permits:
        one.succeeded(permit, NOW + 4.9, "answer")
    assert counts(one) == (200, 200)


def test_calls_that_hang_for_half_the_window_count_as_refused(clock):
    """A dependency that swallows everything is noticed before anything times out."""
    clock.now = NOW
    one = throttle(window=10.0)
    for _ in range(100):
        one.enter(NOW, (), {})
    clock.now = NOW + 4.9
    assert one.rejecting == 0.0
    clock.now = NOW + 5.0
    assert one.rejecting == pytest.approx(0.9)


def test_an_answer_that_outlives_the_window_is_an_accept():
    """It counts when it comes, and the request that it belongs to is long forgotten."""
    one = throttle()
    late = one.enter(NOW, (), {})
    never = one.enter(NOW, (), {})
    feed(one, NOW + 20, accepted=1)
    one.succeeded(late, NOW + 20, "answer")
    one.abandoned(never, NOW + 20)
    assert counts(one) == (1, 2)


@pytest.mark.parametrize(
    "options, error, expected",
    [
        ({}, DOWN, (1, 0)),
        ({"on": OSError}, DOWN, (1, 0)),
        ({"on": OSError}, ValueError("mine"), (1, 1)),
        ({"ignore": OSError}, DOWN, (0, 0)),
        ({}, RateLimitedError("not sent"), (0, 0)),
        ({"on": RateLimitedError}, RateLimitedError("theirs"), (1, 0)),
    ],
)
def test_what_an_error_says(options, error, expected):
    """`on` refuses, `ignore` and rejections further in say nothing, all else was an answer."""
    one = throttle(**options)
    one.failed(one.enter(NOW, (), {}), NOW, error)
    assert counts(one) == expected


def test_a_result_may_be_a_refusal():
    """Such as a status of 503; the result of a block, which has none, is an accept."""
    one = throttle(on=on_result(lambda status: status == 503))
    for status in (503, 200, NO_RESULT):
        one.succeeded(one.enter(NOW, (), {}), NOW, status)
    assert counts(one) == (3, 2)


def test_a_condition_that_raises_leaves_no_call_in_flight():
    """Its error is the caller's, and the call is not counted."""
    one = throttle(on=on_result(lambda result: result.status))
    permit = one.enter(NOW, (), {})
    with pytest.raises(AttributeError):
        one.succeeded(permit, NOW, "no status")
    assert counts(one) == (0, 0)
    assert one._accepts.in_doubt(NOW) == 0


def test_a_cancelled_call_has_never_been():
    """It says nothing about the dependency."""
    one = throttle()
    one.abandoned(one.enter(NOW, (), {}), NOW)
    assert counts(one) == (0, 0)


def test_in_shadow_mode_all_pass_and_are_counted(heard):
    """It is told what would have been rejected, and the outcome counts as any other."""
    one = throttle(shadow=True)
    feed(one, refused=20)
    permit = one.enter(NOW, (), {})
    assert [event.enforced for event in heard] == [False]
    one.succeeded(permit, NOW, "answer")
    assert counts(one) == (21, 1)
    assert (one.detected, one.enforced) == (1, 0)
    one.succeeded(SHADOW, NOW, "answer")
    one.abandoned(SHADOW, NOW)
    assert counts(one) == (21, 1)


def test_what_is_sent_settles_at_the_ratio():
    """A dependency that takes 40 of 100 a second is sent about 1.5 times 40, and all 40 get through."""
    rng = random.Random(1)
    one = Throttle(ratio=1.5, rng=rng)
    sent = accepted = 0
    for second in range(60):
        room = 40
        for number in range(100):
            now = NOW + second + number / 100
            try:
                permit = one.enter(now, (), {})
            except ThrottledError:
                continue
            sent += second >= 20
            if room:
                room -= 1
                accepted += second >= 20
                one.succeeded(permit, now, None)
            else:
                one.failed(permit, now, DOWN)
    assert accepted == 40 * 40
    assert 1.4 <= sent / accepted <= 1.6


def test_probes_go_on_in_an_outage_and_find_its_end():
    """A tenth is still sent while all fail, and all of it three windows after the end of the outage."""
    one = Throttle(rng=random.Random(1))
    sent = {}
    for tick in range(7000):
        now = NOW + tick / 100
        well = now >= NOW + 30
        try:
            permit = one.enter(now, (), {})
        except ThrottledError:
            continue
        sent[int(now - NOW)] = sent.get(int(now - NOW), 0) + 1
        if well:
            one.succeeded(permit, now, None)
        else:
            one.failed(permit, now, DOWN)
    outage = [sent.get(second, 0) for second in range(15, 30)]
    assert 5 <= sum(outage) / 15 <= 15
    assert all(sent[second] == 100 for second in range(60, 70))


def test_the_snapshot_is_plain_data(clock):
    """For people and machines."""
    clock.now = NOW
    one = throttle(name="mail")
    feed(one, accepted=5, refused=15)
    assert one.snapshot() == {
        "strategy": "throttle",
        "name": "mail",
        "rejecting": pytest.approx(12.5 / 21),
        "requests": 20,
        "accepts": 5,
        "ratio": 1.5,
        "window": 10.0,
        "shadow": False,
        "detected": 0,
        "enforced": 0,
    }
    assert repr(one) == "<Throttle 'mail' rejects 60%>"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"ratio": 0.9}, "ratio=0.9"),
        ({"window": 0}, "window=0"),
        ({"on": 5}, "on=5"),
        ({"ignore": on_result(bool)}, "it can name exceptions only"),
        ({"min_calls": 0}, "min_calls=0"),
        ({"max_rejection": 1}, "max_rejection=1"),
        ({"max_rejection": 0}, "max_rejection=0"),
        ({"rng": 5}, "rng=5"),
        ({"shadow": None}, "shadow=None"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(options, message):
    """With the option, the value, and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        Throttle(**options)


def test_it_is_busy_while_it_rejects():
    """Forgotten then, and made anew, it would send all again."""
    one = throttle()
    feed(one, accepted=10)
    assert not one.busy(NOW)
    feed(one, refused=40)
    assert one.busy(NOW)
    assert not one.busy(NOW + 10)


def test_a_child_process_starts_afresh():
    """What is in flight belongs to its parent."""
    one = throttle()
    permit = one.enter(NOW, (), {})
    feed(one, refused=50)
    one._after_fork()
    assert counts(one) == (0, 0)
    one.failed(permit, NOW, DOWN)
    assert one.enter(NOW, (), {}) is not None
