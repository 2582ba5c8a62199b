"""`Keyed`: a strategy for each key, who has to go, and when all of them stop."""

import contextlib
import gc
import tracemalloc
from dataclasses import dataclass

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Pipeline,
    RateLimitedError,
    RateLimiter,
    Retry,
    Timeout,
)
from holdfast.events import BreakerOpened, KeyDropped
from holdfast.extend import Gate as OwnGate
from holdfast.shapes import Gate, Instead, Ticket, Wait
from holdfast.strategies.keyed.keyed import Keyed
from tests.ids import spelt

DOWN = ConnectionError("down")


def of(key, *_rest, **_more):
    return key


def keyed(factory=CircuitBreaker, **options):
    return Keyed(of, factory, **options)


def enter(strategy, key, now=0.0):
    return strategy.enter(now, (key,), {})


def succeed(strategy, key, now=0.0):
    strategy.succeeded(enter(strategy, key, now), now, "result")


def fail(strategy, key, times=1, now=0.0):
    for _ in range(times):
        strategy.failed(enter(strategy, key, now), now, DOWN)


def open_breaker(strategy, *keys, now=0.0):
    for key in keys:
        fail(strategy, key, 5, now)


def dropped(heard):
    return [(event.key, event.reason) for event in heard if isinstance(event, KeyDropped)]


# -- a strategy for each key -------------------------------------------------------------------


def test_a_keyed_strategy_has_the_shape_of_a_gate():
    """It never rests, since it has to ask for the key, and it wants to know the instant."""
    strategy = keyed()

    assert isinstance(strategy, Gate)
    assert (strategy.resting, strategy.timed) == (None, True)


def test_each_key_has_a_strategy_of_its_own(clock):
    """When one key's breaker opens, the others still pass."""
    strategy = keyed()
    open_breaker(strategy, "dead")

    with pytest.raises(CircuitOpenError):
        enter(strategy, "dead")
    succeed(strategy, "well")

    assert (strategy["dead"].state, strategy["well"].state) == ("open", "closed")


def test_the_key_is_made_from_all_arguments():
    """Positional and named ones, as the protected function gets them."""
    strategy = Keyed(lambda shard, *, tenant: (shard, tenant), CircuitBreaker)

    strategy.succeeded(strategy.enter(0.0, (3,), {"tenant": "acme"}), 0.0, None)

    assert (3, "acme") in strategy


def test_a_factory_may_be_a_class_or_a_function_of_the_key():
    """A class is called without arguments."""
    sizes = {"small": 1, "large": 10}
    by_function = keyed(lambda tenant: Bulkhead(sizes[tenant]))
    for tenant in sizes:
        succeed(by_function, tenant)
    by_class = keyed(CircuitBreaker)
    succeed(by_class, "a")

    assert [by_function[tenant].size for tenant in sizes] == [1, 10]
    assert isinstance(by_class["a"], CircuitBreaker)


def test_a_strategy_is_named_after_its_key(clock):
    """A rejection says whose it is; a name that the factory gave stays."""
    strategy = keyed()
    open_breaker(strategy, "eu-1")
    named = keyed(lambda key: CircuitBreaker(name=f"shard {key}"))
    succeed(named, 7)

    with pytest.raises(CircuitOpenError) as caught:
        enter(strategy, "eu-1")
    assert caught.value.strategy == "circuit breaker 'eu-1'"
    assert named[7].name == "shard 7"


def test_the_events_of_a_key_name_the_pipelines(clock, heard):
    """Those that use the keyed strategy, and its own key."""
    strategy = keyed()
    succeed(strategy, "eu-1")
    Pipeline("orders", strategy)
    open_breaker(strategy, "eu-1", "eu-2")

    assert [(e.pipeline, e.strategy) for e in heard if isinstance(e, BreakerOpened)] == [
        ("orders", "circuit breaker 'eu-1'"),
        ("orders", "circuit breaker 'eu-2'"),
    ]


def test_outcomes_and_cancellations_reach_the_key():
    """Each gives the permit back to the bulkhead that it came from."""
    strategy = keyed(lambda _key: Bulkhead(3))
    held = [enter(strategy, "a") for _ in range(3)]
    assert strategy["a"].in_flight == 3

    strategy.succeeded(held[0], 0.0, None)
    strategy.failed(held[1], 0.0, DOWN)
    strategy.abandoned(held[2], 0.0)

    assert strategy["a"].in_flight == 0


