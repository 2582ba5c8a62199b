"""Sliding windows: what they count, and what they have forgotten."""

import pytest

from holdfast.strategies.breaker.window import CountWindow, TimeWindow


def totals(window):
    return window.calls, window.failures, window.slow


@pytest.mark.parametrize("window", [CountWindow(5), TimeWindow(10.0)], ids=["count", "time"])
def test_a_new_window_is_empty(window):
    """Nothing was seen, so nothing is counted."""
    assert totals(window) == (0, 0, 0)


@pytest.mark.parametrize("window", [CountWindow(5), TimeWindow(10.0)], ids=["count", "time"])
def test_failures_and_slow_calls_are_counted_apart(window):
    """A call may be neither, one of the two, or both."""
    window.add(0.0)
    window.add(0.0, failed=True)
    window.add(0.0, slow=True)
    window.add(0.0, failed=True, slow=True)

    assert totals(window) == (4, 2, 2)


@pytest.mark.parametrize("window", [CountWindow(5), TimeWindow(10.0)], ids=["count", "time"])
def test_clear_forgets_everything(window):
    """After `clear` the window counts from nothing again."""
    window.add(3.0, failed=True, slow=True)

    window.clear()
    assert totals(window) == (0, 0, 0)

    window.add(4.0)
    assert totals(window) == (1, 0, 0)


def test_a_full_count_window_forgets_its_oldest_call():
    """The fourth call of a window of three pushes the first one out, with all it was."""
    window = CountWindow(3)
    window.add(0.0, failed=True, slow=True)
    window.add(0.0, failed=True)
    window.add(0.0, slow=True)

    window.add(0.0)
    assert totals(window) == (3, 1, 1)

    window.add(0.0)
    assert totals(window) == (3, 0, 1)

    window.add(0.0)
    assert totals(window) == (3, 0, 0)


def test_a_count_window_of_one_knows_the_last_call_only():
    """The smallest window is its newest call."""
    window = CountWindow(1)
    window.add(0.0, failed=True)
    assert totals(window) == (1, 1, 0)

    window.add(0.0, slow=True)
    assert totals(window) == (1, 0, 1)


def test_time_does_not_move_a_count_window():
    """A call stays until others push it out, however long ago it was."""
    window = CountWindow(3)
    window.add(0.0, failed=True)

    window.advance(1e9)

    assert totals(window) == (1, 1, 0)


@pytest.mark.parametrize(
    "now, remembered", [(0.0, 1), (9.0, 1), (9.999, 1), (10.0, 0), (10.5, 0), (1e9, 0)]
)
def test_a_time_window_forgets_after_its_length(now, remembered):
    """A call of the instant 0 is in a window of 10 s until the instant 10."""
    window = TimeWindow(10.0)
    window.add(0.0, failed=True, slow=True)

    window.advance(now)

    assert totals(window) == (remembered,) * 3


@pytest.mark.parametrize("now, remembered", [(9.99, 1), (10.0, 0)])
def test_a_time_window_is_exact_to_a_tenth(now, remembered):
    """A call of the instant 0.9 goes with its bucket, a tenth of the window early at most."""
    window = TimeWindow(10.0)
    window.add(0.9)

    window.advance(now)

    assert window.calls == remembered


def test_a_time_window_forgets_bucket_by_bucket():
    """One call each second: at every instant the window of 10 s holds ten of them."""
    window = TimeWindow(10.0)
    for second in range(100):
        window.add(float(second), failed=second % 2 == 0)
        assert window.calls == min(second + 1, 10)

    assert window.failures == 5


def test_a_time_window_is_empty_after_a_long_gap():
    """A gap longer than the window leaves nothing, and counting goes on from there."""
    window = TimeWindow(10.0)
    for instant in range(10):
        window.add(float(instant), failed=True)

    window.add(1_000.5)
    assert totals(window) == (1, 0, 0)

    window.add(1_009.9)
    assert window.calls == 2

    window.add(1_010.0)
    assert window.calls == 2


@pytest.mark.parametrize("backwards", [19.0, 5.0, 0.0, -100.0])
def test_a_clock_that_goes_backwards_counts_as_now(backwards):
    """A call from before the newest bucket is counted in the newest one, and expires with it."""
    window = TimeWindow(10.0)
    window.add(20.0)

    window.add(backwards, failed=True)
    assert totals(window) == (2, 1, 0)

    window.advance(29.9)
    assert window.calls == 2

    window.advance(30.0)
    assert window.calls == 0


def test_negative_instants_are_instants_like_others():
    """A monotonic clock may start anywhere, also below zero."""
    window = TimeWindow(10.0)
    window.add(-15.0)
    window.add(-5.5)
    assert window.calls == 2

    window.advance(-5.0)
    assert window.calls == 1


def test_asking_a_new_time_window_for_the_time_changes_nothing():
    """`advance` before the first call sets the window's place on the time line."""
    window = TimeWindow(10.0)
    window.advance(50.0)
    assert totals(window) == (0, 0, 0)

    window.add(40.0)
    window.advance(59.9)
    assert window.calls == 1
