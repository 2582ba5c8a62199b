"""The garbage collector and signal handlers may call into a strategy while it is at work.

A coroutine that is garbage gives back its permits when it is collected, and that happens in whatever
thread allocates something: possibly one that is inside the same strategy at that moment.
"""

import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from holdfast import Bulkhead, BulkheadFullError, CircuitBreaker, Pipeline, RetryBudget

COLLECT_INSIDE = """
    import asyncio, faulthandler, gc, logging
    from holdfast import Bulkhead, CircuitBreaker, Pipeline

    logging.disable(logging.CRITICAL)
    faulthandler.dump_traceback_later(20, exit=True)

    def a_probe():
        gate = CircuitBreaker(open_for=1e-9, open_jitter=0, probes=9)
        gate.trip()
        return gate, Pipeline("p", gate)

    def a_holder():
        gate = Bulkhead(2, queue=9)
        gate.enter(0.0, (), {})
        return gate, Pipeline("p", gate)

    async def forever():
        await asyncio.get_running_loop().create_future()

    async def started(call):
        task = asyncio.get_running_loop().create_task(call())
        await asyncio.sleep(0)
        return task

    def garbage(call):
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(started(call))
        loop.close()
        return [task]

    for make in (a_probe, a_holder):
        for threshold in range(1, 40):
            gc.collect()
            gc.disable()
            gate, pipeline = make()
            left = garbage(pipeline(forever))
            if make is a_holder:
                first = gate.enter(0.0, (), {})  # somebody queues already
            left.append(left)
            gc.collect(0)  # moves it to the next generation, which the next collection looks at
            enter, arguments, keywords, now = gate.enter, (), {}, 1e9
            del left
            gc.set_threshold(threshold, 0, 100)
            gc.enable()
            enter(now, arguments, keywords)
            gc.disable()
            gc.set_threshold(700, 10, 10)
            gc.collect()
            if make is a_holder:
                assert first.ticket.granted
                assert (gate.in_flight, gate.waiting) == (2, 1)
    print("no deadlock")
"""


def test_the_garbage_collector_inside_a_strategy():
    """Garbage that is collected in the middle of ``enter``, and gives back a permit, blocks nobody."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(COLLECT_INSIDE)],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "no deadlock\n", "")


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_a_signal_handler_that_makes_protected_calls(balanced):
    """A handler that calls through the same strategies as the code it interrupts does not hang."""
    bulkhead = Bulkhead(1, queue=0)
    breaker = CircuitBreaker(failures=3, open_for=1e-9, open_jitter=0)
    budget = RetryBudget()
    pipeline = Pipeline("p", bulkhead, breaker)
    handled = []

    def call(number=0):
        try:
            pipeline.call(divmod, 1, number % 2)
        except (ZeroDivisionError, BulkheadFullError):
            pass
        budget.withdraw()
        budget.deposit()

    def handler(signum, frame):
        handled.append(1)
        call(len(handled))

    before = signal.signal(signal.SIGUSR1, handler)
    stop = threading.Event()
    main = threading.main_thread().ident

    def bombard():
        while not stop.wait(0.00005):
            signal.pthread_kill(main, signal.SIGUSR1)

    sender = threading.Thread(target=bombard, daemon=True)
    sender.start()
    try:
        number = 0
        while len(handled) < 100:
            number += 1
            call(number)
    finally:
        stop.set()
        sender.join(10.0)
        signal.signal(signal.SIGUSR1, before)
    balanced(bulkhead, breaker, budget)