def test_a_wait_is_passed_on():
    """The ticket is the key's; whoever waits too long gets the key's error."""
    strategy = keyed(lambda _key: Bulkhead(1, queue=2, max_wait=1.5))
    held = enter(strategy, "a")
    first, second = enter(strategy, "a"), enter(strategy, "a")
    assert type(first) is Wait
    assert isinstance(first.ticket, Ticket)
    assert first.delay == 1.5

    assert isinstance(strategy.expired(second.permit, 2.0), BulkheadFullError)
    strategy.succeeded(held, 2.0, None)
    assert first.ticket.granted
    assert strategy.expired(first.permit, 2.0) is None
    strategy.abandoned(first.permit, 2.0)
    assert (strategy["a"].in_flight, strategy["a"].waiting) == (0, 0)


class Answering(OwnGate):
    """A gate that answers itself, after a second."""

    def enter(self, _now, _args, _kwargs, _site, /):
        return Wait(Instead(str), 1.0)


def test_a_gate_that_answers_itself_is_passed_on_as_it_is():
    """A user's own gate may be keyed, and the driver must see its answer."""
    assert type(enter(keyed(Answering), "a").permit) is Instead


# -- what cannot be keyed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "factory",
    [lambda _key: Retry(3), lambda _key: Timeout(1.0), lambda _key: "breaker", Retry, int],
)
def test_values_and_other_things_are_refused(factory):
    """A class at once, what a function makes when it is first made."""
    with pytest.raises(ConfigurationError, match="cannot be keyed"):
        enter(keyed(factory), "a")


def test_a_keyed_strategy_inside_a_keyed_one_is_refused():
    """A tuple as the key does the same, with one table."""
    with pytest.raises(ConfigurationError, match="cannot be keyed"):
        enter(keyed(lambda _key: keyed()), "a")


def test_a_factory_without_a_parameter_is_refused():
    """It must be a function of the key; the message says so."""
    with pytest.raises(ConfigurationError, match="a function of the key"):
        keyed(lambda: CircuitBreaker(failures=3))


def test_two_kinds_of_strategies_in_one_table_are_refused():
    """Gates, and those with steps of their own, are compiled in different ways."""
    strategy = keyed(lambda key: CircuitBreaker() if key == "a" else Timeout.adaptive())
    succeed(strategy, "a")

    with pytest.raises(ConfigurationError, match="one Keyed for each kind"):
        enter(strategy, "b")


def test_strategies_that_are_no_gates_guard_functions_only():
    """Asked by hand, or for a block, they say so."""
    with pytest.raises(ConfigurationError, match="decorate a function instead"):
        enter(keyed(lambda _key: Timeout.adaptive()), "a")


@pytest.mark.parametrize("key", [["eu", 1], ("eu", [1])])
def test_a_key_that_is_not_hashable_is_refused(key):
    """The message shows the key and what to return instead."""
    with pytest.raises(ConfigurationError, match="not hashable: return a string"):
        enter(keyed(), key)


@pytest.mark.parametrize(
    "options",
    [
        {"max_keys": 0}, {"idle": 0}, {"parent": Bulkhead(1)}, {"parent_share": 0},
        {"parent_share": 1.5}, {"parent_min_keys": 0}, {"name": ""},
    ],
    ids=spelt,
)  # fmt: skip
def test_options_are_checked(options):
    """Each error names its option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        keyed(**options)


def test_an_async_key_is_refused():
    """It is called between two awaits."""

    async def key(_argument):
        return "a"

    with pytest.raises(ConfigurationError, match="key="):
        Keyed(key, CircuitBreaker)


def test_a_factory_that_raises_leaves_no_trace():
    """Its error passes to the caller; the place it would have had is free again."""
    factories = {"bad": lambda: 1 / 0, "good": CircuitBreaker}
    strategy = keyed(lambda key: factories[key](), max_keys=1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            enter(strategy, "bad")
    succeed(strategy, "good")

    assert list(strategy.snapshot()["worst"]) == []
    assert len(strategy) == 1
    assert "good" in strategy


class Moody:
    """A key of the user's, whose hash fails in its own way."""

    def __hash__(self):
        raise TypeError("not today")


def test_a_key_with_a_broken_hash_is_refused_with_its_reason():
    """The error of its own is the cause."""
    with pytest.raises(ConfigurationError, match="not hashable") as caught:
        enter(keyed(), Moody())

    assert str(caught.value.__cause__) == "not today"


