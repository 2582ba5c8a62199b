"""`Bulkhead`: permits out, permits in, and who is next."""

import pytest

from holdfast import Bulkhead, BulkheadFullError
from holdfast import events as told
from holdfast.shapes import Gate, Site, Ticket, Wait

DOWN = ConnectionError("down")


def enter(bulkhead):
    return bulkhead.enter(0.0, (), {})


def filled(size=1, **options):
    """Return a bulkhead with all its permits taken, and one of them."""
    bulkhead = Bulkhead(size, **options)
    permits = [enter(bulkhead) for _ in range(size)]
    return bulkhead, permits[0]


def queued(bulkhead, *, woken=None, alive=True):
    """Return the ticket of a caller that had to queue; it notes its name when it is woken."""
    answer = enter(bulkhead)
    assert isinstance(answer, Wait)
    ticket = answer.ticket

    def wake():
        if woken is not None:
            woken.append(ticket)
        return alive

    ticket.wake = wake
    return ticket


def refused(bulkhead):
    with pytest.raises(BulkheadFullError) as caught:
        enter(bulkhead)
    return caught.value


# -- permits ----------------------------------------------------------------------------------


def test_a_bulkhead_has_the_shape_of_a_gate():
    """It never rests, since each call takes a permit, and it asks for no instants."""
    bulkhead = Bulkhead(1)

    assert isinstance(bulkhead, Gate)
    assert (bulkhead.resting, bulkhead.timed) == (None, False)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_as_many_calls_as_its_size_are_in_flight(size):
    """The next one is refused at once, if there is no queue."""
    bulkhead, _ = filled(size)

    assert bulkhead.in_flight == size
    assert refused(bulkhead).retry_after is None


@pytest.mark.parametrize(
    "outcome, arguments", [("succeeded", ("result",)), ("failed", (DOWN,)), ("abandoned", ())]
)
def test_however_a_call_ends_its_permit_comes_back(outcome, arguments):
    """Success, failure and cancellation are the same to a compartment."""
    bulkhead, permit = filled()

    getattr(bulkhead, outcome)(permit, 0.0, *arguments)

    assert bulkhead.in_flight == 0
    assert enter(bulkhead) is not None


def test_a_refusal_says_what_is_full():
    """Name, calls in flight, size, and the queue if there is one."""
    bulkhead, _ = filled(2, name="payments")
    with pytest.raises(BulkheadFullError) as caught:
        bulkhead.enter(0.0, (), {}, Site("checkout"))

    assert str(caught.value) == (
        "pipeline 'checkout': bulkhead 'payments' is full: 2 of 2 are in flight"
    )
    assert caught.value.strategy == "bulkhead 'payments'"
    assert caught.value.pipeline == "checkout"

    waited, _ = filled(1, queue=1)
    queued(waited)
    assert str(refused(waited)) == "bulkhead is full: 1 of 1 are in flight and 1 wait"


def test_a_refusal_is_told(heard):
    """With the pipeline that was called and the instant."""
    bulkhead, _ = filled()

    with pytest.raises(BulkheadFullError) as caught:
        bulkhead.enter(7.0, (), {}, Site("checkout"))

    (event,) = heard
    assert (type(event), event.pipeline, event.at) == (told.CallRejected, "checkout", 7.0)
    assert event.error is caught.value


# -- the queue --------------------------------------------------------------------------------


def test_who_finds_no_permit_queues():
    """The answer is a wait with a ticket that is not granted yet, for `max_wait` at most."""
    bulkhead, _ = filled(queue=2, max_wait=1.5)

    answer = enter(bulkhead)

    assert isinstance(answer, Wait)
    assert isinstance(answer.ticket, Ticket)
    assert answer.permit is answer.ticket
    assert (answer.delay, answer.ticket.granted) == (1.5, False)
    assert bulkhead.waiting == 1


def test_without_max_wait_the_wait_has_no_limit():
    """The deadline alone limits it then."""
    bulkhead, _ = filled(queue=1)

    assert enter(bulkhead).delay is None


def test_the_queue_has_an_end():
    """Beyond it callers are refused at once."""
    bulkhead, _ = filled(queue=2)
    queued(bulkhead)
    queued(bulkhead)

    refused(bulkhead)

    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 2)


