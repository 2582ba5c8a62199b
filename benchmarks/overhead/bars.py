"""The bars that Holdfast set itself for the cost of a call, each as a limit on rows of one run.

Times in nanoseconds. Where a bar was an absolute time, its share of what the best peer took on the
machine where the bars were set is a bar, too, since only ratios carry over to other machines.
"""

import sys

from benchmarks.overhead import imports, keyed, memory, node, streams, threads, timers
from benchmarks.overhead.candidates import CUT, ONE_CORE
from benchmarks.overhead.ours import OURS, WINDOWED
from benchmarks.overhead.verdicts import Bar, best_peer, ratio, row

WINDOWED_PEER = "pyresilience, window of 100 + slow calls"
COMMON_STACK = "tenacity + pybreaker + BoundedSemaphore"
# How far apart two rows may be that should be equal but for the machine's noise and its caches.
ALIKE = 1.5


def bars(version: tuple[int, ...] = sys.version_info[:2]) -> list[Bar]:
    """All bars; asyncio's own timeouts became cheaper with 3.12, so two of them depend on it."""
    return [
        *_one_layer(version), *_stacks(version), *_presets(), *_streams(), *_node(),
        *_rejections(), *_scale(),
    ]  # fmt: skip


def _cost(what: str, section: str, limit: float, best_then: float) -> list[Bar]:
    """The absolute bar, and its share of the best peer."""
    share = round(limit / best_then, 2)
    return [
        Bar(what, (section, OURS), limit),
        ratio(f"{what}, to the best peer", (section, OURS), share, best_peer(section)),
    ]


def _one_layer(version: tuple[int, ...]) -> list[Bar]:
    timeout_then = 3200 if version < (3, 12) else 1950
    timeout = ("async timeout", OURS)
    builtin = row("async timeout", "asyncio.timeout")
    return [
        *_cost("sync: retry", "sync retry", 100, best_then=880),
        *_cost("sync: breaker", "sync breaker", 350, best_then=440),
        Bar("sync: breaker, sliding window + slow calls", ("sync breaker", WINDOWED), 500),
        *_cost("sync: bulkhead", "sync bulkhead", 250, best_then=970),
        Bar("sync: timeout, cut", ("sync timeout" + CUT, OURS), 1000),
        Bar("async: timeout", timeout, 800),
        ratio("async: timeout, to asyncio.timeout", timeout, round(800 / timeout_then, 2), builtin),
    ]


def _stacks(version: tuple[int, ...]) -> list[Bar]:
    three, afour, four = "sync three layers", "async four layers", "sync four layers"
    windowed, awindowed = (row(each, WINDOWED_PEER) for each in (three, afour))
    common = row(three, COMMON_STACK)
    times = 7 if version < (3, 12) else 4
    what, awhat = "sync: retry + breaker + bulkhead", "async: all four layers"
    share = round(1 / times, 3)
    return [
        Bar(what, (three, OURS), 700),
        ratio(f"{what}, a 17th of the common stack", (three, OURS), 0.059, common),
        ratio(f"{what}, a 5th of the best peer", (three, OURS), 0.2, best_peer(three)),
        ratio(f"{what}, a 5th, both with windows", (three, WINDOWED), 0.2, windowed),
        Bar(awhat, (afour, OURS), 1800),
        ratio(f"{awhat}, a {times}th of the best peer", (afour, OURS), share, best_peer(afour)),
        ratio(f"{awhat}, a {times}th, both with windows", (afour, WINDOWED), share, awindowed),
        Bar("sync: all four layers, timeout by thread", (four, OURS), 30_000),
        ratio(
            "sync: the same on one core, to the best peer",
            (four + ONE_CORE, OURS),
            round(30_000 / 61_000, 2),
            best_peer(four + ONE_CORE),
        ),
    ]


def _presets() -> list[Bar]:
    """What people use as it is: the preset's share of today's nearest peer is for the reader."""
    return [
        Bar("sync: standard(), timeouts cut", ("sync standard", OURS), 4000),
        Bar("async: standard()", ("async standard", OURS), 3000),
    ]


def _streams() -> list[Bar]:
    """Each at rest, and with a limit for each item."""
    return [
        Bar(f"{world}: an item of a stream{more}", (streams.section(world), name), limit)
        for world, limit in (("sync", 300), ("async", 600))
        for name, more in ((OURS, ""), (streams.LIMITED, ", with a limit"))
    ]


def _node() -> list[Bar]:
    def bar(what: str, section: str, limit: float, name: str) -> Bar:
        return ratio(f"Node: {what}", (section, OURS), limit, row(node.SECTION, name))

    return [
        bar("three layers, ours sync", "sync three layers", 1.3, "cockatiel three layers"),
        bar("three layers, ours async", "async three layers", 1.3, "cockatiel three layers"),
        bar("four layers, ours async", "async four layers", 0.2, "cockatiel four layers"),
        bar("breaker, ours async", "async breaker", 1.0, "opossum breaker"),
        bar("breaker, ours async", "async breaker", 1.0, "opossum breaker, its timeout off"),
    ]


def _rejections() -> list[Bar]:
    return [
        Bar("sync: rejection by an open breaker", ("sync rejection", OURS), 500),
        Bar("async: rejection by an open breaker", ("async rejection", OURS), 700),
    ]


def _scale() -> list[Bar]:
    sixteen = (threads.section(16), OURS)
    ideal = row(threads.section(16), threads.BARE)
    few, many = ((timers.section(size), timers.ITSELF) for size in (timers.FEW, timers.MANY))
    lookup = (keyed.LOOKUP, keyed.among(keyed.MANY))
    lookup_of_few = row(keyed.LOOKUP, keyed.among(keyed.FEW))
    return [
        ratio("16 threads in one breaker, of the ideal", sixteen, 0.98, ideal, least=True),
        Bar("100,000 keyed breakers, each", (memory.BREAKER, OURS), 1.2 * 1024, "B"),
        ratio("100,000 keyed breakers, lookup as of 1,000", lookup, ALIKE, lookup_of_few),
        Bar("longest call while keys are evicted", (keyed.STALL, OURS), 5, "ms"),
        Bar("a pipeline", (memory.PIPELINE, memory.FOUR), 8 * 1024, "B"),
        Bar("import over the bare interpreter", (imports.TIME, OURS), 15, "ms"),
        Bar("import: third-party modules", (imports.MODULES, imports.THIRD_PARTY), 0, ""),
        Bar("import: asyncio", (imports.MODULES, imports.ASYNCIO), 0, ""),
        ratio("a timer among 10,000 calls at once, as among 100", many, ALIKE, row(*few)),
        Bar("the event loop's timers, 10,000 calls at once", (timers.HEAP, OURS), 1, ""),
    ]
