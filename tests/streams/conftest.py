"""The flows in which a test of streams runs; see `flows`."""

import asyncio
from contextlib import contextmanager

import pytest

from holdfast.testing import VirtualClock, VirtualLoop, seeded
from tests.streams.flows import Asyncio, Blocking

VIRTUAL = ["threads", "asyncio"]
IN_REAL_TIME = ["quick threads", "quick asyncio"]


@contextmanager
def flowing(name):
    """Give a flow."""
    if name == "quick threads":
        yield Blocking()
    elif name == "quick asyncio":
        with asyncio.Runner() as runner:
            yield Asyncio(runner)
    else:
        with VirtualClock() as clock, seeded(0):
            if name == "threads":
                yield Blocking(clock)
            else:
                with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                    yield Asyncio(runner, clock)


@pytest.fixture(params=VIRTUAL + IN_REAL_TIME)
def flow(request):
    """Run the test in every flow; no time may pass in it."""
    with flowing(request.param) as flow:
        yield flow


@pytest.fixture(params=VIRTUAL)
def timed(request):
    """Run the test in both flows on virtual time."""
    with flowing(request.param) as flow:
        yield flow
