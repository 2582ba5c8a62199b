"""A client's pipeline on the bare heap: gates, a `Retry`, gates per attempt, a timeout per attempt.

It does what the drivers do, in their order, with callbacks in place of blocking: gates are entered
outermost first, outcomes are given back innermost first, a `Wait` waits for its ticket or its delay,
and the retry decides from a `History`.  Work is not cancelled when its caller gives up.
"""

from collections.abc import Callable, Iterable
from random import Random

from holdfast.errors import AttemptTimeout, RejectedError
from holdfast.shapes import Again, Earlier, History, Instead, Wait
from holdfast.strategies.retry import Retry
from tests.experiments.heap import Heap, poisson

Answer = Callable[[Exception | None], object]
Target = Callable[[Answer], object]
"""Makes one attempt: it begins the work and later, or at once, says ``answer(error or None)``."""


class Client:
    """One process that calls ``target`` through its own gates; the counts are of all its calls.

    Args:
        heap: where everything happens.
        target: makes one attempt, for example ``lambda answer: server.submit(lambda: answer(None))``.
        outer: gates outside the retry, outermost first.
        retry: a `Retry`, or None.
        inner: gates inside the retry, asked for each attempt.
        timeout: seconds after which an attempt is given up, or a function that returns them.
        total: seconds after the call's start that no retry may pass, or None.
        rng: the source of the retry's jitter.
    """

    def __init__(
        self,
        heap: Heap,
        target: Target,
        *,
        outer: Iterable = (),
        retry: Retry | None = None,
        inner: Iterable = (),
        timeout: float | Callable[[], float] | None = None,
        total: float | None = None,
        rng: Random | None = None,
    ) -> None:
        self.heap = heap
        self.target = target
        self.outer = tuple(outer)
        self.retry = retry
        self.inner = tuple(inner)
        self.timeout = timeout
        self.total = total
        self.rng = rng if rng is not None else Random(0)
        self.calls = self.attempts = self.timeouts = self.rejections = 0

    def call(self, done: Answer, args: tuple = (), kwargs: dict | None = None) -> None:
        """Make one call, and say ``done(error or None)`` when the user has the outcome."""
        self.calls += 1
        _Call(self, done, args, {} if kwargs is None else kwargs).begin()


class _Call:
    """One call under way."""

    __slots__ = ("args", "client", "done", "history", "kwargs", "started")

    def __init__(self, client: Client, done: Answer, args: tuple, kwargs: dict) -> None:
        self.client = client
        self.done = done
        self.args = args
        self.kwargs = kwargs
        self.started = client.heap.now
        self.history: History | None = None

    def begin(self) -> None:
        client = self.client
        if client.outer:
            self.pass_gates(client.outer, self.attempt, self.done)
        else:
            self.attempt(self.done)

    def attempt(self, end: Answer) -> None:
        """Make one attempt through the inner gates; ``end(error)`` gets the outcome of the retry."""
        settle = end if self.client.retry is None else lambda error: self.react(error, end)
        self.pass_gates(self.client.inner, self.reach, settle)

    def reach(self, end: Answer) -> None:
        """Call the target, and give up on it after the timeout."""
        client = self.client
        client.attempts += 1
        seconds = client.timeout() if callable(client.timeout) else client.timeout
        if seconds is None:
            client.target(end)
            return
        waiting = True

        def answered(error: Exception | None) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                alarm.cancel()
                end(error)

        def gave_up() -> None:
            nonlocal waiting
            waiting = False
            client.timeouts += 1
            end(AttemptTimeout(seconds=seconds))

        alarm = client.heap.after(seconds, gave_up)
        client.target(answered)

    def react(self, error: Exception | None, end: Answer) -> None:
        """Do what the retry says about an outcome."""
        retry, now, history = self.client.retry, self.client.heap.now, self.history
        if error is None:
            if retry.credit is not None:
                retry.credit()
            end(None)
            return
        if history is None:
            history = self.history = History("client", now, self.started, self.args, self.kwargs)
            history.rng = self.client.rng
            history.attempt_took(now - self.started)
            if self.client.total is not None:
                history.deadline = self.started + self.client.total
        else:
            history.ended(now)
        verdict = retry.after_error(error, history)
        if isinstance(verdict, Again):
            self.client.heap.after(verdict.delay, lambda: self.again(verdict.delay, end))
        elif isinstance(verdict, Earlier):
            end(verdict.error)
        else:
            end(None if isinstance(verdict, Instead) else error)

    def again(self, delay: float, end: Answer) -> None:
        self.history.resumed(self.client.heap.now, delay)
        self.attempt(end)

    # -- gates ---------------------------------------------------------------------------------

    def pass_gates(self, gates: tuple, step: Callable[[Answer], None], end: Answer) -> None:
        """Enter ``gates`` in turn, then take ``step``, then tell them the outcome and say ``end``."""
        if not gates:
            step(end)
            return
        gate, further = gates[0], gates[1:]

        def inside(permit: object) -> None:
            self.pass_gates(further, step, lambda error: self.leave(gate, permit, error, end))

        permit = gate.resting
        if permit is None:
            try:
                permit = gate.enter(self.client.heap.now, self.args, self.kwargs)
            except RejectedError as error:
                self.refused(error, end)
                return
            if type(permit) is Wait:
                self.wait(gate, permit, inside, end)
                return
        inside(permit)

    def leave(self, gate: object, permit: object, error: Exception | None, end: Answer) -> None:
        now = self.client.heap.now
        if error is not None:
            gate.failed(permit, now, error)
        elif permit is not gate.resting:
            gate.succeeded(permit, now, None)
        end(error)

    def refused(self, error: RejectedError, end: Answer) -> None:
        self.client.rejections += 1
        end(error)

    def wait(self, gate: object, wait: Wait, inside: Callable[[object], None], end: Answer) -> None:
        """Wait for the ticket or the delay, then go in; or be refused after a wait that was too long."""

        def go_in() -> None:
            if type(wait.permit) is Instead:
                end(None)  # answered in place of what is inside; the gate hears no more of it
            else:
                inside(wait.permit)

        def expired() -> None:
            error = gate.expired(wait.permit, self.client.heap.now)
            if error is None:
                go_in()
            else:
                self.refused(error, end)

        if wait.ticket is None:
            self.client.heap.after(wait.delay or 0.0, go_in)
        else:
            _queue(self.client.heap, wait, go_in, expired)


def _queue(heap: Heap, wait: Wait, go_in: Callable[[], None], expired: Callable[[], None]) -> None:
    """Go in when the ticket is granted; expire when it is woken otherwise, or waited too long."""
    ticket, over = wait.ticket, False
    alarm = None if wait.delay is None else heap.after(wait.delay, lambda: finish(expired))

    def finish(then: Callable[[], None]) -> None:
        nonlocal over
        if not over:
            over = True
            then()

    def woken() -> bool:
        if not over and alarm is not None:
            alarm.cancel()
        # never inside the granter; woken without a grant, it has been evicted
        heap.after(0.0, lambda: finish(go_in if ticket.granted else expired))
        return True

    ticket.wake = woken
    if ticket.granted:
        woken()


def arrive(
    heap: Heap, rate: float, seconds: float, rng: Random, call: Callable[[float], object]
) -> None:
    """Say ``call(instant)`` at independent instants, ``rate`` a second, counted from now."""
    origin = heap.now
    instants = poisson(rate, seconds, rng)

    def following() -> None:
        instant = next(instants, None)
        if instant is not None:
            heap.at(origin + instant, lambda: arrived(instant))

    def arrived(instant: float) -> None:
        call(instant)
        following()

    following()
