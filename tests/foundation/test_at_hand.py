"""Pipelines and layers at hand, copies, pickles, and words for what was meant otherwise.

From the field: tenacity 147 and 429 and curl_cffi 65 (what can't be pickled, and with which message).
"""

import asyncio
import builtins
import copy
import dataclasses
import gc
import multiprocessing
import pickle
import subprocess
import sys
import threading
import types

import pytest

import holdfast
from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Coalesce,
    ConfigurationError,
    Fallback,
    Hedge,
    IsolatedError,
    Keyed,
    Pipeline,
    RateLimiter,
    Retry,
    RetryBudget,
    Timeout,
    _sent,
    pipelines,
    standard,
    transient,
)
from holdfast.strategies.identity import MANY

# -- at hand -----------------------------------------------------------------------------------


def test_the_pipelines_of_the_process_by_name():
    """Of two with one name the one that was made last; none is kept alive."""
    first, second = Pipeline("at hand", Retry(2)), Pipeline("at hand", Retry(3))
    assert pipelines()["at hand"] is second
    del second
    gc.collect()
    assert pipelines()["at hand"] is first
    del first
    gc.collect()
    assert "at hand" not in pipelines()


def test_a_derived_pipeline_that_is_gone_leaves_the_other():
    """One made for a single call, under the same name, is no loss."""
    base = Pipeline("at hand", CircuitBreaker())
    base.with_(Timeout(1.0))
    gc.collect()
    assert pipelines()["at hand"] is base


def test_pipelines_can_be_listed_while_others_are_made():
    """By other threads, in any number."""
    stop, kept, errors = threading.Event(), [], []

    def make():
        while not stop.is_set():
            kept.append(Pipeline("made meanwhile"))
            if len(kept) > 100:
                kept.clear()

    def look():
        try:
            for _ in range(200):
                pipelines()
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=make), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    threads[1].join()
    stop.set()
    threads[0].join()
    assert not errors


def test_a_decorated_function_knows_its_pipeline():
    """Functions, coroutine functions and methods do; of several pipelines the outermost."""
    inner, outer = Pipeline("inner"), Pipeline("outer")

    class Shop:
        @outer
        @inner
        def buy(self):
            return "tea"

    async def later():
        return "later"

    assert inner(len).pipeline is inner
    assert inner(later).pipeline is inner
    assert (Shop.buy.pipeline, Shop().buy.pipeline) == (outer, outer)
    assert Shop.buy.__wrapped__.pipeline is inner


def test_a_layer_is_found_by_its_class():
    """So that its levers are in reach."""
    pipeline = standard("payments")
    pipeline[CircuitBreaker].isolate()
    assert pipeline.snapshot()["strategies"][3]["state"] == "isolated"
    assert CircuitBreaker in pipeline
    assert Keyed not in pipeline


@pytest.mark.parametrize("layers, asked, says", [
    ([Retry(3)], Bulkhead, "has no layer of the kind Bulkhead; it has Retry"),
    ([], Bulkhead, "it has none"),
    ([Timeout(2.0), Timeout(1.0)], Timeout, "2 layers of the kind Timeout"),
    ([Keyed(len, CircuitBreaker)], CircuitBreaker, r"pipeline\[Keyed\].at\(key\)"),
])  # fmt: skip
def test_a_layer_that_is_not_one_is_told(layers, asked, says):
    """None, several, or one for each key."""
    with pytest.raises(LookupError, match=says):
        Pipeline("p", *layers)[asked]


def test_a_pipeline_is_no_sequence():
    """A number finds nothing, and it can't be gone through."""
    pipeline = Pipeline("p", Retry(3))
    with pytest.raises(TypeError, match="by its class"):
        pipeline[0]
    with pytest.raises(TypeError, match="not iterable"):
        list(pipeline)


def test_a_shared_strategy_forgets_the_names_of_pipelines_that_are_gone():
    """It had all that there ever were, and each one more took longer."""
    breaker, kept = CircuitBreaker(), []
    for number in range(1_000):
        Pipeline(f"gone {number}", breaker)
    kept = [Pipeline(f"there {number}", breaker) for number in range(3)]
    assert len(breaker._pipelines) <= MANY
    assert breaker._pipelines[-3:] == tuple(one.name for one in kept)


