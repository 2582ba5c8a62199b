"""Options at work: read as attributes, changed in one way by all strategies, or not at all.

From the field: resilience4j 299 and 2365 and opossum 450 (an option that is set and does nothing), and
the ``cannot pickle '_thread.RLock'`` of curl_cffi 65.
"""

import copy
import inspect
import json
import pickle
import threading
import time

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    Coalesce,
    ConcurrencyLimiter,
    ConfigurationError,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    Rate,
    RateLimiter,
    RetryBudget,
    Throttle,
    Timeout,
    _sent,
    concurrency,
    learnt,
)
from holdfast.events import OptionsChanged
from holdfast.strategies import options
from holdfast.strategies.options import Configurable, Option

MADE = {
    "adaptive rate limiter": RateLimiter.adaptive,
    "adaptive timeout": Timeout.adaptive,
    "budget": RetryBudget,
    "bulkhead": lambda: Bulkhead(2, queue=1),
    "chaos": lambda: Chaos(error=ValueError),
    "circuit breaker": CircuitBreaker,
    "coalesce": lambda: Coalesce(len),
    "concurrency limiter": ConcurrencyLimiter,
    "hedge": Hedge,
    "keyed": lambda: Keyed(len, CircuitBreaker),
    "load shedder": lambda: LoadShedder(3),
    "rate limiter": lambda: RateLimiter(5),
    "stale fallback": lambda: Fallback.stale(60.0),
    "throttle": Throttle,
}
PROTOCOL = {"resting", "timed", "kind"}
"""What the drivers read and a strategy sets as it goes; no options."""

CHANGES = {
    "adaptive rate limiter": {"floor": 0.5, "ceiling": 90.0, "max_wait": 2.0, "shadow": True},
    "adaptive timeout": {"ceiling": 2.0, "floor": 0.1, "margin": 3.0, "quantile": 0.9,
                         "min_samples": 5, "window": 30.0},
    "budget": {"ratio": 0.2, "capacity": 5.0},
    "bulkhead": {"size": 5, "queue": 7, "max_wait": 2.0, "shadow": True},
    "chaos": {"rate": 0.5, "when": callable},
    "circuit breaker": {
        "failures": 10, "failure_rate": 0.5, "window": None, "window_calls": 40, "min_calls": 7,
        "confidence": 0.99,
        "slow": 1.0, "slow_rate": 0.5, "open_for": 2.0, "open_growth": 3.0, "open_cap": 90.0,
        "open_jitter": 0.0, "open_calls": 4, "probes": 1, "probe_timeout": 8.0, "ramp": 5.0,
        "on": OSError, "ignore": KeyError, "shadow": True,
    },
    "concurrency limiter": {"min": 2.0, "max": 5, "queue": 3, "max_wait": 1.0, "reserve": 0.5,
                            "shadow": True},
    "hedge": {"after": 0.5, "max_hedges": 2},
    "load shedder": {"size": 9, "queue": 8, "target": 0.5, "interval": 0.2, "lifo": False,
                     "expected": 0.25, "reserve": 0.3, "shadow": True},
    "rate limiter": {"rates": (Rate(9, per=60),), "max_wait": 3.0, "shadow": True},
    "stale fallback": {"ttl": 9.0, "max_keys": 3, "on": OSError, "mark": max, "copy": False},
    "throttle": {"ratio": 2.0, "window": 30.0, "min_calls": 3, "max_rejection": 0.5, "shadow": True},
}  # fmt: skip


def changeable(kind):
    return {name for name in dir(kind) if isinstance(inspect.getattr_static(kind, name), Option)}


@pytest.fixture(params=MADE)
def strategy(request):
    return MADE[request.param]()


@pytest.fixture(params=CHANGES)
def case(request):
    return MADE[request.param](), CHANGES[request.param]


def test_all_strategies_with_a_state_are_here():
    """A new one joins the tables above."""

    def below(kind):
        return {kind, *(one for child in kind.__subclasses__() for one in below(child))}

    ours = {
        kind for kind in below(Configurable)
        if kind.__module__.startswith("holdfast.") and "kind" in vars(kind) and kind.kind != "strategy"
    }  # fmt: skip
    missing = {kind.kind for kind in ours} - set(MADE)
    assert not missing


