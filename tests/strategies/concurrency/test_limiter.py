"""`ConcurrencyLimiter`: who comes in, what becomes a sample, and who is refused first."""

import pytest

from holdfast import (
    AttemptTimeout,
    BulkheadFullError,
    ConcurrencyLimitedError,
    ConcurrencyLimiter,
    ConfigurationError,
    concurrency,
    on_result,
    priority,
)
from holdfast import events as told
from holdfast._world import _renew_all
from holdfast.shapes import NO_RESULT, Gate, Site, Wait
from holdfast.strategies.concurrency.limiter import SAMPLES
from tests.ids import spelt

LOST = TimeoutError("lost")
WRONG = KeyError("wrong")


class Scripted:
    """An algorithm whose limit the test sets; it remembers what it was told."""

    def __init__(self, limit=4.0):
        self.limit = limit
        self.samples = []
        self.began = None

    def search(self, low, high, initial):
        self.began = (low, high, initial)
        return self

    def sample(self, now, rtt, in_flight, dropped):
        self.samples.append((now, rtt, in_flight, dropped))
        return self.limit


def limiter(limit=4.0, **options):
    """Return a limiter with that limit, and its algorithm."""
    algorithm = Scripted(limit)
    return ConcurrencyLimiter(algorithm, **options), algorithm


def enter(gate, *args, now=0.0, **kwargs):
    return gate.enter(now, args, kwargs)


def fill(gate, *args):
    """Enter until refused; return the permits."""
    permits = []
    while True:
        try:
            permits.append(enter(gate, *args))
        except ConcurrencyLimitedError:
            return permits


def refused(gate, *args, now=0.0):
    with pytest.raises(ConcurrencyLimitedError) as caught:
        gate.enter(now, args, {})
    return caught.value


# -- the limit ----------------------------------------------------------------------------------------


def test_a_limiter_has_the_shape_of_a_gate():
    """It never rests, since each call counts, and it wants to know how long calls take."""
    gate = ConcurrencyLimiter()

    assert isinstance(gate, Gate)
    assert (gate.resting, gate.timed, gate.limit, gate.in_flight) == (None, True, 20, 0)
    assert gate.expired(1.0, 0.0) is None


@pytest.mark.parametrize("limit, size", [(1.0, 1), (1.9, 1), (4.0, 4), (4.99, 4), (100.0, 100)])
def test_as_many_calls_as_the_limit_are_in_flight(limit, size):
    """Fractions of a call don't count."""
    gate, _ = limiter(limit)

    assert len(fill(gate)) == size
    assert gate.in_flight == size


def test_a_search_is_told_the_bounds():
    """`min`, `max`, and where to begin."""
    gate, algorithm = limiter(min=2, max=50, initial=7)

    assert algorithm.began == (2, 50, 7)
    assert (gate.min, gate.max, gate.initial) == (2, 50, 7)


def test_a_success_is_a_sample():
    """The instant, how long it took, how many were in flight with it, and that it is no loss."""
    gate, algorithm = limiter()
    enter(gate, now=10.0)
    permit = enter(gate, now=10.5)

    gate.succeeded(permit, 11.0, "result")

    assert algorithm.samples == [(11.0, 0.5, 2, False)]
    assert gate.in_flight == 1


@pytest.mark.parametrize("error", [LOST, ConnectionError("down"), AttemptTimeout(seconds=1.0)])
def test_a_transient_failure_is_a_loss(error):
    """Timeouts and refusals are what overload looks like."""
    gate, algorithm = limiter()

    gate.failed(enter(gate), 1.0, error)

    assert algorithm.samples == [(1.0, 1.0, 1, True)]
    assert gate.in_flight == 0


@pytest.mark.parametrize("error", [WRONG, BulkheadFullError("full")])
def test_other_errors_are_no_samples(error):
    """They say nothing about the capacity; a rejection further in never reached the dependency."""
    gate, algorithm = limiter()

    gate.failed(enter(gate), 1.0, error)

    assert (algorithm.samples, gate.in_flight) == ([], 0)


