"""The test kit as pytest fixtures; pytest finds them where Holdfast is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.testing.clock import VirtualClock
from holdfast.testing.modes import instant, off
from holdfast.testing.randomness import seeded
from holdfast.testing.recorder import Recording, record


@pytest.fixture
def holdfast_clock() -> Iterator[VirtualClock]:
    """Virtual time for blocking code: `VirtualClock`, entered."""
    with VirtualClock() as clock:
        yield clock


@pytest.fixture
def holdfast_events() -> Iterator[Recording]:
    """Every event that happens during the test, as `record` keeps it."""
    with record() as events:
        yield events


@pytest.fixture
def holdfast_seed() -> Iterator[None]:
    """The same random numbers in every run: ``seeded(0)``."""
    with seeded(0):
        yield


@pytest.fixture
def holdfast_instant() -> Iterator[None]:
    """No delay between attempts: `instant`."""
    with instant():
        yield


@pytest.fixture
def holdfast_off() -> Iterator[None]:
    """No strategy at all: `off`."""
    with off():
        yield