def test_nothing_that_is_no_option_can_be_set(strategy):
    """Counters, names and what is fixed are refused, and stay as they were."""
    public = {name for name in dir(strategy) if not name.startswith("_")} - PROTOCOL
    for name in public - changeable(type(strategy)):
        before = getattr(strategy, name)
        with pytest.raises(AttributeError):
            setattr(strategy, name, "soon")
        assert getattr(strategy, name) == before


def test_an_option_is_checked_when_it_is_set(strategy):
    """As the constructor checks it; and nothing changes."""
    before = strategy.spelt()
    for name in changeable(type(strategy)):
        with pytest.raises(ConfigurationError):
            setattr(strategy, name, object())
    assert strategy.spelt() == before


def test_all_options_that_can_be_changed_are_tried_here(case):
    """The table below is complete."""
    strategy, changes = case
    assert set(changes) == changeable(type(strategy))


def test_options_are_changed_together(case):
    """They can be read then, and stand in what `describe` shows."""
    strategy, changes = case
    strategy.configure(**changes)

    assert {name: getattr(strategy, name) for name in changes} == changes
    made_anew = type(strategy)(*pickled(strategy)[0], **pickled(strategy)[1])
    assert made_anew.spelt() == strategy.spelt()
    if hasattr(strategy, "snapshot"):
        json.dumps(strategy.snapshot(), allow_nan=False)


def pickled(strategy):
    return strategy.__reduce__()[1][-2:]


def test_all_or_none(case):
    """One option that is refused keeps the others from changing."""
    strategy, changes = case
    before = {name: getattr(strategy, name) for name in changes}
    with pytest.raises(ConfigurationError, match=r"nothing that [A-Z]"):
        strategy.configure(**changes, no_such_option=3)
    for name in changes:
        with pytest.raises(ConfigurationError):
            strategy.configure(**changes | {name: object()})

    assert {name: getattr(strategy, name) for name in changes} == before


def test_options_that_exclude_each_other_are_refused_together():
    """Each alone would do, and the message names them."""
    breaker = CircuitBreaker(open_cap=60.0)
    with pytest.raises(ConfigurationError, match="open_cap"):
        breaker.configure(open_for=100.0)
    breaker.configure(open_for=100.0, open_cap=200.0)
    assert (breaker.open_for, breaker.open_cap) == (100.0, 200.0)


def test_a_default_that_follows_another_option_goes_on_doing_so():
    """Who asks for a long pause need not know of the longest."""
    breaker = CircuitBreaker()
    assert breaker.open_cap == 60.0
    breaker.configure(open_for=100.0)
    assert (breaker.open_for, breaker.open_cap) == (100.0, 100.0)


def test_a_change_is_told_once(heard):
    """With what was named, before and after."""
    bulkhead = Bulkhead(2, name="reports")
    bulkhead.configure(size=3, max_wait=1)
    (event,) = heard
    assert isinstance(event, OptionsChanged)
    assert (event.strategy, event.before, event.after) == (
        "bulkhead 'reports'", {"size": 2, "max_wait": None}, {"size": 3, "max_wait": 1.0},
    )  # fmt: skip


def test_an_order_that_changes_nothing_tells_nothing(heard):
    """A configuration that is loaded again, say."""
    Bulkhead(2, name="reports").configure(size=2)
    CircuitBreaker(open_for=5.0).configure(open_for=5)
    CircuitBreaker().configure()

    assert heard == []


def test_changes_of_several_threads_all_count():
    """Nobody's change is lost because somebody else's came between."""
    breaker = CircuitBreaker()
    names = ("failures", "probes", "min_calls", "open_calls")

    def change(name):
        for value in range(1, 101):
            breaker.configure(**{name: value})

    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [getattr(breaker, name) for name in names] == [100] * 4


def test_a_class_of_ones_own_with_another_constructor_is_refused_in_words():
    """Nobody knows how to make another one."""

    class Mine(CircuitBreaker):
        def __init__(self, url):
            super().__init__(failures=2, name=url)

    mine = Mine("http://shop")
    assert (mine.failures, mine.name) == (2, "http://shop")
    with pytest.raises(ConfigurationError, match="constructor of its own"):
        mine.failures = 3


