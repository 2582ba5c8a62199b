"""A server behaves as queueing theory says, and as its options say."""

import math
from itertools import pairwise

import pytest

from holdfast.simulation import (
    Cache,
    Constant,
    Exponential,
    Poisson,
    Refused,
    Request,
    Server,
    ServerError,
    Simulation,
)
from holdfast.simulation.world.cache import Store
from holdfast.simulation.world.rows import Rows


class Bench:
    """A server, and who has been served when."""

    def __init__(self, simulation, **options):
        self.simulation = simulation
        self.service = options.setdefault("service", Constant(value=1.0))
        self.server = Server(simulation, **{"workers": 1, **options})
        self.outcomes = {}
        self.times = []

    def send(self, number, at=0.0, work=None, patience=None, key=0):
        """Have request ``number`` come at an instant."""
        work = self.service.draw(self.simulation.stream("work")) if work is None else work
        request = Request(number, at, 0, key, work)
        self.simulation.at(at, lambda: self._spawn(request, patience))

    def _spawn(self, request, patience):
        task = self.simulation.spawn(self._call(request))
        if patience is not None:
            self.simulation.after(patience, task.cancel)

    async def _call(self, request):
        try:
            await self.server.serve(request)
        except (ServerError, Refused) as error:
            self.outcomes[request.number] = str(error)
        else:
            self.outcomes[request.number] = round(self.simulation.now, 9)
            self.times.append(self.simulation.now - request.arrived)

    def load(self, rate, seconds):
        """Have users come by chance."""
        arrivals = Poisson(rate=rate).arrivals(self.simulation.stream("arrivals"), seconds)
        for number, instant in enumerate(arrivals):
            self.send(number, instant)


@pytest.fixture
def simulation():
    with Simulation(seed=7) as simulation:
        yield simulation


def erlang_c(workers, offered):
    """Return the chance that one must wait in M/M/c (Erlang 1917)."""
    last = offered**workers / math.factorial(workers) * workers / (workers - offered)
    return last / (sum(offered**k / math.factorial(k) for k in range(workers)) + last)


@pytest.mark.parametrize("workers, load", [(1, 0.5), (4, 0.8)])
def test_the_mean_time_is_that_of_the_queue_of_theory(workers, load):
    """M/M/c: the mean response time is Erlang's, within 7 %."""
    mean = 0.1
    with Simulation(seed=3) as simulation:
        bench = Bench(simulation, workers=workers, service=Exponential(mean=mean))
        bench.load(rate=load * workers / mean, seconds=12_000 * mean / workers / load)
        simulation.run(1500)
    waiting = erlang_c(workers, load * workers) * mean / (workers * (1 - load))
    found = math.fsum(bench.times) / len(bench.times)
    assert found == pytest.approx(mean + waiting, rel=0.07)


def test_littles_law_holds(simulation):
    """The mean number in the system is the rate times the mean time (Little 1961)."""
    bench = Bench(simulation, workers=3, service=Exponential(mean=0.1))
    bench.load(rate=24, seconds=250)
    seen = []

    def look():
        seen.append(bench.server.queued + bench.server.busy)
        simulation.after(0.05, look)

    simulation.at(0.0, look)
    simulation.run(250)
    rate, time = len(bench.times) / 250, math.fsum(bench.times) / len(bench.times)
    assert sum(seen) / len(seen) == pytest.approx(rate * time, rel=0.03)


def test_workers_share_a_queue(simulation):
    """Two workers serve two at once, and the third when the first is done."""
    bench = Bench(simulation, workers=2)
    for number in range(3):
        bench.send(number)
    simulation.run(0.5)
    assert (bench.server.busy, bench.server.queued) == (2, 1)
    simulation.run(5)
    assert bench.outcomes == {0: 1.0, 1: 1.0, 2: 2.0}
    assert bench.server.served == 3


@pytest.mark.parametrize(
    "queue, order", [("fifo", [0, 1, 2, 3]), ("lifo", [0, 3, 2, 1]), ("codel", [0, 1, 2, 3])]
)
def test_who_is_served_first(simulation, queue, order):
    """The oldest, or the newest; a queue by CoDel that doesn't stand yet is one of the oldest."""
    bench = Bench(simulation, queue=queue, queue_interval=10.0)
    for number in range(4):
        bench.send(number, at=number / 10)
    simulation.run(9)
    assert list(bench.outcomes) == order


def test_a_standing_queue_is_served_from_its_newest_and_the_old_are_refused(simulation):
    """CoDel with adaptive LIFO: once the queue has stood for the interval, who waits long is refused."""
    bench = Bench(simulation, queue="codel", queue_interval=2.0, queue_target=0.5)
    for number in range(15):
        bench.send(number, at=number * 0.2)
    simulation.run(30)
    assert bench.server.failed == 11
    assert {
        number: done for number, done in bench.outcomes.items() if number not in range(3, 14)
    } == {
        0: 1.0,
        1: 2.0,
        2: 3.0,
        14: 4.0,
    }
    assert bench.outcomes[13] == "it waited for too long in the queue"


def test_a_full_queue_refuses_at_once(simulation):
    """One in work, two that wait, and the fourth is turned away."""
    bench = Bench(simulation, queue_limit=2)
    for number in range(4):
        bench.send(number)
    simulation.run(9)
    assert bench.outcomes == {0: 1.0, 1: 2.0, 2: 3.0, 3: "the server's queue is full"}