# -- who has to go -----------------------------------------------------------------------------


def test_the_least_recently_used_key_has_to_go(heard):
    """A use makes it the youngest again; what goes is told."""
    strategy = keyed(max_keys=3, name="shards")
    for now, key in enumerate("abcabad"):
        succeed(strategy, key, float(now))

    assert dropped(heard) == [("c", "least recently used")]
    assert [key in strategy for key in "abcd"] == [True, True, False, True]
    assert heard[-1].strategy == "keyed 'shards'"
    assert heard[-1].at == 6.0
    assert (len(strategy), strategy.snapshot()["evicted"]) == (3, 1)


def test_an_open_key_is_never_dropped(clock):
    """The next in line goes instead, whatever the pressure."""
    strategy = keyed(max_keys=2)
    open_breaker(strategy, "dead")
    for number in range(50):
        succeed(strategy, number, 1.0 + number / 100)

    assert strategy["dead"].state == "open"
    assert len(strategy) == 2


def test_a_key_that_fails_outlives_those_that_do_not(clock):
    """So that a dead key that is seldom called comes to its fifth failure all the same."""
    strategy = keyed(max_keys=10)
    for round_ in range(5):
        fail(strategy, "dying", now=round_ * 1.0)
        for number in range(100):
            succeed(strategy, (round_, number), round_ * 1.0)

    assert strategy["dying"].state == "open"


def test_a_bulkhead_with_calls_inside_is_never_dropped():
    """Or more calls would be in flight than it allows."""
    strategy = keyed(lambda _key: Bulkhead(1), max_keys=2)
    held = enter(strategy, "a")
    for number in range(10):
        succeed(strategy, number, 1.0)

    with pytest.raises(BulkheadFullError):
        enter(strategy, "a", 2.0)
    strategy.succeeded(held, 3.0, None)
    for number in range(10):
        succeed(strategy, number, 4.0)
    assert "a" not in strategy


def test_a_rate_limiter_in_debt_is_never_dropped():
    """Or a tenant could reset its limit by having others called."""
    strategy = keyed(lambda _key: RateLimiter(1, per=60.0), max_keys=2)
    succeed(strategy, "greedy")
    for number in range(10):
        with contextlib.suppress(RateLimitedError):
            succeed(strategy, number, 1.0 + number)

    with pytest.raises(RateLimitedError):
        enter(strategy, "greedy", 30.0)
    succeed(strategy, "greedy", 61.0)


def test_a_key_with_a_call_inside_is_not_forgotten():
    """It may lose its place, but whoever comes next finds the strategy that the call is inside of."""
    strategy = keyed(max_keys=1)
    held = enter(strategy, "a")
    first = strategy["a"]
    succeed(strategy, "b", 1.0)
    assert "a" not in strategy

    again = enter(strategy, "a", 2.0)

    assert strategy["a"] is first
    strategy.succeeded(held, 3.0, None)
    strategy.succeeded(again, 3.0, None)


def test_a_key_that_opens_while_it_has_no_place_gets_it_back(clock):
    """The failures of calls that were inside when it was dropped are not lost."""
    strategy = keyed(max_keys=1)
    held = [enter(strategy, "a") for _ in range(5)]
    succeed(strategy, "b", 1.0)

    for one in held:
        strategy.failed(one, 2.0, DOWN)

    with pytest.raises(CircuitOpenError):
        enter(strategy, "a", 2.0)


def test_without_a_call_inside_a_key_begins_anew():
    """Nothing is left of what was dropped."""
    strategy = keyed(max_keys=1)
    succeed(strategy, "a")
    first = strategy["a"]
    succeed(strategy, "b", 1.0)
    succeed(strategy, "a", 2.0)

    assert strategy["a"] is not first


def test_idle_keys_go_as_well(heard):
    """A few with each call, at the latest a twentieth of the time late."""
    strategy = keyed(idle=100.0)
    for key in "abcdef":
        succeed(strategy, key)
    succeed(strategy, "busy", 99.0)
    assert dropped(heard) == []

    for now in (105.0, 105.1, 105.2):
        succeed(strategy, "busy", now)

    assert dropped(heard) == [(key, "idle") for key in "abcdef"]
    assert len(strategy) == 1