# -- each at work ------------------------------------------------------------------------------


def test_a_breaker_goes_by_its_new_thresholds_at_once(holdfast_clock):
    """What it has counted in a row goes on counting."""
    breaker = CircuitBreaker(failures=5, open_for=5.0, open_jitter=0.0)
    guarded = Pipeline("p", breaker)
    for _ in range(2):
        guarded.try_call(failing)
    breaker.configure(failures=3)
    assert breaker.state == "closed"
    guarded.try_call(failing)
    assert breaker.state == "open"


def test_a_breaker_that_is_open_takes_another_time(holdfast_clock):
    """Counted from when it opened, longer and shorter."""
    breaker = CircuitBreaker(open_for=5.0, open_jitter=0.0)
    breaker.trip()
    breaker.open_for = 30.0
    holdfast_clock.sleep(20.0)
    assert breaker.state == "open"
    breaker.open_for = 10.0
    assert breaker.state == "half-open"


def test_a_breaker_that_is_half_open_needs_fewer_probes():
    """At least one more, though as many may have succeeded already."""
    breaker = CircuitBreaker(open_for=0.001, open_jitter=0.0, probes=3)
    breaker.trip(now=0.0)
    for _ in range(2):
        breaker.succeeded(breaker.enter(1.0, (), {}), 1.0, None)
    breaker.probes = 1
    breaker.succeeded(breaker.enter(1.0, (), {}), 1.0, None)
    assert breaker.state == "closed"


@pytest.mark.parametrize("ramp, at, state", [(None, 0.0, "closed"), (20.0, 15.0, "ramping")])
def test_a_breaker_that_ramps_takes_another_ramp(holdfast_clock, ramp, at, state):
    """Without one it is through at once."""
    breaker = CircuitBreaker(open_for=1.0, open_jitter=0.0, probes=1, ramp=10.0)
    guarded = Pipeline("p", breaker)
    breaker.trip()
    holdfast_clock.sleep(1.0)
    guarded.call(int)
    assert breaker.state == "ramping"
    breaker.ramp = ramp
    holdfast_clock.sleep(at)
    assert breaker.state == state
    if state == "closed":
        guarded.call(int)


def test_a_breaker_begins_to_look_at_a_rate(holdfast_clock):
    """One that had no window has one from now on, and may lose it again."""
    breaker = CircuitBreaker(failures=None, slow=learnt(), slow_rate=0.5)
    guarded = Pipeline("p", breaker)
    breaker.configure(failures=None, failure_rate=0.5, min_calls=4, slow=None, slow_rate=None)
    for fn in (int, failing, int, failing):
        guarded.try_call(fn)
    assert breaker.state == "open"
    breaker.reset()
    breaker.configure(failures=2, failure_rate=None)
    for fn in (int, failing, failing):
        guarded.try_call(fn)
    assert (breaker.state, breaker.snapshot()["calls"]) == ("open", None)


def test_a_limiter_lets_in_no_more_than_its_new_maximum():
    """And as many again when it is raised."""
    gate = ConcurrencyLimiter(initial=20)
    gate.max = 5
    assert gate.limit == 5.0
    for _ in range(5):
        gate.enter(0.0, (), {})
    with pytest.raises(Exception, match="at its limit"):
        gate.enter(0.0, (), {})
    gate.configure(min=8, max=50)
    assert gate.limit == 8.0


def test_another_window_of_a_throttle_begins_empty():
    """A call that was under way does no harm."""
    throttle = Throttle(window=10.0)
    permit = throttle.enter(0.0, (), {})
    throttle.window = 60.0
    throttle.succeeded(permit, 1.0, None)
    throttle.succeeded(throttle.enter(30.0, (), {}), 30.0, None)
    assert throttle._accepts.requests == 1


def test_a_hedge_takes_another_delay():
    """The one in force is the new one."""
    hedge = Hedge(after=5.0)
    hedge.after = 0.01
    assert hedge.delay == 0.01


def test_a_smaller_budget_loses_what_is_beyond():
    """A larger one fills up by and by."""
    budget = RetryBudget(capacity=10)
    budget.capacity = 4
    assert (budget.tokens, budget.full) == (4.0, True)
    budget.capacity = 20
    assert (budget.tokens, budget.full) == (4.0, False)


