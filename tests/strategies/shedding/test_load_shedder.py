"""`LoadShedder`: who is served, who waits how long, and who is refused for what reason."""

import pytest

from holdfast import (
    ConfigurationError,
    DeadlineTooShortError,
    LoadShedder,
    ThrottledError,
    concurrency,
    priority,
)
from holdfast import events as told
from holdfast.deadline import NOTHING, Ambient, ambient
from holdfast.shapes import Gate, Site, Wait

T = 1000.0
DOWN = ConnectionError("down")


def enter(shedder, now=T, *, due=None, matters="default", args=()):
    """Ask for a place as a caller of such importance, with such a deadline."""
    token = ambient.set(NOTHING if due is None else Ambient(due, 1.0, None))
    try:
        with priority(matters):
            return shedder.enter(now, args, {})
    finally:
        ambient.reset(token)


def queued(shedder, now=T, *, woken=None, alive=True, **caller):
    """Return the place of a caller that has to wait; it notes itself when it is woken."""
    answer = enter(shedder, now, **caller)
    assert isinstance(answer, Wait)
    assert answer.permit is answer.ticket

    def wake():
        if woken is not None:
            woken.append(answer.ticket)
        return alive

    answer.ticket.wake = wake
    return answer.ticket


def refused(shedder, now=T, error=ThrottledError, **caller):
    with pytest.raises(error) as caught:
        enter(shedder, now, **caller)
    return caught.value


def full(size=1, **options):
    """Return a shedder with all places taken, and the one who has the first."""
    shedder = LoadShedder(size, **options)
    places = [enter(shedder, matters="critical") for _ in range(size)]
    return shedder, places[0]


def counts(shedder):
    return shedder.in_flight, shedder.waiting


# -- places ------------------------------------------------------------------------------------


def test_a_load_shedder_has_the_shape_of_a_gate():
    """It never rests, and it wants to know the instants."""
    shedder = LoadShedder(1)

    assert isinstance(shedder, Gate)
    assert (shedder.resting, shedder.timed) == (None, True)


@pytest.mark.parametrize(
    "outcome, arguments", [("succeeded", ("result",)), ("failed", (DOWN,)), ("abandoned", ())]
)
def test_however_a_call_ends_its_place_goes_to_the_next(outcome, arguments):
    """Success, failure and cancellation are the same to those who wait."""
    shedder, place = full()
    woken = []
    waiter = queued(shedder, woken=woken)

    getattr(shedder, outcome)(place, T + 0.01, *arguments)

    assert waiter.granted
    assert woken == [waiter]
    getattr(shedder, outcome)(waiter, T + 0.02, *arguments)
    assert counts(shedder) == (0, 0)


def test_without_a_queue_the_next_call_is_refused_at_once():
    """The refusal says what is taken, and when another try makes sense."""
    shedder, _ = full(2, queue=0, name="api")

    error = refused(shedder)

    assert (
        str(error) == "load shedder 'api' is overloaded: all 2 places are taken; try again in 0.1 s"
    )
    assert (error.strategy, error.retry_after) == ("load shedder 'api'", 0.1)


def test_an_overload_that_has_lasted_is_expected_to_last_as_long_again():
    """That is what callers are told to wait; never more than half a minute."""
    shedder, _ = full(queue=1, target=None, lifo=False)
    queued(shedder)

    assert refused(shedder, T + 0.01).retry_after == pytest.approx(0.1)
    for lasted, told_to_wait in ((4.0, 4.0), (900.0, 30.0)):
        assert refused(shedder, T + lasted).retry_after == pytest.approx(told_to_wait)


def test_a_refusal_is_told(heard):
    """With the pipeline that was called, the instant, and that it was in earnest."""
    shedder, _ = full(queue=0)

    with pytest.raises(ThrottledError) as caught:
        shedder.enter(T, (), {}, Site("api"))

    (event,) = heard
    assert (event.pipeline, event.at, event.enforced) == ("api", T, True)
    assert event.error is caught.value


