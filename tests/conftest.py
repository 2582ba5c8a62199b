"""One statement of a test, two worlds: threads and asyncio, both on virtual time.

A test that takes the fixture `world` runs twice.  Its code is plain and blocking; what would be awaited
in asyncio is written ``async def`` once, and in threads simply run to its end::

    def test_something(world):
        dependency = world.dependency(Fail(OSError(), takes=1.0), Ok("paid", takes=0.2))
        pipeline = Pipeline("payments", Retry(3, backoff=backoff.constant(2.0)), Timeout(5.0))

        assert world.call(pipeline, dependency) == "paid"
        assert dependency.times == [world.start, world.start + 3.0]

In the test itself, blocking:

* ``world.dependency(*script)`` is a `holdfast.testing.Scripted`, of whichever colour is needed.
* ``world.protect(pipeline, target)`` is the protected function; its target is a dependency or a function
  of this world.
* ``world.run(function, *args)`` calls a function of this world, or an ``async def``, and returns its
  result or raises; ``world.call(pipeline, target, *args)`` does both at once.
* ``world.together(*functions)`` runs them at the same time and returns what each of them returned or
  raised; ``world.after(seconds, function)`` makes one of them start later.
* ``world.now()``, ``world.start``, ``world.elapsed()`` tell the time and ``world.advance(seconds)``
  lets it pass.

Inside an ``async def``, awaited:

* ``@world.function`` makes a function of this world out of an ``async def``.
* ``await world.sleep(seconds)`` takes time, ``await world.do(function, *args)`` calls a function of
  this world.
* ``async with world.block(pipeline)`` and ``async for attempt in world.attempts(retry)`` are the forms
  for code that is no function.

All randomness is seeded with 0.  Nothing here really sleeps.
"""

import asyncio
import contextvars
import functools
import gc
import inspect
import signal
import sys
import sysconfig
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast.testing import Scripted, VirtualClock, VirtualLoop, seeded

pytest_plugins = ["holdfast.testing.pytest_plugin"]

TESTS = Path(__file__).parent

# What all else stands on comes first, and the whole that is made of it last; the others in between.
# The models in strategies/machines come late: a failing one looks for its shortest story for a while.
FIRST = ["foundation", "strategies", "drivers", "worlds", "compositions", "house"]
LAST = ["machines", "simulation", "docs", "typing", "cli", "demo", "benchmarks", "acceptance"]


REAL_TIME = "real_time"

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def pytest_addoption(parser):
    """Have the long form of what only differs in how much is tried: ``dev.py torture`` asks for it."""
    parser.addoption("--long", action="store_true", help="try five times as much at random")


def pytest_report_header():
    """Say whether threads really run side by side: an extension may have turned the GIL on again."""
    if FREE_THREADED:
        return f"GIL: {'on, on a build without it' if sys._is_gil_enabled() else 'off'}"
    return None


