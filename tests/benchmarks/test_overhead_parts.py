"""Small parts of the overhead benchmark that need no peers and no Node."""

import asyncio
import os
import threading
import time

import pytest

from benchmarks.overhead import cores, imports, keyed, memory, node, threads, timers
from benchmarks.overhead.candidates import SECTIONS, Candidates
from benchmarks.overhead.loops import STRIDE, own_code, sampler


def test_candidates_are_added_by_decoration():
    """A maker keeps its place in the list and remains callable itself."""
    peer = Candidates("peer")

    @peer("sync retry", "somebody")
    def maker():
        return len

    assert [(each.name, each.role, each.make) for each in peer.all] == [("somebody", "peer", maker)]
    assert maker() is len


def test_only_thread_timeouts_report_the_median():
    """Hand-overs between threads are judged by what is usual, all else by the best sample."""
    medians = {name for name, section in SECTIONS.items() if section.statistic == "median"}

    assert medians == {
        "sync timeout",
        "sync hedge",
        "sync four layers",
        "sync timeout, on one core",
        "sync hedge, on one core",
        "sync four layers, on one core",
    }


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there is no choice of cores")
def test_one_core_is_for_all_threads_and_for_a_while():
    """Threads that exist are moved, those started inherit it, and everything is put back."""
    before = os.sched_getaffinity(0)
    seen = []

    with cores.one_core():
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()

    assert seen == [{min(before)}]
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("section", ["sync retry", "sync rejection"])
def test_the_sync_loops_make_exactly_the_calls_asked_for(section):
    """The loops count right and swallow rejections only where these are measured."""
    calls = []
    with asyncio.Runner() as runner:
        assert sampler(calls.append, SECTIONS[section], runner)(7) > 0.0

    assert calls == [1] * 7


@pytest.mark.parametrize("section", ["async retry", "async rejection"])
@pytest.mark.parametrize("count", [3, STRIDE, 2 * STRIDE + 1])
def test_the_async_loops_make_exactly_the_calls_asked_for(section, count):
    """Giving way to the event loop now and then loses no call."""
    calls = []

    async def call(x):
        calls.append(x)

    with asyncio.Runner() as runner:
        sampler(call, SECTIONS[section], runner)(count)

    assert len(calls) == count


def test_each_loop_has_bytecode_of_its_own():
    """Inline caches live in the code object, so no two candidates may share one."""
    first, second = own_code(threads.throughput), own_code(threads.throughput)

    assert first.__code__ is not second.__code__


@pytest.mark.real_time
def test_throughput_counts_the_calls_of_all_threads():
    """Four threads that wait make about four times the calls of one."""
    rate = threads.throughput(lambda: time.sleep(0.02), 4, 0.2)

    assert 60 < rate <= 200


def test_memory_is_what_stays_allocated():
    """A kilobyte kept is a kilobyte and its key; what is dropped at once is not counted."""
    kept = memory.bytes_each(lambda: bytearray(1024), 50)
    dropped = memory.bytes_each(lambda: bytearray(1024) and None, 50)

    assert 1024 < kept < 1024 + 500
    assert dropped < 500


def test_strangers_are_neither_ours_nor_the_standard_librarys():
    """Only real dependencies count as third-party modules."""
    assert imports.strangers(["holdfast", "json", "_thread", "requests"]) == ["requests"]


def test_the_timers_of_an_event_loop_are_counted():
    """Each asyncio.timeout in flight is an entry of the loop's heap, a bare call is none."""
    assert asyncio.run(timers.heap_entries(timers._bare)) == 0
    assert asyncio.run(timers.heap_entries(timers._timeout)) == timers.MANY


def test_a_cost_is_over_that_of_its_base():
    """The base itself is shown in full."""
    best = {(100, "bare"): 2.0, (100, "ours"): 5.0}

    assert timers.over(best, 100, "ours", "bare") == 3.0
    assert timers.over(best, 100, "bare", "bare") == 2.0


def test_imports_are_timed_with_bytecode(monkeypatch, tmp_path):
    """An environment that writes no bytecode doesn't make every import compile its modules."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    done = imports.Python(str(tmp_path)).run("import this")

    assert done.returncode == 0
    assert list(tmp_path.rglob("this.*.pyc"))


def test_node_figures_are_over_nodes_own_bare_call():
    """Each side subtracts its own bare call before the two are compared."""
    rows = node.rows({"bare": 30.0, "cockatiel retry": 140.0})

    assert [(row.name, row.value) for row in rows] == [
        ("bare async function", 30.0),
        ("cockatiel retry", 110.0),
    ]


def test_a_missing_tool_is_a_reason_to_skip(monkeypatch):
    """Without node and npm the section is left out, and says so."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(node, "_installed", lambda _name: None)

    found = node.measure(node.Options())

    assert found.rows == []
    assert [skip.reason for skip in found.skips] == ["npm is not installed"]


def test_the_keys_looked_up_are_spread_over_all():
    """Few and many keys are asked for equally often, from one end to the other."""
    seen = []

    keyed._cycling(seen.append, 100_000)(1_000)

    assert (min(seen), max(seen), len(set(seen))) == (0, 99_900, 1_000)
