"""The ground that the experiments stand on: what happens when, who is served, what is counted."""

from random import Random

import pytest

from holdfast.errors import AttemptTimeout, BulkheadFullError
from holdfast.strategies import backoff
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.retry import Retry
from tests.experiments.client import Client, arrive
from tests.experiments.heap import Heap, Seconds, Server, poisson


def instants(heap, log):
    return lambda error=None: log.append((round(heap.now - heap.start, 6), error))


def test_what_is_due_happens_in_its_order_and_what_is_cancelled_does_not():
    """Events of the same instant happen in the order in which they were announced."""
    heap, seen = Heap(), []
    heap.after(2.0, lambda: seen.append("late"))
    heap.after(1.0, lambda: seen.append("first"))
    heap.after(1.0, lambda: seen.append("second"))
    heap.after(1.5, lambda: seen.append("never")).cancel()

    heap.run(1.9)

    assert seen == ["first", "second"]
    assert heap.now == heap.start + 1.9


def test_arrivals_have_the_rate_that_was_asked_for():
    """Ten thousand expected arrivals are within three standard deviations of that."""
    assert abs(len(list(poisson(100.0, 100.0, Random(1)))) - 10_000) < 300


def test_arrivals_are_counted_from_the_instant_of_the_order():
    """`arrive` calls at the instants that `poisson` yields."""
    heap, seen = Heap(), []
    heap.run(5.0)
    arrive(heap, 10.0, 1.0, Random(1), lambda at: seen.append((at, heap.now - heap.start)))
    heap.run(10.0)

    assert [at for at, _ in seen] == list(poisson(10.0, 1.0, Random(1)))
    assert all(now == pytest.approx(5.0 + at) for at, now in seen)


def test_a_server_serves_in_turn_with_as_many_workers_as_it_has():
    """Two workers, three requests of a second each: the third waits for a second."""
    heap, log = Heap(), []
    server = Server(heap, 2, lambda: 1.0)
    for _ in range(3):
        server.submit(instants(heap, log))
    heap.run(5.0)

    assert [at for at, _ in log] == [1.0, 1.0, 2.0]


def test_a_stalled_server_begins_nothing_and_goes_on_when_it_is_well_again():
    """Speed 0 is a stall; what is under way ends as it would have."""
    heap, log = Heap(), []
    server = Server(heap, 1, lambda: 1.0)
    server.submit(instants(heap, log))
    server.submit(instants(heap, log))
    heap.at(heap.start + 0.5, lambda: server.set_speed(0))
    heap.at(heap.start + 4.0, lambda: server.set_speed(1))
    heap.run(10.0)

    assert [at for at, _ in log] == [1.0, 5.0]


def test_recovery_is_the_first_second_from_which_all_windows_are_good():
    """TTR: every 5 s window for 20 s has at least 99 % of successes."""
    users = Seconds()
    for second in range(100):
        for place in range(100):
            users.count(second, good=not 10 <= second < 13 or place > 50)

    assert users.recovered(10, 100) == 3
    assert users.between(10, 13) == (147, 153)


def test_a_client_gives_up_on_an_attempt_and_retries_as_its_retry_says():
    """Attempts of 1 s, delays of 0.5 s: the third answers, so the call takes 3.1 s."""
    heap, log, waits = Heap(), [], iter((9.0, 9.0, 0.1))
    client = Client(
        heap,
        lambda answer: heap.after(next(waits), lambda: answer(None)),
        retry=Retry(3, backoff=backoff.constant(0.5)),
        timeout=1.0,
    )
    client.call(instants(heap, log))
    heap.run(20.0)

    assert log == [(3.1, None)]
    assert (client.attempts, client.timeouts) == (3, 2)


def test_a_client_raises_the_last_error_when_its_attempts_are_used_up():
    """The user gets the outcome of the last attempt, once."""
    heap, log = Heap(), []
    client = Client(heap, lambda answer: None, retry=Retry(2, backoff=backoff.constant(0.0)),
                    timeout=1.0)  # fmt: skip
    client.call(instants(heap, log))
    heap.run(20.0)

    assert [(at, type(error)) for at, error in log] == [(2.0, AttemptTimeout)]


@pytest.mark.parametrize(
    "max_wait, answers",
    [(None, [1.0, 2.0, 0.0]), (0.5, [1.0, 0.5, 0.0])],
    ids=["granted in turn", "waited too long"],
)
def test_a_client_waits_for_its_turn_at_a_gate(max_wait, answers):
    """One permit, one place in the queue: the second waits, the third is refused."""
    heap = Heap()
    bulkhead = Bulkhead(1, queue=1, max_wait=max_wait)
    client = Client(heap, lambda answer: heap.after(1.0, lambda: answer(None)), outer=[bulkhead])
    logs = [[], [], []]
    for log in logs:
        client.call(instants(heap, log))
    heap.run(20.0)

    assert [log[0][0] for log in logs] == answers
    assert isinstance(logs[2][0][1], BulkheadFullError)
    assert (logs[1][0][1] is None) == (max_wait is None)
    assert bulkhead.in_flight == bulkhead.waiting == 0


def test_gates_inside_the_retry_are_asked_for_each_attempt_and_those_outside_once():
    """Permits come back innermost first, and none is left over."""
    heap, log, order = Heap(), [], []

    class Noting:
        timed = False
        resting = None

        def __init__(self, name):
            self.name = name

        def enter(self, now, args, kwargs, site=None):
            order.append(f"+{self.name}")
            return self

        def succeeded(self, permit, now, result):
            order.append(f"-{self.name}")

        def failed(self, permit, now, error):
            order.append(f"!{self.name}")

    answers = iter((OSError(), None))
    client = Client(
        heap, lambda answer: answer(next(answers)), outer=[Noting("a")],
        retry=Retry(2, backoff=backoff.constant(1.0)), inner=[Noting("b"), Noting("c")],
    )  # fmt: skip
    client.call(instants(heap, log))
    heap.run(5.0)

    assert " ".join(order) == "+a +b +c !c !b +b +c -c -b -a"
    assert log == [(1.0, None)]
