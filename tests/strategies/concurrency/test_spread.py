"""`spread`: queueing shifts latencies, a slower service stretches them."""

from itertools import pairwise
from random import Random

import pytest

from holdfast import concurrency
from holdfast.strategies.concurrency.spread import DEPTH, SELDOM, SOON

OWN = 0.05


class Dependency:
    """Workers that serve in order; ``limit`` calls are always in flight (arithmetic, no events).

    A window's worth of calls at a time: with `n` in flight of `workers`, each waits for
    (n - workers) / throughput, and takes a drawn time of its own.
    """

    def __init__(self, search, workers=16, seed=1):
        self.search = search
        self.workers = workers
        self.slower = 1.0
        self.now = 0.0
        self.rng = Random(seed)
        self.draw = lambda: self.rng.expovariate(1 / OWN)

    def run(self, seconds, *, load=None):
        """Keep as many in flight as the limit allows, or ``load``; return the limits along the way."""
        end, limits = self.now + seconds, []
        while self.now < end:
            in_flight = max(1, int(self.search.limit) if load is None else load)
            throughput = min(in_flight, self.workers) / (OWN * self.slower)
            wait = max(0, in_flight - self.workers) / throughput
            self.now += 1 / throughput
            self.search.sample(self.now, wait + self.draw() * self.slower, in_flight, False)
            limits.append(self.search.limit)
        return limits


@pytest.fixture
def dependency():
    """Sixteen workers whose own time was learnt while the limit was not in use."""
    dependency = Dependency(concurrency.spread().search())
    dependency.run(30.0, load=8)
    return dependency


def middle(limits):
    return sorted(limits)[len(limits) // 2]


def test_it_rests_at_the_workers_and_a_small_queue(dependency):
    """Sixteen workers and one and a half square roots of sixteen: 22."""
    assert middle(dependency.run(30.0)[-5_000:]) == pytest.approx(22, abs=1.5)


def test_the_queue_is_an_option():
    """Three square roots of sixteen: 28."""
    dependency = Dependency(concurrency.spread(queue=3.0).search())
    dependency.run(30.0, load=8)

    assert middle(dependency.run(30.0)[-5_000:]) == pytest.approx(28, abs=2)


def test_a_slower_dependency_keeps_its_limit(dependency):
    """At half speed as many workers want as much to do; Vegas would take the slowness for a queue."""
    dependency.run(30.0)
    dependency.slower = 2.0

    assert middle(dependency.run(20.0)) == pytest.approx(22, abs=2.5)


def test_fewer_workers_get_fewer_calls(dependency):
    """Half of the workers: the calls take longer, but spread as before, so it is a queue."""
    dependency.run(30.0)
    dependency.workers = 8

    assert middle(dependency.run(20.0)[-1_000:]) == pytest.approx(8 + 1.5 * 8**0.5, abs=2)


@pytest.mark.parametrize("seed", range(3))
def test_an_overload_from_the_start_is_seen_through(seed):
    """It has never seen the dependency idle, and begins with six times too many: probes show it."""
    dependency = Dependency(concurrency.spread().search(initial=100), seed=seed)

    dependency.run(30.0)

    assert middle(dependency.run(30.0)) == pytest.approx(22, abs=4)


def test_constant_durations_that_double_are_seen_through(dependency):
    """There is no spread to compare, so a probe has to tell slowness from a queue; it comes soon."""
    dependency.draw = lambda: OWN
    dependency.run(30.0, load=8)
    dependency.run(30.0)
    dependency.slower = 2.0
    dependency.run(5.0)

    assert min(dependency.run(20.0)) >= 16 * DEPTH
    assert middle(dependency.run(20.0)) >= 18


def probes(dependency, seconds):
    """Return how many times the limit was halved."""
    limits = dependency.run(seconds)
    return sum(later <= 0.6 * earlier for earlier, later in pairwise(limits))


def test_probes_become_rare_where_they_show_nothing_new(dependency):
    """With its own time known from idle days, one probe in eighty seconds is enough."""
    assert dependency.search._pause == SELDOM
    dependency.run(20.0)
    assert probes(dependency, 40.0) == 0
    assert probes(dependency, 40.0) == 1


def test_a_sudden_change_of_the_throughput_is_probed_soon(dependency):
    """Both when it falls and when it rises: the dependency may be another one now."""
    dependency.run(20.0)
    dependency.slower = 2.0
    assert probes(dependency, 10.0) == 1

    dependency.slower = 1.0
    assert probes(dependency, 10.0) == 1


def test_probes_come_often_while_little_is_known():
    """The first after five windows, then at twice the distance each time."""
    dependency = Dependency(concurrency.spread().search())
    assert dependency.search._pause == SOON

    assert probes(dependency, 30.0) >= 3


def test_a_used_limit_is_halved_for_a_probe_and_comes_back():
    """After the queue has drained, one window is measured."""
    dependency = Dependency(concurrency.spread().search())
    limits = dependency.run(8.0)
    drop = next(i for i in range(len(limits) - 1) if limits[i + 1] <= 0.6 * limits[i])
    back = next(i for i in range(drop + 1, len(limits)) if limits[i] > 1.5 * limits[drop + 1])

    assert limits[drop + 1] == pytest.approx(limits[drop] * DEPTH, rel=0.15)
    assert back - drop < 300  # calls


def test_nothing_is_learnt_from_calls_that_take_no_time():
    """Instant answers, as on virtual time: the limit stays, and nothing is divided by zero."""
    search = concurrency.spread().search()
    for number in range(1_000):
        search.sample(number * 0.01, 0.0, 20, False)

    assert search.limit == 20
