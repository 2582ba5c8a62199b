"""What holds for every backoff, whatever its options and however many attempts were made."""

import math
from itertools import pairwise
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import backoff
from tests.ids import spelt

PROFILE = settings(settings.get_profile("machines"))
PLAIN_JITTERS = ["full", "equal", "proportional", None]

durations = st.floats(0.001, 1_000.0)
attempts = st.one_of(st.integers(1, 20), st.sampled_from([1_000, 10_000, 1_000_000]))
seeds = st.integers(0, 2**32)


@st.composite
def exponentials(draw, jitters=(*PLAIN_JITTERS, "decorrelated", "smooth")):
    base = draw(durations)
    return backoff.exponential(
        base,
        draw(st.floats(1.0, 10.0)),
        base * draw(st.floats(1.0, 1_000.0)),
        draw(st.sampled_from(list(jitters))),
        draw(st.floats(0.0, 2.0)),
    )


linears = st.builds(
    backoff.linear, durations, durations, durations, st.sampled_from(PLAIN_JITTERS),
    st.floats(0.0, 2.0),
)  # fmt: skip
fibonaccis = st.builds(
    backoff.fibonacci, durations, durations, st.sampled_from(PLAIN_JITTERS), st.floats(0.0, 2.0)
)
capped = st.one_of(exponentials(), linears, fibonaccis)


@PROFILE
@given(capped, attempts, st.none() | durations, seeds)
def test_a_delay_is_never_negative_and_never_beyond_the_cap(made, attempt, previous, seed):
    """Only "proportional" jitter is added on top of the cap, up to its amplitude."""
    delay = made.delay(attempt, previous, Random(seed))

    most = made.cap * (1 + made.amplitude) if made.jitter == "proportional" else made.cap
    assert 0.0 <= delay <= most * (1 + 1e-12)


@PROFILE
@given(capped.filter(lambda made: made.jitter is None), st.integers(1, 2_000))
def test_without_jitter_delays_never_shrink(made, attempt):
    """The next one is at least as long, and ten thousand attempts overflow nothing."""
    one, following, last = (made.delay(n, None, Random(0)) for n in (attempt, attempt + 1, 10_000))

    assert one <= following * (1 + 1e-12)
    assert last <= made.cap


@PROFILE
@given(exponentials(), st.integers(1, 30), st.none() | durations, seeds)
def test_the_same_seed_gives_the_same_delay(made, attempt, previous, seed):
    """Randomness comes from outside alone."""
    assert made.delay(attempt, previous, Random(seed)) == made.delay(
        attempt, previous, Random(seed)
    )


@PROFILE
@given(exponentials(["decorrelated"]), st.integers(1, 60), seeds)
def test_decorrelated_delays_stay_between_base_and_cap(made, length, seed):
    """Along a whole series, each drawn from the one before."""
    rng, previous = Random(seed), None
    for attempt in range(1, length + 1):
        longest = 3 * (made.base if previous is None else previous)
        previous = made.delay(attempt, previous, rng)
        assert made.base <= previous <= min(made.cap, max(made.base, longest)) * (1 + 1e-12)


# -- jitter survives the cap ------------------------------------------------------------------

JITTERED = {
    "exponential, full": backoff.exponential(jitter="full"),
    "exponential, equal": backoff.exponential(jitter="equal"),
    "exponential, proportional": backoff.exponential(jitter="proportional"),
    "exponential, decorrelated": backoff.exponential(jitter="decorrelated"),
    "exponential, smooth": backoff.exponential(jitter="smooth"),
    "constant, full": backoff.constant(30.0, "full"),
    "constant, equal": backoff.constant(30.0, "equal"),
    "constant, proportional": backoff.constant(30.0, "proportional"),
    "linear, full": backoff.linear(step=5.0, jitter="full"),
    "linear, equal": backoff.linear(step=5.0, jitter="equal"),
    "linear, proportional": backoff.linear(step=5.0, jitter="proportional"),
    "fibonacci, full": backoff.fibonacci(jitter="full"),
    "fibonacci, equal": backoff.fibonacci(jitter="equal"),
    "fibonacci, proportional": backoff.fibonacci(jitter="proportional"),
}


@pytest.mark.parametrize("kind", JITTERED)
def test_jitter_survives_the_cap(kind):
    """Of two thousand callers at their tenth to twentieth attempt none sleep the same time.

    Where a jittered delay is cut onto the cap, nearly all of them would sleep exactly the cap.
    """
    made, rng = JITTERED[kind], Random(1)
    for attempt in (10, 20):
        found = [made.delay(attempt, 25.0, rng) for _ in range(2_000)]

        assert sum(delay == 30.0 for delay in found) <= 2
        assert len(set(found)) > 1_990
        assert max(found) - min(found) > 10.0


@pytest.mark.parametrize("attempt", [4, 5, 6, 7])
@pytest.mark.parametrize("kind", [kind for kind in JITTERED if kind.startswith("exponential")])
def test_jitter_survives_just_below_the_cap(kind, attempt):
    """Where a draw may overshoot it for the first time."""
    made, rng = JITTERED[kind], Random(2)
    found = [made.delay(attempt, None, rng) for _ in range(2_000)]

    assert sum(delay == 30.0 for delay in found) <= 2
    assert len(set(found)) > 1_990


# -- the distributions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made, mean, deviation",
    [
        (backoff.exponential(8.0, jitter="full"), 4.0, 8 / math.sqrt(12)),
        (backoff.exponential(8.0, jitter="equal"), 6.0, 4 / math.sqrt(12)),
        (backoff.exponential(8.0, jitter="proportional"), 10.0, 4 / math.sqrt(12)),
        (backoff.constant(8.0, "proportional", 0.1), 8.4, 0.8 / math.sqrt(12)),
        (backoff.exponential(2.0, cap=8.0, jitter="decorrelated"), 4.0, 4 / math.sqrt(12)),
    ],
    ids=spelt,
)
def test_the_draws_have_the_mean_of_their_distribution(made, mean, deviation):
    """Twenty thousand draws come within five standard errors of it."""
    rng, draws = Random(3), 20_000
    found = [made.delay(1, None, rng) for _ in range(draws)]

    assert fmean(found) == pytest.approx(mean, abs=5 * deviation / math.sqrt(draws))


def test_smooth_jitter_doubles_on_average():
    """The medians of its first delays grow by the factor, as Polly's curve does."""
    made, rng = backoff.exponential(1.0, 2.0, 1_000.0, jitter="smooth"), Random(4)
    means = [fmean(made.delay(attempt, None, rng) for _ in range(5_000)) for attempt in range(1, 8)]
    growth = [later / earlier for earlier, later in pairwise(means[2:])]

    assert all(1.9 < ratio < 2.1 for ratio in growth)
    assert 0.7 < means[0] < 1.3


def test_full_jitter_spreads_over_the_whole_range():
    """Each tenth of it has its tenth of the draws."""
    made, rng = backoff.exponential(jitter="full"), Random(5)
    tenths = [0] * 10
    for _ in range(10_000):
        tenths[int(made.delay(10, None, rng) / 3.0)] += 1

    assert all(900 < count < 1_100 for count in tenths)


@pytest.mark.parametrize("jitter", ["full", "equal", "proportional", "decorrelated", "smooth"])
def test_a_million_attempts_take_no_time_to_compute(jitter):
    """No loop and no power grows with the attempt's number."""
    made = backoff.exponential(0.001, 1.000_001, 1e6, jitter)

    assert math.isfinite(made.delay(10**12, 1.0, Random(6)))