def test_an_open_key_is_not_idle(clock):
    """Its breaker is open for longer than the table waits."""
    strategy = keyed(lambda _key: CircuitBreaker(open_for=60.0, open_cap=60.0), idle=10.0)
    open_breaker(strategy, "dead")

    succeed(strategy, "well", 30.0)
    succeed(strategy, "well", 31.0)

    assert "dead" in strategy


def test_an_open_key_goes_when_its_time_is_long_over(clock):
    """Shards that were retired while their breakers were open do not fill the table for ever."""
    strategy = keyed(idle=100.0)
    open_breaker(strategy, "retired")

    for now in (200.0, 310.0, 420.0):
        clock.now = now
        succeed(strategy, "well", now)

    assert "retired" not in strategy


def test_a_key_that_came_and_went_while_it_was_made_has_one_strategy():
    """Another thread met it first, and is still inside of what other keys have driven out."""
    inside = []

    def slow(key):
        if key == "a" and not inside:
            inside.append(None)  # the other thread's factory comes to an end at once
            inside[0] = enter(strategy, "a", 1.0)
            for other in "bcd":
                succeed(strategy, other, 2.0)
            assert "a" not in strategy
        return CircuitBreaker()

    strategy = keyed(slow, max_keys=2)
    late = enter(strategy, "a", 3.0)

    assert late[0] is inside[0][0]
    assert strategy["a"] is late[0].child


# -- when there is no room ---------------------------------------------------------------------


def full_of_open(count=3, **options):
    strategy = keyed(max_keys=count, name="tenants", **options)
    open_breaker(strategy, *range(count))
    return strategy


def test_keys_without_room_share_one_strategy(clock):
    """The table is full of open breakers, so no more memory is spent on the keys of an attacker."""
    strategy = full_of_open()
    for number in range(100, 200):
        succeed(strategy, number, 1.0)

    snapshot = strategy.snapshot()
    assert (len(strategy), snapshot["evicted"]) == (3, 0)
    assert snapshot["overflowed"] == 100
    assert snapshot["overflow"]["strategy"] == "circuit breaker"


def test_the_overflow_protects_as_well(clock):
    """What its keys do to it they do to each other."""
    strategy = full_of_open()
    for number in range(100, 105):
        fail(strategy, number, now=1.0)

    with pytest.raises(CircuitOpenError):
        enter(strategy, 105, 1.0)


def test_a_full_table_is_logged_once(clock, caplog):
    """The warning says what to do about it."""
    strategy = full_of_open()
    for number in range(100, 110):
        succeed(strategy, number, 1.0)

    (record,) = caplog.records
    assert "keyed 'tenants' is full" in record.getMessage()
    assert "raise max_keys" in record.getMessage()


def test_when_there_is_room_again_keys_have_their_own(clock):
    """As soon as one of those in the table has recovered."""
    strategy = full_of_open()
    succeed(strategy, "late", 1.0)
    assert "late" not in strategy
    strategy[0].reset()

    clock.now = 2.0
    succeed(strategy, "late", 2.0)

    assert "late" in strategy
    assert 0 not in strategy


def test_a_key_takes_little_memory():
    """With its breaker and its name at most 1.2 KiB, as long as nothing has happened to it."""
    strategy = keyed(max_keys=4_000)
    succeed(strategy, "warm")
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(2_000):
            succeed(strategy, f"host-{number}.example")
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert used / 2_000 <= 1.2 * 1024


# -- the parent --------------------------------------------------------------------------------


def family(**options):
    parent = CircuitBreaker(open_jitter=0.0, name="all")
    return keyed(parent=parent, **options), parent


def test_when_most_keys_are_open_the_parent_opens(clock, heard):
    """Then all keys are rejected, those that nobody has met yet, too, and no strategy is made."""
    strategy, parent = family()
    for key in range(4):
        succeed(strategy, key)
    open_breaker(strategy, *range(4))
    assert parent.state == "closed"
    open_breaker(strategy, 4)

    assert parent.state == "open"
    assert heard[-1].reason == "5 of 5 keys are open"
    with pytest.raises(CircuitOpenError) as caught:
        enter(strategy, "new")
    assert caught.value.strategy == "circuit breaker 'all'"
    assert "new" not in strategy


