"""A child that was forked inside a call gives nothing back that the parent has given out.

The frames of the forking thread are in both processes, so a call that was under way ends in both.
What it holds was taken from the parent's permits.  Source: gunicorn's and celery's workers, which
fork wherever their masters happen to be, and ``os.fork()`` in a function of the user's.
"""

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    ConcurrencyLimiter,
    Keyed,
    LoadShedder,
    RateLimiter,
    Throttle,
)
from holdfast._world import now
from holdfast.shapes import Wait

DOWN = ConnectionError("down")


def by_key(make):
    return lambda: Keyed(lambda *_: "key", lambda _key: make(), max_keys=1)


def tripped():
    breaker = CircuitBreaker(failures=1, open_for=0.001, open_cap=0.001, probes=2)
    breaker.trip(now=now() - 1.0)
    return breaker


GATES = {
    "bulkhead": lambda: Bulkhead(2),
    "a full bulkhead": lambda: Bulkhead(1, queue=1),
    "a bulkhead in shadow mode": lambda: Bulkhead(1, shadow=True),
    "limiter": lambda: ConcurrencyLimiter(min=2, max=2),
    "a full limiter": lambda: ConcurrencyLimiter(min=1, max=1, queue=1),
    "a limiter with parties": lambda: ConcurrencyLimiter(
        min=4, max=4, partition=lambda *_: "ours", shares={"ours": 0.5}
    ),
    "shedder": lambda: LoadShedder(2),
    "a full shedder": lambda: LoadShedder(1, queue=1),
    "throttle": Throttle,
    "breaker": CircuitBreaker,
    "a half-open breaker": tripped,
    "rate limiter": lambda: RateLimiter(10, actual=lambda _result: 7),
    "a full rate limiter": lambda: RateLimiter(0.1, burst=1, max_wait=60.0),
    "chaos": lambda: Chaos(1.0, latency=0.001, enabled=True),
}
GATES |= {f"{name}, by key": by_key(make) for name, make in GATES.items()}

ENDINGS = {
    "succeeded": lambda gate, permit: gate.succeeded(permit, now(), "result"),
    "failed": lambda gate, permit: gate.failed(permit, now(), DOWN),
    "abandoned": lambda gate, permit: gate.abandoned(permit, now()),
}


def enter(gate):
    answer = gate.enter(now(), (), {})
    return answer.permit if type(answer) is Wait else answer


def state(gate):
    """Return what a gate shows, without what has happened to its calls."""
    shown = gate.snapshot()
    for history in ("detected", "enforced", "injected", "delayed", "shed"):
        shown.pop(history, None)
    return shown


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", GATES)
def test_what_the_parent_has_given_out_is_not_given_back_in_the_child(name, ending):
    """Neither where somebody is inside there nor where nobody is does it change anything."""
    gate = GATES[name]()
    permits = [enter(gate) for _ in range(2)]
    gate._after_fork()
    own = enter(gate)
    before = state(gate)

    for permit in permits:
        ENDINGS[ending](gate, permit)

    after = state(gate)
    for rate in (*before.get("rates", ()), *after.get("rates", ())):
        rate["available"] = round(rate["available"])  # it drains while we look
    assert after == before
    ENDINGS["succeeded"](gate, own)


def test_who_waited_for_a_bulkhead_in_the_parent_has_no_permit_in_the_child():
    """Its place was taken in the parent's queue, granted or not."""
    bulkhead = Bulkhead(1, queue=1)
    holder, waiter = enter(bulkhead), enter(bulkhead)
    bulkhead.succeeded(holder, 0.0, None)
    assert waiter.granted
    bulkhead._after_fork()

    bulkhead.abandoned(waiter, 0.0)
    bulkhead.succeeded(waiter, 0.0, None)

    assert bulkhead.in_flight == 0
    enter(bulkhead)
    assert bulkhead.in_flight == 1


@pytest.mark.parametrize("gate", [Bulkhead(1), LoadShedder(1)], ids=["bulkhead", "shedder"])
def test_an_abandoned_worker_of_the_parent_s_frees_nothing_in_the_child(gate):
    """It was counted there: the thread that forked may itself be such a worker."""
    gate.hold()
    gate._after_fork()

    gate.release()

    assert gate.in_flight == 0
    enter(gate)
    assert gate.in_flight == 1


def test_a_key_that_was_dropped_or_shared_in_the_parent_is_renewed_as_well():
    """A call may still be inside of it, and come back to it with its thread in the child."""
    made = []

    def bulkhead(_key):
        made.append(Bulkhead(1))
        return made[-1]

    keyed = Keyed(lambda key: key, bulkhead, max_keys=1)
    held = [keyed.enter(now(), (key,), {}) for key in ("a", "b")]  # the second shares the overflow
    locks = [one._lock for one in made]

    keyed._after_fork()

    assert not any(one._lock is lock for one, lock in zip(made, locks, strict=True))
    for one in held:
        keyed.succeeded(one, now(), None)
    assert len(keyed) == 0