@pytest.mark.parametrize("drops, done", [(False, 3.0), (True, 2.0)])
def test_work_that_nobody_waits_for_is_done_unless_it_is_dropped(simulation, drops, done):
    """A server rarely notices that its caller has gone."""
    bench = Bench(simulation, drop_abandoned=drops)
    bench.send(0)
    bench.send(1, patience=0.5)
    bench.send(2)
    simulation.run(9)
    assert bench.outcomes == {0: 1.0, 2: done}


def test_speed_and_workers_change_while_it_runs(simulation):
    """Half the speed doubles what is begun then; more workers take up what waits."""
    bench = Bench(simulation)
    for number in range(4):
        bench.send(number)
    simulation.at(0.5, setattr, bench.server, "speed", 0.5)
    simulation.at(2.0, setattr, bench.server, "workers", 3)
    simulation.run(9)
    assert bench.outcomes == {0: 1.0, 1: 3.0, 2: 4.0, 3: 4.0}


def test_a_stall_begins_nothing_until_it_is_over(simulation):
    """What was under way ends, what waits begins with the end of the stall."""
    bench = Bench(simulation)
    bench.send(0)
    bench.send(1)
    simulation.at(0.5, setattr, bench.server, "speed", 0.0)
    simulation.at(5.0, setattr, bench.server, "speed", 1.0)
    simulation.run(9)
    assert bench.outcomes == {0: 1.0, 1: 6.0}


def test_a_restarted_server_is_slow_at_first(simulation):
    """The cold start goes through its speeds, then full speed is back."""
    bench = Bench(simulation, cold_start=[(4, 0.25), (4, 0.5)])
    simulation.at(0.0, bench.server.restart)
    for number in range(4):
        bench.send(number, at=0.1)
    simulation.run(30)
    assert bench.outcomes == {0: 4.1, 1: 6.1, 2: 8.1, 3: 9.1}


def test_a_second_restart_begins_the_cold_start_anew(simulation):
    """The first one's timers don't speed it up."""
    bench = Bench(simulation, cold_start=[(4, 0.25)])
    simulation.at(0.0, bench.server.restart)
    simulation.at(3.0, bench.server.restart)
    bench.send(0, at=5.0)
    simulation.run(30)
    assert bench.outcomes == {0: 9.0}


def test_a_cache_fills_as_it_is_missed(simulation):
    """The share of hits grows with what has been served; a restart empties it."""
    bench = Bench(simulation, workers=1000)
    store = Store(
        Cache(items=50, hit=Constant(value=0.001), warm=False), simulation.stream("cache")
    )
    bench.server.store = store
    for number in range(400):
        bench.send(number, at=float(number))
    simulation.run(500)
    quick = [time < 0.5 for time in bench.times]
    halves = [sum(quick[begins : begins + 100]) for begins in range(0, 400, 100)]
    assert all(later > one for one, later in pairwise(halves[:3]))
    assert store.stored == pytest.approx(50, abs=2)
    bench.server.restart()
    assert store.stored == 0


def test_a_warm_cache_hits_as_often_as_said(simulation):
    """With all items stored, the rate of hits is `hit_rate`."""
    store = Store(
        Cache(items=50, hit=Constant(value=0.001), hit_rate=0.8), simulation.stream("cache")
    )
    assert sum(store.hit() is not None for _ in range(5000)) / 5000 == pytest.approx(0.8, abs=0.02)


def test_two_who_update_a_row_at_once_are_in_conflict(simulation):
    """Whoever is done first wins, of those whose work has begun before; each key is a row."""
    bench = Bench(simulation, workers=3)
    bench.server.rows = Rows()
    for number, (at, work, key) in enumerate([(0, 2.0, 0), (0, 1.0, 0), (0, 1.5, 1), (1, 1.5, 0)]):
        bench.send(number, at, work, key=key)
    simulation.run(10)

    stale = "the row has been written by another"
    assert bench.outcomes == {0: stale, 1: 1.0, 2: 1.5, 3: 2.5}
    assert (bench.server.served, bench.server.failed) == (3, 1)


def test_who_waits_in_the_queue_has_read_nothing_yet(simulation):
    """With one worker nobody is ever in another's way."""
    bench = Bench(simulation)
    bench.server.rows = Rows()
    for number in range(3):
        bench.send(number)
    simulation.run(10)

    assert bench.outcomes == {0: 1.0, 1: 2.0, 2: 3.0}


def test_a_sick_server_refuses_fails_or_says_nothing(simulation):
    """Refusing, failing and hanging are different things for a client."""
    bench = Bench(simulation)
    server = bench.server
    for number, (name, value) in enumerate(
        [
            ("refuses", True),
            ("refuses", False),
            ("error_rate", 1.0),
            ("error_rate", 0.0),
            ("hangs", True),
        ]
    ):
        simulation.at(number - 0.01 if number else 0.0, setattr, server, name, value)
        bench.send(number, at=number + 0.001, work=0.5)
    simulation.run(100)
    assert bench.outcomes == {0: "connection refused", 1: 1.501, 2: "the server failed", 3: 3.501}
    assert server.failed == 2


def test_further_attempts_have_work_of_their_own(simulation):
    """Only the first is the user's own, which is the same for every policy."""
    bench = Bench(simulation, service=Constant(value=2.0))
    request = Request(0, 0.0, 0, 0, 0.25)

    async def twice():
        for attempt in (1, 2):
            request.attempts = attempt
            await bench.server.serve(request)

    simulation.spawn(twice())
    simulation.run(1)
    assert (bench.server.served, bench.server.busy) == (1, 1)
    simulation.run(2.25)
    assert bench.server.served == 2
