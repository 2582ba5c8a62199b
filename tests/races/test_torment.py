"""Whoever got in gets out: at the end of the stack, in a collection, by an interruption.

The harness, and its long form, is `torment`.
"""

import sys

import pytest

from tests.races.torment import (
    DEEDS,
    KINDS,
    QUEUES,
    VISITED,
    VISITS,
    collections,
    evictions,
    interruptions,
    recursion,
    shrinkings,
    visits,
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_used_up_stack_leaves_nothing_behind(kind):
    """Cyclic data recurses through a protected call; the next request finds all as it was."""
    found = [recursion(kind, frames) for frames in range(4)]
    assert found == [{"threads": [], "asyncio": []}] * 4


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("kind", QUEUES)
@pytest.mark.parametrize("waiting", [0, 2])
def test_a_collected_caller_gives_back_once(kind, deed, waiting):
    """Wherever in somebody else's call the collector finds it, queueing or inside."""
    if waiting and kind in ("throttle", "half-open breaker"):
        pytest.skip("nobody queues there")
    assert list(collections(kind, deed, waiting)) == []


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("kind", VISITED)
def test_a_signal_handler_does_no_harm(kind, visit):
    """Wherever in a call it makes one of its own, looks, trips, or changes options."""
    assert list(visits(kind, "a call", visit)) == []


@pytest.mark.parametrize("kind", ["keys that come and go", "keys below a breaker"])
def test_a_signal_handler_harms_no_table_of_keys(kind):
    """Nor in a call that fails."""
    assert list(visits(kind, "a failure", "a call")) == []


def test_a_signal_handler_that_changes_a_size_loses_no_permit():
    """It may come by while the bulkhead pays a debt: what it asks is done after that."""
    assert list(shrinkings()) == []


def test_an_interruption_kills_no_key_of_a_coalesce():
    """Whoever comes next makes the attempt."""
    lost, points = interruptions("coalesce")
    assert (lost, points > 10) == (0, True)


def test_an_interruption_breaks_no_table_of_keys():
    """A key that makes room for another may be cut off in the middle of it."""
    assert evictions() == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="counted by the points of CPython 3.12")
def test_the_windows_of_an_interruption_are_no_more_than_the_page_says():
    """The page on sync and async states them; nothing closes them in Python."""
    worst = {"bulkhead": 2, "concurrency limiter": 5, "load shedder": 4, "throttle": 4}
    more = int(sys.version_info >= (3, 14))
    found = {kind: interruptions(kind)[0] for kind in worst}
    assert {kind: lost for kind, lost in found.items() if lost > worst[kind] + more} == {}