def test_what_is_a_loss_is_an_option():
    """By class, by predicate or by result; a rejection only where its class is named."""
    gate, algorithm = limiter(on=KeyError | on_result(lambda result: result == "busy"))
    gate.failed(enter(gate), 1.0, WRONG)
    gate.succeeded(enter(gate), 1.0, "busy")
    gate.succeeded(enter(gate), 1.0, "fine")
    gate.failed(enter(gate), 1.0, LOST)
    assert [sample[3] for sample in algorithm.samples] == [True, True, False]

    gate, algorithm = limiter(on=Exception)
    gate.failed(enter(gate), 1.0, BulkheadFullError("full"))
    assert algorithm.samples == []

    gate, algorithm = limiter(on=BulkheadFullError)
    gate.failed(enter(gate), 1.0, BulkheadFullError("full"))
    assert [sample[3] for sample in algorithm.samples] == [True]


def test_a_predicate_that_raises_leaks_no_permit():
    """Its error reaches the caller of a success, and is noted on that of a failure."""

    def broken(_subject):
        raise ZeroDivisionError

    gate, _ = limiter(on=on_result(broken))
    with pytest.raises(ZeroDivisionError):
        gate.succeeded(enter(gate), 1.0, "result")
    assert gate.in_flight == 0

    gate, _ = limiter(on=broken)
    gate.failed(enter(gate), 1.0, WRONG)
    assert gate.in_flight == 0


def test_a_block_of_code_has_no_result_to_judge():
    """It succeeds, whatever the condition on results."""
    gate, algorithm = limiter(on=on_result(lambda _result: True))

    gate.succeeded(enter(gate), 1.0, NO_RESULT)

    assert [sample[3] for sample in algorithm.samples] == [False]


def test_an_abandoned_call_is_no_sample():
    """A cancelled call ended early for a reason of its own."""
    gate, algorithm = limiter()

    gate.abandoned(enter(gate), 1.0)

    assert (algorithm.samples, gate.in_flight) == ([], 0)


def test_of_very_many_calls_some_are_samples():
    """A thousand in half a second say enough; all give their permits back."""
    gate, algorithm = limiter()
    for _ in range(3 * SAMPLES):
        gate.succeeded(enter(gate, now=1.0), 1.25, None)
    assert len(algorithm.samples) == SAMPLES

    gate.succeeded(enter(gate, now=1.0), 1.75, None)
    assert len(algorithm.samples) == SAMPLES + 1
    assert gate.in_flight == 0


def test_the_limit_follows_the_algorithm():
    """Up and down; after a shrinking nobody enters until enough have left."""
    gate, algorithm = limiter(4.0)
    permits = fill(gate)
    algorithm.limit = 2.0
    gate.succeeded(permits.pop(), 1.0, None)
    assert gate.limit == 2.0

    for _ in range(2):
        refused(gate)
        gate.succeeded(permits.pop(), 1.0, None)
    enter(gate)

    algorithm.limit = 8.0
    gate.succeeded(permits.pop(), 1.0, None)
    assert len(fill(gate)) == 7


def test_who_is_in_beyond_the_limit_does_not_count_in_a_sample():
    """The algorithm is told of as many as it has allowed."""
    gate, algorithm = limiter(4.0)
    permits = fill(gate)
    with priority("critical"):
        fill(gate)
    assert gate.in_flight == 16

    gate.succeeded(permits.pop(), 1.0, None)
    gate.failed(permits.pop(), 1.0, LOST)

    assert [sample[2] for sample in algorithm.samples] == [4, 4]


def test_a_call_that_loses_a_race_for_the_last_place_is_refused():
    """It counts itself in, sees that somebody else was faster, and takes itself back."""

    class Raced(list):
        def append(self, entry):
            super().append(entry)
            if len(self) == 1:
                super().append(entry)  # somebody else, in the same instant

    gate, _ = limiter(1.0)
    gate._inside = Raced()

    refused(gate)
    assert gate.in_flight == 1


# -- refusals -----------------------------------------------------------------------------------------


def test_a_refusal_says_how_many_and_why():
    """The limit, what is in flight, and for which class of calls."""
    gate, _ = limiter(4.3, name="payments")
    fill(gate)
    with pytest.raises(ConcurrencyLimitedError) as caught:
        gate.enter(0.0, (), {}, Site("checkout"))

    assert str(caught.value) == (
        "pipeline 'checkout': concurrency limiter 'payments' is at its limit: "
        "4 in flight, and the limit found for default calls is 4.3"
    )
    assert caught.value.strategy == "concurrency limiter 'payments'"
    assert caught.value.retry_after is None