def test_the_queue_is_served_in_the_order_of_arrival():
    """Each permit that comes back goes to the one who has waited longest."""
    bulkhead, permit = filled(queue=3)
    woken = []
    tickets = [queued(bulkhead, woken=woken) for _ in range(3)]

    for _ in range(3):
        bulkhead.succeeded(permit, 0.0, None)

    assert woken == tickets
    assert all(ticket.granted for ticket in tickets)
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)


def test_newcomers_do_not_overtake_the_queue():
    """A permit that came back belongs to those who wait, also where one is free for a moment."""
    bulkhead, permit = filled(queue=2)
    first = queued(bulkhead)
    bulkhead.succeeded(permit, 0.0, None)

    second = queued(bulkhead)

    assert first.granted
    assert not second.granted
    assert isinstance(enter(bulkhead), Wait)


def test_a_granted_ticket_is_a_permit():
    """Its owner gives it back as others do."""
    bulkhead, permit = filled(queue=1)
    ticket = queued(bulkhead)
    bulkhead.succeeded(permit, 0.0, None)

    bulkhead.succeeded(ticket, 0.0, None)

    assert bulkhead.in_flight == 0


def test_a_ticket_that_nobody_waits_on_yet_can_be_granted():
    """The owner sets its waker, then looks once more whether it was granted meanwhile."""
    bulkhead, permit = filled(queue=1)
    ticket = enter(bulkhead).ticket

    bulkhead.succeeded(permit, 0.0, None)

    assert ticket.granted


# -- leaving the queue ------------------------------------------------------------------------


def test_a_waiter_that_is_cancelled_leaves_the_queue():
    """It takes no permit with it, and nobody wakes it later."""
    bulkhead, permit = filled(queue=1)
    woken = []
    ticket = queued(bulkhead, woken=woken)

    bulkhead.abandoned(ticket, 0.0)
    bulkhead.succeeded(permit, 0.0, None)

    assert (bulkhead.in_flight, bulkhead.waiting, woken) == (0, 0, [])
    assert not ticket.granted


def test_a_place_in_the_queue_is_free_again_after_a_cancellation():
    """However many waiters were cancelled before."""
    bulkhead, _ = filled(queue=1)
    for _ in range(100):
        bulkhead.abandoned(queued(bulkhead), 0.0)

    assert bulkhead.waiting == 0
    queued(bulkhead)


def test_a_waiter_that_is_cancelled_from_the_middle_keeps_the_order():
    """The others keep their places."""
    bulkhead, permit = filled(queue=3)
    woken = []
    first, second, third = (queued(bulkhead, woken=woken) for _ in range(3))

    bulkhead.abandoned(second, 0.0)
    bulkhead.succeeded(permit, 0.0, None)
    bulkhead.succeeded(permit, 0.0, None)

    assert woken == [first, third]


def test_a_waiter_that_is_cancelled_just_after_it_was_granted_gives_the_permit_on():
    """The next in the queue gets it."""
    bulkhead, permit = filled(queue=2)
    first, second = queued(bulkhead), queued(bulkhead)
    bulkhead.succeeded(permit, 0.0, None)
    assert first.granted

    bulkhead.abandoned(first, 0.0)

    assert second.granted
    assert bulkhead.in_flight == 1


def test_a_waiter_whose_time_is_up_is_refused():
    """The error says that it waited."""
    bulkhead, _ = filled(queue=1, max_wait=1.0, name="payments")
    ticket = queued(bulkhead)

    error = bulkhead.expired(ticket, 1.0)

    assert isinstance(error, BulkheadFullError)
    assert str(error) == (
        "bulkhead 'payments' is full: no permit came free in time; 1 are in flight"
    )
    assert bulkhead.waiting == 0


def test_a_waiter_that_was_granted_in_the_last_moment_is_not_refused():
    """It holds a permit, and must give it back as others do."""
    bulkhead, permit = filled(queue=1, max_wait=1.0)
    ticket = queued(bulkhead)
    bulkhead.succeeded(permit, 0.0, None)

    assert bulkhead.expired(ticket, 1.0) is None
    bulkhead.succeeded(ticket, 2.0, None)

    assert bulkhead.in_flight == 0


