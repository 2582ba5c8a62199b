"""Policies: those that are ready, those of the user's own, and copies that share nothing."""

import pickle
import sys
from dataclasses import replace
from random import Random

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Keyed,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    standard,
)
from holdfast.errors import ConfigurationError
from holdfast.extend import Gate
from holdfast.simulation.engine.errors import Blocked
from holdfast.simulation.policies.imports import policy
from holdfast.simulation.policies.policies import READY, Policy
from holdfast.simulation.policies.rehearsal import rehearse
from holdfast.simulation.policies.renewed import renewed
from holdfast.simulation.scenario.distributions import Constant
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.scenario.scenario import Clients, Scenario, Servers

SCENARIO = Scenario(
    name="tea",
    seconds=10.0,
    load=Poisson(rate=5.0),
    servers=Servers(workers=2, service=Constant(value=0.1)),
)


def fail():
    raise ConnectionError


def opened(pipeline):
    """Whether its breaker is open, after five failures."""
    return (
        next(one for one in pipeline.strategies if isinstance(one, CircuitBreaker)).state
        != "closed"
    )


# -- ready ones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READY)
def test_a_ready_policy_lets_a_call_through(name):
    """Each is a decorator of an async function, with a sentence about it."""
    rehearse(READY[name], SCENARIO)

    assert READY[name].about.endswith(".")


def test_each_process_has_a_ready_policy_of_its_own():
    """State is made anew whenever a policy is made."""
    one, other = (READY["retry+breaker"].make(SCENARIO) for _ in range(2))
    for _ in range(2):
        one.try_call(fail)

    assert opened(one)
    assert not opened(other)


def test_standard_goes_by_key_where_there_are_shards():
    """As its documentation tells everyone with shards to do."""
    sharded = Scenario(
        name="tea",
        seconds=10.0,
        load=Poisson(rate=5.0),
        servers=Servers(workers=2, service=Constant(value=0.1), shards=3),
    )

    kinds = [type(one) for one in READY["standard"].make(sharded).strategies]

    assert Keyed in kinds


@pytest.mark.parametrize("limit, floor", [(1.0, 0.05), (0.02, 0.02)])
def test_an_adaptive_timeout_goes_no_higher_than_the_fixed_one(limit, floor):
    """However short that is."""
    scenario = replace(SCENARIO, clients=Clients(attempt_timeout=limit))
    [learnt] = READY["adaptive-timeout"].make(scenario).strategies

    assert (learnt.floor, learnt.ceiling) == (floor, limit)


def test_an_unknown_policy():
    """A similar name, all names, and how to give one's own."""
    with pytest.raises(
        ConfigurationError, match=r"'retyr' \(did you mean 'retry'\?\).*module:attribute"
    ):
        policy("retyr")


# -- one's own -------------------------------------------------------------------------------------