def test_a_refusal_is_told(heard):
    """With the pipeline that was called and the instant."""
    gate, _ = limiter(1.0)
    enter(gate)

    with pytest.raises(ConcurrencyLimitedError) as caught:
        gate.enter(7.0, (), {}, Site("checkout"))

    (event,) = heard
    assert (type(event), event.pipeline, event.at) == (told.CallRejected, "checkout", 7.0)
    assert event.error is caught.value


def test_a_change_of_the_limit_is_told_if_it_is_worth_it(heard):
    """A tenth of it, and at least one call; by the limiter's name, with both limits."""
    gate, algorithm = limiter(20.0, name="payments")
    for limit in (20.5, 21.0, 21.9, 22.0, 21.0, 19.0, 1.0, 0.9, 0.5, 0.4):
        algorithm.limit = limit
        gate.failed(enter(gate, now=5.0), 5.0, LOST)
        gate._rest_until = 0.0

    changes = [(event.before, event.after) for event in heard]
    assert changes == [(20.0, 22.0), (22.0, 19.0), (19.0, 1.0), (1.0, 0.5)]
    assert {type(event) for event in heard} == {told.LimitChanged}
    assert (heard[0].strategy, heard[0].at) == ("concurrency limiter 'payments'", 5.0)


# -- priorities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, room", [("sheddable", 15), ("default", 20), ("critical", 80)])
def test_each_class_has_its_ceiling(name, room):
    """Three quarters of the limit, the limit, and the limit with the reserve on top."""
    gate, _ = limiter(20.0)

    with priority(name):
        assert len(fill(gate)) == room


def test_the_reserve_is_an_option():
    """A share of all that critical calls may have; without one they are as others."""
    for reserve, room in ((0.0, 20), (0.5, 40), (0.9, 200)):
        gate, _ = limiter(20.0, reserve=reserve)
        with priority("critical"):
            assert len(fill(gate)) == room


def test_less_important_calls_are_refused_first():
    """Those that come while the more important ones fill the limit."""
    gate, _ = limiter(20.0)
    with priority("sheddable"):
        fill(gate)
        refused(gate)
    enter(gate)
    with priority("sheddable"):
        assert "found for sheddable calls is 15" in str(refused(gate))
    with priority("critical"):
        enter(gate)


def test_even_a_limit_of_one_is_open_to_everybody():
    """Three quarters of a call would be none at all."""
    for name, room in (("sheddable", 1), ("default", 1), ("critical", 4)):
        gate, _ = limiter(1.0)
        with priority(name):
            assert len(fill(gate)) == room


def test_a_call_beyond_the_limit_is_no_sample_unless_it_is_lost():
    """Its wait is not the one that the limit is to control."""
    gate, algorithm = limiter(4.0)
    fill(gate)
    with priority("critical"):
        first, second = enter(gate), enter(gate)

    gate.succeeded(first, 1.0, None)
    assert algorithm.samples == []
    gate.failed(second, 1.0, LOST)
    assert len(algorithm.samples) == 1


def test_the_priority_can_be_told_by_the_arguments():
    """Then the ambient one does not matter."""
    gate, _ = limiter(4.0, priority=lambda order: order["class"])
    with priority("critical"):
        assert len(fill(gate, {"class": "sheddable"})) == 3

    enter(gate, {"class": "default"})
    refused(gate, {"class": "default"})
    enter(gate, {"class": "critical"})


def test_a_priority_function_that_fails_leaks_no_permit():
    """What it raises reaches the caller, and so does that there is no such class."""
    gate, _ = limiter(4.0, priority=lambda name: {"high": "urgent"}[name])
    enter(gate, "anything")  # nobody asks while there is room for everybody
    enter(gate, "anything")
    enter(gate, "anything")

    with pytest.raises(KeyError):
        enter(gate, "low")
    with pytest.raises(ConfigurationError, match="priority='urgent'"):
        enter(gate, "high")
    assert gate.in_flight == 3


# -- partitions ---------------------------------------------------------------------------------------


def shared(limit=10.0, queue=0, **shares):
    return limiter(limit, partition=lambda tenant: tenant, shares=shares, queue=queue)