# -- waiting -----------------------------------------------------------------------------------


def test_in_a_queue_that_empties_now_and_then_a_call_may_wait_an_interval():
    """A burst is absorbed."""
    shedder, _ = full(target=0.005, interval=0.1)

    assert enter(shedder, T).delay == pytest.approx(0.1)
    assert enter(shedder, T + 0.1).delay == pytest.approx(0.1)


def test_in_a_standing_queue_a_call_may_wait_for_the_target_only():
    """The queue has not been empty for an interval: waits would only grow."""
    shedder, _ = full(target=0.005, interval=0.1)
    queued(shedder, T)

    assert enter(shedder, T + 0.101).delay == pytest.approx(0.005)


def test_a_critical_call_may_wait_eight_times_as_long():
    """It is served before the others, so its own queue is short, or it has to be borne."""
    shedder, _ = full(target=0.005, interval=0.1)
    queued(shedder)

    assert enter(shedder, matters="critical").delay == pytest.approx(0.8)
    assert enter(shedder, T + 0.79, matters="critical").delay == pytest.approx(0.8)
    assert enter(shedder, T + 0.81, matters="critical").delay == pytest.approx(0.04)


def test_a_class_does_not_stand_in_the_queue_of_another():
    """Default calls that come after a long line of sheddable ones find a young queue."""
    shedder, _ = full(target=0.005, interval=0.1)
    queued(shedder, matters="sheddable")

    assert enter(shedder, T + 0.2).delay == pytest.approx(0.1)
    assert enter(shedder, T + 0.2, matters="sheddable").delay == pytest.approx(0.005)
    assert shedder._all.standing(2, T + 0.2)
    assert not shedder._all.standing(1, T + 0.2)


def test_a_queue_that_was_empty_is_a_new_one():
    """Its age counts from the first who waits again."""
    shedder, place = full(target=0.005, interval=0.1)
    waiter = queued(shedder, T)
    shedder.succeeded(place, T + 0.05, None)
    assert waiter.granted

    queued(shedder, T + 0.09)

    assert enter(shedder, T + 0.12).delay == pytest.approx(0.1)


def test_the_oldest_is_first_while_the_queue_is_young():
    """First come, first served."""
    shedder, place = full(interval=0.1)
    first, second = queued(shedder), queued(shedder, T + 0.01)

    shedder.succeeded(place, T + 0.02, None)

    assert (first.granted, second.granted) == (True, False)


@pytest.mark.parametrize("lifo", [True, False])
def test_the_newest_is_first_while_the_queue_stands(lifo):
    """The oldest will be too late whatever is done; with ``lifo=False`` it is first all the same."""
    shedder, place = full(interval=0.1, target=0.03, lifo=lifo)
    queued(shedder, T)
    old, new = queued(shedder, T + 0.12), queued(shedder, T + 0.13)
    shedder.succeeded(place, T + 0.14, None)  # the first one's turn comes too late

    assert (old.granted, new.granted) == (not lifo, lifo)


def test_a_wait_that_was_too_long_ends_in_a_refusal():
    """The caller's own timer tells."""
    shedder, _ = full(name="api")
    waiter = queued(shedder, T)

    error = shedder.expired(waiter, T + 0.1)

    assert isinstance(error, ThrottledError)
    assert "its turn did not come within 0.1 s" in str(error)
    assert counts(shedder) == (1, 0)
    assert shedder.shed == {"critical": 0, "default": 1, "sheddable": 0}


def test_a_turn_that_comes_too_late_is_not_given():
    """As where a thread's timer is late: its place goes to the next, and it is told at once."""
    shedder, place = full(interval=0.1, lifo=False, target=0.03)
    woken = []
    stale, fresh = queued(shedder, T, woken=woken), queued(shedder, T + 0.09, woken=woken)

    shedder.succeeded(place, T + 0.15, None)

    assert woken == [stale, fresh]
    assert (stale.granted, fresh.granted) == (False, True)
    assert isinstance(shedder.expired(stale, T + 0.15), ThrottledError)
    assert counts(shedder) == (1, 0)


