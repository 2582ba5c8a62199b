"""A forked child has locks and random numbers of its own, whatever the parent's threads were doing.

Sources: sentry-python 6148 and opentelemetry-python 4626 (a child waits for a lock that a thread held
which it has not), celery 4316 and dramatiq 273 (the workers draw the same delays, and meet again and
again), numpy 9650 (so do the sources of randomness that users make).
"""

import os
import random
import subprocess
import sys
import textwrap

import pytest

from holdfast import Bulkhead, Pipeline, RateLimiter, Timeout
from holdfast._world import _renew_all, reseed_after_fork, world
from holdfast.testing import seeded

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs os.fork"),
    pytest.mark.real_time,
]


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


EVERYTHING = """
import asyncio, gc, os, random, signal, sys, threading
import holdfast.demo.gauge, holdfast.demo.wire, holdfast.testing
from holdfast import *
from holdfast import backoff, events
from holdfast.integrations._hosts import Hosts
from holdfast.testing import Ok, Scripted, VirtualClock
from holdfast.testing.faults import FaultServer

QUICK = backoff.constant(0)
pipelines = {
    "bulkhead": Pipeline("bulkhead", Bulkhead(3, queue=9)),
    "limiter": Pipeline("limiter", ConcurrencyLimiter(min=3, max=3, queue=9, max_wait=1.0)),
    "shedder": Pipeline("shedder", LoadShedder(3, queue=9)),
    "rate": Pipeline("rate", RateLimiter(1e6)),
    "retry": Pipeline("retry", Retry(2, backoff=QUICK, budget=RetryBudget())),
    "breaker": Pipeline("breaker", CircuitBreaker(), Throttle()),
    "keyed": Pipeline("keyed", Keyed(lambda x: x, lambda key: Bulkhead(3), max_keys=2)),
    "parent": Pipeline(
        "parent", Keyed(lambda x: x, CircuitBreaker, max_keys=2, parent=CircuitBreaker())
    ),
    "coalesce": Pipeline("coalesce", Coalesce(key=lambda x: x)),
    "timeout": Pipeline("timeout", Timeout(5.0, sync="thread")),
    "cut": Pipeline("cut", Timeout(5.0)),
    "hedge": Pipeline("hedge", Hedge(5.0)),
    "knee": Pipeline("knee", Hedge()),
    "adaptive": Pipeline("adaptive", Timeout.adaptive(sync="cooperative")),
    "stale": Pipeline("stale", Fallback.stale(10.0)),
    "chaos": Pipeline("chaos", Chaos(0.5, latency=1e-6, enabled=True)),
}
block = Pipeline("block", Bulkhead(3))
functions = {name: pipeline(lambda x: x) for name, pipeline in pipelines.items()}
clock, scripted, hosts = VirtualClock(), Scripted([Ok(1)]), Hosts(None, 1)
gauge, wire, server = holdfast.demo.gauge.Gauge(), holdfast.demo.wire.Wire(), FaultServer()


def use_all():
    for number in (1, 2, 3):
        for name, function in functions.items():
            assert function(number) == number, name
        with block:
            pass
    with events.subscribe(print):
        pass
    with holdfast.testing.seeded(1):
        pass
    Pipeline("new", Bulkhead(1))(int)()
    for pipeline in pipelines.values():
        pipeline.snapshot()
    with gauge:
        pass


use_all()
LOCKS = (type(threading.Lock()), type(threading.RLock()))
BELLS = ("done", "_bell")  # nobody holds them: who waits is woken by their release


def attributes(owner):
    names = {*getattr(owner, "__dict__", ())}
    for kind in type(owner).__mro__:
        slots = getattr(kind, "__slots__", ())
        names.update((slots,) if isinstance(slots, str) else slots)
    return names - {"__weakref__", "__dict__"}


def ours():
    yield from (module for name, module in list(sys.modules.items()) if name.startswith("holdfast"))
    for one in gc.get_objects():
        ours = type(one).__module__.startswith("holdfast")
        if ours and not isinstance(one, threading.Thread):  # whose locks are Python's
            yield one


found = [
    (owner, name, getattr(owner, name))
    for owner in list(ours())
    for name in attributes(owner)
    if name not in BELLS and isinstance(getattr(owner, name, None), LOCKS)
]
assert len(found) >= 25, len(found)
held, leave = threading.Event(), threading.Event()


def hold():
    for _, _, lock in found:
        lock.acquire()
    held.set()
    leave.wait()
    os._exit(1)


threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)  # whoever waits for a lock of the parent's is stopped
    same = [f"{type(owner).__name__}.{name}" for owner, name, lock in found
            if getattr(owner, name) is lock]
    print("not renewed:", same, flush=True)
    use_all()
    print("all used", flush=True)
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("child", status, flush=True)
os._exit(0)
"""


