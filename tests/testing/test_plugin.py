"""The fixtures, and a test kit that does without pytest."""

import json
import subprocess
import sys

import pytest

from holdfast import Pipeline, Retry, backoff
from holdfast._world import world as process
from holdfast.testing import Ok, Scripted
from holdfast.testing import pytest_plugin as plugin

LONG = Retry(3, backoff=backoff.constant(3600.0))


def test_holdfast_clock(holdfast_clock):
    """The clock is in force during the test."""
    assert process.clock() == holdfast_clock.now()
    Pipeline("p", LONG).call(Scripted([ConnectionError, Ok()]))
    assert holdfast_clock.now() == 4600.0


def test_holdfast_events(holdfast_clock, holdfast_events):
    """The events of the test are recorded."""
    Pipeline("p", LONG).call(Scripted([ConnectionError, Ok()]))
    assert holdfast_events.names() == ["RetryScheduled", "CallCompleted"]


def test_holdfast_seed(holdfast_seed):
    """Jitter is the same in each run."""
    assert process.rng.random() == 0.8444218515250481


def test_holdfast_instant(holdfast_instant):
    """Delays take no time."""
    dependency = Scripted([ConnectionError, ConnectionError, Ok("up")])
    assert Pipeline("p", LONG).call(dependency) == "up"


def test_holdfast_off(holdfast_off):
    """Strategies are bypassed."""
    with pytest.raises(ConnectionError):
        Pipeline("p", LONG).call(Scripted([ConnectionError, Ok()]))


FIXTURES = [
    "holdfast_clock",
    "holdfast_events",
    "holdfast_instant",
    "holdfast_off",
    "holdfast_seed",
]


def test_the_plugin_offers_nothing_else():
    """The plugin's fixtures all bear the library's name, so they collide with nobody's."""
    public = {name for name in vars(plugin) if name.startswith("holdfast_")}
    assert public == set(FIXTURES)
    assert all(vars(plugin)[name].__doc__ for name in public)


def test_nothing_is_in_force_without_a_fixture():
    """A test that asks for no fixture is in the real world."""
    assert not process.detour


def test_the_kit_does_without_pytest():
    """`holdfast.testing` works, and does not import pytest."""
    code = """
import json, sys
from holdfast import Pipeline, Retry
from holdfast.testing import Ok, Scripted, VirtualClock, record, run, seeded
with VirtualClock() as clock, seeded(0), record() as events:
    result = Pipeline("p", Retry(2)).call(Scripted([ConnectionError, Ok("up")]))
print(json.dumps([result, events.names(), "pytest" in sys.modules]))
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["up", ["RetryScheduled", "CallCompleted"], False]


def test_everything_public_is_documented_and_listed():
    """`__all__` names what there is, and each has a docstring."""
    import holdfast.testing as kit

    assert sorted(kit.__all__) == kit.__all__
    assert all(getattr(kit, name).__doc__ for name in kit.__all__)
