"""Plays a scenario with a policy."""

from __future__ import annotations

import math
from asyncio import CancelledError, sleep
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from time import perf_counter

from holdfast.criticality import priority
from holdfast.simulation.engine.errors import BadPolicy, Endless, SimulationError, TooMany
from holdfast.simulation.engine.stage import MOST_STEPS, Simulation
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.runs.states import mean_limit, mean_tokens, not_closed
from holdfast.simulation.runs.tally import Tally, edges
from holdfast.simulation.scenario.load import Closed
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.handling import Handling
from holdfast.simulation.world.request import Decorator, Request, Target, TooLate
from holdfast.simulation.world.service import Service
from holdfast.simulation.world.users import Users, arrivals

MOST_WAITING = 300_000
"""Users under way at once; each takes some 2.5 kB."""

PARTS = 100
"""In how many places a load is looked at, to estimate how many users come."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one run."""

    scenario: Scenario
    policy: str
    seed: float | str
    tally: Tally
    calls: int
    steps: int
    took: float
    """Real seconds; the only figure that differs from run to run."""

    @property
    def unfinished(self) -> int:
        """How many users still waited when it was over."""
        buckets = (*self.tally.buckets, self.tally.rest)
        return sum(one.offered - one.good - one.rejected - one.failed for one in buckets)


def play(
    scenario: Scenario,
    policy: Policy,
    seed: float | str = 0,
    *,
    most_steps: int = MOST_STEPS,
    progress: Callable[[float], object] | None = None,
) -> Run:
    """Play ``scenario`` with ``policy``, and return what became of it.

    Args:
        scenario: what happens.
        policy: how the clients call.
        seed: of all random numbers; equal seeds give equal runs.
        most_steps: the run is ended with `Endless` after so many steps of the event loop.
        progress: is told the simulated seconds now and then.

    Raises:
        SimulationError: for a policy that can't be made or called, that blocks the event loop, or
            that never ends; see its subclasses.
    """
    began, end = perf_counter(), scenario.seconds + scenario.drain
    try:
        _check(scenario, most_steps)
        with Simulation(seed, most_steps=most_steps) as simulation:
            with simulation.watched():
                playing = _Play(simulation, scenario, policy)
            for second in range(1, math.ceil(end) + 1):
                simulation.run(min(second, end))
                playing.note(second)
                if progress is not None:
                    progress(second)
    except SimulationError as error:
        error.policy = policy.name
        raise
    return Run(
        scenario,
        policy.name,
        seed,
        playing.tally,
        playing.users.number,
        simulation.loop.steps,
        perf_counter() - began,
    )


def _check(scenario: Scenario, most_steps: int) -> None:
    """Refuse what would be ended after minutes: each user takes more than one step."""
    load, seconds = scenario.load, scenario.seconds
    if isinstance(load, Closed):
        users, why = float(load.users), "by load.users"
    else:
        rates = [load.rate_at(seconds * (part + 0.5) / PARTS) for part in range(PARTS)]
        users, why = seconds * math.fsum(rates) / PARTS, f"in {seconds:,g} s"
    if users > most_steps:
        raise Endless(
            f"about {users:,.0f} users would come {why}, for {most_steps:,} steps that are allowed: "
            "shorten the scenario, or lower its load"
        )