def test_every_lock_is_renewed_whoever_held_it():
    """With all locks of everything held at the moment of the fork, the child can use everything."""
    assert run(EVERYTHING).splitlines() == ["not renewed: []", "all used", "child 0"]


def test_a_child_of_threads_that_come_and_go_in_blocks():
    """No thread but the forking one is in a block of the child's, and none waits to enter one."""
    program = """
    import os, signal, sys, threading
    from holdfast import Bulkhead, Pipeline

    sys.setswitchinterval(1e-6)
    bulkhead = Bulkhead(1000)
    pipeline, stop = Pipeline("p", bulkhead), False

    def busy():
        while not stop:
            with pipeline:
                pass

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            with pipeline:
                assert bulkhead.in_flight == 1, bulkhead
            assert bulkhead.in_flight == 0, bulkhead
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop = True
    for thread in threads:
        thread.join()
    """
    assert set(run(program).split()) == {"0"}


def test_a_child_that_is_forked_in_a_block_leaves_it_empty_handed():
    """Its permit is the parent's; a block of its own, inside or after it, has one as any other."""
    program = """
    import asyncio, os, threading
    from holdfast import Bulkhead, Pipeline

    bulkhead = Bulkhead(1)
    pipeline, elsewhere = Pipeline("p", bulkhead), Pipeline("q", Bulkhead(2))
    inside, leave = threading.Event(), threading.Event()

    def other():
        with elsewhere:
            inside.set()
            leave.wait()

    threading.Thread(target=other, daemon=True).start()
    inside.wait()
    with elsewhere:
        with pipeline:
            child = os.fork()
            if child == 0:
                with pipeline:
                    print(bulkhead.in_flight, flush=True)
        if child == 0:
            with pipeline:
                print(bulkhead.in_flight, flush=True)
    if child == 0:
        print(bulkhead.in_flight, elsewhere.strategies[0].in_flight, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    leave.set()

    async def main():
        async with pipeline:
            child = os.fork()
        if child == 0:
            print("async", bulkhead.in_flight, flush=True)
            os._exit(0)
        os.waitpid(child, 0)

    asyncio.run(main())
    print(bulkhead.in_flight)
    """
    assert run(program).split() == ["1", "1", "0", "0", "async", "0", "0"]


def test_a_child_that_is_forked_in_a_worker_gives_the_pool_nothing():
    """The worker's thread goes on in both; its places, in the pool and in a share, are the parent's."""
    program = """
    import os, signal, sys, threading
    from holdfast import Pipeline, Timeout
    from holdfast.extend import worker_pool

    def fork():
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            pool = worker_pool().snapshot()
            print(pool["threads"], pool["abandoned"], pool["pipelines"], flush=True)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    print(Pipeline("p", Timeout(10.0, sync="thread"))(fork)())
    print(worker_pool().snapshot()["threads"])
    """
    assert run(program).split() == ["0", "0", "{}", "0", "1"]


DRAWS = """
import os
from random import Random
from holdfast import *
from holdfast import backoff
from holdfast.events import subscribe

def dice():
    '''Return what a retry, a breaker, a throttle and chaos draw.'''
    drawn = []
    with subscribe(drawn.append):
        Pipeline("p", Retry(4, backoff=backoff.exponential(base=1e-6))).try_call(down)
        for breaker in (CircuitBreaker(), own):
            breaker.trip()
        for _ in range(20):
            Pipeline("q", Chaos(0.5, error=KeyError, enabled=True, rng=theirs)).try_call(int)
    return [
        (type(one).__name__, getattr(one, "delay", None), getattr(one, "open_for", None))
        for one in drawn if type(one).__name__ != "CallCompleted"
    ]

def down():
    raise ConnectionError

theirs = Random(7)
own = CircuitBreaker(rng=theirs)
"""


def children(program):
    done = run(DRAWS + textwrap.dedent(program))
    return [line for line in done.splitlines() if line]


