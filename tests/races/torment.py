"""Calls that end at the worst moment: at the end of the stack, in a collection, by an interruption.

The tests try a little of it; ``python3 dev.py torture`` tries every depth and every point, and prints
what is left behind, with the same figures for the standard library and code written by hand.
"""

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self
from warnings import catch_warnings, simplefilter

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Coalesce,
    CompositionWarning,
    ConcurrencyLimitedError,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    RateLimiter,
    RejectedError,
    Retry,
    Throttle,
    Timeout,
    backoff,
    remaining,
    standard,
)
from holdfast._ongoing import ongoing
from holdfast._runtimes.cutting.watcher import watcher
from holdfast.extend import worker_pool
from holdfast.shapes import Wait
from holdfast.strategies.options import _later
from holdfast.testing import run

DEPTHS = 8
"""So many different numbers of frames below the protected function, which needs a few itself."""


def half_open() -> CircuitBreaker:
    breaker = CircuitBreaker(
        on=KeyError, open_for=1e-9, open_cap=1e-9, probes=10**6, probe_timeout=1e6
    )
    breaker.trip(now=-1e9)  # long ago, on whichever clock
    return breaker


KINDS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "bulkhead": lambda: (Bulkhead(9),),
    "bulkhead with a queue": lambda: (Bulkhead(9, queue=9),),
    "concurrency limiter": lambda: (ConcurrencyLimiter(min=9, max=9),),
    "load shedder": lambda: (LoadShedder(9),),
    "rate limiter": lambda: (RateLimiter(1e9),),
    "circuit breaker": lambda: (CircuitBreaker(failures=10**6),),
    "half-open breaker": lambda: (half_open(),),
    "throttle": lambda: (Throttle(),),
    "retry": lambda: (Bulkhead(9), Retry(2, backoff=backoff.constant(0))),
    "retry that attends": lambda: (
        Bulkhead(9),
        Retry(2, nested="inner", backoff=backoff.constant(0)),
    ),
    "timeout": lambda: (Timeout(0.2, sync="cooperative"),),
    "adaptive timeout": lambda: (Timeout.adaptive(ceiling=0.2, sync="cooperative"),),
    "timeout in a bulkhead": lambda: (Bulkhead(9), Timeout(0.2, sync="cooperative")),
    "cut": lambda: (Timeout(0.2),),
    "adaptive, cut": lambda: (Bulkhead(9), Timeout.adaptive(ceiling=0.2)),
    "cut in a cut": lambda: (Timeout(0.2), Bulkhead(9), Timeout(0.1)),
    "timeout in a thread": lambda: (Bulkhead(9), Timeout(5.0, sync="thread")),
    "adaptive, in a thread": lambda: (Bulkhead(9), Timeout.adaptive(ceiling=5.0, sync="thread")),
    "hedge": lambda: (Bulkhead(9), Hedge(5.0)),
    "coalesce": lambda: (Coalesce(key=lambda *_: 1),),
    "keyed bulkhead": lambda: (Keyed(lambda *_: 1, lambda _: Bulkhead(9)),),
    "fallback": lambda: (Fallback([]),),
    "standard": lambda: tuple(
        one for one in standard("x").strategies if not isinstance(one, Hedge)
    ),
}


numbers = count()


def new(kind: Callable[[], tuple[Any, ...]]) -> Pipeline:
    """Return a pipeline with a name, and so a share of the workers, of its own."""
    with catch_warnings():
        simplefilter("ignore", CompositionWarning)
        return Pipeline(f"p{next(numbers)}", *kind())


PATIENCE = 1.0
"""How long a worker has to go home after its caller has left it, in seconds."""


def left(pipeline: Pipeline) -> list[str]:
    """Return what a pipeline still holds although nobody is inside."""
    until = monotonic() + PATIENCE
    while (found := held(pipeline)) and worker_pool().threads and monotonic() < until:
        sleep(0.001)  # for a worker of an interrupted call, which gives a permit back
    return found


