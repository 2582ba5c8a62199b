"""`Chaos`: to which calls what happens."""

import math
from random import Random

import pytest

from holdfast import ConfigurationError, RejectedError
from holdfast.events import FaultInjected
from holdfast.shapes import Gate, Instead, Site, Wait
from holdfast.strategies.chaos.chaos import PASSED, Chaos
from tests.ids import spelt

DOWN = ConnectionError("down")


def chaos(rate=1.0, **options):
    """Return one that is on, and hits every call."""
    return Chaos(rate, **({"enabled": True} | options))


def enter(strategy, *args, now=0.0, **kwargs):
    return strategy.enter(now, args, kwargs)


def hits(strategy, calls, **options):
    return sum(enter(strategy, **options) is not PASSED for _ in range(calls))


# -- on and off --------------------------------------------------------------------------------


def test_chaos_has_the_shape_of_a_gate():
    """It wants to know the instant, for its window and its waits."""
    strategy = Chaos(latency=1.0)

    assert isinstance(strategy, Gate)
    assert strategy.timed


def test_it_is_off_unless_it_is_enabled():
    """Off it is at rest, so that nobody needs to ask it, and asked all the same lets calls pass."""
    strategy = Chaos(1.0, latency=1.0)

    assert not strategy.enabled
    assert strategy.resting is PASSED
    assert enter(strategy) is PASSED


def test_it_can_be_switched_while_it_runs(clock):
    """On it has to be asked."""
    strategy = Chaos(1.0, latency=1.0)
    strategy.enable()
    assert (strategy.enabled, strategy.resting) == (True, None)
    assert type(enter(strategy)) is Wait

    strategy.disable()
    assert (strategy.enabled, strategy.resting) == (False, PASSED)
    assert enter(strategy) is PASSED


def test_the_switch_has_its_own_methods():
    """Whoever sets the attribute is told of them."""
    with pytest.raises(AttributeError, match=r"enable\(\) and disable\(\)"):
        chaos(1.0, error=KeyError).enabled = True


def test_a_function_may_be_the_switch():
    """A feature flag, for instance: it is asked for each call."""
    flags = {"chaos": False}
    strategy = chaos(latency=1.0, enabled=lambda: flags["chaos"])
    assert enter(strategy) is PASSED

    flags["chaos"] = True
    assert strategy.resting is None
    assert type(enter(strategy)) is Wait


# -- to which calls ----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 1.0])
def test_the_rate_is_the_share_of_calls(rate):
    """The dice decide; their source can be given."""
    strategy = chaos(rate, latency=1.0, rng=Random(1))

    assert hits(strategy, 5_000) / 5_000 == pytest.approx(rate, abs=0.01)


def test_the_rate_can_be_changed_while_it_runs():
    """A game day begins gently."""
    strategy = chaos(0.0, latency=1.0)
    assert hits(strategy, 100) == 0

    strategy.rate = 1.0
    assert hits(strategy, 100) == 100


def test_a_predicate_looks_at_the_arguments():
    """One tenant, one shard, one kind of call."""
    strategy = chaos(latency=1.0, when=lambda shard, *, tenant="": (shard, tenant) == (3, "acme"))

    assert enter(strategy, 3, tenant="other") is PASSED
    assert type(enter(strategy, 3, tenant="acme")) is Wait


def test_a_window_counts_from_the_moment_it_was_enabled(clock):
    """From its start, up to its end."""
    strategy = Chaos(1.0, latency=1.0, between=(10.0, 20.0))
    clock.now = 100.0
    strategy.enable()

    hit = [now for now in (100.0, 109.9, 110.0, 119.9, 120.0) if hits(strategy, 1, now=now)]

    assert hit == [110.0, 119.9]
    clock.now = 200.0
    strategy.enable()
    assert hits(strategy, 1, now=215.0) == 1


def test_one_that_is_made_enabled_counts_from_its_first_call():
    """It may have been made long before, on another clock."""
    strategy = chaos(latency=1.0, between=(10.0, math.inf))

    assert [hits(strategy, 1, now=now) for now in (1000.0, 1009.0, 1010.0)] == [0, 0, 1]