def test_an_expired_waiter_is_not_woken():
    """The permit that comes back later stays free."""
    bulkhead, permit = filled(queue=1, max_wait=1.0)
    woken = []
    bulkhead.expired(queued(bulkhead, woken=woken), 1.0)

    bulkhead.succeeded(permit, 2.0, None)

    assert (woken, bulkhead.in_flight) == ([], 0)


def test_a_waiter_that_nobody_can_wake_loses_its_turn():
    """Its event loop is closed: the permit goes to the next, and is not lost."""
    bulkhead, permit = filled(queue=3)
    dead = queued(bulkhead, alive=False)
    living = queued(bulkhead)

    bulkhead.succeeded(permit, 0.0, None)

    assert living.granted
    assert not dead.granted
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)


def test_the_permit_of_a_dead_waiter_is_given_back_once():
    """Even if its coroutine is closed later, and so abandons its ticket."""
    bulkhead, permit = filled(queue=1)
    dead = queued(bulkhead, alive=False)
    bulkhead.succeeded(permit, 0.0, None)
    assert bulkhead.in_flight == 0

    bulkhead.abandoned(dead, 0.0)

    assert bulkhead.in_flight == 0
    enter(bulkhead)
    assert isinstance(enter(bulkhead), Wait)


# -- races ------------------------------------------------------------------------------------


def test_a_permit_that_comes_back_before_the_lock_is_taken(just_before):
    """The caller who was about to queue, or to be refused, finds it."""
    bulkhead, permit = filled()
    just_before(bulkhead, lambda: bulkhead.succeeded(permit, 0.0, None))

    assert enter(bulkhead) is not None
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)


class Interruptible(dict):
    """A queue in which something happens just after somebody has joined, or is looked at."""

    joined = looked = None

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if self.joined is not None:
            self.joined()

    def __iter__(self):
        found = list(super().__iter__())
        if self.looked is not None:
            self.looked(found[0])
        return iter(found)


def test_a_permit_that_comes_back_while_a_caller_joins_the_queue_is_not_lost():
    """Who gives it back sees no queue yet; so the caller looks once more, and takes it."""
    bulkhead, permit = filled(queue=1)
    bulkhead._queue = queue = Interruptible()
    queue.joined = lambda: bulkhead._free.append(permit)

    assert not isinstance(enter(bulkhead), Wait)
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)


def test_a_newcomer_may_be_faster_than_the_second_look():
    """The permit that had come back is gone again: the caller waits after all."""

    class Snatched(list):
        def __len__(self):
            seen = super().__len__()
            self.clear()
            return seen

    bulkhead, permit = filled(queue=1)
    bulkhead._queue = queue = Interruptible()
    queue.joined = lambda: setattr(bulkhead, "_free", Snatched([permit]))

    assert isinstance(enter(bulkhead), Wait)
    bulkhead._free = []
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 1)


def test_a_waiter_that_leaves_while_it_is_chosen_keeps_no_permit():
    """As when the garbage collector closes its coroutine just then; the next one is served."""
    bulkhead, permit = filled(queue=2)
    leaving, staying = queued(bulkhead), queued(bulkhead)
    bulkhead._queue = queue = Interruptible(bulkhead._queue)
    queue.looked = lambda ticket: bulkhead.abandoned(leaving, 0.0)

    bulkhead.succeeded(permit, 0.0, None)

    assert (leaving.granted, staying.granted) == (False, True)
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)


# -- another size -----------------------------------------------------------------------------


def test_it_can_grow_while_it_runs():
    """Who waits comes in at once."""
    bulkhead, _ = filled(queue=3)
    tickets = [queued(bulkhead) for _ in range(3)]

    bulkhead.size = 3

    assert [ticket.granted for ticket in tickets] == [True, True, False]
    assert (bulkhead.size, bulkhead.in_flight, bulkhead.waiting) == (3, 3, 1)


def test_it_can_shrink_while_it_runs():
    """Nobody is thrown out; nobody comes in until enough have left."""
    bulkhead, permit = filled(3, queue=1)
    bulkhead.size = 1
    ticket = queued(bulkhead)
    assert bulkhead.in_flight == 3

    bulkhead.succeeded(permit, 0.0, None)
    bulkhead.succeeded(permit, 0.0, None)
    assert not ticket.granted
    assert bulkhead.in_flight == 1

    bulkhead.succeeded(permit, 0.0, None)
    assert ticket.granted
    assert bulkhead.in_flight == 1


