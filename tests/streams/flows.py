"""What the tests of streams share: one statement of a test, for generators and for async generators.

A test that takes the fixture `flow` runs in threads and in asyncio, each on virtual time and in real
time, where items are drawn in the quick way.  One that lets time pass takes `timed` instead, which is
virtual only.

``flow.source(*scripts)`` is a dependency that streams, with a script for each call; the last one holds
for ever.  A script is a list of items, exceptions to raise, and `Pause`.  ``source.function`` is what a
pipeline protects.
"""

import asyncio
import functools
from dataclasses import dataclass


@dataclass(frozen=True)
class Pause:
    """So many seconds that an item takes."""

    seconds: float


@dataclass(frozen=True)
class Do:
    """Something to be done inside of the generator's body."""

    what: object


class Source:
    """A dependency that streams, and knows what was done to it."""

    def __init__(self, flow, scripts):
        self._flow = flow
        self._scripts = scripts
        self.calls = []
        self.times = []
        self.sent = []
        self.ended = []
        """How each stream has ended: None, or the type of what was raised."""
        self.function = self.blocking if flow.blocking else self.asynchronous

    @property
    def open(self):
        """Return how many streams have begun, and not ended."""
        return len(self.calls) - len(self.ended)

    def _script(self, args):
        script = self._scripts[min(len(self.calls), len(self._scripts) - 1)]
        self.calls.append(args)
        self.times.append(self._flow.elapsed())
        return script(*args) if callable(script) else script

    def _seconds(self, step):
        if isinstance(step, BaseException | type):
            raise step
        if isinstance(step, Do):
            step.what()
        return step.seconds if isinstance(step, Pause) else None

    def blocking(self, *args):
        script = self._script(args)
        try:
            for step in script:
                seconds = self._seconds(step)
                if seconds is not None:
                    self._flow.sleep(seconds)
                elif not isinstance(step, Do):
                    self.sent.append((yield step))
        except BaseException as error:
            self.ended.append(type(error))
            raise
        self.ended.append(None)

    async def asynchronous(self, *args):
        script = self._script(args)
        try:
            for step in script:
                seconds = self._seconds(step)
                if seconds is not None:
                    await asyncio.sleep(seconds)
                elif not isinstance(step, Do):
                    self.sent.append((yield step))
        except BaseException as error:
            self.ended.append(type(error))
            raise
        self.ended.append(None)


class Blocking:
    """Streams of blocking code, consumed by the test's own thread."""

    blocking = True
    end = StopIteration

    def __init__(self, clock=None):
        self._clock = clock
        self._start = clock.now() if clock else 0.0

    def elapsed(self):
        return self._clock.now() - self._start if self._clock else 0.0

    def sleep(self, seconds):
        if self._clock:
            self._clock.sleep(seconds)

    def source(self, *scripts):
        return Source(self, scripts)

    def all(self, function, *args, **kwargs):
        return list(function(*args, **kwargs))

    def begin(self, function, *args, **kwargs):
        return Begun(function(*args, **kwargs))

    def settle(self):
        """Nothing goes on behind the test's back."""

    def do(self, function):
        """Run a plain function where streams of this colour are at home."""
        return function()


class Begun:
    """A stream in the hands of a test."""

    def __init__(self, stream):
        self.stream = stream

    def next(self):
        return next(self.stream)

    def send(self, what):
        return self.stream.send(what)

    def throw(self, error):
        return self.stream.throw(error)

    def close(self):
        self.stream.close()


class Asyncio(Blocking):
    """Streams of asyncio, each step of the test in another task of one loop."""

    blocking = False
    end = StopAsyncIteration

    def __init__(self, runner, clock=None):
        super().__init__(clock)
        self.runner = runner

    def sleep(self, seconds):
        self.run(asyncio.sleep, seconds)

    def run(self, function, *args):
        async def step():
            return await function(*args)

        return self.runner.run(step())

    def all(self, function, *args, **kwargs):
        async def consumed():
            return [one async for one in function(*args, **kwargs)]

        return self.run(consumed)

    def begin(self, function, *args, **kwargs):
        return AsyncBegun(self, function(*args, **kwargs))

    def settle(self):
        async def turns():
            for _ in range(5):
                await asyncio.sleep(0)

        self.run(turns)

    def do(self, function):
        async def done():
            return function()

        return self.run(done)


class AsyncBegun:
    """An async stream in the hands of a test."""

    def __init__(self, flow, stream):
        self.stream = stream
        self._run = flow.run

    def next(self):
        return self._run(self.stream.__anext__)

    def send(self, what):
        return self._run(self.stream.asend, what)

    def throw(self, error):
        return self._run(self.stream.athrow, error)

    def close(self):
        self._run(self.stream.aclose)


def wrapped(flow, body):
    """Return a stream function of a flow's colour that hands on what a blocking one yields."""
    if flow.blocking:
        return body

    @functools.wraps(body)
    async def asynchronous(*args, **kwargs):
        for one in body(*args, **kwargs):
            yield one

    return asynchronous