def test_a_strategy_that_many_pipelines_share_knows_the_last_of_them():
    """However many are there."""
    breaker = CircuitBreaker()
    kept = [Pipeline(f"there {number}", breaker) for number in range(3 * MANY)]
    assert len(breaker._pipelines) <= MANY
    assert breaker._pipelines[-1] == kept[-1].name


# -- a key before its first call ---------------------------------------------------------------


def test_a_key_can_be_isolated_before_its_first_call():
    """Hystrix 766: a tenant that misbehaves is held off from the first call on."""
    tenants = Keyed(lambda tenant: tenant, CircuitBreaker)
    guarded = Pipeline("p", tenants)(lambda tenant: tenant)
    tenants.isolate("acme")
    with pytest.raises(holdfast.IsolatedError):
        guarded("acme")
    assert guarded("other") == "other"
    tenants.reset("acme")
    assert guarded("acme") == "acme"
    tenants.disable("acme")
    assert tenants.at("acme").state == "disabled"


def test_a_key_that_is_held_is_never_forgotten(holdfast_clock):
    """Neither for its age, nor for others; where there is no room, that is said."""
    tenants = Keyed(lambda tenant: tenant, CircuitBreaker, max_keys=2, idle=10.0)
    tenants.isolate("acme")
    tenants.isolate("umbrella")
    holdfast_clock.sleep(100.0)
    Pipeline("p", tenants).call(str, "other")
    assert tenants.at("acme").state == "isolated"
    with pytest.raises(ConfigurationError, match="no room"):
        tenants.isolate("hooli")
    with pytest.raises(ConfigurationError, match="not hashable"):
        tenants.at([])


# -- copies and pickles ------------------------------------------------------------------------

PIPELINE = Pipeline("module", Retry(3, on=transient, budget=RetryBudget()), CircuitBreaker())


@dataclasses.dataclass
class Client:
    """As many have one: an object that keeps its pipeline."""

    url: str
    pipeline: Pipeline = PIPELINE

    def fetch(self):
        """Return the address."""
        return self.pipeline.call(str, self.url)


def test_a_copy_is_the_pipeline_itself():
    """So objects that keep one can be copied, and share it."""
    client = Client("http://shop")
    assert copy.copy(PIPELINE) is copy.deepcopy(PIPELINE) is PIPELINE
    assert copy.deepcopy(client).pipeline is PIPELINE
    assert dataclasses.asdict(client)["pipeline"] is PIPELINE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_stays_here_is_the_pipeline_itself(protocol):
    """Also where another one has the same name and options."""
    first, second = (Pipeline("twin", Bulkhead(3)) for _ in range(2))
    assert pickle.loads(pickle.dumps(first, protocol)) is first
    assert pickle.loads(pickle.dumps(second, protocol)) is second
    assert pickle.loads(pickle.dumps(Client("u", first), protocol)).pipeline is first


@pytest.fixture
def elsewhere(monkeypatch):
    """Be another process, to which what was pickled before is new."""
    return lambda: monkeypatch.setattr(_sent, "home", _sent.Home())


def test_elsewhere_it_is_the_one_of_its_name_and_options(elsewhere):
    """The one that the other process has made, as importing the same module does."""
    data = pickle.dumps(PIPELINE)
    elsewhere()
    assert pickle.loads(data) is PIPELINE


def test_elsewhere_it_is_a_new_one_with_the_options_of_now(elsewhere):
    """And the same again for the next pickle, as long as it lives; its state stays where it was."""
    pipeline = Pipeline("sent", Retry(2, budget=RetryBudget(0.3)), CircuitBreaker(), Timeout(1.0))
    pipeline[CircuitBreaker].configure(failures=9)
    pipeline[CircuitBreaker].trip()
    data = pickle.dumps(pipeline)
    pipeline[CircuitBreaker].configure(failures=3)
    elsewhere()
    there = pickle.loads(data)
    assert there is not pipeline
    assert (there[CircuitBreaker].failures, there[CircuitBreaker].state) == (9, "closed")
    assert there[Retry].budget.ratio == 0.3
    assert pickle.loads(data) is there


def test_what_cannot_be_pickled_is_named():
    """A lambda, by `pickle` itself."""
    pipeline = Pipeline("p", CircuitBreaker(on=lambda error: True))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(pipeline)


def double(number):
    """Return twice the number."""
    return 2 * number


async def triple(number):
    """Return three times the number."""
    return 3 * number


