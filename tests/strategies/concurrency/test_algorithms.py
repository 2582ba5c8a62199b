"""What all algorithms have in common: values that start searches, within bounds, deaf to idleness."""

import pickle
from random import Random

import pytest

from holdfast import ConfigurationError, concurrency
from holdfast.strategies.concurrency import Algorithm, Search
from tests.ids import spelt

ALGORITHMS = [
    concurrency.spread(),
    concurrency.vegas(),
    concurrency.gradient(),
    concurrency.aimd(),
]
everybody = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=spelt)


def feed(search, calls, *, rtt=0.05, in_flight=None, start=0.0, rate=100.0, dropped=False):
    """Tell a search of calls that end at a rate; by default the limit is in full use."""
    now = start
    for _ in range(calls):
        now += 1 / rate
        busy = int(search.limit) if in_flight is None else in_flight
        search.sample(now, rtt() if callable(rtt) else rtt, busy, dropped)
    return now


@everybody
def test_an_algorithm_is_a_value_that_starts_searches(algorithm):
    """Two searches share nothing, so one value serves any number of limiters."""
    first, second = algorithm.search(), algorithm.search()
    feed(first, 500, dropped=True)

    assert isinstance(algorithm, Algorithm)
    assert isinstance(first, Search)
    assert first.limit == 1
    assert second.limit == 20
    assert pickle.loads(pickle.dumps(algorithm)) == algorithm
    assert eval(repr(algorithm), {"concurrency": concurrency}) == algorithm


@everybody
@pytest.mark.parametrize(
    "low, high, initial, begins", [(1, 200, None, 20), (1, 5, None, 5), (30, 90, None, 30),
                                   (1, 200, 7, 7), (5, 50, 1, 5), (5, 50, 500, 50)],
)  # fmt: skip
def test_a_search_begins_within_its_bounds(algorithm, low, high, initial, begins):
    """At what it is told, or at 20, or as near to that as the bounds allow."""
    assert algorithm.search(low, high, initial).limit == begins


@everybody
def test_a_limit_that_is_not_used_does_not_grow(algorithm):
    """With fewer than half of it in flight, nothing is known about what more would do."""
    search = algorithm.search()

    feed(search, 5_000, in_flight=9)

    assert search.limit == 20


@everybody
def test_a_limit_that_is_used_without_a_queue_grows(algorithm):
    """Latency is the same whatever is in flight: there is room for more, up to the bound."""
    search = algorithm.search(high=40)

    feed(search, 20_000)

    assert search.limit == 40


@everybody
def test_losses_shrink_the_limit_at_once_and_successes_bring_it_back(algorithm):
    """A dead dependency gets little within one limit-ful of calls, and more as soon as it lives."""
    search = algorithm.search()
    now = feed(search, 500, rate=100.0)
    healthy = search.limit
    now = feed(search, 30, start=now, dropped=True)
    hurt = search.limit
    now = feed(search, 400, start=now)

    assert hurt < healthy / 3
    assert search.limit > 3 * hurt


@everybody
def test_no_limit_leaves_its_bounds(algorithm):
    """Whatever the latencies and losses are, and however many were in flight."""
    rng, search, now = Random(7), algorithm.search(2, 30), 0.0
    for _ in range(5_000):
        now += rng.expovariate(rng.choice((10.0, 1000.0)))
        rtt = rng.choice((0.0, 1e-6, rng.expovariate(20), 30.0))
        limit = search.sample(now, rtt, rng.randint(1, 60), rng.random() < 0.2)
        assert 2 <= limit <= 30
        assert limit == search.limit


BAD = [
    (concurrency.aimd, {"increase": 0}),
    (concurrency.aimd, {"backoff": 0}),
    (concurrency.aimd, {"backoff": 1.1}),
    (concurrency.aimd, {"slow": 0}),
    (concurrency.vegas, {"alpha": 0}),
    (concurrency.vegas, {"alpha": 4, "beta": 3}),
    (concurrency.vegas, {"loss": 0}),
    (concurrency.gradient, {"tolerance": 0.9}),
    (concurrency.gradient, {"queue": 0}),
    (concurrency.gradient, {"backoff": 0}),
    (concurrency.spread, {"queue": 0}),
    (concurrency.spread, {"loss": 1.5}),
]


@pytest.mark.parametrize("make, options", BAD)
def test_an_option_outside_its_range_is_refused(make, options):
    """By name, when the value is made."""
    with pytest.raises(ConfigurationError, match=rf"{list(options)[-1]}="):
        make(**options)


# -- aimd ---------------------------------------------------------------------------------------------


