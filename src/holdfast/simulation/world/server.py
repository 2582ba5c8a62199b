"""A server: workers behind a queue, whose speed, capacity and health can change while it runs.

Work is done to its end, whether or not somebody still waits for it: few servers notice that their
caller has given up.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable

from holdfast.simulation.engine.loop import Timer
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Distribution
from holdfast.simulation.world.cache import Store
from holdfast.simulation.world.queues import CodelQueue, Job, Queue, Reply
from holdfast.simulation.world.request import Conflict, Refused, Request, ServerError
from holdfast.simulation.world.rows import Rows


class Server:
    """``workers`` that take their work from a queue, each ``service`` seconds long at speed 1.

    Args:
        simulation: where it runs.
        workers: how many requests are served at once.
        service: how long one takes, at speed 1.
        queue: which is served first: ``"fifo"``, ``"lifo"`` or ``"codel"``; see `Servers`.
        queue_limit: how many may wait; one more is answered with `ServerError` at once.
        queue_target: for ``"codel"``, in seconds.
        queue_interval: for ``"codel"``, in seconds.
        drop_abandoned: whether work that nobody waits for is dropped when its turn comes.
        cold_start: pairs of seconds and speed that it goes through after `restart`.

    Attributes:
        error_rate: the share of requests that are answered with `ServerError`, at once.
        refuses: whether connections are refused.
        hangs: whether requests are swallowed and never answered.
        served: how many requests were served, for whomever.
        store: its cache, if it has one.
        rows: what requests update, if they can be in each other's way: one whose row has been written
            by another since its work began is answered with `Conflict`.
        admit: takes up what is neither refused nor lost, and is told who waits; a `Guard` puts itself
            there.
        reply: how answers go back; a `Link` puts itself there.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        workers: int,
        service: Distribution,
        queue: str = "fifo",
        queue_limit: int | None = None,
        queue_target: float = 0.005,
        queue_interval: float = 0.1,
        drop_abandoned: bool = False,
        cold_start: Iterable[tuple[float, float]] = (),
    ) -> None:
        self._loop = simulation.loop
        self._queue = (
            CodelQueue(queue_target, queue_interval, drop_abandoned=drop_abandoned)
            if queue == "codel"
            else Queue(queue, drop_abandoned=drop_abandoned)
        )
        self._waiting = self._queue.waiting
        self._queue_limit = queue_limit
        self._service = service
        self._repeats = simulation.stream("service of further attempts")
        self._faults = simulation.stream("errors of the server")
        self._context = simulation.context
        self._busy = 0
        self._workers = workers
        self._speed = self._warmth = self._pace = 1.0
        self._cold_start = tuple(cold_start)
        self._warming: list[Timer] = []
        self.error_rate: float = 0.0
        self.refuses: bool = False
        self.hangs: bool = False
        self.served: int = 0
        self._failed = 0
        self.store: Store | None = None
        self.rows: Rows | None = None
        self.admit: Callable[[Request, Future[None]], object] = self._admit
        self.reply: Reply = settle

    @property
    def queued(self) -> int:
        """How many requests wait for a worker."""
        return len(self._waiting)

    @property
    def failed(self) -> int:
        """How many requests were answered with an error."""
        return self._failed + self._queue.refused

    @property
    def busy(self) -> int:
        """How many workers are at work."""
        return self._busy

    @property
    def speed(self) -> float:
        """How fast the workers are; 1 is full speed.

        0 is a stall: nothing is begun, and what is under way ends as it would have.
        """
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._speed = speed
        self._changed()

    @property
    def workers(self) -> int:
        """How many requests are served at once."""
        return self._workers

    @workers.setter
    def workers(self, workers: int) -> None:
        self._workers = workers
        self._changed()

    def restart(self) -> None:
        """Be cold: slow at first, as ``cold_start`` has it, and with an empty cache."""
        for timer in self._warming:
            timer.cancel()
        if self.store is not None:
            self.store.empty()
        self._warming.clear()
        passed = 0.0
        for seconds, speed in (*self._cold_start, (0.0, 1.0)):
            if passed:
                self._warming.append(self._loop.call_later(passed, self._warm, speed))
            else:
                self._warm(speed)
            passed += seconds

    async def serve(self, request: Request) -> None:
        """Serve one attempt at ``request``.

        Raises:
            ServerError: for an error, or a queue that is full.
            Refused: while it refuses connections.
        """
        answer: Future[None] = self._loop.create_future()
        self.receive(request, answer)
        await answer

    def receive(self, request: Request, answer: Future[None]) -> None:
        """Take up one attempt at ``request``, and `reply` when it is done."""
        if self.refuses:
            self.refuse(answer, Refused("connection refused"))
        elif self.hangs:
            pass
        elif self.error_rate and self._faults.random() < self.error_rate:
            self.refuse(answer, ServerError("the server failed"))
        else:
            self.admit(request, answer)

    def work(self, request: Request, answer: Future[None], reply: Reply) -> None:
        """Do the work of one attempt when a worker is free, and tell ``answer`` by ``reply``."""
        if self._queue_limit is not None and len(self._waiting) >= self._queue_limit:
            self._failed += 1
            reply(answer, ServerError("the server's queue is full"))
            return
        hit = None if self.store is None else self.store.hit()
        # a first attempt's work is the user's own, so that policies can be compared
        work = request.work if request.attempts <= 1 else self._service.draw(self._repeats)
        missed = self.store is not None and hit is None
        job = (answer, work if hit is None else hit, self._loop.now, missed, reply, request.key)
        if self._waiting or self._busy >= self._workers or self._pace <= 0:
            self._queue.put(job)
            self._begin()
        else:
            self._start(job)

    def refuse(self, answer: Future[None], error: Exception) -> None:
        """Answer with an error."""
        self._failed += 1
        self.reply(answer, error)

    def _admit(self, request: Request, answer: Future[None]) -> None:
        self.work(request, answer, self.reply)

    def _begin(self) -> None:
        while self._waiting and self._busy < self._workers and self._pace > 0:
            job = self._queue.take(self._loop.now)
            if job is None:
                return
            self._start(job)

    def _start(self, job: Job) -> None:
        self._busy += 1
        loop = self._loop
        seen = 0 if self.rows is None else self.rows.read(job[5])
        loop.call_at(loop.now + job[1] / self._pace, self._done, job, seen, context=self._context)

    def _done(self, job: Job, seen: int) -> None:
        answer, _, _, missed, reply, key = job
        self._busy -= 1
        if missed and self.store is not None:
            self.store.fill()
        if self.rows is None or self.rows.write(key, seen):
            self.served += 1
            reply(answer, None)
        else:
            self._failed += 1
            reply(answer, Conflict("the row has been written by another"))
        self._begin()

    def _warm(self, warmth: float) -> None:
        self._warmth = warmth
        self._changed()

    def _changed(self) -> None:
        self._pace = self._speed * self._warmth
        self._begin()


def settle(answer: Future[None], error: Exception | None) -> None:
    """Tell who waits, if somebody still does."""
    if answer.done():
        return
    if error is None:
        answer.set_result(None)
    else:
        answer.set_exception(error)