def test_children_draw_each_their_own():
    """After a draw in the parent, too, and from a source that the user has given."""
    drawn = children(
        """
        dice()
        for _ in range(3):
            if os.fork() == 0:
                print(dice(), theirs.random(), flush=True)
                os._exit(0)
            os.wait()
        """
    )
    assert len(set(drawn)) == len(drawn) == 3


def test_a_call_that_was_under_way_goes_on_with_dice_of_its_own():
    """A function that forks and fails in both processes is retried at different times."""
    program = """
    import os
    from holdfast import Pipeline, Retry, backoff
    from holdfast.events import RetryScheduled, subscribe

    delays = []
    subscribe(lambda one: delays.append(one.delay) if isinstance(one, RetryScheduled) else None)
    forked = []

    def fork():
        if len(delays) == 1 and not forked:
            forked.append(os.fork())
        raise ConnectionError

    Pipeline("p", Retry(6, backoff=backoff.exponential(base=1e-6))).try_call(fork)
    if forked[0]:
        os.wait()
    print(delays[1:], flush=True)
    os._exit(0)
    """
    first, second = run(program).splitlines()
    assert first != second


def test_what_a_test_has_seeded_stays_so_in_a_child():
    """``seeded()`` means every process: nothing is seeded anew below it."""
    drawn = children(
        """
        from holdfast.testing import seeded
        with seeded(3):
            for _ in range(3):
                if os.fork() == 0:
                    print(dice(), theirs.random(), flush=True)
                    os._exit(0)
                os.wait()
        """
    )
    assert len(drawn) == 3
    assert len(set(drawn)) == 1


def test_after_a_test_the_source_is_ours_again():
    """It is seeded anew in a child, as it was before."""
    own = world.rng
    with seeded(3) as rng:
        assert world.rng is rng
        assert world.seeded
    assert world.rng is own
    assert not world.seeded


def test_a_source_that_fails_keeps_no_other_from_being_seeded():
    """Whatever a source of somebody else's does; and one that cannot be seeded is left alone."""

    class Broken(random.Random):
        def seed(self, *_args, **_options):
            raise ValueError("not again")

    class Unseeded:
        random = staticmethod(lambda: 0.5)

    class Fleeting:
        __slots__ = ("seed",)

    sources = [random.Random(1), Broken.__new__(Broken), random.Random(1)]
    for source in (*sources, Unseeded(), Fleeting(), None):
        reseed_after_fork(source)

    _renew_all()

    assert len({sources[0].random(), sources[2].random(), random.Random(1).random()}) == 3


def test_a_pipeline_that_is_gone_is_not_renewed():
    """Nothing that was made for a while keeps a place on the list."""
    from holdfast._world import _forkable

    before = len(list(_forkable))
    pipeline = Pipeline("p", Bulkhead(1), RateLimiter(1), Timeout(1.0, sync="cooperative"))
    with pipeline:
        assert len(list(_forkable)) == before + 3
    del pipeline

    assert len(list(_forkable)) == before


def test_a_child_wakes_nobody_who_sleeps_in_its_parent():
    """Its `stop` has its own sleepers to wake; the loops and locks of other threads are the parent's."""
    program = """
    import asyncio, os, threading, time
    from holdfast import Bulkhead, Pipeline, RateLimiter, Retry, backoff, stop
    from holdfast._stopping import sleepers

    def slow_retry():
        Pipeline("retry", Retry(2, on=OSError, backoff=backoff.constant(60.0))).call(os.stat, "")

    full = Bulkhead(1, queue=9)
    full.enter(0.0, (), {})
    queue = Pipeline("queue", full)

    async def in_a_loop():
        await queue.acall(asyncio.sleep, 0)

    for target in (slow_retry, lambda: queue.call(int), lambda: asyncio.run(in_a_loop())):
        threading.Thread(target=target, daemon=True).start()
    while len(sleepers) < 3:
        time.sleep(0.001)
    sleepers[threading.get_ident(), 0] = lambda: print("mine woken", flush=True)
    child = os.fork()
    if child == 0:
        print("asleep in the child:", len(sleepers), flush=True)
        stop()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(sleepers), flush=True)
    os._exit(0)
    """
    assert run(program).splitlines() == ["asleep in the child: 1", "mine woken", "0 4"]