def test_who_was_let_in_at_the_last_moment_is_not_refused():
    """It holds a place and must give it back."""
    shedder, place = full()
    waiter = queued(shedder)
    shedder.succeeded(place, T + 0.1, None)

    assert shedder.expired(waiter, T + 0.1) is None
    assert counts(shedder) == (1, 0)


def test_a_waiter_that_is_cancelled_leaves():
    """And takes nothing with it."""
    shedder, place = full()
    leaving, staying = queued(shedder), queued(shedder)

    shedder.abandoned(leaving, T)
    shedder.succeeded(place, T, None)

    assert (leaving.granted, staying.granted) == (False, True)
    assert counts(shedder) == (1, 0)


def test_a_waiter_that_is_cancelled_just_after_it_was_let_in_gives_its_place_on():
    """The next in the queue has it."""
    shedder, place = full()
    first, second = queued(shedder), queued(shedder)
    shedder.succeeded(place, T, None)
    assert first.granted

    shedder.abandoned(first, T)

    assert second.granted
    assert counts(shedder) == (1, 0)


def test_a_waiter_that_nobody_can_wake_is_passed_over():
    """Its event loop is closed; if it is collected later, nothing is given back twice."""
    shedder, place = full()
    dead, living = queued(shedder, alive=False), queued(shedder)

    shedder.succeeded(place, T, None)
    shedder.abandoned(dead, T)

    assert (dead.granted, living.granted) == (False, True)
    assert counts(shedder) == (1, 0)


def test_a_waiter_that_leaves_while_it_is_chosen_gets_no_place():
    """As when the garbage collector closes its coroutine just then."""
    shedder, place = full()
    leaving, staying = queued(shedder), queued(shedder)
    late = shedder._times.late

    def collected(due, now):
        shedder.abandoned(leaving, T)
        return late(due, now)

    shedder._all.times = type("Times", (), {
        "late": staticmethod(collected), "target": staticmethod(lambda now: 0.005)
    })  # fmt: skip
    shedder.succeeded(place, T, None)

    assert (leaving.granted, staying.granted) == (False, True)
    assert counts(shedder) == (1, 0)


# -- deadlines ---------------------------------------------------------------------------------


def test_a_call_that_cannot_end_in_time_is_refused_though_there_is_room():
    """What is left of its deadline must cover what is expected."""
    shedder = LoadShedder(5, expected=0.5, name="api")

    error = refused(shedder, error=DeadlineTooShortError, due=T + 0.25)

    assert str(error) == (
        "load shedder 'api': 0.25 s are left of the deadline, and 0.5 s are to be expected"
    )
    assert error.retry_after is None
    enter(shedder, due=T + 0.5)


def test_a_call_waits_only_as_long_as_it_could_still_be_done_in_time():
    """Then it is refused for its deadline, not for the queue."""
    shedder, _ = full(expected=0.5, interval=0.1)
    answer = enter(shedder, due=T + 0.53)

    assert answer.delay == pytest.approx(0.03)
    assert isinstance(shedder.expired(answer.permit, T + 0.03), DeadlineTooShortError)


def test_a_turn_that_comes_too_late_for_the_deadline_is_not_given():
    """The work is dropped without being begun."""
    shedder, place = full(expected=0.5, target=None)
    hasty, patient = queued(shedder, due=T + 1.0), queued(shedder)

    shedder.succeeded(place, T + 0.6, None)

    assert (hasty.granted, patient.granted) == (False, True)
    assert isinstance(shedder.expired(hasty, T + 0.6), DeadlineTooShortError)


def test_without_an_expectation_only_what_has_expired_is_refused():
    """Not even that the smallest moment is left matters then."""
    shedder = LoadShedder(5, expected=None)

    enter(shedder, due=T + 1e-9)
    assert "the deadline has passed" in str(refused(shedder, error=DeadlineTooShortError, due=T))