def pytest_ignore_collect(collection_path, config):
    """Read only the files that have a test in real time, when no others are asked for."""
    if config.option.markexpr == REAL_TIME and collection_path.name.startswith("test_"):
        return REAL_TIME not in collection_path.read_text("utf-8") or None
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Keep the garbage collector off what collection makes.

    Thousands of tests and their modules stay to the end.  Each ``gc.collect()`` of a test would look at
    them all again: a fifth of a second, where it takes a millisecond to look at what the test has made.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Keep it off what the tests of a file have left, too, when the last of them is over.

    What is garbage goes, and is complained of as ever; caches, and what is patched, stay to the end.
    Without this a collection takes longer with each file: after some thousand tests it is as slow as if
    nothing had been kept off.
    """
    try:
        return (yield)
    finally:
        if nextitem is None or nextitem.path != item.path:
            gc.collect()
            gc.freeze()


def turn(item):
    """Return where a test stands in the order: the innermost folder that has a place there decides."""
    for folder in reversed(item.path.relative_to(TESTS).parts[:-1]):
        if folder in FIRST:
            return FIRST.index(folder) - len(FIRST)
        if folder in LAST:
            return LAST.index(folder) + 1
    return 0


def pytest_collection_modifyitems(config, items):
    """Let a broken core fail in seconds: bring the tests in order, from the foundation upwards."""
    items.sort(key=turn)
    if config.option.markexpr == REAL_TIME:  # first a group, which waits long; the others meanwhile
        items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    for item in items:
        if item.get_closest_marker(REAL_TIME) and REAL_TIME not in item.path.read_text("utf-8"):
            raise pytest.UsageError(f"{item.path} does not tell that it has tests in {REAL_TIME}")
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(300))  # on a busy machine, too


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report):
    """Name a failure when it happens, in the midst of the dots; its traceback comes at the end."""
    category, letter, word = yield
    if report.failed:
        *_, where = report.longreprtext.splitlines() or [""]
        letter = f"\n{word} {report.nodeid} - {where}\n"
    return category, letter, word


class World:
    """What both worlds have in common."""

    def __init__(self, clock):
        self.clock = clock
        self.start = clock.now()

    def now(self):
        return self.clock.now()

    def elapsed(self):
        return self.now() - self.start

    def dependency(self, *script):
        return Scripted(script)

    def protect(self, pipeline, target):
        return pipeline(self.coloured(target))

    def call(self, pipeline, target, *args, **kwargs):
        return self.run(self.protect(pipeline, target), *args, **kwargs)

    def coloured(self, target):
        raise NotImplementedError

    def run(self, function, *args, **kwargs):
        raise NotImplementedError

    def after(self, seconds, function):
        async def later():
            await self.sleep(seconds)
            return await self.do(function)

        return self.function(later)


class Threads(World):
    """Blocking code on a `VirtualClock`."""

    name = "threads"

    def coloured(self, target):
        return self.function(target) if inspect.iscoroutinefunction(target) else target

    def function(self, body):
        @functools.wraps(body)
        def blocking(*args, **kwargs):
            coroutine = body(*args, **kwargs)
            try:
                coroutine.send(None)
            except StopIteration as stop:
                return stop.value
            raise AssertionError("in threads a body may only await what the world offers")

        return blocking

    def run(self, function, *args, **kwargs):
        return self.coloured(function)(*args, **kwargs)

    def together(self, *functions):
        return self.clock.together(*map(self.coloured, functions))

    def advance(self, seconds):
        self.clock.advance(seconds)

    async def sleep(self, seconds):
        self.clock.sleep(seconds)

    async def do(self, function, *args, **kwargs):
        return self.run(function, *args, **kwargs)

    @asynccontextmanager
    async def block(self, pipeline):
        with pipeline as block:
            yield block

    async def attempts(self, retry):
        for attempt in retry:
            yield attempt


class Asyncio(World):
    """Async code on a `VirtualLoop`."""

    name = "asyncio"

    def __init__(self, clock, runner):
        super().__init__(clock)
        self.runner = runner

    def coloured(self, target):
        return target.aio if isinstance(target, Scripted) else target

    def function(self, body):
        return body

    def run(self, function, *args, **kwargs):
        coroutine = self.coloured(function)(*args, **kwargs)
        return self.runner.run(coroutine, context=contextvars.copy_context())

    def together(self, *functions):
        async def all_of_them():
            calls = [self.coloured(function)() for function in functions]
            return await asyncio.gather(*calls, return_exceptions=True)

        return self.run(all_of_them)

    def advance(self, seconds):
        self.run(self.sleep, seconds)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

    async def do(self, function, *args, **kwargs):
        return await self.coloured(function)(*args, **kwargs)

    def block(self, pipeline):
        return pipeline

    def attempts(self, retry):
        return retry


@pytest.fixture(params=["threads", "asyncio"])
def world(request):
    """A world on virtual time; the module's docstring tells what it can do."""
    with VirtualClock() as clock, seeded(0):
        if request.param == "threads":
            yield Threads(clock)
        else:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                yield Asyncio(clock, runner)


@pytest.fixture
def long_form(request):
    """Return how many times as much of the same a test shall try: five times with ``--long``."""
    return 5 if request.config.getoption("--long") else 1


@pytest.fixture
def ctrl_c():
    """Let SIGINT interrupt, as it does at a terminal; what runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