def held(pipeline: Pipeline) -> list[str]:
    """Return what a pipeline holds now."""
    gates: list[Any] = list(pipeline.strategies)
    for keyed in [one for one in gates if isinstance(one, Keyed)]:
        gates += [entry.child for entry in keyed._keys.table.entries.values()]
    found = []
    for gate in gates:
        counts = [(name, getattr(gate, name, 0)) for name in ("in_flight", "waiting")]
        match gate:
            case Bulkhead():
                counts.append(("surplus", len(gate._free) - gate.size - gate._debt))
            case CircuitBreaker():
                counts.append(("probes", len(gate._machine._outstanding)))
            case Throttle():
                counts.append(("pending", sum(one.pending for one in gate._accepts._buckets)))
            case Coalesce():
                counts.append(("flights", len(gate._flights)))
            case Keyed():
                counts.append(("reserved", gate._keys.table.reserved))
        found += [f"{type(gate).__name__}: {name} {count}" for name, count in counts if count]
    pool = worker_pool()
    workers = [("workers", pool.share(pipeline.name).taken), ("abandoned", pool.abandoned)]
    found += [f"{name} {count}" for name, count in workers if count]
    watched = [one for one in watcher._wheels if one.pipeline == pipeline.name and one.due]
    found += ["a watched call"] * len(watched)
    if remaining() != float("inf"):
        found.append("a deadline")
    if ongoing.get() is not None:
        found.append("an attempt")
    return found


# -- the end of the stack --------------------------------------------------------------------------


def deep(node: Any, frames: int) -> Any:
    return node if frames < 1 else deep(node, frames - 1)


def exhausted(kind: str, frames: int) -> list[str]:
    """Return what endless recursion through a protected function leaves behind, in threads."""
    pipeline = new(KINDS[kind])
    load = pipeline(lambda node: [deep(node, frames)])

    def walk(node: Any) -> None:  # the data has a cycle
        for child in load(node):
            walk(child)

    def enter(padding: int) -> None:
        if padding:
            enter(padding - 1)
        else:
            walk("root")

    for padding in range(3):
        with suppress(RecursionError, ConcurrencyLimitedError):  # a limiter may want a rest
            enter(padding)
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(load("root"))
        except ConcurrencyLimitedError as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(5.0)
    hung = [] if answers else ["no answer afterwards"]
    return hung + left(pipeline)


async def exhausted_async(kind: str, frames: int) -> list[str]:
    """Return what it leaves behind in a task; on virtual time, for a timer may ring later."""
    pipeline = new(KINDS[kind])

    async def plain(node: Any) -> list[Any]:
        return [deep(node, frames)]

    load = pipeline(plain)

    async def walk(node: Any) -> None:
        for child in await load(node):
            await walk(child)

    async def enter(padding: int) -> None:
        await (enter(padding - 1) if padding else walk("root"))

    for padding in range(3):
        with suppress(RecursionError, ConcurrencyLimitedError):
            await enter(padding)
    found = left(pipeline)
    try:
        await asyncio.sleep(1.0)
        async with asyncio.timeout(1.0):
            await load("root")
    except ConcurrencyLimitedError:
        pass
    except (asyncio.CancelledError, TimeoutError, RejectedError) as error:
        found.append(f"afterwards {type(error).__name__}")
    return found


def recursion(kind: str, frames: int) -> dict[str, list[str]]:
    """Return what is left behind in both worlds."""
    gc.collect()  # or what others have left, a loop perhaps, is finalised at the end of the stack
    return {
        "threads": copy_context().run(exhausted, kind, frames),
        "asyncio": copy_context().run(lambda: run(exhausted_async(kind, frames))),
    }


# -- the garbage collector and signal handlers -----------------------------------------------------

HOLDFAST = str(Path(sys.modules["holdfast"].__file__ or "").parent)


