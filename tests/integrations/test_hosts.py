"""The bounded registry of hosts, with plain values."""

import threading

import pytest

from holdfast import CircuitBreaker, Pipeline
from holdfast.integrations._hosts import Host, Hosts
from holdfast.testing import VirtualClock


def host(key, *strategies, keyed=True):
    return Host(key, Pipeline(key, *strategies), object(), len, len, keyed=keyed)


def used_once(hosts, key):
    """Use a host and let it go; return the names of those that had to go for it."""
    used, gone = hosts.use(key)
    hosts.release(used)
    return [one.origin for one in gone]


@pytest.fixture
def hosts():
    """A registry for two hosts, each with a breaker."""
    return Hosts(lambda key: host(key, CircuitBreaker(failures=1, open_for=5.0)), limit=2)


def breaker_of(hosts, key):
    used, _ = hosts.use(key)
    hosts.release(used)
    return used.pipeline.strategies[0]


def test_a_host_is_made_once(hosts):
    """Whoever comes later gets the same one."""
    first, _ = hosts.use("a")
    second, _ = hosts.use("a")

    assert first is second
    assert first.in_use == 2


def test_the_least_recently_used_goes_first(hosts):
    """A use, not the making, keeps a host."""
    used_once(hosts, "a")
    used_once(hosts, "b")
    used_once(hosts, "a")

    assert used_once(hosts, "c") == ["b"]
    assert list(hosts.snapshot()) == ["a", "c"]


def test_a_host_in_use_stays(hosts):
    """Its connections are busy."""
    busy, _ = hosts.use("a")
    used_once(hosts, "b")

    assert used_once(hosts, "c") == ["b"]
    hosts.release(busy)
    assert used_once(hosts, "d") == ["a"]


def test_a_host_whose_breaker_is_open_stays(hosts):
    """Forgetting it would let calls pass to what is down."""
    with VirtualClock() as clock:
        breaker_of(hosts, "a").trip()
        used_once(hosts, "b")
        assert used_once(hosts, "c") == ["b"]

        clock.advance(10.0)
        assert used_once(hosts, "d") == ["a"]


@pytest.mark.parametrize("hold", ["isolate", "disable"])
def test_a_host_whose_breaker_is_held_by_hand_stays(hosts, hold):
    """Somebody has decided that."""
    getattr(breaker_of(hosts, "a"), hold)()
    used_once(hosts, "b")

    assert used_once(hosts, "c") == ["b"]


def test_when_none_may_go_there_are_more_and_they_go_later(hosts):
    """The limit yields to safety, and comes back as soon as it can."""
    busy = [hosts.use(key)[0] for key in "abcd"]
    assert len(hosts) == 4
    for one in busy:
        hosts.release(one)

    assert used_once(hosts, "e") == ["a", "b", "c"]
    assert len(hosts) == 2


def test_a_pipeline_that_all_share_does_not_keep_hosts():
    """Its breaker's state is not lost with one of them."""
    shared = CircuitBreaker(failures=1)
    hosts = Hosts(lambda key: host(key, shared, keyed=False), limit=1)
    used_once(hosts, "a")
    shared.trip()

    assert used_once(hosts, "b") == ["a"]


def test_the_snapshot_tells_each_hosts_state(hosts):
    """It is plain data, by origin."""
    hosts.use("a")

    snapshot = hosts.snapshot()

    assert snapshot["a"]["in_use"] == 1
    assert snapshot["a"]["strategies"][0]["state"] == "closed"


def test_clearing_returns_all(hosts):
    """They are to be closed, and the registry starts afresh."""
    used_once(hosts, "a")
    used_once(hosts, "b")

    assert [one.origin for one in hosts.clear()] == ["a", "b"]
    assert len(hosts) == 0


def test_threads_that_meet_a_new_host_together_share_one():
    """However many make it, all of them use the same."""
    together = threading.Barrier(8)

    def make(key):
        together.wait(5.0)
        return host(key)

    hosts = Hosts(make, limit=10)
    used = []
    threads = [threading.Thread(target=lambda: used.append(hosts.use("a")[0])) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(5.0)

    assert len(used) == 8
    assert len(set(map(id, used))) == 1
    assert used[0].in_use == 8


def test_a_factory_that_raises_leaves_nothing_behind():
    """The user's error passes through, and the next one tries again."""
    hosts = Hosts({}.__getitem__, limit=1)

    with pytest.raises(KeyError):
        hosts.use("a")
    assert len(hosts) == 0


def test_a_forked_process_has_hosts_of_its_own(hosts):
    """Two processes on one connection would read each other's answers."""
    before, _ = hosts.use("a")

    hosts._after_fork()

    after, _ = hosts.use("a")
    assert after is not before
    hosts.release(before)
    assert (before.in_use, after.in_use) == (0, 1)