def test_a_partition_may_use_what_the_others_leave():
    """All of the limit, while nobody else wants any."""
    gate, _ = shared(ours=0.7, theirs=0.3)

    assert len(fill(gate, "theirs")) == 10
    assert gate.snapshot()["partitions"] == {"ours": 0, "theirs": 10}


def test_a_partition_is_guaranteed_its_share():
    """Although others fill the limit; the whole exceeds it for a while."""
    gate, algorithm = shared(ours=0.7, theirs=0.3)
    theirs = fill(gate, "theirs")

    ours = fill(gate, "ours")

    assert len(ours) == 7
    for permit in theirs:
        gate.succeeded(permit, 1.0, None)
    assert len(fill(gate, "ours")) == 3
    assert len(algorithm.samples) == 10
    assert gate.snapshot()["partitions"] == {"ours": 10, "theirs": 0}


def test_who_has_no_share_gets_what_is_left_over():
    """Nothing is guaranteed to others."""
    gate, _ = shared(ours=0.5)
    fill(gate, "ours")
    refused(gate, "somebody")

    gate, _ = shared(ours=0.5)
    assert len(fill(gate, "somebody")) == 10
    assert len(fill(gate, "ours")) == 5


def test_every_share_is_at_least_one_call():
    """However small it, or the limit, is."""
    gate, _ = shared(limit=2.0, ours=0.95, theirs=0.05)
    fill(gate, "ours")

    assert len(fill(gate, "theirs")) == 1


def test_however_a_call_of_a_partition_ends_it_is_counted_out():
    """Success, failure and cancellation."""
    gate, _ = shared(ours=0.5)
    gate.succeeded(enter(gate, "ours"), 1.0, None)
    gate.failed(enter(gate, "ours"), 1.0, LOST)
    gate.failed(enter(gate, "ours"), 1.0, WRONG)
    gate.abandoned(enter(gate, "ours"), 1.0)

    assert gate.snapshot()["partitions"] == {"ours": 0}
    assert gate.in_flight == 0


@pytest.mark.parametrize("tenant, error", [([], TypeError), (None, ZeroDivisionError)])
def test_a_partition_function_that_fails_leaks_no_permit(tenant, error):
    """Neither where it raises, nor where its answer cannot be a key."""
    gate, _ = limiter(partition=lambda tenant: tenant if tenant == [] else 1 / 0, shares={"a": 1.0})

    with pytest.raises(error):
        enter(gate, tenant)
    assert gate.in_flight == 0


# -- limits below one ---------------------------------------------------------------------------------


def test_a_limit_below_one_is_a_duty_cycle():
    """A call of two seconds at a limit of 0.25 is followed by six seconds of rest."""
    gate, _ = limiter(0.25, min=0.05)
    permit = enter(gate, now=10.0)
    assert refused(gate, now=11.0).retry_after is None  # while one is in flight nobody knows
    gate.succeeded(permit, 12.0, None)

    assert refused(gate, now=13.0).retry_after == 5.0
    with priority("critical"):
        refused(gate, now=17.9)
    gate.abandoned(enter(gate, now=18.0), 18.1)
    assert refused(gate, now=18.2).retry_after == pytest.approx(0.2)


def test_a_rest_ends_with_the_limit_that_asked_for_it():
    """Once the limit is 1 again, calls follow one another."""
    gate, algorithm = limiter(0.5, min=0.05)
    permit = enter(gate, now=0.0)
    algorithm.limit = 1.0

    gate.succeeded(permit, 1.0, None)

    enter(gate, now=1.0)


# -- the queue ----------------------------------------------------------------------------------------


def full(limit=1.0, queue=9, calls=None, **options):
    """Return a limiter with as many calls in flight as the limit, their permits, and its algorithm."""
    gate, algorithm = limiter(limit, queue=queue, max_wait=2.0, **options)
    return gate, [enter(gate) for _ in range(int(limit) if calls is None else calls)], algorithm


def wait(gate, *args, now=0.0):
    """Enter, and return the permit that is waited for."""
    answer = gate.enter(now, args, {})
    assert isinstance(answer, Wait)
    assert (answer.permit, answer.delay) == (answer.ticket, gate.max_wait)
    return answer.permit


def granted(*permits):
    return [permit.granted for permit in permits]