class _Play:
    """One run under way."""

    def __init__(self, simulation: Simulation, scenario: Scenario, policy: Policy) -> None:
        self.simulation = simulation
        self.scenario = scenario
        self.tally = Tally(scenario.seconds, edges(scenario))
        self.service = Service(simulation, scenario)
        self.users = Users(scenario, simulation.stream)
        self.decorators: list[Decorator] = []
        clients = scenario.clients
        processes = [self._process(policy) for _ in range(1 if clients.shared else clients.count)]
        self.calls = processes * (clients.count if clients.shared else 1)
        if isinstance(scenario.load, Closed):
            self._limit(scenario.load.users)
            for number in range(scenario.load.users):
                simulation.spawn(self._regular(scenario.load, simulation.stream(f"user {number}")))
        else:
            self._expect(
                arrivals(scenario.load, scenario.seconds, scenario.faults, simulation.stream)
            )

    def note(self, second: int) -> None:
        """Look at what can only be looked at: queues, and the states of policies."""
        policies = self.decorators
        self.tally.saw(
            second,
            queued=self.service.queued,
            open=not_closed(policies),
            limit=mean_limit(policies),
            tokens=mean_tokens(policies),
        )

    def _process(self, policy: Policy) -> Target:
        """Return how one process of clients calls the service, through each layer's own policy."""
        call: Target = self._attempt
        for layer in range(self.scenario.clients.layers):
            if layer:
                propagate = self.scenario.servers.propagate
                call = Handling(self.simulation, call, propagate=propagate).call
            try:
                decorate = policy.make(self.scenario)
                call = decorate(call)
            except SimulationError:
                raise
            except (Exception, SystemExit) as error:
                raise BadPolicy(f"it can't be made: {type(error).__name__}: {error}") from error
            if not callable(call):
                raise BadPolicy(f"it makes {call!r} of an async function, which can't be called")
            self.decorators.append(decorate)
        return call

    # -- users ---------------------------------------------------------------------------------

    def _expect(self, coming: Iterator[float]) -> None:
        instant = next(coming, None)
        if instant is not None:
            self.simulation.at(instant, self._arrive, instant, coming)

    def _arrive(self, instant: float, coming: Iterator[float]) -> None:
        simulation, request = self.simulation, self.users.request(instant)
        self._limit(len(simulation.kept))
        # as spawn() does, but for the callback when it is done: a fifth of the steps of a bare call
        simulation.kept[request.number] = simulation.loop.create_task(self._user(request))
        self._expect(coming)

    def _limit(self, waiting: int) -> None:
        if waiting > MOST_WAITING:
            raise TooMany(
                f"the simulation was ended when {waiting:,} users waited at once, at "
                f"{self.simulation.now:.3f} simulated seconds, to spare memory: shorten the scenario, "
                "lower its load, or give its clients a timeout"
            )

    async def _regular(self, load: Closed, thinking: Random) -> None:
        """Be one of those who wait for their answers."""
        while True:
            await sleep(load.think.draw(thinking))
            if self.simulation.now >= self.scenario.seconds:
                return
            await self._user(self.users.request(self.simulation.now))

    async def _user(self, request: Request) -> None:
        awaitable = None
        self.tally.came(request.arrived, critical=request.priority == "critical")
        try:
            awaitable = self.calls[request.client](request)
            if request.priority == "default":
                await awaitable
            else:
                with priority(request.priority):
                    await awaitable
        except CancelledError:
            if self.simulation.over:
                raise
            self._lost(request, TimeoutError("the policy let the cancelling of an attempt out"))
        except Exception as error:  # noqa: BLE001 - every failure is counted
            self._failed(request, awaitable, error)
        else:
            self._served(request)
        self.simulation.kept.pop(request.number, None)

    def _served(self, request: Request) -> None:
        arrived, now = request.arrived, self.simulation.now
        patience = self.scenario.clients.patience
        if patience is not None and now - arrived > patience:
            self._lost(request, TooLate())
        else:
            self.tally.served(arrived, now, critical=request.priority == "critical")

    def _failed(self, request: Request, awaitable: object, error: Exception) -> None:
        if isinstance(error, TypeError) and not hasattr(awaitable, "__await__"):
            what = f"calling it gives {awaitable!r}, which can't be awaited: {error}"
            self.simulation.fail(BadPolicy(what))
        self._lost(request, error)

    def _lost(self, request: Request, error: Exception) -> None:
        arrived = request.arrived
        # to the nanosecond: sums of instants are no exacter, and at once shall be 0
        self.tally.lost(arrived, error, after=round(self.simulation.now - arrived, 9))

    async def _attempt(self, request: Request) -> None:
        """Make one attempt: this is the function that policies protect."""
        request.attempts += 1
        self.tally.at(self.simulation.now).attempts += 1
        await self.service.serve(request)
