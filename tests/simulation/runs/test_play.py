"""Playing a scenario: who comes, what they ask for, and what is counted."""

import pytest

from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout
from holdfast.criticality import current_priority
from holdfast.simulation import (
    READY,
    Clients,
    Closed,
    Constant,
    Exponential,
    Fault,
    Poisson,
    Policy,
    Scenario,
    Servers,
    play,
)

NONE = READY["none"]


def scenario(**options):
    return Scenario(
        **{
            "name": "small",
            "seconds": 30,
            "load": Poisson(rate=50),
            "servers": Servers(workers=10, service=Exponential(mean=0.1)),
            **options,
        }
    )


class Watched:
    """A policy that looks at the calls, and makes them as another one does."""

    def __init__(self, make=lambda _scenario: lambda target: target):
        self.calls = []
        self.made = 0
        self._make = make
        self.policy = Policy("watched", self._decorator)

    def _decorator(self, scenario):
        self.made += 1
        decorate = self._make(scenario)

        def around(target):
            inner = decorate(target)

            async def call(request):
                fields = (request.arrived, request.client, request.key, request.work)
                self.calls.append((*fields, request.priority, current_priority()))
                await inner(request)

            return call

        return around


def total(run, name):
    return sum(getattr(bucket, name) for bucket in (*run.tally.buckets, run.tally.rest))


def test_every_policy_sees_the_same_users():
    """Common random numbers: arrivals, places, keys and work don't depend on what policies do."""
    trouble = scenario(
        seconds=15,
        servers=Servers(workers=2, service=Exponential(mean=0.1), shards=3),
        clients=Clients(count=4, keys=20, critical=0.2),
        faults=(Fault(at=5, lasts=10, error_rate=0.5),),
    )
    bare = Watched()
    stubborn = Watched(lambda _scenario: Pipeline("p", Retry(5), Timeout(0.3)))
    runs = [play(trouble, one.policy, seed=3) for one in (bare, stubborn)]
    assert bare.calls == stubborn.calls
    assert total(runs[0], "attempts") < total(runs[1], "attempts")


def test_another_seed_brings_other_users():
    """And an equal one the same."""
    found = []
    for seed in (1, 2, 1):
        watched = Watched()
        play(scenario(), watched.policy, seed)
        found.append(watched.calls)
    assert found[0] == found[2] != found[1]


def test_everybody_is_counted_once():
    """Whoever comes is served, turned away, failed, or still waits."""
    run = play(
        scenario(faults=(Fault(at=20, lasts=10, hangs=True),), drain=0.0), READY["standard"], seed=1
    )
    ended = sum(total(run, name) for name in ("good", "rejected", "failed"))
    assert run.calls == total(run, "offered") == ended + run.unfinished
    assert total(run, "good") > 0 < total(run, "failed")


def test_users_who_still_wait_at_the_end_are_unfinished():
    """A server that swallows requests, and no timeout: nobody ever knows."""
    run = play(scenario(faults=(Fault(at=0, lasts=60, hangs=True),)), NONE, seed=1)
    assert run.unfinished == run.calls > 0


def test_a_run_lasts_as_long_as_it_says():
    """Fractions of a second count, too."""
    told = []
    run = play(scenario(seconds=2.25, drain=0.5), NONE, progress=told.append)
    assert told == [1, 2, 3]
    assert run.scenario.seconds == 2.25


def test_closed_users_wait_for_their_answers():
    """Ten users who think for 0.9 s and are served in 0.1 s make ten requests a second."""
    closed = scenario(
        load=Closed(users=10, think=Constant(value=0.9)),
        servers=Servers(workers=10, service=Constant(value=0.1)),
    )
    run = play(closed, NONE)
    assert run.calls == pytest.approx(10 * 30, abs=10)
    slow = play(
        scenario(load=closed.load, servers=Servers(workers=1, service=Constant(value=0.1))), NONE
    )
    assert slow.calls <= run.calls
    assert max(bucket.queued for bucket in slow.tally.buckets) < 10


def test_an_answer_that_comes_too_late_is_none():
    """Users who have lost patience count as failed, by a name of their own."""
    slow = scenario(
        servers=Servers(workers=5, service=Exponential(mean=0.1)), clients=Clients(patience=1.0)
    )
    run = play(slow, NONE)
    assert run.tally.errors.keys() == {"TooLate"}
    assert total(run, "failed") == run.tally.errors["TooLate"] > 0


def test_processes_have_states_of_their_own_unless_they_share_one():
    """A policy is made once for each, or once for all."""
    for shared, made in ((False, 4), (True, 1)):
        watched = Watched()
        play(scenario(clients=Clients(count=4, shared=shared)), watched.policy)
        assert watched.made == made
        assert {client for _, client, *_ in watched.calls} == {0, 1, 2, 3}


