"""The fixtures, async tests on virtual time, and a test kit that does without pytest."""

import asyncio
import json
import subprocess
import sys

import pytest

from holdfast import Pipeline, Retry, backoff
from holdfast._world import world as process
from holdfast.testing import Ok, Scripted
from holdfast.testing import pytest_plugin as plugin

pytest_plugins = ["pytester"]

LONG = Retry(3, backoff=backoff.constant(3600.0))


def test_holdfast_clock(holdfast_clock):
    """The clock is in force during the test."""
    assert process.clock() == holdfast_clock.now()
    Pipeline("p", LONG).call(Scripted([ConnectionError, Ok()]))
    assert holdfast_clock.now() == 4600.0


def test_holdfast_events(holdfast_clock, holdfast_events):
    """The events of the test are recorded."""
    Pipeline("p", LONG).call(Scripted([ConnectionError, Ok()]))
    assert holdfast_events.names() == ["RetryScheduled", "RetrySucceeded", "CallCompleted"]


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


@pytest.mark.holdfast_virtual
async def test_an_async_test_is_on_virtual_time(holdfast_clock, holdfast_events, holdfast_seed):
    """A marked test runs on the time of its fixtures, an hour in no time, and needs no other plugin."""
    began = holdfast_clock.now()
    assert await Pipeline("p", LONG).acall(Scripted([ConnectionError, Ok("up")]).aio) == "up"
    assert asyncio.get_running_loop().time() == holdfast_clock.now() == began + 3600.0
    holdfast_events.assert_names("RetryScheduled", "RetrySucceeded", "CallCompleted")
    assert process.rng.random() == 0.8444218515250481


@pytest.mark.holdfast_virtual
async def test_an_async_test_without_delays(holdfast_instant):
    """`instant` is in force on a virtual loop, too."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await Pipeline("p", LONG).acall(Scripted([ConnectionError, Ok()]).aio)
    assert loop.time() == began


@pytest.mark.holdfast_virtual
async def test_an_async_test_without_strategies(holdfast_off):
    """`off` is in force on a virtual loop, too."""
    with pytest.raises(ConnectionError):
        await Pipeline("p", LONG).acall(Scripted([ConnectionError, Ok()]).aio)


@pytest.mark.holdfast_virtual
def test_the_marker_leaves_plain_tests_alone(holdfast_clock):
    """A module or class that is marked may have plain tests, too."""
    holdfast_clock.sleep(1.0)


QUICKLY = "-p", "no:cacheprovider", "-p", "no:hypothesispytest"
USERS_TESTS = """
import asyncio
import pytest

pytestmark = pytest.mark.holdfast_virtual

@pytest.fixture
def number():
    return 5

class TestService:
    @pytest.mark.parametrize("hours", [1, 2])
    async def test_passes(self, hours, number):
        await asyncio.sleep(hours * 3600.0)
        assert number == 5

async def test_is_stuck():
    await asyncio.Event().wait()

@pytest.mark.holdfast_virtual(limit=60.0)
async def test_is_too_long():
    await asyncio.sleep(61.0)

async def test_never_rests():
    while True:
        await asyncio.sleep(60.0)

@pytest.mark.holdfast_virtual(limt=60.0)
async def test_is_misspelt():
    pass
"""


def test_users_tests(pytester):
    """Marked tests pass and fail as they should, even beside a plugin that claims all async tests."""
    pytester.makeini("[pytest]\ntimeout = 60\nanyio_mode = auto")
    pytester.makepyfile(USERS_TESTS)
    done = pytester.runpytest_inprocess("--strict-markers", *QUICKLY)
    done.assert_outcomes(passed=2, failed=4)
    done.stdout.fnmatch_lines([
        "*DeadlockError: deadlock: nothing will ever happen*",
        "*(test_is_stuck): waits for Event.wait() * at test_users_tests.py:* in test_is_stuck",
        "*TimeoutError: after 60 virtual seconds*",
        "*TimeoutError: after 86,400 virtual seconds*",
        "*unexpected keyword argument 'limt'*",
    ])  # fmt: skip


def test_a_virtual_loop_under_anyios_plugin(pytester):
    """The plugin of anyio runs tests and async fixtures on a virtual loop where it is told to."""
    pytester.makeini("[pytest]")
    pytester.makepyfile(
        """
        import anyio, asyncio, pytest
        from holdfast.testing import VirtualLoop

        @pytest.fixture
        def anyio_backend():
            return "asyncio", {"loop_factory": VirtualLoop}

        @pytest.fixture
        async def loop(anyio_backend):
            await anyio.sleep(3600.0)
            return asyncio.get_running_loop()

        @pytest.mark.anyio
        async def test_hours(loop):
            with anyio.move_on_after(3600.0):
                await anyio.sleep_forever()
            assert loop.time() == 1000.0 + 2 * 3600.0
        """
    )
    pytester.runpytest_inprocess(*QUICKLY).assert_outcomes(passed=1)


def test_the_plugin_imports_little():
    """Users who have Holdfast installed don't pay for asyncio, or for servers, at pytest's start."""
    code = """
import sys
import pytest
before = set(sys.modules)
import holdfast.testing.pytest_plugin
new = set(sys.modules) - before
print(sorted(new & {"asyncio", "socket", "ssl", "http", "concurrent", "holdfast.testing.clock"}))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


FIXTURES = [
    "holdfast_clock",
    "holdfast_events",
    "holdfast_fault_proxy",
    "holdfast_fault_server",
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
    told = ["RetryScheduled", "RetrySucceeded", "CallCompleted"]
    assert json.loads(done.stdout) == ["up", told, False]


def test_everything_public_is_documented_and_listed():
    """`__all__` names what there is, and each has a docstring."""
    import holdfast.testing as kit

    assert sorted(kit.__all__) == kit.__all__
    assert all(getattr(kit, name).__doc__ for name in kit.__all__)