MODULE = '''
import time
from holdfast import CircuitBreaker, Pipeline, Timeout
from holdfast.simulation.policies.policies import Policy, none

pipeline = Pipeline("tea", CircuitBreaker(failures=5), Timeout(1.0))

def make():
    """Make a pipeline.

    And more.
    """
    return Pipeline("made", CircuitBreaker())

def suited(scenario):
    return Pipeline(scenario.name, Timeout(scenario.clients.attempt_timeout))

def decorate(fn):
    async def call(request):
        await fn(request)
    return call

class Box:
    pipeline = pipeline

ready = Policy("ready", none)
three = 3
def nothing(): return None
async def later(): return pipeline
def fails(): raise ValueError("no luck")
def blocking(): return lambda fn: fn
def sync(fn): return lambda request: 3
def mistaken(fn):
    async def call(request):
        await fn(request.url)
    return call
def sleeps(fn):
    async def call(request):
        time.sleep(1)
    return call
async def coroutine(fn):
    return fn
def exits(): raise SystemExit(4)
def cancels(fn):
    async def call(request):
        import asyncio
        raise asyncio.CancelledError
    return call
def waits(fn):
    async def call(request):
        import asyncio
        await asyncio.Event().wait()
    return call
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's in the current directory; `module(name, text)` writes another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)

    write("tea_shop", MODULE)
    yield write
    for name in set(sys.modules) - before:
        if name.startswith("tea_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    "name", ["pipeline", "make", "suited", "decorate", "Box.pipeline", "ready", "blocking"]
)
def test_what_a_policy_can_be(module, name):
    """A pipeline, a function that makes one, with or without the scenario, a decorator, a policy."""
    rehearse(policy(f"tea_shop:{name}"), SCENARIO)


@pytest.mark.usefixtures("module")
def test_a_policy_is_called_what_it_was_asked_for():
    """And its sentence is the first of the function's docstring."""
    found = policy("tea_shop:make")

    assert (found.name, found.about) == ("tea_shop:make", "Make a pipeline.")


@pytest.mark.usefixtures("module")
def test_each_process_gets_a_copy_of_a_pipeline():
    """One process's breaker opens; the other's, and the user's own, stay closed."""
    found = policy("tea_shop:pipeline")
    one, other = found.make(SCENARIO), found.make(SCENARIO)
    for _ in range(5):
        one.try_call(fail)

    assert opened(one)
    assert not opened(other)
    assert not opened(sys.modules["tea_shop"].pipeline)


@pytest.mark.usefixtures("module")
def test_a_policy_can_be_sent_to_another_process():
    """It is known by its name, whatever it is made of."""
    sent = pickle.loads(pickle.dumps(policy("tea_shop:pipeline")))

    assert sent.make(SCENARIO).name == "tea"


@pytest.mark.parametrize(
    "spec, message",
    [
        ("tea_shop:pipelin", r"tea_shop has no attribute 'pipelin' \(did you mean 'pipeline'\?\)"),
        ("tea_shop:Box.x", r"<class 'tea_shop.Box'> has no attribute 'x'"),
        ("tea_shp:pipeline", r"there is no module 'tea_shp'.*\(did you mean 'tea_shop'\?\)"),
        ("tea_none.there:x", r"there is no module 'tea_none'"),
        ("tea_shop.py:make", r"write the module, not its file: tea_shop:make"),
        ("tea_shop:", r"write module:attribute"),
        ("tea_shop:three", r"3 is no policy"),
        ("tea_zero:x", r"module tea_zero cannot be imported: ZeroDivisionError: .*tea_zero.py, line 2"),
        ("tea_needs:x", r"module tea_needs cannot be imported: ModuleNotFoundError: .*'tea_absent'"),
        ("tea_leaves:x", r"module tea_leaves cannot be imported: SystemExit: 3"),
        ("tea_syntax:x", r"module tea_syntax cannot be imported: SyntaxError: .*tea_syntax.py, line 1"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_imported(module, spec, message):
    """The module, the attribute, and the reason with its line."""
    module("tea_zero", "\nx = 1 / 0\n")
    module("tea_needs", "import tea_absent\n")
    module("tea_leaves", "import sys\nsys.exit(3)\n")
    module("tea_syntax", "def (\n")

    with pytest.raises(ConfigurationError, match=message) as caught:
        policy(spec)

    assert spec.partition(":")[0] in str(caught.value)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    "name, message",
    [
        ("nothing", "made None; it must make a Pipeline"),
        ("later", "made <coroutine object later"),
        ("fails", r"cannot be made: ValueError: no luck \(.*tea_shop.py, line \d+\)"),
        ("sync", "makes a function whose calls give 3, which can't be awaited"),
        ("mistaken", "fails by itself.*AttributeError: 'Request' object has no attribute 'url'"),
        ("coroutine", "makes <coroutine object coroutine .*it must make another async function"),
        ("exits", "cannot be made: SystemExit: 4"),
        ("cancels", "lets asyncio.CancelledError out"),
        ("waits", "has not answered its first call within 60 simulated seconds"),
    ],
)
def test_a_policy_that_cannot_work_is_found_out_with_one_call(name, message):
    """Before hours of failures are simulated that are its own."""
    with pytest.raises(ConfigurationError, match=message):
        rehearse(policy(f"tea_shop:{name}"), SCENARIO)


@pytest.mark.usefixtures("module")
def test_a_policy_that_blocks_is_named():
    """`time.sleep` in a policy stops the whole program, in production as here."""
    with pytest.raises(Blocked, match=r"policy 'tea_shop:sleeps'.*time.sleep\(1\)"):
        rehearse(policy("tea_shop:sleeps"), SCENARIO)


def test_rejections_and_injected_errors_are_no_mistakes():
    """A policy may refuse its first call."""
    isolated = CircuitBreaker()
    isolated.isolate()

    rehearse(Policy("isolated", lambda _scenario: Pipeline("tea", isolated)), SCENARIO)


# -- copies ----------------------------------------------------------------------------------------


def test_a_copy_looks_the_same():
    """Options are kept, of all strategies."""
    original = standard("tea", key=lambda request: request.key, fallback=[1, 2])

    assert renewed(original).describe() == original.describe()


def test_what_is_shared_in_a_pipeline_is_shared_in_its_copy():
    """A budget of two retries is one budget in the copy too, but another one."""
    budget = RetryBudget(0.2, 30)
    with pytest.warns(UserWarning, match="retries"):
        original = Pipeline("tea", Retry(2, budget=budget), Retry(3, budget=budget))

    copy = renewed(original)

    first, second = (layer.budget for layer in copy.strategies)
    assert first is second is not budget
    assert (first.ratio, first.capacity) == (0.2, 30)
    assert copy.strategies[0].attempts == 2


def test_values_without_state_are_the_same_objects():
    """There is nothing to copy in a timeout."""
    limit = Timeout(1.0)

    assert renewed(Pipeline("tea", Bulkhead(3), limit)).strategies[1] is limit


def test_a_copy_is_as_its_original_was_made():
    """A breaker that was opened since is closed in the copy."""
    breaker = CircuitBreaker(failures=3)
    breaker.trip()

    copied = renewed(Pipeline("tea", breaker)).strategies[0]

    assert copied is not breaker
    assert copied.state == "closed"


def test_randomness_of_ones_own_is_the_simulations():
    """A seeded source that all processes shared would depend on which of them comes first."""
    original = Pipeline("tea", CircuitBreaker(rng=Random(1)))

    assert dict(renewed(original).strategies[0]._given) == {"rng": None}


def test_a_pipeline_in_a_fallback_is_copied_too():
    """Strategies are found wherever they are options."""
    breaker = CircuitBreaker()
    spare = Pipeline("spare", breaker)
    copied = renewed(Pipeline("tea", Fallback((spare,)))).strategies[0]

    assert copied.instead[0].strategies[0] is not breaker


def remembering(breaker):
    """Return a factory that holds a breaker."""
    return lambda _key: breaker


class Mine(Gate):
    def enter(self, now, args, kwargs, site):
        return None


SHARED = CircuitBreaker()


@pytest.mark.parametrize(
    "layer",
    [
        Mine(),
        Keyed(str, lambda _key: SHARED),
        Keyed(str, remembering(CircuitBreaker())),
        Fallback(SHARED.snapshot),
    ],
    ids=["a gate of the user's", "a global", "a closure", "a method"],
)
def test_what_cannot_be_copied_says_what_to_do(layer):
    """Sharing state between processes by accident would be a silent lie."""
    with pytest.raises(
        ConfigurationError, match=r"pipeline 'tea' cannot be copied.*give a function"
    ):
        renewed(Pipeline("tea", layer))


# -- in Python -------------------------------------------------------------------------------------


def test_a_policy_of_an_object():
    """The same as by name, called after the pipeline or the function."""

    def shop():
        return Pipeline("tea", Timeout(1.0))

    pipeline = Pipeline("tea", Timeout(1.0))

    for thing, name in ((pipeline, "tea"), (shop, "shop"), (READY["none"], "none")):
        found = Policy.of(thing)
        rehearse(found, SCENARIO)
        assert found.name == name
    assert Policy.of(pipeline, "ours").name == "ours"
    with pytest.raises(ConfigurationError, match="policy three: 3 is no policy"):
        Policy.of(3, "three")