def test_an_adaptive_timeout_keeps_what_it_has_learnt():
    """Other options make another limit of it at once."""
    timeout = Timeout.adaptive(min_samples=10, floor=0.01)
    for _ in range(20):
        timeout.succeeded(timeout.begin(0.0), 0.1, 0.0)
    timeout.configure(margin=4.0)
    assert timeout.limit == pytest.approx(0.4, rel=0.05)
    timeout.ceiling = 0.2
    assert timeout.limit == 0.2


def test_a_stale_answer_goes_by_the_age_and_the_number_of_now(holdfast_clock):
    """What is kept already is dropped where it is too old, or too much; and the rest is served."""
    stale = Fallback.stale(60.0)
    guarded = Pipeline("p", stale)
    for number in range(3):
        guarded.call(abs, number)
    stale.max_keys = 2
    assert stale.snapshot()["kept"] == 2
    holdfast_clock.sleep(5.0)
    guarded.call(abs, 3)
    stale.ttl = 4.0
    assert (stale.snapshot()["kept"], stale.ttl) == (1, 4.0)


def test_the_size_that_an_algorithm_finds_is_fixed():
    """And a number stays a number."""
    found = LoadShedder(concurrency.gradient())
    with pytest.raises(ConfigurationError, match="an algorithm finds it here"):
        found.size = 3
    given = LoadShedder(3)
    with pytest.raises(ConfigurationError, match="it is a number here"):
        given.size = concurrency.gradient()


def failing():
    raise ConnectionError("down")


# -- copies and pickles ------------------------------------------------------------------------


def test_a_copy_of_what_has_a_state_is_itself(strategy):
    """Twins with one lock and two states would be neither shared nor apart."""
    assert copy.copy(strategy) is strategy
    assert copy.deepcopy({"here": [strategy]})["here"][0] is strategy
    if type(strategy) is not Chaos:
        assert pickle.loads(pickle.dumps(strategy)) is strategy


def test_elsewhere_it_is_made_anew_with_its_options(strategy, monkeypatch):
    """As in another process, where nothing of this one is known."""
    if isinstance(strategy, CircuitBreaker):
        strategy.failures = 9
    data = pickle.dumps(strategy)
    monkeypatch.setattr(_sent, "home", _sent.Home())
    there = pickle.loads(data)
    assert there is not strategy
    assert there.spelt() == strategy.spelt()


# -- in the middle of a section --------------------------------------------------------------------


def done(strategy):
    """Wait until what was asked in the middle of a section has been done."""
    while options._later.awaited(strategy):
        time.sleep(0)


def test_what_a_handler_asks_in_a_section_is_done_after_it():
    """In the order in which it was asked; a refusal comes at once."""
    bulkhead = Bulkhead(1)
    with bulkhead._lock:  # a signal handler may come by in this very thread
        bulkhead.configure(size=2)
        bulkhead.size = 3
        with pytest.raises(ConfigurationError, match="size=0"):
            bulkhead.configure(size=0)
        assert bulkhead.size == 1
    done(bulkhead)
    assert (bulkhead.size, bulkhead.spelt()) == (3, "Bulkhead(3)")
    bulkhead.configure(size=4)
    assert bulkhead.size == 4


def test_without_a_thread_to_be_had_a_handler_is_told(monkeypatch):
    """Nothing is done then, now or later."""

    def none(*_):
        raise RuntimeError("can't start new thread")

    bulkhead = Bulkhead(1)
    with monkeypatch.context() as patch:
        patch.setattr(options, "start_new_thread", none)
        with bulkhead._lock, pytest.raises(RuntimeError, match="new thread"):
            bulkhead.configure(size=2)
    bulkhead.configure(queue=3)
    assert bulkhead.spelt() == "Bulkhead(1, queue=3)"


def test_bounds_that_two_threads_change_at_once_are_both_taken():
    """The slower one goes by what was given when it looked: an `initial` that the other has left out."""
    limiter = ConcurrencyLimiter(initial=100)
    given = limiter._given
    limiter.configure(max=50)
    assert limiter._twin(given, {"max": 9}).max == 9