def test_a_flag_that_goes_on_again_begins_a_new_window():
    """The seconds count from the first call that found it on."""
    flags = {"on": True}
    strategy = chaos(latency=1.0, between=(0.0, 5.0), enabled=lambda: flags["on"])
    assert [hits(strategy, 1, now=now) for now in (0.0, 6.0)] == [1, 0]
    flags["on"] = False
    enter(strategy, now=7.0)
    flags["on"] = True

    assert hits(strategy, 1, now=8.0) == 1


def test_a_window_may_be_a_function():
    """Of the seconds since it was enabled: bursts, ramps."""
    strategy = chaos(latency=1.0, between=lambda seconds: seconds % 10 < 1)

    assert [hits(strategy, 1, now=now) for now in (0.0, 5.0, 10.5, 11.5)] == [1, 0, 1, 0]


# -- what happens ------------------------------------------------------------------------------


def test_latency_is_a_wait_that_a_deadline_cuts():
    """On a ticket that is never granted, so that it is not refused in advance; then the call goes on."""
    strategy = chaos(latency=2.5)

    wait = enter(strategy, now=10.0)

    assert (wait.delay, wait.ticket.granted) == (2.5, False)
    assert strategy.expired(wait.permit, 12.5) is None
    assert isinstance(strategy.expired(wait.permit, 11.0), RejectedError)


def test_latency_may_be_drawn():
    """By a function of the random source; 0 leaves the call alone."""
    strategy = chaos(latency=lambda rng: rng.choice([0.0, 3.0]), rng=Random(1))

    answers = [enter(strategy) for _ in range(50)]

    assert {one.delay for one in answers if one is not PASSED} == {3.0}
    assert PASSED in answers


@pytest.mark.parametrize("latency", [-1.0, math.nan, math.inf, "1"])
def test_a_drawn_latency_must_be_a_duration(latency):
    """A distribution below zero would otherwise go unnoticed."""
    with pytest.raises(ConfigurationError, match="latency="):
        enter(chaos(latency=lambda _rng: latency))


@pytest.mark.parametrize(
    "error", [DOWN, ConnectionError, lambda: DOWN], ids=["instance", "class", "function"]
)
def test_an_error_is_raised_as_the_functions_own(error):
    """Not a rejection: retries, breakers and fallbacks shall treat it as the real thing."""
    with pytest.raises(ConnectionError) as caught:
        enter(chaos(error=error))

    assert not isinstance(caught.value, RejectedError)


def test_each_injection_has_an_error_of_its_own():
    """One object raised twice would collect tracebacks and notes of both."""
    given = OSError(2, "no such shard", "eu-1")
    strategy = chaos(error=given)
    caught = []
    for _ in range(2):
        with pytest.raises(FileNotFoundError) as one:
            enter(strategy)
        one.value.add_note("seen")
        caught.append(one.value)

    assert caught[0] is not caught[1]
    assert (str(caught[1]), caught[1].__notes__) == (str(given), ["seen"])
    assert given.__traceback__ is None


def test_a_function_may_choose_the_error_by_the_arguments():
    """Or none at all."""
    strategy = chaos(error=lambda shard: KeyError(shard) if shard == 3 else None)

    assert enter(strategy, 1) is PASSED
    with pytest.raises(KeyError, match="3"):
        enter(strategy, 3)
    assert strategy.injected == 1


def test_a_function_that_returns_no_error_is_told_so():
    """A string is easily returned by mistake."""
    with pytest.raises(ConfigurationError, match="must return an exception or None"):
        enter(chaos(error=lambda: "down"))


@pytest.mark.parametrize("result", [None, 0, "stale", {}])
def test_a_result_takes_the_place_of_the_functions(result):
    """None is a result, too; it needs no wait."""
    wait = enter(chaos(result=result))

    assert type(wait.permit) is Instead
    assert wait.permit.make(wait.permit.subject) == result
    assert (wait.delay, wait.ticket) == (None, None)


def test_a_result_may_be_made_from_the_arguments():
    """It gets what the function would have got."""
    wait = enter(chaos(result=lambda shard, *, n: [shard] * n), "a", n=2)

    assert wait.permit.make(wait.permit.subject) == ["a", "a"]


