"""The sections of single calls: success through one layer or several, and rejection."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

from benchmarks.overhead import (
    cores,
    floors,
    ours,
    peers_async,
    peers_limits,
    peers_nopanic,
    peers_rejection,
    peers_sync,
    peers_tranq,
)
from benchmarks.overhead.candidates import LISTENED, ONE_CORE, SECTIONS, Candidate, Section, World
from benchmarks.overhead.functions import REACHED, abare, bare
from benchmarks.overhead.loops import sampler
from benchmarks.overhead.rows import Findings, Row
from benchmarks.overhead.sampling import Sampler, interleaved, overhead
from benchmarks.overhead.settings import FAILURES, Options

BARE = {
    "sync": Candidate(Section("sync bare"), "bare function", "bare", lambda: bare),
    "async": Candidate(Section("async bare"), "bare coroutine function", "bare", lambda: abare),
}
PARTS = (
    floors.floor,
    peers_sync.peer,
    peers_async.peer,
    peers_limits.peer,
    peers_rejection.peer,
    peers_nopanic.peer,
    peers_tranq.peer,
    ours.ours,
)
# Shorter samples and more of them: where the system puts the two threads changes over seconds.
MORE = 4


def candidates(options: Options) -> list[Candidate]:
    """All that ``--only`` leaves in, in the order of the sections, peers before Holdfast."""
    everything = [candidate for part in PARTS for candidate in part.all]
    everything += [on_one_core(each) for each in everything if by_thread(each)]
    wanted = (each for each in everything if options.wants(each.section.name, each.name))
    order = list(SECTIONS)
    return sorted(wanted, key=lambda candidate: order.index(candidate.section.name))


def by_thread(candidate: Candidate) -> bool:
    """Whether a second thread runs the call."""
    return candidate.section.statistic == "median"


def on_one_core(candidate: Candidate) -> Candidate:
    """The same candidate in the section that is measured on one core."""
    return replace(candidate, section=SECTIONS[candidate.section.name + ONE_CORE])


def listened(candidate: Candidate) -> bool:
    """Whether somebody listens to the events of the call."""
    return candidate.section.name.endswith(LISTENED)


def measure(world: World, options: Options) -> Findings:
    """All rows of one world without thread timeouts, their samples interleaved."""
    wanted = [
        each
        for each in candidates(options)
        if each.section.world == world and not by_thread(each) and not listened(each)
    ]
    return _measured([BARE[world], *wanted] if wanted else [], options)


def measure_listened(options: Options) -> Findings:
    """The rows with a listener, apart: in most libraries it hears of every call in the process."""
    found = Findings()
    with listening():
        for world, unprotected in BARE.items():
            wanted = [
                each
                for each in candidates(options)
                if each.section.world == world and listened(each)
            ]
            found.add(_measured([unprotected, *wanted] if wanted else [], options))
    return found


@contextmanager
def listening() -> Iterator[None]:
    """Subscribe to the libraries whose listeners are for the process; others have theirs already."""
    with ExitStack() as stack:
        with suppress(ImportError):
            import holdfast.events

            stack.enter_context(holdfast.events.subscribe(_heard))
        with suppress(ImportError):
            import nopanic.events

            stack.callback(nopanic.events.subscribe(_heard))
        yield


def _heard(event: Any) -> None:
    """Listen, and do nothing: what is measured is the telling."""


def measure_threads(options: Options) -> Findings:
    """The thread timeouts, as the system places the threads, and then with all on one core."""
    wanted = [each for each in candidates(options) if by_thread(each)]
    many = replace(
        options, rounds=options.rounds * MORE, sample_seconds=options.sample_seconds / MORE
    )
    found = _measured([each for each in wanted if not each.section.one_core], many)
    pinned = [each for each in wanted if each.section.one_core]
    try:
        with cores.one_core():
            found.add(_measured(pinned, many))
    except cores.Unsupported as error:
        found.skip("thread timeouts" + ONE_CORE, "all", str(error))
    return found


def _measured(everything: list[Candidate], options: Options) -> Findings:
    """Rows of all candidates, minus the bare function, if it is the first."""
    found = Findings()
    with asyncio.Runner() as runner:
        samplers = _samplers(everything, runner, found)
        reached = len(REACHED)
        taken = interleaved(samplers, options.rounds, options.sample_seconds)
    assert len(REACHED) == reached, "a breaker let calls through while its rejections were timed"
    unprotected = next((taken[each] for each in taken if each.role == "bare"), None)
    for candidate, samples in taken.items():
        in_full = candidate.section.rejects or candidate.role == "bare"
        minus = None if in_full else unprotected
        found.rows.append(_row(candidate, overhead(samples, minus, candidate.section.statistic)))
    return found


def _row(candidate: Candidate, seconds: float) -> Row:
    note = "median" if candidate.section.statistic == "median" else ""
    section = candidate.section.name
    return Row(section, candidate.name, candidate.role, seconds * 1e9, "ns", note)


def _samplers(
    everything: list[Candidate], runner: asyncio.Runner, found: Findings
) -> dict[Candidate, Sampler]:
    samplers = {}
    for candidate in everything:
        try:
            samplers[candidate] = _checked(candidate, runner)
        except Exception as error:  # noqa: BLE001 - a peer that is missing or broken is a skip
            found.skip(candidate.section.name, candidate.name, error)
    return samplers


def _checked(candidate: Candidate, runner: asyncio.Runner) -> Sampler:
    function = runner.run(_built(candidate))
    if candidate.section.rejects:
        _open(function, runner)
    elif _result(function, 7, runner) != 7:
        raise AssertionError("it doesn't pass the result through")
    return sampler(function, candidate.section, runner)


async def _built(candidate: Candidate) -> Callable[..., Any]:
    """Within a running loop, which some peers want to see when they are made."""
    return candidate.make()


def _open(function: Callable[..., Any], runner: asyncio.Runner) -> None:
    """Fail until the breaker is open, and see that it is."""
    for _ in range(2 * FAILURES):
        _rejected(function, runner)
    reached = len(REACHED)
    assert _rejected(function, runner), "the call succeeded"
    assert len(REACHED) == reached, "the open breaker lets calls through"


def _rejected(function: Callable[..., Any], runner: asyncio.Runner) -> bool:
    try:
        _result(function, 1, runner)
    except Exception:  # noqa: BLE001 - each peer has an error of its own
        return True
    return False


def _result(function: Callable[..., Any], argument: int, runner: asyncio.Runner) -> Any:
    made = function(argument)
    return runner.run(made) if inspect.iscoroutine(made) else made
