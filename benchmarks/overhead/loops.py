"""The timing loops: call a function many times, tell the seconds it took."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from types import FunctionType
from typing import Any

from benchmarks.overhead.candidates import Section
from benchmarks.overhead.sampling import Sampler

STRIDE = 500


def sampler(function: Callable[..., Any], section: Section, runner: asyncio.Runner) -> Sampler:
    """The loop that fits the section's world, for this function alone."""
    if section.world == "sync":
        loop = own_code(_rejected if section.rejects else _called)
        return lambda count: loop(function, count)
    aloop = own_code(_arejected if section.rejects else _acalled)
    return lambda count: runner.run(aloop(function, count))


def own_code(loop: Any) -> Any:
    """A copy of a function whose bytecode has inline caches of its own."""
    return FunctionType(loop.__code__.replace(), loop.__globals__, loop.__name__)


def _called(function: Callable[[int], Any], count: int) -> float:
    numbers = range(count)
    start = perf_counter()
    for _ in numbers:
        function(1)
    return perf_counter() - start


def _rejected(function: Callable[[int], Any], count: int) -> float:
    numbers = range(count)
    start = perf_counter()
    for _ in numbers:
        try:
            function(1)
        except Exception:  # noqa: BLE001, S110 - each peer has an error of its own
            pass
    return perf_counter() - start


async def _acalled(function: Callable[[int], Awaitable[Any]], count: int) -> float:
    strides = _strides(count)
    start = perf_counter()
    for stride in strides:
        for _ in stride:
            await function(1)
        await asyncio.sleep(0)
    return perf_counter() - start


async def _arejected(function: Callable[[int], Awaitable[Any]], count: int) -> float:
    strides = _strides(count)
    start = perf_counter()
    for stride in strides:
        for _ in stride:
            try:
                await function(1)
            except Exception:  # noqa: BLE001, S110 - each peer has an error of its own
                pass
        await asyncio.sleep(0)
    return perf_counter() - start


def _strides(count: int) -> list[range]:
    whole, rest = divmod(count, STRIDE)
    return [range(STRIDE)] * whole + ([range(rest)] if rest else [])
