"""The test kit in pytest, which finds it where Holdfast is installed: fixtures, and async tests.

``@pytest.mark.holdfast_virtual`` runs an ``async def`` test on a `VirtualLoop`, with its fixtures, and
without another plugin.  A test that still runs after a day of virtual time fails;
``holdfast_virtual(limit=seconds)`` sets another limit.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import testing
from holdfast.testing.faults.fixtures import holdfast_fault_proxy, holdfast_fault_server

if TYPE_CHECKING:
    from holdfast.testing import Recording, VirtualClock

__all__ = ["holdfast_fault_proxy", "holdfast_fault_server"]  # pytest looks at all names here

A_DAY = 86_400.0


@pytest.fixture
def holdfast_clock() -> Iterator[VirtualClock]:
    """Virtual time: `VirtualClock`, entered; in an async test, the clock of its loop."""
    with testing.VirtualClock() as clock:
        yield clock


@pytest.fixture
def holdfast_events() -> Iterator[Recording]:
    """Every event that happens during the test, as `record` keeps it."""
    with testing.record() as events:
        yield events


@pytest.fixture
def holdfast_seed() -> Iterator[None]:
    """The same random numbers in every run: ``seeded(0)``."""
    with testing.seeded(0):
        yield


@pytest.fixture
def holdfast_instant() -> Iterator[None]:
    """No delay between attempts: `instant`."""
    with testing.instant():
        yield


@pytest.fixture
def holdfast_off() -> Iterator[None]:
    """No strategy at all: `off`."""
    with testing.off():
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "holdfast_virtual(limit=86400.0): run an `async def` test on virtual time, for at most so many "
        "virtual seconds",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Let a marked ``async def`` test look like a plain one, which runs it on a loop of its own.

    So other plugins for async tests leave it alone, whatever their modes.
    """
    marker = pyfuncitem.get_closest_marker("holdfast_virtual")
    asked = pyfuncitem.obj
    # in its automatic mode, pytest-asyncio has wrapped the test by now
    test = inspect.unwrap(asked, stop=inspect.iscoroutinefunction)
    if marker is None or not inspect.iscoroutinefunction(test):
        return (yield)
    limit = _limit(*marker.args, **marker.kwargs)

    def plain(**fixtures: Any) -> None:
        testing.run(test(**fixtures), limit=limit)

    pyfuncitem.obj = plain
    try:
        return (yield)
    finally:
        pyfuncitem.obj = asked


def _limit(limit: float = A_DAY) -> float:
    return limit
