"""Where a timeout stands decides what it means: the total outside a retry, each attempt inside."""

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    DeadlineExceeded,
    DeadlineTooShortError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast.events import TimedOut
from holdfast.testing import Fail, Hang, Ok, record

PAUSE = backoff.constant(1.0)


def test_inside_the_retry_each_attempt_is_limited(world):
    """Three attempts of two seconds each, with pauses of one: eight seconds in all."""
    dependency = world.dependency(Hang())
    pipeline = Pipeline("p", Retry(3, backoff=PAUSE), Timeout(2.0, sync="thread"))
    with pytest.raises(AttemptTimeout, match="no answer within 2 s") as caught:
        world.call(pipeline, dependency)
    assert [at - world.start for at in dependency.times] == [0.0, 3.0, 6.0]
    assert world.elapsed() == 8.0
    assert "after 3 attempts" in caught.value.__notes__[0]


def test_outside_the_retry_the_total_is_limited(world):
    """However often it is retried, the caller waits no longer than the total."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=1.5))
    pipeline = Pipeline("p", Timeout(4.0), Retry(None, backoff=PAUSE))
    with pytest.raises((AttemptTimeout, ConnectionError)):
        world.call(pipeline, dependency)
    assert world.elapsed() <= 4.0
    assert len(dependency.calls) == 2


def test_a_hanging_attempt_is_cut_by_the_total(world):
    """With a total alone, one attempt may use it up; the error names the total."""
    dependency = world.dependency(Fail(ConnectionError("down")), Hang())
    pipeline = Pipeline("p", Timeout(5.0, sync="thread"), Retry(3, backoff=PAUSE))
    with pytest.raises(AttemptTimeout, match="no answer within 5 s") as caught:
        world.call(pipeline, dependency)
    assert not isinstance(caught.value, DeadlineExceeded)
    assert world.elapsed() == 5.0
    assert len(dependency.calls) == 2


def test_total_and_attempt_limits_together(world):
    """The usual pair: attempts are cut short, and the sum of them, too."""
    dependency = world.dependency(Hang(), Fail(ConnectionError("down"), takes=0.5), Ok("paid", 0.5))
    pipeline = Pipeline(
        "p", Timeout(10.0, sync="thread"), Retry(5, backoff=PAUSE), Timeout(2.0, sync="thread")
    )
    assert world.call(pipeline, dependency) == "paid"
    assert [at - world.start for at in dependency.times] == [0.0, 3.0, 4.5]
    assert world.elapsed() == 5.0


def test_the_last_attempt_gets_what_is_left_of_the_total(world):
    """An attempt that begins near the end is cut by the total, and the error says whose limit it was."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=0.5), Hang())
    pipeline = Pipeline(
        "p", Timeout(3.0, sync="thread"), Retry(5, backoff=PAUSE), Timeout(2.0, sync="thread")
    )
    with record() as events, pytest.raises(AttemptTimeout, match="no answer within 3 s") as caught:
        world.call(pipeline, dependency)
    assert not isinstance(caught.value, DeadlineExceeded)  # the total is ours, not the caller's
    assert world.elapsed() == 3.0
    assert len(dependency.calls) == 2
    assert len(events.of(TimedOut)) == 1


def test_no_attempt_begins_that_cannot_end_in_time(world):
    """A pause that would leave less than the shortest attempt so far is not begun at all."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=2.0))
    pipeline = Pipeline("p", Timeout(6.0), Retry(5, backoff=PAUSE), Timeout(3.0))
    with pytest.raises(ConnectionError) as caught:
        world.call(pipeline, dependency)
    assert world.elapsed() == 5.0  # 2 + 1 + 2: another pause would end at 6
    assert "the deadline, 1 s away, would pass" in caught.value.__notes__[0]


def test_an_attempt_that_timed_out_counts_as_long_as_its_limit(world):
    """After a timeout, the next attempt is expected to need as long as the limit was."""
    dependency = world.dependency(Hang())
    pipeline = Pipeline(
        "p", Timeout(4.0, sync="thread"), Retry(5, backoff=PAUSE), Timeout(2.0, sync="thread")
    )
    with pytest.raises(AttemptTimeout, match="no answer within 2 s"):
        world.call(pipeline, dependency)
    assert len(dependency.calls) == 1
    assert world.elapsed() == 2.0


def test_three_limits_in_one_another(world):
    """Total, per attempt, and one further in: the shortest that applies holds."""
    pipeline = Pipeline(
        "p", Timeout(9.0, sync="thread"), Timeout(4.0, sync="thread"), Timeout(1.0, sync="thread")
    )
    with pytest.raises(AttemptTimeout, match="within 1 s"):
        world.call(pipeline, world.dependency(Hang()))
    assert world.elapsed() == 1.0


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_what_is_left_is_the_shortest_of_all(world, seconds):
    """Inside, `remaining` tells the shortest of caller's deadline, total and attempt limit."""
    seen = []

    @world.function
    async def function():
        seen.append(remaining())

    @world.function
    async def caller():
        with deadline(seconds):
            await world.do(world.protect(pipeline, function))

    pipeline = Pipeline("p", Timeout(2.0), Retry(2), Timeout(1.0))
    world.run(caller)
    assert seen == [min(seconds, 1.0)]


