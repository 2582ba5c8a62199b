import threading

import pytest

from holdfast.demo.gauge import Gauge


def test_counts_those_inside_and_remembers_the_most():
    """The peak stays when those inside have left."""
    gauge = Gauge()
    with gauge, gauge:
        assert gauge.now == 2
    with gauge:
        assert gauge.now == 1

    assert (gauge.now, gauge.peak) == (0, 2)


def test_an_error_leaves_too():
    """Who leaves with an exception is counted out."""
    gauge = Gauge()
    with pytest.raises(ZeroDivisionError), gauge:
        raise ZeroDivisionError

    assert gauge.now == 0


def test_threads_are_counted_exactly():
    """Eight threads inside at once are eight, and none is lost."""
    gauge, barrier = Gauge(), threading.Barrier(8)

    def visit():
        with gauge:
            barrier.wait(5)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (gauge.now, gauge.peak) == (0, 8)