def test_it_can_shrink_while_permits_are_free():
    """Free permits go first."""
    bulkhead = Bulkhead(3)
    permit = enter(bulkhead)

    bulkhead.size = 1

    assert bulkhead.in_flight == 1
    refused(bulkhead)
    bulkhead.succeeded(permit, 0.0, None)
    assert bulkhead.in_flight == 0
    enter(bulkhead)
    refused(bulkhead)


def test_shrinking_and_growing_again_cancel_out():
    """A debt that was not paid yet is forgiven."""
    bulkhead, permit = filled(3)
    bulkhead.size = 1
    bulkhead.size = 4

    assert bulkhead.in_flight == 3
    enter(bulkhead)
    refused(bulkhead)
    for _ in range(4):
        bulkhead.succeeded(permit, 0.0, None)
    assert bulkhead.in_flight == 0


# -- abandoned workers ------------------------------------------------------------------------


def test_an_abandoned_worker_keeps_its_callers_permit():
    """The caller gives its permit back, and the worker still counts."""
    bulkhead, permit = filled()
    bulkhead.hold()
    assert bulkhead.in_flight == 2

    bulkhead.failed(permit, 0.0, TimeoutError())
    assert bulkhead.in_flight == 1
    refused(bulkhead)

    bulkhead.release()
    assert bulkhead.in_flight == 0
    enter(bulkhead)


def test_a_worker_that_ends_before_its_caller_returns_leaves_the_size_as_it_is():
    """Hold and release cancel out in any order."""
    bulkhead, permit = filled()
    bulkhead.hold()
    bulkhead.release()
    assert bulkhead.in_flight == 1

    bulkhead.succeeded(permit, 0.0, None)

    assert bulkhead.in_flight == 0
    enter(bulkhead)
    refused(bulkhead)


def test_while_permits_are_free_a_worker_takes_one_of_them():
    """So a newcomer finds one less."""
    bulkhead = Bulkhead(2)
    bulkhead.hold()
    assert bulkhead.in_flight == 1

    enter(bulkhead)
    refused(bulkhead)
    bulkhead.release()
    enter(bulkhead)


def test_a_worker_that_ends_lets_the_next_one_in():
    """Its permit goes to the queue."""
    bulkhead = Bulkhead(1, queue=1)
    bulkhead.hold()
    ticket = queued(bulkhead)

    bulkhead.release()

    assert ticket.granted


def test_a_further_attempt_is_refused_while_workers_overdraw_the_compartment():
    """A retry inside the bulkhead would start one thread after the other otherwise."""
    bulkhead, permit = filled(name="payments")
    bulkhead.check_room(Site("checkout"))
    bulkhead.hold()

    with pytest.raises(BulkheadFullError) as caught:
        bulkhead.check_room(Site("checkout"))

    assert str(caught.value) == (
        "pipeline 'checkout': bulkhead 'payments' is full: "
        "abandoned calls still run, 2 of 1 are in flight"
    )
    bulkhead.release()
    bulkhead.check_room(Site("checkout"))
    bulkhead.succeeded(permit, 0.0, None)


def test_a_smaller_size_alone_refuses_no_further_attempt():
    """Calls that are in flight may go on after the size was reduced."""
    bulkhead, _ = filled(3)
    bulkhead.size = 1

    bulkhead.check_room(Site("checkout"))


# -- for people -------------------------------------------------------------------------------


def test_the_snapshot_is_plain_data():
    """All that an operator asks about, in one dict."""
    bulkhead, _ = filled(2, queue=5, max_wait=1.5, name="payments")
    queued(bulkhead)

    assert bulkhead.snapshot() == {
        "strategy": "bulkhead",
        "name": "payments",
        "size": 2,
        "in_flight": 2,
        "waiting": 1,
        "queue": 5,
        "max_wait": 1.5,
        "shadow": False,
        "detected": 0,
        "enforced": 0,
    }