class At:
    """Do something at the n-th point at which the interpreter lets something else happen.

    Those are, from CPython 3.12 on, the beginning of a function and the return of one written in C.
    """

    def __init__(self, place: int, act: Callable[[], None], inside: str = HOLDFAST) -> None:
        self.place, self.act, self.inside, self.seen = place, act, inside, 0

    def __enter__(self) -> Self:
        sys.setprofile(self.profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def profile(self, frame: Any, event: str, _: Any) -> None:
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(self.inside):
            self.seen += 1
            if self.seen == self.place:
                sys.setprofile(None)
                self.act()


def forget(call: Callable[[], Any]) -> None:
    """Leave a caller behind as garbage: its event loop is closed before it could end."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(call())
    loop.run_until_complete(asyncio.sleep(0))
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task.cancel()
    loop.close()


async def forever(*_: Any) -> None:
    await asyncio.get_running_loop().create_future()


QUEUES: dict[str, Callable[[], Any]] = {
    "bulkhead": lambda: Bulkhead(1, queue=9),
    "concurrency limiter": lambda: ConcurrencyLimiter(min=1, max=1, queue=9),
    "load shedder": lambda: LoadShedder(1, queue=9),
    "throttle": Throttle,
    "half-open breaker": half_open,
}


def come_and_go(gate: Any) -> None:
    """Let a caller come, and leave however it stands."""
    with suppress(RejectedError):
        permit = gate.enter(0.0, (), {})
        if type(permit) is Wait:
            gate.abandoned(permit.permit, 0.0)
        else:
            gate.succeeded(permit, 0.0, None)


def resize(gate: Any) -> None:
    if isinstance(gate, Bulkhead | LoadShedder):
        gate.size = 3
        gate.size = 1


def hold(gate: Any) -> None:
    if hasattr(gate, "hold"):
        gate.hold()
        gate.release()


DEEDS: dict[str, Callable[[Any], None]] = {
    "a permit comes back": lambda gate: None,
    "a caller comes": come_and_go,
    "the size changes": resize,
    "a worker is abandoned": hold,
    "somebody looks": lambda gate: repr(gate.snapshot()),
}


def collected(kind: str, deed: str, place: int, waiting: int) -> tuple[bool, list[str]]:
    """Collect forgotten callers at a point of a deed: whether it was reached, what is left behind."""
    gate = QUEUES[kind]()
    pipeline = Pipeline("p", gate)
    permits = [gate.enter(0.0, (), {})] if waiting else []
    for _ in range(waiting or 1):
        forget(pipeline(forever))
    with At(place, lambda: gc.collect(0) and None) as point:
        DEEDS[deed](gate)
        for permit in permits:
            gate.succeeded(permit, 0.0, None)
    gc.collect(0)
    return point.seen >= place, left(pipeline)


def collections(kind: str, deed: str, waiting: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each point of a deed at which a collection leaves something behind, and what."""
    gc.collect()
    gc.freeze()  # so that a collection looks at our garbage only, and is quick
    gc.disable()
    try:
        place, reached = 0, True
        while reached:
            place += 1
            reached, found = collected(kind, deed, place, waiting)
            if found:
                yield place, found
    finally:
        gc.enable()
        gc.unfreeze()


# -- signal handlers -------------------------------------------------------------------------------


def few_keys(strategy: Callable[[], Any], **options: Any) -> tuple[Any, ...]:
    """Each call has another key than the last, and room has to be made for most of them."""
    keys = count()
    return (Keyed(lambda *_: next(keys) % 7, lambda _: strategy(), max_keys=3, **options),)


def touchy() -> CircuitBreaker:
    return CircuitBreaker(failures=2, open_for=1e-9, open_cap=1e-9)


VISITED: dict[str, Callable[[], tuple[Any, ...]]] = {
    **KINDS,
    "touchy breaker": lambda: (touchy(),),
    "keys that come and go": lambda: few_keys(lambda: Bulkhead(9)),
    "keys below a breaker": lambda: few_keys(touchy, parent=touchy(), parent_min_keys=1),
    "breaker in a worker": lambda: (Timeout(5.0, sync="thread"), touchy()),
    "breaker in a hedge": lambda: (Hedge(5.0), touchy()),
    "results of before": lambda: (Fallback.stale(60.0),),
}
"""What a signal handler may find its own thread in the middle of."""

CHANGES: dict[type, tuple[dict[str, Any], dict[str, Any]]] = {
    Bulkhead: ({"size": 3}, {"size": 9}),
    LoadShedder: ({"size": 3}, {"size": 9}),
    ConcurrencyLimiter: ({"max": 3, "min": 3}, {"max": 9, "min": 9}),
    CircuitBreaker: ({"failures": 9}, {"failures": 2}),
    RateLimiter: ({"max_wait": 1.0}, {"max_wait": None}),
    Throttle: ({"window": 30.0}, {"window": 60.0}),
}
"""Options, and those that it has afterwards."""


def fail() -> None:
    raise ValueError


def visit_and_call(pipeline: Pipeline) -> None:
    pipeline.call(int)


def visit_and_fail(pipeline: Pipeline) -> None:
    with suppress(ValueError):
        pipeline.call(fail)


def visit_and_look(pipeline: Pipeline) -> None:
    pipeline.explain()
    repr(pipeline.snapshot())


def visit_and_trip(pipeline: Pipeline) -> None:
    for one in pipeline.strategies:
        if isinstance(one, CircuitBreaker):
            one.trip()
            one.reset()


def visit_and_configure(pipeline: Pipeline) -> None:
    for one in pipeline.strategies:
        for changes in CHANGES.get(type(one), ()):
            one.configure(**changes)


VISITS: dict[str, Callable[[Pipeline], None]] = {
    "a call": visit_and_call,
    "a failure": visit_and_fail,
    "a look": visit_and_look,
    "a trip and a reset": visit_and_trip,
    "other options": visit_and_configure,
}


def visited(kind: str, under_way: str, visit: str, place: int) -> tuple[bool, list[str]]:
    """Have a handler come by at a point of a deed: whether it was reached, what is wrong then."""
    pipeline, found = new(VISITED[kind]), []
    for _ in range(3):
        with suppress(RejectedError):
            visit_and_fail(pipeline)
            visit_and_call(pipeline)

    def tried(deed: str) -> None:
        try:
            VISITS[deed](pipeline)
        except RejectedError:
            pass
        except Exception as error:
            found.append(f"{deed}: {error!r}")

    with At(place, lambda: tried(visit)) as point:
        tried(under_way)
    while any(_later.awaited(one) for one in pipeline.strategies):
        sleep(0)
    changed = point.seen >= place and "other options" in (under_way, visit)
    found += [
        f"{type(one).__name__}: {name} {getattr(one, name)}"
        for one in pipeline.strategies
        for name, value in CHANGES.get(type(one), ({}, {}))[1].items()
        if changed and getattr(one, name) != value
    ]
    tried("a call")
    return point.seen >= place, found + left(pipeline)


def visits(kind: str, under_way: str, visit: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each point of a deed at which a signal handler does harm, and which."""
    place, reached = 0, True
    while reached:
        place += 1
        reached, found = copy_context().run(visited, kind, under_way, visit, place)
        if found:
            yield place, found


def shrunk(place: int) -> tuple[bool, list[str]]:
    """Have a handler change the size at a point of the life of a bulkhead that is in debt."""
    bulkhead = Bulkhead(4, queue=9)
    permits = [bulkhead.enter(0.0, (), {}) for _ in range(4)]

    def act() -> None:
        bulkhead.configure(size=3)
        bulkhead.configure(size=2)

    with At(place, act) as point:
        bulkhead.size = 1
        for permit in permits:
            bulkhead.succeeded(permit, 0.0, None)
        bulkhead.size = 2
    while _later.awaited(bulkhead):
        sleep(0)
    return point.seen >= place, left(Pipeline("p", bulkhead))


def shrinkings() -> Iterator[tuple[int, list[str]]]:
    """Yield each point at which a permit is lost or doubled by that."""
    place, reached = 0, True
    while reached:
        place += 1
        reached, found = shrunk(place)
        if found:
            yield place, found


# -- interruptions ---------------------------------------------------------------------------------


def interrupt() -> None:
    raise KeyboardInterrupt


def interrupted(kind: str, place: int) -> bool | None:
    """Interrupt a call at a point; return whether something is lost, None beyond its end."""
    pipeline = new(KINDS[kind])
    call = pipeline(lambda: 1)
    call()
    with suppress(KeyboardInterrupt), At(place, interrupt) as point:
        call()
    return bool(left(pipeline)) if point.seen >= place else None


def interruptions(kind: str) -> tuple[int, int]:
    """Return at how many points of a successful call an interruption loses something, of how many."""
    lost = place = 0
    while True:
        found = copy_context().run(interrupted, kind, place + 1)
        if found is None:
            return lost, place
        place += 1
        lost += found


def semaphore() -> tuple[Callable[[], Any], Callable[[], bool]]:
    one = threading.Semaphore(9)

    def call() -> int:
        with one:
            return 1

    return call, lambda: one._value == 9  # type: ignore[attr-defined]


def by_hand() -> tuple[Callable[[], Any], Callable[[], bool]]:
    free = [1] * 9

    def call() -> int:
        free.pop()
        try:
            return 1
        finally:
            free.append(1)

    return call, lambda: len(free) == 9


PEERS = {
    "threading.Semaphore": (semaphore, threading.__file__),
    "pop, try, finally append": (by_hand, __file__),
}


def interrupted_peer(name: str) -> tuple[int, int]:
    """Return the same for what is not ours."""
    make, inside = PEERS[name]
    lost = place = 0
    while True:
        place += 1
        call, whole = make()
        with suppress(KeyboardInterrupt), At(place, interrupt, inside) as point:
            call()
        if point.seen < place:
            return lost, place - 1
        lost += not whole()


def evictions() -> list[str]:
    """Interrupt a `Keyed` at each point at which a key makes room for another; return what broke."""
    broken, place = [], 0
    keyed = Keyed(lambda key: key, lambda _: CircuitBreaker(), max_keys=3)
    fetch = Pipeline("p", keyed)(lambda key: key)
    for key in range(5):
        fetch(key)
    key = 5
    while True:
        place += 1
        key += 1
        with suppress(KeyboardInterrupt), At(place, interrupt) as point:
            fetch(key)
        try:
            for later in range(100, 110):
                fetch(later)
        except KeyError as error:
            broken.append(f"at {place}: {error!r}")
        if point.seen < place:
            break
    if keyed._keys.table.reserved or len(keyed) != 3 or keyed.snapshot()["overflowed"]:
        broken.append(f"{keyed.snapshot()}")
    return broken


# -- all of it -------------------------------------------------------------------------------------


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Try everything, and print what is left behind."""
    logging.disable()  # asyncio tells of tasks that it had no stack to start
    bad = 0
    version = sys.version.split()[0]
    say(
        f"CPython {version}\n\nA stack that is used up, {DEPTHS} depths in both worlds: left behind"
    )
    for kind in KINDS:
        found = {n: r for n in range(DEPTHS) if any((r := recursion(kind, n)).values())}
        bad += bool(found)
        say(f"  {kind:26}{found or 'nothing'}")
    say("\nForgotten callers, collected at each point: left behind")
    for kind, make in QUEUES.items():
        found = [
            (deed, waiting, *one)
            for deed in DEEDS
            for waiting in (0, 2)
            if waiting == 0 or hasattr(make(), "queue") or kind == "load shedder"
            for one in collections(kind, deed, waiting)
        ]
        bad += bool(found)
        say(f"  {kind:26}{found or 'nothing'}")
    say("\nA signal handler at each point: harm done")
    for kind in VISITED:
        found = [
            (under_way, visit, *one)
            for under_way in VISITS
            for visit in VISITS
            for one in visits(kind, under_way, visit)
        ]
        bad += bool(found)
        say(f"  {kind:26}{found or 'none'}")
    found = list(shrinkings())
    bad += bool(found)
    say(f"  {'bulkhead in debt':26}{found or 'none'}")
    say("\nA table of keys, interrupted at each point of an eviction:", evictions() or "sound")
    say("\nA call that succeeds, interrupted: points at which something is lost")
    for kind in KINDS:
        lost, points = interruptions(kind)
        say(f"  {kind:26}{lost} of {points}")
    for name in PEERS:
        lost, points = interrupted_peer(name)
        say(f"  {name:26}{lost} of {points}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