def by_value(function):
    """Send a function as cloudpickle does: its code, and all that it refers to, one by one."""
    names = [name for name in function.__code__.co_names if name in function.__globals__]
    data = pickle.dumps(
        (
            {name: function.__globals__[name] for name in names},
            [cell.cell_contents for cell in function.__closure__],
            function.__dict__,
        )
    )

    def arrived():
        known, contents, state = pickle.loads(data)
        known["__builtins__"] = builtins
        cells = tuple(map(types.CellType, contents))
        copied = types.FunctionType(function.__code__, known, function.__name__, None, cells)
        copied.__dict__.update(state)
        return copied

    return arrived


def test_a_decorated_function_can_be_sent_by_its_value(elsewhere):
    """As Spark, Dask, joblib and Ray send what is in a notebook (tenacity 147)."""
    pipeline = Pipeline("notebook", Retry(2, budget=RetryBudget()), CircuitBreaker(), Timeout(1.0))
    sent = [by_value(pipeline(double)), by_value(pipeline(triple))]
    assert sent[0]().pipeline is pipeline
    pipeline[CircuitBreaker].configure(failures=9)  # the one that is here is another one now
    elsewhere()
    there, also = (arrived() for arrived in sent)
    assert (there(2), asyncio.run(also(2))) == (4, 6)
    assert there.pipeline is also.pipeline is not pipeline
    there.pipeline[CircuitBreaker].isolate()
    with pytest.raises(IsolatedError):
        there(2)
    with pytest.raises(IsolatedError):
        asyncio.run(also(2))
    assert pipeline.call(double, 2) == 4


@pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")  # by the test runner
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_client_can_be_sent_to_a_pool_of_processes(start):
    """With its pipeline, and back."""
    with multiprocessing.get_context(start).Pool(1) as pool:
        assert pool.apply(Client("http://shop").fetch) == "http://shop"
        assert pool.apply(PIPELINE.call, (int, "3")) == 3
        back = pool.apply(copy.copy, (PIPELINE,))
    assert back is PIPELINE


def test_a_fork_does_not_take_the_parents_later_things_for_its_own():
    """A token of one process means nothing in another."""
    code = """
import os, pickle
from holdfast import Pipeline, Retry
first = Pipeline("first"); pickle.dumps(first)
read, write = os.pipe()
pid = os.fork()
if not pid:
    mine = Pipeline("child"); pickle.dumps(mine)
    with os.fdopen(read, "rb") as stream: got = pickle.load(stream)
    os._exit(0 if got.name == "parent" else 3)
theirs = Pipeline("parent", Retry(2))
with os.fdopen(write, "wb") as stream: pickle.dump(theirs, stream)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


# -- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [
    Retry(3), Timeout(1.0), Fallback(1), CircuitBreaker(), Bulkhead(1), Hedge(), RateLimiter(1),
], ids=lambda layer: type(layer).__name__)  # fmt: skip
def test_a_layer_is_no_decorator(layer):
    """Who takes it for one is told how to make a pipeline of it, wherever it is called."""
    with pytest.raises(TypeError, match=rf"Pipeline\('name', {type(layer).__name__}"):
        layer(len)
    with pytest.raises(ConfigurationError):
        Pipeline("p")(layer)
    with pytest.raises(ConfigurationError):
        Retry(on=layer)


@pytest.mark.parametrize("make, says", [
    (lambda: Keyed(CircuitBreaker, len), r"comes first: Keyed\(key, factory\)"),
    (lambda: Keyed(len, CircuitBreaker(failures=3)), r"lambda key: CircuitBreaker\(failures=3\)"),
    (lambda: Retry(3, backoff=1.5), r"backoff.constant\(1.5\)"),
    (lambda: Retry(3, backoff="soon"), r"backoff.exponential\(\)"),
    (lambda: Coalesce(3), "it must be a function"),
    (lambda: Pipeline("x", Pipeline("y")), r"\*p.strategies"),
    (lambda: Pipeline("x", Retry), r"Retry\(...\)"),
    (lambda: Pipeline("x", [Retry()]), r"put a \* before it"),
    (lambda: Pipeline("x").with_(5), "it must be a strategy object"),
], ids=range(9))  # fmt: skip
def test_what_was_meant_otherwise_is_told(make, says):
    """The message speaks of what was given."""
    with pytest.raises(ConfigurationError, match=says):
        make()


def test_names_that_belong_together_are_at_the_top():
    """Nobody should have to know in which module `unhealthy` is."""
    from holdfast.integrations import http

    assert holdfast.unhealthy is http.unhealthy
