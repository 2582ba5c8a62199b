"""A server behind a gate, on the bare heap: the gate is entered before a request may queue for a worker.

It does what the drivers do on a server: a caller's deadline is ambient while its call enters, a `Wait`
ends with a grant, with being put out, or with its own limit.
"""

from collections.abc import Callable

from holdfast.deadline import Ambient, ambient, restore
from holdfast.errors import RejectedError
from holdfast.shapes import Wait
from tests.experiments.heap import Heap, Server

Answer = Callable[[Exception | None], object]


class Guarded:
    """``server`` behind ``gate``; ``seconds`` are the durations of the answers in order."""

    def __init__(self, heap: Heap, server: Server, gate: object) -> None:
        self.heap = heap
        self.server = server
        self.gate = gate

    def submit(self, answer: Answer, deadline: float | None = None) -> None:
        """Serve one request or refuse it; ``deadline`` is an instant that travelled with it."""
        heap, gate = self.heap, self.gate
        token = None if deadline is None else ambient.set(Ambient(deadline, 1.0, None))
        try:
            permit = gate.enter(heap.now, (), {})
        except RejectedError as error:
            answer(error)
            return
        finally:
            if token is not None:
                restore(token)
        if type(permit) is Wait:
            self._queue(permit, answer)
        else:
            self._serve(permit, answer)

    def _serve(self, permit: object, answer: Answer) -> None:
        def done() -> None:
            self.gate.succeeded(permit, self.heap.now, None)
            answer(None)

        self.server.submit(done)

    def _queue(self, wait: Wait, answer: Answer) -> None:
        over = False

        def ends() -> None:
            nonlocal over
            if over:
                return
            over = True
            error = None
            if not wait.ticket.granted:
                error = self.gate.expired(wait.permit, self.heap.now)
            if error is None:
                self._serve(wait.permit, answer)
            else:
                answer(error)

        def wake() -> bool:
            self.heap.after(0.0, ends)
            return True

        wait.ticket.wake = wake
        if wait.delay is not None:
            self.heap.after(wait.delay, ends)
        if wait.ticket.granted:
            wake()