def test_waiting_for_a_permit_uses_up_the_total(world):
    """A queue inside the total is part of it: what waited long has less left to run."""
    bulkhead = Bulkhead(1, queue=1)
    pipeline = Pipeline("p", Timeout(3.0, sync="thread"), bulkhead)
    ends = []

    @world.function
    async def work():
        await world.sleep(2.0)
        ends.append(world.elapsed())

    protected = world.protect(pipeline, work)
    first, second = world.together(protected, protected)
    assert first is None
    assert isinstance(second, AttemptTimeout)
    assert ends == [2.0]
    assert bulkhead.in_flight in (0, 1)  # with threads, the abandoned worker has not ended yet


def test_waiting_for_a_permit_outside_a_timeout_is_not_limited_by_it(world):
    """A queue outside the limit is not part of it: each call gets its full time."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1), Timeout(3.0))

    @world.function
    async def work():
        await world.sleep(2.0)

    protected = world.protect(pipeline, work)
    assert world.together(protected, protected) == [None, None]
    assert world.elapsed() == 4.0


def test_a_queue_never_waits_past_the_deadline(world):
    """A caller with one second left queues for one second, whatever ``max_wait`` allows."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1, max_wait=60.0))
    calls, ends = [], []

    @world.function
    async def work(seconds):
        calls.append(seconds)
        await world.sleep(seconds)

    protected = world.protect(pipeline, work)

    @world.function
    async def busy():
        await world.do(protected, 30.0)

    @world.function
    async def hurried():
        await world.sleep(1.0)
        try:
            with deadline(1.0):
                await world.do(protected, 0.1)
        finally:
            ends.append(world.elapsed())

    _, outcome = world.together(busy, hurried)
    assert isinstance(outcome, DeadlineExceeded)
    assert ends == [2.0]
    assert calls == [30.0]


def test_a_deadline_that_has_passed_starts_nothing(world):
    """Where nothing is left, the call is rejected and the function never runs."""
    dependency = world.dependency(Ok("paid"))
    protected = world.protect(Pipeline("p", Retry(3), Timeout(2.0)), dependency)

    @world.function
    async def late():
        with deadline(1.0):
            await world.sleep(2.0)
            await world.do(protected)

    with pytest.raises(DeadlineTooShortError, match="nothing was started") as caught:
        world.run(late)
    assert dependency.calls == []
    assert caught.value.pipeline == "p"


def test_the_callers_deadline_is_told_apart_from_our_limit(world):
    """`DeadlineExceeded` is the caller's time; ``except AttemptTimeout`` catches both."""
    protected = world.protect(Pipeline("p", Timeout(5.0, sync="thread")), world.dependency(Hang()))

    @world.function
    async def caller():
        with deadline(1.0):
            await world.do(protected)

    with pytest.raises(DeadlineExceeded, match="the caller's deadline of 1 s ran out") as caught:
        world.run(caller)
    assert isinstance(caught.value, AttemptTimeout)
    assert world.elapsed() == 1.0


def test_a_retry_without_attempts_goes_on_until_the_total(world):
    """``Retry(None)`` in a total makes as many attempts as fit."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    pipeline = Pipeline("p", Timeout(10.0), Retry(None, backoff=PAUSE))
    with pytest.raises(ConnectionError):
        world.call(pipeline, dependency)
    assert [at - world.start for at in dependency.times] == [float(n) for n in range(10)]


def test_max_elapsed_and_a_total_differ(world):
    """``max_elapsed`` starts no further attempt, but lets one that runs finish; a total cuts it."""
    script = (Fail(ConnectionError("down")), Ok("paid", takes=9.0))
    patient = Pipeline("p", Retry(5, backoff=PAUSE, max_elapsed=3.0))
    assert world.call(patient, world.dependency(*script)) == "paid"
    strict = Pipeline("p", Timeout(3.0, sync="thread"), Retry(5, backoff=PAUSE))
    with pytest.raises(AttemptTimeout):
        world.call(strict, world.dependency(*script))
