"""How long to wait: the numbers, with each kind of jitter, and what is refused."""

import functools
import math
from random import Random
from unittest.mock import AsyncMock, Mock, create_autospec

import pytest

from holdfast import ConfigurationError, Pipeline, Retry, backoff
from holdfast.strategies.retry.backoff import Backoff, of
from holdfast.testing import VirtualClock
from tests.ids import spelt


class Dice(Random):
    """Randomness that always lies at the same share of its range."""

    def __init__(self, share):
        super().__init__(0)
        self.share = share

    def random(self):
        return self.share

    def uniform(self, a, b):
        return a + (b - a) * self.share


def delays(made, attempts=6, rng=None):
    """Return the delays after the first failed attempts, each told the one before it."""
    rng = rng or Dice(0.5)
    found, previous = [], None
    for attempt in range(1, attempts + 1):
        previous = made.delay(attempt, previous, rng)
        found.append(previous)
    return found


# -- without jitter ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made, expected",
    [
        (backoff.exponential(jitter=None), [1, 2, 4, 8, 16, 30]),
        (backoff.exponential(0.1, 3.0, 1.0, jitter=None), [0.1, 0.3, 0.9, 1.0, 1.0, 1.0]),
        (backoff.exponential(2.0, 1.0, jitter=None), [2, 2, 2, 2, 2, 2]),
        (backoff.exponential(2.0, 1.0, 2.0, jitter=None), [2, 2, 2, 2, 2, 2]),
        (backoff.exponential(4.0, 2.0, 16.0, jitter=None), [4, 8, 16, 16, 16, 16]),
        (backoff.exponential(0.0, jitter=None), [0, 0, 0, 0, 0, 0]),
        (backoff.exponential(0.0, cap=0.0, jitter=None), [0, 0, 0, 0, 0, 0]),
        (backoff.constant(), [1, 1, 1, 1, 1, 1]),
        (backoff.constant(0.0), [0, 0, 0, 0, 0, 0]),
        (backoff.linear(jitter=None), [1, 2, 3, 4, 5, 6]),
        (backoff.linear(1.0, 10.0, 25.0, jitter=None), [1, 11, 21, 25, 25, 25]),
        (backoff.linear(2.0, 0.0, jitter=None), [2, 2, 2, 2, 2, 2]),
        (backoff.fibonacci(jitter=None), [1, 1, 2, 3, 5, 8]),
        (backoff.fibonacci(0.5, 2.0, jitter=None), [0.5, 0.5, 1, 1.5, 2, 2]),
        (of(lambda attempt: attempt * 0.25), [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]),
    ],
    ids=spelt,
)
def test_the_plain_delays(made, expected):
    """Without jitter a delay is a matter of the attempt's number alone."""
    assert delays(made) == pytest.approx(expected)


@pytest.mark.parametrize("attempt", [6, 100, 1_025, 10_000, 10**9])
@pytest.mark.parametrize(
    "made",
    [
        backoff.exponential(jitter=None),
        backoff.linear(jitter=None, step=10.0),
        backoff.fibonacci(jitter=None, base=10.0),
    ],
    ids=spelt,
)
def test_the_cap_holds_however_many_attempts_were_made(made, attempt):
    """No power, product or sum overflows on its way to the cap."""
    assert made.delay(attempt, None, Dice(0.5)) == 30.0


# -- jitter -----------------------------------------------------------------------------------

KINDS = {
    "exponential": backoff.exponential,
    "constant": lambda jitter: backoff.constant(4.0, jitter),
    "linear": lambda jitter: backoff.linear(step=0.0, base=4.0, jitter=jitter),
    "fibonacci": lambda jitter: backoff.fibonacci(base=4.0, jitter=jitter),
}