def test_aimd_adds_one_for_as_many_successes_as_the_limit():
    """As TCP does: L + 1 / L after each."""
    search = concurrency.aimd().search(initial=10)

    feed(search, 1)
    assert search.limit == 10.1
    feed(search, 10)
    assert search.limit == pytest.approx(11.05, abs=0.01)


def test_aimd_takes_a_tenth_for_each_loss():
    """Or whatever `backoff` says."""
    search = concurrency.aimd().search(initial=10)
    feed(search, 2, dropped=True)
    assert search.limit == pytest.approx(8.1)

    search = concurrency.aimd(backoff=0.5).search(initial=10)
    feed(search, 2, dropped=True)
    assert search.limit == 2.5


def test_aimd_can_take_slowness_for_a_loss():
    """From `slow` seconds on."""
    search = concurrency.aimd(slow=1.0).search(initial=10)

    feed(search, 1, rtt=0.99)
    assert search.limit == 10.1
    feed(search, 1, rtt=1.0)
    assert search.limit == pytest.approx(9.09)


# -- windows and losses -------------------------------------------------------------------------------

windowed = pytest.mark.parametrize("algorithm", ALGORITHMS[:3], ids=spelt)


@windowed
def test_a_few_losses_are_no_overload(algorithm):
    """Six in a row, or one in four: no limit is touched by them."""
    search = algorithm.search()
    now = feed(search, 100, in_flight=5)
    now = feed(search, 6, start=now, dropped=True)
    assert search.limit == 20

    for _ in range(200):
        now = feed(search, 3, start=now, in_flight=5)
        now = feed(search, 1, start=now, dropped=True)
    assert search.limit == 20


@windowed
def test_after_losses_each_success_gives_one_back(algorithm):
    """Up to what the latencies allow, and no further."""
    search = algorithm.search(initial=40)
    now = feed(search, 40, dropped=True)
    assert search.limit < 3

    for _ in range(5):
        before = search.limit
        now = feed(search, 1, start=now, in_flight=1)
        assert search.limit == before + 1
    feed(search, 100, start=now, in_flight=1)
    assert search.limit == 40


@windowed
def test_windows_hold_at_least_ten_calls(algorithm):
    """At one call a second a decision comes after ten seconds, not after one sample."""
    search = algorithm.search(initial=4)
    now, changed = 0.0, []
    for number in range(60):
        before = search.limit
        now = feed(search, 1, start=now, rate=1.0)
        if search.limit != before:
            changed.append(number)

    assert changed
    assert all(gap >= 10 for gap in map(int.__sub__, changed, [0, *changed]))


# -- vegas --------------------------------------------------------------------------------------------


def steady(search, rtt, start=0.0, seconds=1.5):
    """Feed windows of one latency."""
    return feed(search, int(100 * seconds), rtt=rtt, start=start)


def test_vegas_keeps_its_limit_between_alpha_and_beta():
    """At L = 20: grows by beta to a queue of 1, by log10 L below 4, rests up to 8, then shrinks."""
    results = []
    for rtt in (0.05, 0.0555, 0.07, 0.1):
        search = concurrency.vegas().search(initial=20)
        now = feed(search, 220, rtt=0.05, in_flight=20)  # the first window is the shortest seen
        before = search.limit
        while search.limit == before and now < 5:
            now = feed(search, 10, rtt=rtt, start=now)
        results.append(round(search.limit - before, 2))

    assert results[0] > 5
    assert 1 < results[1] < 2
    assert results[2] == 0
    assert -2 < results[3] < -1


def test_vegas_takes_slowness_for_a_queue_for_a_while():
    """Its known weakness: half the speed, and the limit falls although nothing queues."""
    search = concurrency.vegas().search()
    now = feed(search, 300, rtt=0.05)
    before = search.limit

    feed(search, 600, rtt=0.1, start=now)

    assert search.limit < before


# -- gradient -----------------------------------------------------------------------------------------


def test_gradient_tolerates_one_and_a_half_times_the_latency():
    """Within the tolerance it grows by 0.2 * queue a window; at three times it shrinks."""
    search = concurrency.gradient().search(high=1000)
    now = feed(search, 1_100, rtt=0.05)
    before = search.limit
    now = feed(search, 150, rtt=0.07, start=now)
    tolerated = search.limit
    feed(search, 600, rtt=0.15, start=now)

    assert tolerated > before
    assert search.limit < tolerated


def test_gradient_notices_soon_that_latency_has_fallen():
    """Where the long average is twice the short one it shrinks by a twentieth a window."""
    search = concurrency.gradient().search()
    now = feed(search, 2_500, rtt=0.5, in_flight=1)
    slow = search._long

    feed(search, 1_500, rtt=0.05, start=now, in_flight=1)

    assert search._long < slow / 1.5
