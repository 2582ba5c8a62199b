"""Timeouts of 10,000 concurrent calls against 100: a timer must not cost more among many.

All calls of a batch are in flight at once: each waits for one shared future, which resolves when
the last has started. The cost per call is that of the batch over its size, the minimum over the
rounds, minus the same batch of bare calls.

10,000 tasks leave the processor's caches, and whatever memory a call needs is dearer there. So the
timer itself is also shown as the difference to the same pipeline without a timer; and, exact where
times are noisy, as the entries that the event loop's heap of timers holds with all calls in flight.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from benchmarks.overhead.ours import OURS, protected
from benchmarks.overhead.rows import Findings, Role, Row
from benchmarks.overhead.sampling import Sampler, quietly, rotations
from benchmarks.overhead.settings import SECONDS, Options

FEW, MANY = 100, 10_000
BARE = "bare coroutine function"
UNTIMED = "holdfast, a pipeline without a timeout"
ITSELF = "holdfast, the timer itself"
HEAP = f"event loop's heap entries, {MANY:,} calls at once"
Gate = asyncio.Future[None]
Call = Callable[[Gate], Awaitable[None]]
Calls = dict[str, tuple[Role, Call]]


def section(size: int) -> str:
    """The section's name for this number of calls in flight."""
    return f"async timeout, {size:,} calls at once"


def measure(options: Options) -> Findings:
    """Nanoseconds per call and timeout, for few and for many calls in flight."""
    found = Findings()
    if not options.wants(section(MANY), OURS) and not options.wants(section(MANY), "asyncio"):
        return found
    calls = _made(found)
    with asyncio.Runner() as runner:
        found.rows += _costs(calls, runner, rounds=3 if options.quick else 20)
    for name, (role, call) in calls.items():
        found.rows.append(Row(HEAP, name, role, asyncio.run(heap_entries(call)), ""))
    return found


def _made(found: Findings) -> Calls:
    calls: Calls = {}
    for name, role, make in _CANDIDATES:
        try:
            calls[name] = (role, make())
        except Exception as error:  # noqa: BLE001 - a missing candidate is a skip
            found.skip(section(MANY), name, error)
    return calls


def _costs(calls: Calls, runner: asyncio.Runner, rounds: int) -> list[Row]:
    """Both sizes in turn, so that what disturbs the machine disturbs both."""
    best = {(size, name): float("inf") for size in (FEW, MANY) for name in calls}
    for order in rotations(list(best), rounds):
        for size, name in order:
            spent = quietly(_sampler(calls[name][1], runner), size)
            best[size, name] = min(best[size, name], spent)
        gc.collect()
    rows = [
        Row(section(size), name, calls[name][0], over(best, size, name, BARE) * 1e9, "ns")
        for size, name in best
    ]
    for size in (FEW, MANY) if OURS in calls else ():
        timer = over(best, size, OURS, UNTIMED)
        rows.append(Row(section(size), ITSELF, "holdfast", timer * 1e9, "ns"))
    return rows


def over(best: dict[tuple[int, str], float], size: int, name: str, base: str) -> float:
    """Seconds over those of another candidate; a base itself in full."""
    return best[size, name] - (best[size, base] if name != base else 0.0)


def _sampler(call: Call, runner: asyncio.Runner) -> Sampler:
    return lambda size: runner.run(_batches(call, size))


async def _batches(call: Call, size: int) -> float:
    """Seconds per call; as many batches as make 10,000 calls, whatever the size."""
    batches = MANY // size
    start = perf_counter()
    for _ in range(batches):
        await _batch(call, size)
    return (perf_counter() - start) / (batches * size)


async def _batch(call: Call, size: int, look: Callable[[], Any] = int) -> Any:
    """Run so many calls at once; return what a look around shows with all of them in flight."""
    gate: Gate = asyncio.get_running_loop().create_future()
    tasks = [asyncio.ensure_future(call(gate)) for _ in range(size)]
    await asyncio.sleep(0)
    seen = look()
    gate.set_result(None)
    for task in tasks:
        await task
    return seen


async def heap_entries(call: Call) -> int:
    """How many live timers the event loop holds; cancelled ones may lie about for a while."""
    loop: Any = asyncio.get_running_loop()
    return int(await _batch(call, MANY, lambda: sum(not t.cancelled() for t in loop._scheduled)))


async def _bare(gate: Gate) -> None:
    await gate


async def _timeout(gate: Gate) -> None:
    async with asyncio.timeout(SECONDS):
        await gate


_CANDIDATES: tuple[tuple[str, Role, Callable[[], Any]], ...] = (
    (BARE, "bare", lambda: _bare),
    ("asyncio.timeout", "peer", lambda: _timeout),
    (UNTIMED, "holdfast", lambda: protected(_bare, "retry")),
    (OURS, "holdfast", lambda: protected(_bare, "timeout")),
)
