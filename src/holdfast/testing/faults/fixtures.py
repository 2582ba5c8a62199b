"""The fault server and the fault proxy as pytest fixtures; loading this module costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from holdfast.testing.faults.proxy import FaultProxy
    from holdfast.testing.faults.server import FaultServer


@pytest.fixture
def holdfast_fault_server() -> Iterator[FaultServer]:
    """A `FaultServer` that runs, and replies 200 until `behave` tells it otherwise."""
    from holdfast.testing.faults.server import FaultServer

    with FaultServer() as server:
        yield server


@pytest.fixture
def holdfast_fault_proxy() -> Iterator[Callable[..., FaultProxy]]:
    """``holdfast_fault_proxy(upstream)`` is a `FaultProxy` that runs until the test's end."""
    from holdfast.testing.faults.proxy import FaultProxy

    with ExitStack() as stack:

        def start(upstream: Any, *, seed: int = 0) -> FaultProxy:
            return stack.enter_context(FaultProxy(upstream, seed=seed))

        yield start