def taught(seconds, count=20, size=5, **options):
    """Return a shedder that has served so many calls, and the instant after them."""
    shedder, now = LoadShedder(size, **options), T
    for _ in range(count):
        place = enter(shedder, now)
        now += seconds
        shedder.succeeded(place, now, None)
    return shedder, now


def test_what_is_expected_is_learnt():
    """From ten calls on; a call with less time than nine of ten took is refused then."""
    few, now = taught(0.5, count=9)
    enter(few, now, due=now + 0.1)

    shedder, now = taught(0.5)
    assert shedder._times.expected(now) == pytest.approx(0.5, rel=0.02)
    tried = enter(shedder, now, due=now + 0.1)  # one at a time may try
    refused(shedder, now, error=DeadlineTooShortError, due=now + 0.1)
    assert tried.weight == 1


def test_an_estimate_cannot_lock_itself_in():
    """One call at a time is let in against it, and counts for all that it has refused."""
    shedder, now = taught(0.5, count=30)
    while shedder._times.expected(now) > 0.1:
        place = enter(shedder, now, due=now + 0.2)
        for _ in range(10):
            refused(shedder, now, error=DeadlineTooShortError, due=now + 0.2)
        now += 0.05
        shedder.succeeded(place, now, None)
        assert now < T + 25.0

    enter(shedder, now, due=now + 0.2)
    enter(shedder, now, due=now + 0.2)


def test_quick_failures_teach_nothing_and_long_ones_do():
    """A call that was cut short took at least that long."""
    shedder, now = taught(0.5)
    for _ in range(100):
        place = enter(shedder, now)
        shedder.failed(place, now + 0.001, DOWN)
    now += 0.1
    enter(shedder, now, due=now + 9.0)  # asks, so that the estimate is fresh
    assert shedder._times.expected(now) == pytest.approx(0.5, rel=0.02)

    for _ in range(100):
        place = enter(shedder, now)
        shedder.abandoned(place, now + 2.0)
    assert shedder._times.expected(now + 2.1) == pytest.approx(2.0, rel=0.02)


def test_the_target_is_learnt_too():
    """A fifth of the 99th percentile, and never less than 5 ms; the interval is never shorter."""
    shedder, now = taught(0.5, size=1)
    enter(shedder, now)
    queued(shedder, now)

    assert shedder._times.target(now) == pytest.approx(0.1, rel=0.02)
    assert enter(shedder, now + 0.29).delay == pytest.approx(0.3, rel=0.02)
    assert enter(shedder, now + 0.32).delay == pytest.approx(0.1, rel=0.02)
    quick, now = taught(0.001, size=1)
    assert quick._times.target(now) == 0.005


# -- priorities --------------------------------------------------------------------------------


def test_the_more_important_are_served_first():
    """Whenever they came, in a young queue and in a standing one."""
    shedder, place = full(interval=0.1, target=0.1)
    places = {name: queued(shedder, matters=name) for name in ("sheddable", "default", "critical")}

    for name in ("critical", "default", "sheddable"):
        shedder.succeeded(place, T, None)
        place = places[name]
        assert place.granted


def test_a_full_queue_puts_out_the_least_important_who_came_last():
    """It is woken at once and told why; who matters no more than those who wait is refused."""
    shedder, _ = full(queue=3)
    woken = []
    default = queued(shedder)
    queued(shedder, matters="sheddable", woken=woken)
    last = queued(shedder, matters="sheddable", woken=woken)

    refused(shedder, matters="sheddable")
    newcomer = queued(shedder)

    assert woken == [last]
    assert "its place in the queue went to another call" in str(shedder.expired(last, T))
    assert not default.granted
    assert not newcomer.granted
    assert shedder.snapshot()["waiting"] == {"critical": 0, "default": 2, "sheddable": 1}


def test_a_full_queue_that_stands_puts_out_the_oldest():
    """It would be served last; the newcomer of the same class has better prospects."""
    shedder, _ = full(queue=2, target=0.05)
    woken = []
    oldest = queued(shedder, T, woken=woken)
    queued(shedder, T + 0.01, woken=woken)

    queued(shedder, T + 0.16)

    assert woken == [oldest]
    assert shedder.waiting == 2


