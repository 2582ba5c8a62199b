"""Gates and reactions of one's own, in threads and in asyncio."""

import pytest

from holdfast import (
    AttemptTimeout,
    DeadlineTooShortError,
    Pipeline,
    RejectedError,
    Timeout,
    deadline,
)
from holdfast.extend import Again, Gate, Instead, Reaction, Ticket, Wait
from holdfast.testing import Fail, Hang, Ok, instant


class Pace(Gate):
    """One call every so many seconds, in the order of arrival; never refuses."""

    def __init__(self, every):
        self.every = every
        self.next = 0.0
        self.log = []

    def enter(self, now, args, kwargs, site, /):
        turn = max(now, self.next)
        self.next = turn + self.every
        return Wait("permit", delay=turn - now)

    def succeeded(self, permit, now, result, /):
        self.log.append(("succeeded", permit, result))

    def failed(self, permit, now, error, /):
        self.log.append(("failed", permit, type(error)))

    def abandoned(self, permit, now, /):
        self.log.append(("abandoned", permit))


class Night(Gate):
    """Refuses every call."""

    def enter(self, now, args, kwargs, site, /):
        raise site.refuse(RejectedError("it is night", retry_after=3600.0), now)


class Crowd(Gate):
    """Lets callers queue, and puts them out before they have begun to wait."""

    def enter(self, now, args, kwargs, site, /):
        ticket = Ticket()
        ticket.over = True
        ticket.wake()
        return Wait(ticket, 3600.0, ticket)

    def expired(self, permit, now, /):
        return RejectedError("put out")


class Patience(Reaction):
    """Tries once more after a minute, then answers with a word."""

    def after_error(self, error, history, /):
        return Again(60.0) if history.attempt == 1 else Instead(lambda subject: subject, "tomorrow")


def test_who_is_put_out_of_a_queue_is_told_at_once(world):
    """However early that happens: not after the hour for which it might have waited."""
    with pytest.raises(RejectedError, match="put out"):
        world.call(Pipeline("p", Crowd()), world.dependency(Ok()))
    assert world.elapsed() == 0.0


def test_a_gate_may_make_calls_wait_for_their_turn(world):
    """A call waits as long as its gate says, and the gate hears how it ended."""
    gate = Pace(2.0)
    dependency = world.dependency(Ok("a"), Fail(ConnectionError("down")), Ok("c"))
    call = world.protect(Pipeline("p", gate), dependency)
    first, second, third = world.together(call, call, call)
    assert (first, type(second), third) == ("a", ConnectionError, "c")
    assert dependency.times == [world.start, world.start + 2.0, world.start + 4.0]
    assert gate.log == [
        ("succeeded", "permit", "a"),
        ("failed", "permit", ConnectionError),
        ("succeeded", "permit", "c"),
    ]


def test_a_turn_after_the_deadline_is_refused_now(world):
    """Nobody waits for a turn that lies beyond the deadline; the gate gets its permit back."""
    gate = Pace(10.0)
    call = world.protect(Pipeline("p", gate), world.dependency(Ok("a")))
    world.run(call)
    with deadline(5.0), pytest.raises(DeadlineTooShortError) as caught:
        world.run(call)
    assert caught.value.retry_after == 10.0
    assert world.elapsed() == 0.0
    assert gate.log[-1] == ("abandoned", "permit")


def test_a_call_that_is_cut_has_failed(world):
    """A timeout around the gate ends the call, and the gate hears that it took too long."""
    gate = Pace(10.0)
    call = world.protect(Pipeline("inner", gate), world.dependency(Hang()))
    pipeline = Pipeline("outer", Timeout(3.0, sync="thread"))
    with pytest.raises(AttemptTimeout):
        world.call(pipeline, call)
    assert gate.log == [("failed", "permit", AttemptTimeout)]


def test_instant_takes_turns_away(world):
    """In instant mode a turn comes at once, even where a deadline would forbid the wait."""
    gate = Pace(10.0)
    call = world.protect(Pipeline("p", gate), world.dependency(Ok("a")))
    world.run(call)
    with instant(), deadline(5.0):
        assert world.run(call) == "a"
    assert world.elapsed() == 0.0


def test_a_gate_may_refuse(world):
    """A rejection of one's own names the pipeline, and tells when to come back."""
    dependency = world.dependency(Ok())
    with pytest.raises(RejectedError, match="pipeline 'p': it is night") as caught:
        world.call(Pipeline("p", Night()), dependency)
    assert caught.value.retry_after == 3600.0
    assert dependency.calls == []


def test_a_reaction_may_try_again_and_answer(world):
    """Another attempt after a delay, and an answer in place of an error, are a reaction's to give."""
    dependency = world.dependency(ConnectionError("down"))
    assert world.call(Pipeline("p", Patience()), dependency) == "tomorrow"
    assert dependency.times == [world.start, world.start + 60.0]