def test_its_repr_is_alive():
    """Name, calls in flight, size, and who waits."""
    bulkhead, _ = filled(2, queue=5, name="payments")
    queued(bulkhead)

    assert repr(bulkhead) == "<Bulkhead 'payments' 2 of 2 in flight, 1 waiting>"
    assert repr(Bulkhead(3)) == "<Bulkhead 0 of 3 in flight, 0 waiting>"


# -- after a fork -----------------------------------------------------------------------------


def test_a_child_process_starts_with_all_permits():
    """Whoever held the others lives in the parent process."""
    bulkhead, _ = filled(2, queue=2)
    queued(bulkhead)
    bulkhead.hold()

    bulkhead._after_fork()

    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)
    enter(bulkhead)
    enter(bulkhead)


def test_a_permit_from_before_a_fork_does_not_widen_the_compartment():
    """A child that was forked inside a call gives nothing back that it has not taken."""
    bulkhead, permit = filled()
    bulkhead._after_fork()

    bulkhead.succeeded(permit, 0.0, None)

    enter(bulkhead)
    refused(bulkhead)


# -- shadow -----------------------------------------------------------------------------------


def test_in_shadow_a_call_above_the_size_passes_and_is_told(heard):
    """It is counted as detected, not as enforced, and as one more in flight."""
    bulkhead = Bulkhead(1, shadow=True)
    permits = [enter(bulkhead) for _ in range(3)]

    assert bulkhead.in_flight == 3
    assert (bulkhead.detected, bulkhead.enforced) == (2, 0)
    assert [(type(event), event.enforced) for event in heard] == [(told.CallRejected, False)] * 2
    for permit in permits:
        bulkhead.succeeded(permit, 0.0, None)
    assert bulkhead.in_flight == 0


def test_in_shadow_nobody_waits():
    """Who would have had to queue passes at once."""
    bulkhead = Bulkhead(1, queue=10, shadow=True)

    answers = [enter(bulkhead) for _ in range(3)]

    assert not any(isinstance(answer, Wait) for answer in answers)
    assert (bulkhead.in_flight, bulkhead.waiting, bulkhead.detected) == (3, 0, 2)


def test_after_shadow_the_size_holds_once_those_above_it_have_left():
    """Switched off while three are inside, it admits nobody before two of them are gone."""
    bulkhead = Bulkhead(1, shadow=True)
    permits = [enter(bulkhead) for _ in range(3)]
    bulkhead.shadow = False

    for permit in permits[:2]:
        refused(bulkhead)
        bulkhead.succeeded(permit, 0.0, None)
    refused(bulkhead)
    bulkhead.succeeded(permits[2], 0.0, None)

    assert enter(bulkhead) is not None
    assert (bulkhead.in_flight, bulkhead.enforced) == (1, 3)


@pytest.mark.parametrize("end", ["succeeded", "failed", "abandoned"])
def test_a_waiter_whose_time_is_up_passes_when_shadow_was_switched_on(heard, end):
    """It is told as not enforced, and its permit balances however the call ends."""
    bulkhead = Bulkhead(1, queue=1, max_wait=2.0, name="reports")
    holder = enter(bulkhead)
    wait = enter(bulkhead)
    bulkhead.shadow = True

    assert bulkhead.expired(wait.permit, 2.0) is None

    assert (bulkhead.in_flight, bulkhead.waiting) == (2, 0)
    assert (bulkhead.detected, bulkhead.enforced) == (1, 0)
    assert [(event.at, event.enforced) for event in heard[1:]] == [(2.0, False)]
    outcome = {"succeeded": [None], "failed": [ValueError()], "abandoned": []}[end]
    getattr(bulkhead, end)(wait.permit, 3.0, *outcome)
    assert bulkhead.in_flight == 1
    bulkhead.succeeded(holder, 4.0, None)
    assert bulkhead.in_flight == 0
    assert [enter(bulkhead) is not None for _ in range(2)] == [True, True]
    assert bulkhead.detected == 2


def test_waiters_keep_their_turn_when_shadow_is_switched_on():
    """A permit that comes back goes to the one who waits."""
    bulkhead = Bulkhead(1, queue=1)
    holder = enter(bulkhead)
    wait = enter(bulkhead)
    bulkhead.shadow = True

    bulkhead.succeeded(holder, 1.0, None)

    assert wait.ticket.granted
    assert (bulkhead.in_flight, bulkhead.detected) == (1, 0)