def test_calls_above_the_limit_wait_in_the_order_of_arrival():
    """As many as the queue holds; each permit that comes back goes to who has waited longest."""
    gate, permits, _ = full(2.0, queue=2)
    first, second = wait(gate), wait(gate)
    assert "2 in flight and 2 wait, and the limit found for default calls is 2" in str(
        refused(gate)
    )

    gate.succeeded(permits[0], 1.0, None)
    assert granted(first, second) == [True, False]
    gate.failed(permits[1], 1.0, WRONG)
    gate.abandoned(first, 1.0)
    gate.abandoned(second, 1.0)

    assert (gate.in_flight, gate.waiting) == (0, 0)
    enter(gate)


def test_the_time_in_the_queue_is_no_latency():
    """A sample begins when the call is let in."""
    gate, [permit], algorithm = full()
    waiter = wait(gate, now=0.5)
    gate.succeeded(permit, 3.0, None)
    gate.succeeded(waiter, 3.25, None)

    assert algorithm.samples == [(3.0, 3.0, 1, False), (3.25, 0.25, 1, False)]


def test_a_limit_that_grows_lets_in_as_many_as_fit():
    """Not only one for each call that ends."""
    gate, [permit], algorithm = full()
    waiters = [wait(gate) for _ in range(5)]
    algorithm.limit = 3.0

    gate.succeeded(permit, 1.0, None)

    assert granted(*waiters) == [True, True, True, False, False]


def test_a_limit_that_shrinks_lets_nobody_in_until_enough_have_ended():
    """Those that wait stay where they are."""
    gate, permits, algorithm = full(3.0)
    waiter = wait(gate)
    algorithm.limit = 1.0

    for permit in permits[:2]:
        gate.succeeded(permit, 1.0, None)
    assert not waiter.granted
    gate.succeeded(permits[2], 1.0, None)
    assert waiter.granted


def test_the_more_important_go_first():
    """Each as soon as there is room for its class, whoever waits before it."""
    gate, permits, _ = full(4.0, reserve=0.2)
    with priority("sheddable"):
        batch = wait(gate)
    plain = wait(gate)
    with priority("critical"):
        enter(gate)
        urgent = wait(gate)

    order = []
    for permit in [*permits[:3], permits[3]]:
        gate.abandoned(permit, 1.0)
        order.append(granted(urgent, plain, batch))

    assert order == [
        [True, False, False],
        [True, False, False],
        [True, True, False],
        [True, True, False],
    ]
    gate.abandoned(urgent, 1.0)
    assert batch.granted


def test_who_finds_room_for_its_class_does_not_wait_for_others():
    """Critical calls have room of their own, though default ones wait."""
    gate, _, _ = full()
    wait(gate)

    with priority("critical"):
        enter(gate)


def test_a_party_that_waits_has_its_share_before_others_come_in():
    """Although somebody else has waited longer: that part of the limit is its own."""
    gate, _ = shared(limit=4.0, ours=0.5, queue=5)
    others = [enter(gate, "somebody") for _ in range(3)]
    ours = [enter(gate, "ours") for _ in range(2)]  # beyond the limit, within its share
    longest, mine = wait(gate, "somebody"), wait(gate, "ours")

    gate.succeeded(ours[0], 1.0, None)
    assert granted(longest, mine) == [False, True]
    assert gate.snapshot()["partitions"] == {"ours": 2}
    gate.succeeded(others[0], 1.0, None)
    gate.succeeded(others[1], 1.0, None)
    assert longest.granted
    for permit in (ours[1], mine, longest, others[2]):
        gate.abandoned(permit, 1.0)
    assert (gate.in_flight, gate.snapshot()["partitions"]) == (0, {"ours": 0})


def test_who_loses_patience_is_refused_unless_granted_in_time():
    """After `max_wait` the runtime asks; the refusal says how long it was."""
    gate, [permit], _ = full()
    late, lucky = wait(gate), wait(gate)

    error = gate.expired(late, 2.0)
    assert "1 in flight and 1 wait" in str(error)
    assert "its turn did not come within 2 s" in str(error)
    gate.succeeded(permit, 2.0, None)
    assert gate.expired(lucky, 2.0) is None
    assert (gate.waiting, gate.in_flight, gate.detected, gate.enforced) == (0, 1, 1, 1)


