"""What an item of a stream costs: a protected generator minus the bare one, the minimum over the rounds.

One long stream for each sample, so that its opening is spread over many items.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter
from typing import Any

from benchmarks.overhead import ours, peers_nopanic
from benchmarks.overhead.candidates import World
from benchmarks.overhead.ours import OURS
from benchmarks.overhead.rows import Findings, Role, Row
from benchmarks.overhead.sampling import Sampler, interleaved, overhead
from benchmarks.overhead.settings import SECONDS, Options

BARE = "bare generator"
LIMITED = "holdfast, a limit for each item"
THREE = ("retry", "breaker", "bulkhead")
Stream = Callable[[int], Any]


def section(world: World) -> str:
    """The section's name for one world."""
    return f"{world} stream of three layers, an item"


def measure(options: Options) -> Findings:
    """Nanoseconds per item, sync and asyncio."""
    found = Findings()
    with asyncio.Runner() as runner:
        for world in ("sync", "async"):
            streams = _made(world, options, found)
            samplers = {name: _sampler(made, world, runner) for name, (_, made) in streams.items()}
            taken = interleaved(samplers, options.rounds, options.sample_seconds)
            for name, (role, _) in streams.items():
                bare = None if name == BARE else taken[BARE]
                cost = overhead(taken[name], bare, "minimum") * 1e9
                found.rows.append(Row(section(world), name, role, cost, "ns"))
    return found


def _made(world: World, options: Options, found: Findings) -> dict[str, tuple[Role, Stream]]:
    function: Stream = items if world == "sync" else aitems
    candidates: tuple[tuple[str, Role, Callable[[], Stream]], ...] = (
        (BARE, "bare", lambda: function),
        (peers_nopanic.NAME, "peer", lambda: peers_nopanic.layered(function, *THREE)),
        (OURS, "holdfast", lambda: ours.protected(function, *THREE)),
        (LIMITED, "holdfast", lambda: _limited(function)),
    )
    streams: dict[str, tuple[Role, Stream]] = {}
    if not any(options.wants(section(world), name) for name, _, _ in candidates):
        return streams
    for name, role, make in candidates:
        try:
            streams[name] = (role, make())
        except Exception as error:  # noqa: BLE001 - a missing candidate is a skip
            found.skip(section(world), name, error)
    return streams


def _limited(function: Stream) -> Stream:
    from holdfast import Pipeline, Timeout

    return Pipeline("benchmark", Timeout(60.0, between=SECONDS))(function)


def _sampler(stream: Stream, world: World, runner: asyncio.Runner) -> Sampler:
    if world == "async":
        return lambda count: runner.run(_adrawn(stream, count))

    def drawn(count: int) -> float:
        start = perf_counter()
        for _ in stream(count):
            pass
        return perf_counter() - start

    return drawn


async def _adrawn(stream: Stream, count: int) -> float:
    start = perf_counter()
    async for _ in stream(count):
        pass
    return perf_counter() - start


def items(count: int) -> Iterator[int]:
    """Yield so many items."""
    yield from range(count)


async def aitems(count: int) -> AsyncIterator[int]:
    """Yield so many items."""
    for number in range(count):
        yield number