def test_a_share_of_the_places_can_be_reserved_for_the_critical():
    """The others find the rest taken while the critical still come in."""
    shedder = LoadShedder(10, reserve=0.25, queue=5)
    for _ in range(7):
        enter(shedder)
    waiter = queued(shedder)

    places = [enter(shedder, matters="critical") for _ in range(3)]
    queued(shedder, matters="critical")
    shedder.succeeded(places[0], T, None)

    assert not waiter.granted
    assert shedder.in_flight == 10


@pytest.mark.parametrize("size, reserve, others", [(1, 0.9, 1), (4, 0.5, 2), (10, 0.0, 10)])
def test_a_reserve_leaves_the_others_one_place_at_least(size, reserve, others):
    """A reserve is rounded up, but not to everything."""
    shedder = LoadShedder(size, reserve=reserve, queue=0)
    for _ in range(others):
        enter(shedder)

    refused(shedder)


def test_the_class_can_come_from_the_arguments():
    """A function of the call's arguments decides in place of the ambient class."""
    shedder = LoadShedder(
        1, queue=1, priority=lambda path, **_: "critical" if path == "/pay" else "default"
    )
    enter(shedder, args=("/pay",))
    waiting = queued(shedder, args=("/pay",), matters="sheddable")

    refused(shedder, args=("/tea",), matters="critical")

    assert waiting.rank == 0


@pytest.mark.parametrize("answer", ["urgent", None, 1])
def test_an_unknown_class_is_refused(answer):
    """The error names what the function returned and what it may return; no place is lost."""
    shedder = LoadShedder(1, priority=lambda: answer)

    with pytest.raises(ConfigurationError, match=f"priority={answer!r}.*'critical', 'default'"):
        enter(shedder)

    assert counts(shedder) == (0, 0)


# -- another size ------------------------------------------------------------------------------


def test_it_can_grow_and_shrink_while_it_runs():
    """Who waits comes in at once; nobody is thrown out."""
    shedder, place = full(1, target=None)
    waiters = [queued(shedder) for _ in range(3)]

    shedder.size = 3
    assert [waiter.granted for waiter in waiters] == [True, True, False]
    shedder.size = 1
    for one in (place, waiters[0]):
        shedder.succeeded(one, T, None)
        assert not waiters[2].granted
    shedder.succeeded(waiters[1], T, None)
    assert waiters[2].granted


class Growing:
    """An algorithm that allows one more with each call that ends, up to five."""

    limit = 1.0

    def search(self, low=1, high=200, initial=None):
        return self

    def sample(self, now, rtt, in_flight, dropped):
        self.limit = 1.0 if dropped else min(5.0, self.limit + 1)
        self.seen = (now, pytest.approx(rtt), in_flight, dropped)
        return self.limit


def test_an_algorithm_can_find_the_size(heard):
    """It is shown every call that ends, and who waits comes in when it allows more; it is told."""
    algorithm = Growing()
    shedder = LoadShedder(algorithm)
    place = enter(shedder)
    waiters = [queued(shedder) for _ in range(2)]

    shedder.succeeded(place, T + 0.05, None)

    assert algorithm.seen == (T + 0.05, 0.05, 1, False)
    assert [waiter.granted for waiter in waiters] == [True, True]
    (event,) = heard
    assert (type(event), event.before, event.after) == (told.LimitChanged, 1.0, 2.0)
    shedder.failed(waiters[0], T + 0.06, TimeoutError())
    assert algorithm.seen == (T + 0.06, 0.01, 2, True)
    assert shedder.size == 1
    with pytest.raises(ConfigurationError, match="an algorithm finds it"):
        shedder.size = 3


@pytest.mark.parametrize("algorithm", [concurrency.aimd, concurrency.vegas, concurrency.gradient])
def test_the_algorithms_of_the_limiter_will_do(algorithm):
    """The same that a client's limiter uses."""
    shedder = LoadShedder(algorithm())

    shedder.succeeded(enter(shedder), T + 0.05, None)

    assert shedder.size >= 1