def test_layers_of_retries_multiply():
    """Three services that each try three times make 27 attempts of one call (SRE book, chapter 22)."""
    layered = scenario(
        seconds=5,
        load=Poisson(rate=1),
        clients=Clients(layers=3),
        faults=(Fault(at=0, lasts=400, error_rate=1.0),),
        drain=300,
    )
    bare = Policy("three times", lambda _scenario: Pipeline("p", Retry(3)))
    run = play(layered, bare)
    assert total(run, "attempts") == 27 * run.calls


def test_priorities_are_in_force_around_the_call():
    """A quarter critical, half sheddable: by chance, and in the context of the call."""
    watched = Watched()
    play(scenario(clients=Clients(critical=0.25, sheddable=0.5)), watched.policy)
    priorities = [inside for *_, inside in watched.calls]
    assert all(call[-2] == call[-1] for call in watched.calls)
    assert priorities.count("critical") / len(priorities) == pytest.approx(0.25, abs=0.05)
    assert priorities.count("sheddable") / len(priorities) == pytest.approx(0.5, abs=0.05)


def test_some_keys_are_asked_for_more_than_others():
    """By Zipf's law the first key is asked for twice as often as the second."""
    watched = Watched()
    busy = scenario(seconds=15, load=Poisson(rate=400), clients=Clients(keys=100, zipf=1.0))
    play(busy, watched.policy)
    keys = [key for _, _, key, *_ in watched.calls]
    assert keys.count(0) / keys.count(1) == pytest.approx(2, rel=0.15)
    assert set(keys) <= set(range(100))


def test_keys_are_spread_over_shards():
    """A dead shard takes its own keys with it, and no others."""
    dead = scenario(
        servers=Servers(workers=10, service=Constant(value=0.01), shards=4),
        clients=Clients(keys=40),
        faults=(Fault(at=0, lasts=30, refuses=True, shard=1),),
    )
    run = play(dead, NONE)
    assert run.tally.errors == {"Refused": pytest.approx(run.calls / 4, rel=0.15)}


def test_open_breakers_are_noted():
    """While nothing answers, the breakers of all processes are open; before and after, none is."""
    sick = scenario(clients=Clients(count=3), faults=(Fault(at=10, lasts=10, refuses=True),))
    make = lambda _scenario: Pipeline("p", CircuitBreaker(open_for=1.0), Bulkhead(100))  # noqa: E731
    run = play(sick, Policy("breaker", make))
    states = [bucket.open for bucket in run.tally.buckets]
    assert states[:10] == [0] * 10
    assert max(states[11:20]) == 3
    assert states[-3:] == [0, 0, 0]


def test_open_breakers_of_single_keys_are_noted():
    """One dead shard of four opens one key's breaker in each process."""
    sick = scenario(
        servers=Servers(workers=10, service=Constant(value=0.01), shards=4),
        clients=Clients(count=2),
        faults=(Fault(at=10, lasts=15, refuses=True, shard=1),),
    )
    run = play(sick, READY["standard"])
    states = [bucket.open for bucket in run.tally.buckets]
    assert max(states[:10]) == 0
    assert max(states[12:25]) == 2


def test_limits_and_budgets_are_noted():
    """What adaptive limiters and retry budgets have, on average; nothing of policies without any."""
    sick = scenario(clients=Clients(count=2), faults=(Fault(at=15, lasts=10, error_rate=1.0),))
    well, ill = (play(sick, READY["standard"]).tally.buckets[second] for second in (10, 20))
    assert ill.limit < well.limit
    assert ill.tokens < well.tokens
    bare = play(sick, NONE).tally.buckets[10]
    assert bare.limit is None is bare.tokens


def test_a_surge_brings_more_users():
    """A load of 3 for ten seconds is 20 seconds' worth of additional users."""
    usual, surge = (
        play(scenario(faults=faults), NONE).calls
        for faults in ((), (Fault(at=10, lasts=10, load=3),))
    )
    assert surge - usual == pytest.approx(1000, rel=0.1)


def test_a_servers_own_policy_keeps_its_queue_short():
    """Without it, twice the load makes everybody wait; with it, some are turned away at once."""
    overload = {"seconds": 10, "load": Poisson(rate=200), "clients": Clients(patience=1.0)}
    service = Exponential(mean=0.1)
    bare = play(scenario(servers=Servers(workers=10, service=service), **overload), NONE)
    guarded = play(
        scenario(
            servers=Servers(
                workers=10, service=service, protect=lambda _scenario: Pipeline("s", Bulkhead(20))
            ),
            **overload,
        ),
        NONE,
    )
    assert total(bare, "good") < 0.2 * total(guarded, "good")
    assert total(guarded, "good") == pytest.approx(100 * 10, rel=0.2)