@pytest.mark.parametrize("jitter, low, high", [("full", 0, 4), ("equal", 2, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_full_and_equal_jitter_span_up_to_the_delay(kind, jitter, low, high):
    """Full jitter is U(0, d), equal jitter d/2 + U(0, d/2)."""
    made = KINDS[kind](jitter=jitter)
    attempt = 3 if kind == "exponential" else 1

    found = [made.delay(attempt, None, Dice(share)) for share in (0.0, 0.5, 1.0)]

    assert found == [low, (low + high) / 2, high]


@pytest.mark.parametrize("amplitude, high", [(0.5, 6.0), (0.0, 4.0), (2.0, 12.0)])
def test_proportional_jitter_is_added_on_top(amplitude, high):
    """It is d + U(0, amplitude * d)."""
    for made in (
        backoff.constant(4.0, "proportional", amplitude),
        backoff.exponential(4.0, jitter="proportional", amplitude=amplitude),
        backoff.linear(4.0, jitter="proportional", amplitude=amplitude),
        backoff.fibonacci(4.0, jitter="proportional", amplitude=amplitude),
    ):
        assert made.delay(1, None, Dice(0.0)) == 4.0
        assert made.delay(1, None, Dice(1.0)) == high


def test_proportional_jitter_is_drawn_after_the_cap():
    """At the cap it spreads beyond it, since spread below it would meet the shorter delays."""
    made = backoff.exponential(jitter="proportional")

    assert made.delay(100, None, Dice(1.0)) == 45.0


def test_decorrelated_jitter_follows_the_delay_before():
    """It is U(base, 3 * previous), of which the range ends at the cap."""
    made = backoff.exponential(1.0, cap=10.0, jitter="decorrelated")

    assert [made.delay(1, None, Dice(share)) for share in (0.0, 1.0)] == [1.0, 3.0]
    assert [made.delay(2, 2.0, Dice(share)) for share in (0.0, 1.0)] == [1.0, 6.0]
    assert [made.delay(3, 8.0, Dice(share)) for share in (0.0, 1.0)] == [1.0, 10.0]


def test_decorrelated_jitter_is_never_below_its_base():
    """Also after a delay that was shorter than the base."""
    made = backoff.exponential(1.0, jitter="decorrelated")

    assert [made.delay(2, 0.1, Dice(share)) for share in (0.0, 1.0)] == [1.0, 1.0]


def test_smooth_jitter_follows_the_curve_of_its_source():
    """The median of the first delays of 1 s is that of Polly's DecorrelatedJitterBackoffV2."""
    made = backoff.exponential(1.0, cap=100.0, jitter="smooth")

    def curve(t):
        return 2**t * math.tanh(math.sqrt(4 * t))

    assert made.delay(1, None, Dice(0.5)) == pytest.approx(curve(0.5) / 1.4)
    assert made.delay(2, None, Dice(0.5)) == pytest.approx((curve(1.5) - curve(0.5)) / 1.4)
    assert made.delay(3, None, Dice(0.5)) == pytest.approx((curve(2.5) - curve(1.5)) / 1.4)


@pytest.mark.parametrize("share, expected", [(0.0, 15.0), (0.5, 22.5), (1.0, 30.0)])
def test_smooth_jitter_at_the_cap_spreads_over_its_upper_half(share, expected):
    """Where the curve is past the cap, callers are still spread."""
    made = backoff.exponential(1.0, cap=30.0, jitter="smooth")

    assert made.delay(10_000, None, Dice(share)) == expected


def test_smooth_jitter_that_overshoots_the_cap_is_drawn_again_below_it():
    """A step beyond the cap is replaced by a draw from the cap's upper half, not cut onto it."""
    made = backoff.exponential(1.0, cap=1.9, jitter="smooth")

    class Far(Dice):
        def __init__(self):
            super().__init__(0.5)
            self.draws = iter([0.999, 0.0])

        def random(self):
            return next(self.draws)

    # attempt 1 is below the cap; attempt 2 is past it; its step is drawn as if it could be
    assert made.delay(1, None, Far()) <= 1.9
    assert backoff.exponential(1.9, 1.9, 3.7, jitter="smooth").delay(2, None, Far()) <= 3.7


STEADY = backoff.exponential(0.1, 3.0, 6.0, jitter="steady")


@pytest.mark.parametrize("attempt, low, high", [
    (1, 0.0, 0.1), (2, 0.0, 0.3), (4, 0.0, 2.7), (5, 0.0, 6.0), (6, 4.8, 6.0), (9_999, 4.8, 6.0),
])  # fmt: skip
def test_steady_jitter_is_full_until_the_callers_are_spread_over_the_cap(attempt, low, high):
    """From then on each keeps its place: the delay is near the cap, and never beyond it."""
    drawn = [STEADY.delay(attempt, None, Dice(share)) for share in (0.0, 1.0)]

    assert drawn == pytest.approx([low, high])


def test_steady_jitter_spreads_the_callers_too_where_every_delay_is_the_cap():
    """The first delay is any up to the cap."""
    made = backoff.exponential(4.0, cap=4.0, jitter="steady")

    assert [made.delay(1, None, Dice(share)) for share in (0.0, 1.0)] == [0.0, 4.0]
    assert made.delay(2, None, Dice(0.0)) == pytest.approx(3.2)


# -- shapes and values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made, same, other",
    [
        (backoff.exponential(), backoff.exponential(1, 2, 30), backoff.exponential(2.0)),
        (backoff.constant(), backoff.constant(1), backoff.constant(jitter="full")),
        (backoff.linear(), backoff.linear(1, 1, 30), backoff.linear(cap=31.0)),
        (backoff.fibonacci(), backoff.fibonacci(1, 30), backoff.fibonacci(jitter=None)),
    ],
    ids=spelt,
)
def test_each_kind_is_a_value_with_the_shape_of_a_backoff(made, same, other):
    """Equal options make an equal backoff, which may be a key; others make another one."""
    assert isinstance(made, Backoff)
    assert made == same
    assert hash(made) == hash(same)
    assert made != other


def test_kinds_with_equal_options_are_not_equal():
    """A constant backoff of 1 s is no Fibonacci one."""
    kinds = [backoff.exponential(), backoff.constant(), backoff.linear(), backoff.fibonacci()]

    assert len(set(kinds)) == 4


def test_a_backoff_stays_itself():
    """`of` hands through what has the shape already, also one of the user's own."""

    class Own:
        def delay(self, attempt, previous, rng, /):
            return 1.0

    for made in (backoff.exponential(), Own()):
        assert of(made) is made


def test_a_function_of_the_attempt_is_a_backoff():
    """A plain function is told the attempt's number, and may return an int."""
    made = of({1: 3, 2: 5}.__getitem__)

    assert delays(made, 2) == [3.0, 5.0]


@pytest.mark.parametrize("answer", [-1.0, math.nan, math.inf, None, "1", True])
def test_a_function_that_returns_no_duration_is_refused_when_it_does(answer):
    """The error names what was returned."""
    with pytest.raises(ConfigurationError, match="backoff="):
        of(lambda attempt: answer).delay(1, None, Dice(0.5))


@pytest.mark.parametrize("value", [None, 1.0, "exponential"])
def test_what_is_neither_backoff_nor_function_is_refused(value):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match="backoff="):
        of(value)


@pytest.mark.parametrize(
    "value", [backoff.exponential, backoff.constant, backoff.linear, backoff.fibonacci]
)
def test_forgotten_parentheses_are_refused(value):
    """`backoff=backoff.exponential`, without a call, cannot work and says so at once."""
    with pytest.raises(ConfigurationError, match="backoff"):
        of(value)


def test_a_cap_below_the_base_is_refused():
    """The cap would be the only delay."""
    with pytest.raises(ConfigurationError, match=r"cap=1\.0 .* at least base=2\.0"):
        backoff.exponential(2.0, cap=1.0)


def two_seconds(_attempt):
    return 2.0


def two_seconds_of_a_call(_attempt, _call):
    return 2.0


def logged(function):
    """Decorate as most decorators do."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Delays:
    """A function that is a method."""

    @logged
    def of(self, _attempt):
        return 2.0

    def __call__(self, _attempt, _call):
        return 2.0


FUNCTIONS = {
    "plain": two_seconds,
    "of the call": two_seconds_of_a_call,
    "decorated": logged(two_seconds),
    "decorated, of the call": logged(two_seconds_of_a_call),
    "cached": functools.lru_cache(two_seconds),
    "decorated method": Delays().of,
    "object": Delays(),
    "partial": functools.partial(lambda _shop, _attempt: 2.0, "tea"),
    "partial of the call": functools.partial(lambda _shop, _attempt, _call: 2.0, "tea"),
    "mock": Mock(return_value=2.0),
    "mock of a function": create_autospec(two_seconds, return_value=2.0),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_gets_as_much_as_it_takes(function):
    """However it was made: what can't be called would end the retrying after the first attempt."""
    with VirtualClock(start=0.0) as clock:
        with pytest.raises(ValueError, match="invalid"):
            Pipeline("shop", Retry(2, backoff=function)).call(int, "tea")

        assert clock.now() == 2.0


def test_an_async_mock_is_refused_as_an_async_function_is():
    """It has a `delay`, as it has everything, and is no backoff for that."""
    with pytest.raises(ConfigurationError, match="async"):
        Retry(2, backoff=AsyncMock(return_value=2.0))