def test_one_dead_key_never_opens_the_parent(clock):
    """However many calls go there: the share of the keys counts, not of the calls."""
    strategy, parent = family(parent_min_keys=1)
    for key in range(3):
        succeed(strategy, key)
    for now in range(100):
        clock.now = float(now)
        for _ in range(20):
            try:
                fail(strategy, 0, now=clock.now)
            except CircuitOpenError:
                pass

    assert strategy[0].state == "open"
    assert parent.state == "closed"


def test_the_least_number_of_open_keys_counts(clock):
    """Three of three are all, but too few to conclude anything."""
    strategy, parent = family(parent_min_keys=4)
    open_breaker(strategy, 0, 1, 2)
    assert parent.state == "closed"

    open_breaker(strategy, 3)
    assert parent.state == "open"


def test_the_parent_hears_of_its_probes_only(clock):
    """Half-open it lets three calls through, whatever their keys, and closes when they succeed."""
    strategy, parent = family(factory=lambda _key: CircuitBreaker(open_for=1.0, probes=1))
    open_breaker(strategy, *range(5))
    clock.now = 6.0
    held = [enter(strategy, key, 6.0) for key in range(3)]
    with pytest.raises(CircuitOpenError) as caught:
        enter(strategy, 3, 6.0)
    assert caught.value.strategy == "circuit breaker 'all'"

    for one in held:
        strategy.succeeded(one, 6.1, None)

    assert parent.state != "half-open"
    succeed(strategy, 3, 6.2)
    assert parent.snapshot()["failures_in_a_row"] == 0


def test_a_failed_probe_opens_the_parent_again(clock):
    """As it would any breaker."""
    strategy, parent = family(factory=lambda _key: CircuitBreaker(open_for=1.0))
    open_breaker(strategy, *range(5))
    clock.now = 6.0
    fail(strategy, 0, now=6.0)

    assert parent.state == "open"
    assert parent.snapshot()["retry_after"] > 5.0


@pytest.mark.parametrize("how", ["rejected", "abandoned", "raises"])
def test_a_probe_that_comes_to_nothing_gives_its_place_back(clock, how):
    """The key's own breaker may still be open, the caller may leave, the key may be no key."""
    strategy, parent = family(factory=lambda _key: CircuitBreaker(open_for=60.0))
    open_breaker(strategy, *range(5))
    clock.now = 6.0
    for _ in range(10):
        if how == "abandoned":
            strategy.abandoned(enter(strategy, "new", 6.0), 6.0)
        else:
            with pytest.raises(CircuitOpenError if how == "rejected" else ConfigurationError):
                enter(strategy, 0 if how == "rejected" else [], 6.0)

    assert parent.snapshot()["probes_in_flight"] == 0
    assert parent.state == "half-open"


def test_a_probe_may_have_to_wait_for_its_key(clock):
    """Its place is given back however the wait ends, unless it gets in."""
    strategy, parent = family(factory=lambda _key: Bulkhead(1, queue=3))
    first = enter(strategy, "a")
    parent.trip()
    clock.now = 6.0
    in_vain, cancelled, patient = (enter(strategy, "a", 6.0) for _ in range(3))
    assert parent.snapshot()["probes_in_flight"] == 3

    assert isinstance(strategy.expired(in_vain.permit, 7.0), BulkheadFullError)
    strategy.abandoned(cancelled.permit, 7.0)
    assert parent.snapshot()["probes_in_flight"] == 1
    strategy.succeeded(first, 7.0, None)
    assert patient.ticket.granted
    strategy.succeeded(patient.permit, 7.0, None)
    assert parent.snapshot()["probes_passed"] == 1


def test_a_probe_that_is_answered_gives_its_place_back(clock):
    """A gate that answers itself tells nothing about the dependency."""
    strategy, parent = family(factory=Answering)
    parent.trip()
    clock.now = 6.0

    assert type(enter(strategy, "a", 6.0).permit) is Instead
    assert parent.snapshot()["probes_in_flight"] == 0


def test_after_the_parent_has_closed_old_failures_count_no_longer(clock):
    """One shard that is still dead does not open it again for the sake of those that have healed."""
    strategy, parent = family(factory=lambda _key: CircuitBreaker(open_for=5.0, probes=1))
    for key in range(5, 10):
        succeed(strategy, key)
    open_breaker(strategy, *range(5))
    assert parent.state == "open"
    clock.now = 6.0
    for key in range(5, 8):
        succeed(strategy, key, 6.0)
    clock.now = 20.0

    fail(strategy, 0, now=20.0)

    assert strategy[0].state == "open"
    assert parent.state == "closed"


