"""`Counter`: exact, however many threads count and look."""

import os
import threading

import pytest

from holdfast._counter import Counter

THREADS, EACH = 8, 5_000


def test_a_counter_counts_ticks_and_not_looks():
    """It begins at 0, and to look changes nothing."""
    counter = Counter()
    seen = [counter.total, counter.total]
    for _ in range(3):
        next(counter)
    seen += [counter.total, counter.total]
    next(counter)

    assert [*seen, counter.total] == [0, 0, 3, 3, 4]


def test_no_count_is_lost_between_threads():
    """Each tick counts once, while another thread looks all the time; what it sees never falls."""
    counter, seen, over = Counter(), [], threading.Event()
    start = threading.Barrier(THREADS + 1)

    def work():
        start.wait()
        for _ in range(EACH):
            next(counter)

    def look():
        start.wait()
        while not over.is_set():
            seen.append(counter.total)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    looking = threading.Thread(target=look)
    for thread in (*threads, looking):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    looking.join()

    assert counter.total == THREADS * EACH
    assert seen == sorted(seen)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_can_look_although_a_thread_of_its_parent_did():
    """The lock is renewed: the thread that held it does not exist there."""
    counter = Counter()
    next(counter)
    held, forked = threading.Event(), threading.Event()

    def hold():
        with Counter.lock:
            held.set()
            forked.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(counter.total)
    forked.set()
    holder.join()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