def test_a_cancelled_waiter_leaves_the_queue():
    """Before its grant it holds nothing; after it, what it holds goes to the next."""
    gate, [permit], algorithm = full()
    early, granted_late, last = wait(gate), wait(gate), wait(gate)

    gate.abandoned(early, 1.0)
    gate.succeeded(permit, 1.0, None)
    gate.abandoned(granted_late, 1.0)

    assert granted(early, granted_late, last) == [False, True, True]
    assert (gate.in_flight, gate.waiting, len(algorithm.samples)) == (1, 0, 1)


def test_a_waiter_that_nobody_can_wake_is_passed_over():
    """Its event loop is closed; its permit goes to the next, and is counted once."""
    gate, [permit], _ = full()
    orphan, living = wait(gate), wait(gate)
    orphan.wake = lambda: False

    gate.succeeded(permit, 1.0, None)

    assert granted(orphan, living) == [False, True]
    assert gate.in_flight == 1
    gate.abandoned(orphan, 1.0)
    assert gate.in_flight == 1


def test_an_orphan_that_ends_while_it_is_woken_gives_back_once():
    """The garbage collector may end it in that very moment."""
    gate, permits, _ = full(3.0)
    orphan = wait(gate)

    def wake():
        gate.abandoned(orphan, 1.0)
        return False

    orphan.wake = wake
    gate.succeeded(permits[0], 1.0, None)
    assert gate.in_flight == 2


def test_samples_that_are_not_taken_let_waiters_in_all_the_same():
    """Beyond so many a second, calls end without a look at the limit."""
    gate, [permit], algorithm = full(queue=1)
    for _ in range(SAMPLES + 1):
        gate.succeeded(permit, 0.0, None)
        permit = enter(gate)
    assert len(algorithm.samples) == SAMPLES
    waiter = wait(gate)

    gate.succeeded(permit, 0.0, None)

    assert waiter.granted


def test_in_a_rest_nobody_begins_to_wait():
    """Nobody would be woken at its end: the refusal says when to come back."""
    gate, [permit], _ = full(0.5, min=0.05, calls=1)
    refused(gate)
    gate.succeeded(permit, 1.0, None)
    assert refused(gate, now=1.5).retry_after == 0.5


def test_who_waits_when_the_rests_begin_goes_in_after_one():
    """Woken by the next call that comes; or by itself, when its patience ends."""
    gate, [permit], algorithm = full(min=0.05)
    first, second, third = wait(gate), wait(gate), wait(gate)
    algorithm.limit = 0.5
    gate.succeeded(permit, 1.0, None)
    assert not first.granted

    refused(gate, now=2.0)
    assert granted(first, second) == [True, False]
    gate.succeeded(first, 2.25, None)
    assert gate.expired(second, 2.5) is None
    assert gate.expired(third, 2.5).retry_after is None
    gate.succeeded(second, 2.75, None)
    assert algorithm.samples == [
        (1.0, 1.0, 1, False),
        (2.25, 0.25, 1, False),
        (2.75, 0.25, 1, False),
    ]


def test_in_shadow_mode_nobody_waits(heard):
    """Who would have, passes; who waited when it was switched on passes after its patience."""
    gate, [permit], _ = full()
    waiter = wait(gate)
    gate.shadow = True

    enter(gate)
    assert gate.expired(waiter, 2.0) is None
    assert [event.enforced for event in heard[1:]] == [False, False]
    assert (gate.in_flight, gate.detected, gate.enforced) == (3, 2, 0)
    gate.succeeded(waiter, 3.0, None)
    gate.abandoned(permit, 3.0)
    assert gate.in_flight == 1


def test_nobody_waits_in_a_child_process():
    """Whoever waited lives in the parent, and is waited for there."""
    gate, _, _ = full()
    waiter = wait(gate)

    _renew_all()

    assert (gate.in_flight, gate.waiting, gate.busy(0.0)) == (0, 0, False)
    gate.abandoned(waiter, 1.0)
    enter(gate)


# -- shadow mode --------------------------------------------------------------------------------------