# -- abandoned workers -------------------------------------------------------------------------


def test_an_abandoned_worker_keeps_a_place():
    """It counts as inside until it ends; meanwhile a further attempt is refused."""
    shedder, place = full(name="api")
    shedder.check_room(Site("p"))
    assert shedder.holder((), {}) is shedder
    shedder.hold()

    with pytest.raises(ThrottledError, match="all 1 places are taken"):
        shedder.check_room(Site("p"))
    shedder.failed(place, T, TimeoutError())
    waiter = queued(shedder)
    assert shedder.in_flight == 1
    waiter.until = float("inf")
    shedder.release()

    assert waiter.granted


# -- shadow ------------------------------------------------------------------------------------


def test_in_shadow_everything_passes_and_is_counted(heard):
    """What would wait, and what would be too late, is told with ``enforced=False``."""
    shedder = LoadShedder(1, shadow=True, expected=1.0)
    places = [enter(shedder), enter(shedder), enter(shedder, due=T + 0.5)]

    assert [event.enforced for event in heard] == [False, False]
    assert (shedder.detected, shedder.enforced, shedder.in_flight) == (2, 0, 3)
    for place in places:
        shedder.succeeded(place, T, None)
    assert shedder.in_flight == 0


def test_shadow_can_be_switched_on_while_somebody_waits():
    """Nobody is refused from then on: who runs out of patience is let in."""
    shedder, place = full()
    waiter = queued(shedder)
    shedder.shadow = True

    assert shedder.expired(waiter, T + 0.1) is None
    assert counts(shedder) == (2, 0)
    for one in (place, waiter):
        shedder.succeeded(one, T, None)
    assert counts(shedder) == (0, 0)


# -- people ------------------------------------------------------------------------------------


def test_it_says_how_it_is(holdfast_clock):
    """As plain data, and in a line."""
    shedder, _ = full(2, target=0.005, expected=0.5, name="api")
    now = holdfast_clock.now()
    queued(shedder, now)

    assert repr(shedder) == "<LoadShedder 'api' 2 of 2 served, 1 waiting, 0 shed>"
    assert shedder.busy(now)
    assert shedder.snapshot() == {
        "strategy": "load shedder",
        "name": "api",
        "size": 2,
        "in_flight": 2,
        "waiting": {"critical": 0, "default": 1, "sheddable": 0},
        "queue": 1000,
        "standing": [],
        "target": 0.005,
        "expected": 0.5,
        "shed": {"critical": 0, "default": 0, "sheddable": 0},
        "shadow": False,
        "detected": 0,
        "enforced": 0,
        "options": {
            "shadow": False,
            "size": 2,
            "queue": 1000,
            "target": 0.005,
            "interval": 0.1,
            "lifo": True,
            "expected": 0.5,
            "reserve": 0.0,
        },
    }


@pytest.mark.parametrize(
    "options, match",
    [
        ({"size": 0}, "size=0"),
        ({"size": 1.5}, "size=1.5"),
        ({"queue": -1}, "queue=-1"),
        ({"target": 0}, "target=0"),
        ({"target": "learned"}, "target='learned'"),
        ({"interval": 0}, "interval=0"),
        ({"expected": -1}, "expected=-1"),
        ({"reserve": 1}, "reserve=1"),
        ({"priority": "critical"}, "priority='critical'"),
        ({"shadow": "yes"}, "shadow='yes'"),
    ],
)
def test_a_value_that_cannot_work_is_refused(options, match):
    """The error names the option and the value."""
    with pytest.raises(ConfigurationError, match=match):
        LoadShedder(**({"size": 10} | options))


def test_a_child_process_starts_afresh():
    """Whoever is inside, or waits, lives in the parent."""
    shedder, _ = full()
    queued(shedder)

    shedder._after_fork()

    assert counts(shedder) == (0, 0)
    enter(shedder)