def test_latency_comes_before_the_error_and_the_result():
    """A dependency that is slow and then fails."""
    failing = enter(chaos(latency=2.0, error=DOWN), now=5.0)
    assert failing.delay == 2.0
    with pytest.raises(ConnectionError):
        failing.permit.make(failing.permit.subject)

    strategy = chaos(latency=2.0, result="stale")
    answering = enter(strategy, now=5.0)
    assert answering.permit.make(answering.permit.subject) == "stale"
    assert strategy.expired(answering.permit, 7.0) is None


def test_nothing_is_held():
    """Whatever becomes of a call changes nothing."""
    strategy = chaos(latency=1.0)
    for permit in (PASSED, enter(strategy).permit):
        strategy.succeeded(permit, 0.0, None)
        strategy.failed(permit, 0.0, DOWN)
        strategy.abandoned(permit, 0.0)

    assert strategy.injected == 1


# -- telling -----------------------------------------------------------------------------------


def test_each_fault_is_told_and_counted(heard):
    """So that nobody takes a game day for the real thing."""
    slow = chaos(latency=2.0, result="stale", name="game day")
    slow.enter(1.0, (), {}, Site("orders"))
    failing = chaos(error=DOWN)
    with pytest.raises(ConnectionError) as caught:
        failing.enter(1.0, (), {}, Site("orders"))

    first, second = heard
    assert type(first) is FaultInjected
    assert (first.pipeline, first.strategy, first.at) == ("orders", "chaos 'game day'", 1.0)
    assert (first.delay, first.error, first.replaced) == (2.0, None, True)
    assert (second.delay, second.error, second.replaced) == (0.0, caught.value, False)
    snapshot = slow.snapshot()
    assert [snapshot[one] for one in ("injected", "delayed", "failed", "replaced")] == [2, 1, 0, 1]
    assert failing.snapshot()["failed"] == failing.injected == 1


def test_calls_that_are_left_alone_are_not_told(heard):
    """Only what was done on purpose is news."""
    strategy = chaos(0.5, latency=1.0, rng=Random(3))
    injected = hits(strategy, 100)

    assert len(heard) == injected == strategy.injected


def test_its_representation_says_whether_it_is_on():
    """For the reader of a log on a game day."""
    strategy = Chaos(0.05, latency=1.0, name="game day")
    assert repr(strategy) == "<Chaos 'game day' off, 0 injected>"

    strategy.enable()
    assert repr(strategy) == "<Chaos 'game day' 0.05 of calls, 0 injected>"


# -- options -----------------------------------------------------------------------------------


class Unmakeable(Exception):
    """An error that cannot be copied, nor made without arguments."""

    def __init__(self, code, *, detail):
        super().__init__(f"{code}: {detail}")


@pytest.mark.parametrize(
    "options, words",
    [
        ({}, "something to inject"),
        ({"error": DOWN, "result": 1}, "exclude each other"),
        ({"rate": 1.5, "latency": 1}, "rate"),
        ({"rate": -0.1, "latency": 1}, "rate"),
        ({"latency": 0}, "latency"),
        ({"latency": -1}, "latency"),
        ({"error": "down"}, "error"),
        ({"error": KeyboardInterrupt}, "error"),
        ({"error": int}, "error"),
        ({"error": Unmakeable}, "give an instance"),
        ({"error": Unmakeable(1, detail="x")}, "give a function"),
        ({"latency": 1, "when": 3}, "when"),
        ({"latency": 1, "between": (5, 5)}, "between"),
        ({"latency": 1, "between": (-1, 5)}, "between"),
        ({"latency": 1, "between": (1, 2, 3)}, "between"),
        ({"latency": 1, "between": ("a", 5)}, "between"),
        ({"latency": 1, "between": 5}, "between"),
        ({"latency": 1, "enabled": 1}, "enabled"),
        ({"latency": 1, "rng": 7}, "rng"),
        ({"latency": 1, "name": ""}, "name"),
    ],
    ids=spelt,
)
def test_options_are_checked(options, words):
    """Each error names its option and says what to give."""
    with pytest.raises(ConfigurationError, match=words):
        Chaos(**options)


def test_an_error_that_cannot_be_copied_can_be_made():
    """By a function, as the message says."""
    with pytest.raises(Unmakeable, match="503: x"):
        enter(chaos(error=lambda: Unmakeable(503, detail="x")))