def test_in_shadow_mode_nobody_is_refused(heard):
    """It is only told; those beyond the limit count, and are no samples."""
    gate, algorithm = limiter(1.0, shadow=True)
    permits = [enter(gate) for _ in range(3)]

    assert (gate.in_flight, gate.detected, gate.enforced) == (3, 2, 0)
    assert [event.enforced for event in heard] == [False, False]
    for permit in permits:
        gate.succeeded(permit, 1.0, None)
    assert (gate.in_flight, len(algorithm.samples)) == (0, 1)


def test_shadow_mode_can_be_switched_while_it_runs():
    """Calls that it let in give their permits back as others do."""
    gate, _ = limiter(1.0, shadow=True)
    permits = [enter(gate), enter(gate)]
    gate.shadow = False
    refused(gate)
    for permit in permits:
        gate.abandoned(permit, 1.0)

    assert gate.in_flight == 0
    assert (gate.detected, gate.enforced) == (2, 1)


def test_shadow_mode_that_ends_while_a_call_is_refused_leaks_nothing():
    """The refusal bites, so the call is not counted in."""
    gate, _ = limiter(1.0, shadow=True)
    enter(gate)

    class Switching(Site):
        def refuse(self, error, now, *, enforced=True):
            raise error

    with pytest.raises(ConcurrencyLimitedError):
        gate.enter(0.0, (), {}, Switching("p"))
    assert gate.in_flight == 1


# -- the rest -----------------------------------------------------------------------------------------


def test_a_child_process_starts_afresh():
    """It has none of the calls in flight; one that gives a permit back all the same does no harm."""
    gate, algorithm = limiter(10.0, partition=lambda tenant: tenant, shares={"ours": 0.5})
    permit = enter(gate, "ours")
    algorithm.limit = 7.0

    _renew_all()

    assert (gate.in_flight, gate.limit) == (0, 7.0)
    assert gate.snapshot()["partitions"] == {"ours": 0}
    gate.succeeded(permit, 1.0, None)
    assert gate.in_flight == 0
    assert gate.snapshot()["partitions"] == {"ours": 0}


def test_it_is_busy_while_calls_are_in_flight():
    """`Keyed` asks before it forgets one."""
    gate, _ = limiter()
    assert not gate.busy(0.0)
    permit = enter(gate)
    assert gate.busy(0.0)
    gate.abandoned(permit, 0.0)
    assert not gate.busy(0.0)


def test_the_snapshot_tells_the_state():
    """As plain data, for metrics and for people."""
    gate = ConcurrencyLimiter(concurrency.vegas(), max=50, name="payments")
    enter(gate)

    assert gate.snapshot() == {
        "strategy": "concurrency limiter", "name": "payments", "limit": 20.0, "in_flight": 1,
        "waiting": 0, "queue": 0, "max_wait": None, "min": 1.0, "max": 50,
        "algorithm": "concurrency.vegas()", "reserve": 0.75,
        "partitions": {}, "shadow": False, "detected": 0, "enforced": 0,
    }  # fmt: skip
    assert repr(gate) == "<ConcurrencyLimiter 'payments' 1 in flight, limit 20>"
    assert repr(ConcurrencyLimiter()) == "<ConcurrencyLimiter 0 in flight, limit 20>"


BAD = [
    {"algorithm": "vegas"},
    {"algorithm": object()},
    {"min": 0},
    {"max": 0},
    {"max": 2.5},
    {"min": 30, "max": 20},
    {"initial": 0},
    {"on": "Exception"},
    {"reserve": 1.0},
    {"reserve": -0.1},
    {"queue": -1},
    {"max_wait": 0.0},
    {"max_wait": None, "queue": 5, "min": 0.5},
    {"priority": "critical"},
    {"partition": str},
    {"shares": {"a": 0.5}},
    {"partition": str, "shares": {}},
    {"partition": "key", "shares": {"a": 0.5}},
    {"partition": str, "shares": {"a": 0.0}},
    {"partition": str, "shares": {"a": 0.6, "b": 0.5}},
    {"shadow": 1},
    {"name": ""},
]


@pytest.mark.parametrize("options", BAD, ids=spelt)
def test_an_option_outside_its_range_is_refused(options):
    """By name, when it is made."""
    with pytest.raises(
        ConfigurationError, match=rf"^({'|'.join(options)}|shares)\b.* is not allowed"
    ):
        ConcurrencyLimiter(**options)