def test_what_was_long_ago_counts_neither_way(clock):
    """Keys that were used, and failed, minutes ago say nothing about now."""
    strategy, parent = family(parent_min_keys=2)
    open_breaker(strategy, 0)
    for key in range(1, 20):
        succeed(strategy, key)
    clock.now = 200.0
    open_breaker(strategy, 20, now=200.0)
    assert parent.state == "closed"

    open_breaker(strategy, 21, now=200.0)
    assert parent.state == "open"


def test_a_parent_that_is_disabled_by_hand_stays_so(clock):
    """A person's word counts for more than the share."""
    strategy, parent = family()
    parent.disable()
    open_breaker(strategy, *range(6))

    assert parent.state == "disabled"
    succeed(strategy, "new")


def test_a_parent_needs_keys_that_can_be_open():
    """An adaptive timeout is never open, so the parent would never do anything."""
    with pytest.raises(ConfigurationError, match="a parent needs keys that can be open"):
        enter(keyed(lambda _key: Timeout.adaptive(), parent=CircuitBreaker()), "a")


# -- people ------------------------------------------------------------------------------------


def test_looking_up_makes_nothing():
    """`get`, ``in`` and ``len`` neither make a strategy nor count as a use."""
    strategy = keyed()

    assert strategy.get("a") is None
    assert strategy.get("a", "none") == "none"
    assert "a" not in strategy
    assert len(strategy) == 0
    assert strategy
    with pytest.raises(KeyError):
        strategy["a"]


def test_a_snapshot_shows_the_open_keys(clock):
    """The most recently used few of them with their own state."""
    strategy = keyed(name="shards")
    succeed(strategy, "well")
    for now in range(7):
        open_breaker(strategy, now, now=float(now))

    snapshot = strategy.snapshot()
    assert (snapshot["keys"], snapshot["open"]) == (8, 7)
    assert list(snapshot["worst"]) == ["6", "5", "4", "3", "2"]
    assert snapshot["worst"]["6"]["reason"] == "5 failures in a row"
    assert snapshot["parent"] is snapshot["overflow"] is None
    assert repr(strategy) == "<Keyed 'shards' 8 keys, 7 open>"


def test_a_key_that_closes_is_open_no_longer(clock):
    """The count follows the breakers, also one that a person has opened."""
    strategy = keyed(lambda _key: CircuitBreaker(probes=1))
    open_breaker(strategy, "a")
    succeed(strategy, "b")
    strategy["b"].trip()
    with pytest.raises(CircuitOpenError):
        enter(strategy, "b")
    assert strategy.snapshot()["open"] == 2

    clock.now = 6.0
    succeed(strategy, "a", 6.0)
    succeed(strategy, "b", 6.0)
    assert strategy.snapshot()["open"] == 0


def test_a_child_process_starts_afresh(clock):
    """Whatever was in the table is the parent process's."""
    strategy = keyed()
    open_breaker(strategy, "a")

    strategy._after_fork()

    assert len(strategy) == 0
    succeed(strategy, "a")


def test_what_a_key_holds_is_found_for_abandoned_workers():
    """The bulkhead of the call's key, if there is one."""
    strategy = keyed(lambda _key: Bulkhead(1))
    succeed(strategy, "a")

    assert strategy.holder(("a",), {}) is strategy["a"]
    assert strategy.holder(("b",), {}) is None
    breakers = keyed()
    succeed(breakers, "a")
    assert breakers.holder(("a",), {}) is None


@dataclass(unsafe_hash=True)
class Tenant:
    name: str


@pytest.mark.parametrize("to", ["renamed", "c"])
@pytest.mark.parametrize("max_keys", [3, 20_003])
def test_a_key_whose_hash_changes_harms_only_itself(to, max_keys):
    """In functools32 10 one such key broke the cache for all; also where it is another's key now."""
    strategy = Keyed(lambda tenant: tenant, CircuitBreaker, max_keys=max_keys)
    changing = Tenant("a")
    succeed(strategy, changing)
    changing.name = to
    for name in "bcdefgh":
        succeed(strategy, Tenant(name))
    while strategy._keys.table.oldest() is not None:
        oldest = strategy._keys.table.oldest()
        assert strategy._keys.table.drop(oldest, oldest.used)
    assert len(strategy) == 0
