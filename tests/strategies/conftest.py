"""What the tests of the strategies share: a clock that is a number, and ears."""

import pytest

from holdfast._world import world
from holdfast.events import subscribe


class Clock:
    """The instant, as a number that a test sets; most strategies are told it, some reports ask."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(world, "clock", clock)
    return clock


@pytest.fixture
def heard():
    events = []
    with subscribe(events.append):
        yield events


class Interrupted:
    """A lock that somebody else is about to take first, once: what they do is done before."""

    def __init__(self, lock, deed):
        self.lock = lock
        self.deed = deed

    def __enter__(self):
        deed, self.deed = self.deed, None
        if deed is not None:
            deed()
        return self.lock.__enter__()

    def __exit__(self, *details):
        return self.lock.__exit__(*details)


@pytest.fixture
def just_before():
    """Have something done by others between a strategy's look without its lock and its taking it."""

    def interrupt(strategy, deed):
        strategy._lock = Interrupted(strategy._lock, deed)

    return interrupt
