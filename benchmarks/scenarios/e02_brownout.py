"""Experiment 2: a brownout."""

import asyncio

from benchmarks.scenarios.candidates import Target
from benchmarks.scenarios.crowd import Crowd
from benchmarks.scenarios.experiment import OURS, Bar, Experiment, Figure, Outcome, Results, grid
from benchmarks.scenarios.outage import (
    SERVERS,
    SETTLING,
    between,
    failed,
    outage,
    played,
    recovered,
)
from benchmarks.scenarios.peers import STANDARD_PEERS
from benchmarks.scenarios.plots import Lines, Plot
from benchmarks.scenarios.policies import simulated
from holdfast import LoadShedder, Pipeline, RejectedError
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.runs.play import Run
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Request, ServerError
from holdfast.simulation.world.server import Server

HEALTHY, FAULT, AFTER = 60, 30, 60
SPEED, RATE = 0.4, 250.0
ALONE, SHED = "clients alone", "with our shedder on the server"
CLIENTS = 20


def scenario(*, healthy: int = HEALTHY, after: int = AFTER) -> Scenario:
    """Return the brownout."""
    return outage(
        rate=RATE, speed=SPEED, healthy=healthy, fault=FAULT, after=after, clients=CLIENTS
    )


def play(setting: str, policy: str, seed: int, **seconds: int) -> Outcome:
    """Play one brownout."""
    what = scenario(**seconds)
    return figures(played(what, policy, seed) if setting == ALONE else shed(what, policy, seed))


def figures(run: Run) -> Outcome:
    """Return what came of it."""
    fault, seconds = run.scenario.faults[0], int(run.scenario.seconds)
    health = (SETTLING, fault.at - 5)
    return Outcome(
        {
            "goodput": between(run, fault.at, fault.until, "answered") / fault.lasts,
            "lost": failed(run, *health) / between(run, *health, "offered"),
            "ttr": recovered(run),
        },
        tuple(bucket.answered for bucket in run.tally.buckets[:seconds]),
    )


def shed(what: Scenario, policy: str, seed: int) -> Run:
    """Play it with a `LoadShedder` before the server's workers."""
    fault = what.faults[0]
    with Simulation(seed) as simulation:
        server = Server(simulation, workers=SERVERS.workers, service=SERVERS.service)
        attempt = behind(simulation, Pipeline("server", LoadShedder(SERVERS.workers))(server.serve))
        decorators = [simulated(policy).make(what) for _ in range(what.clients.count)]
        calls = [decorate(attempt) for decorate in decorators]
        crowd = Crowd(simulation, calls, rate=RATE, seconds=what.seconds, work=SERVERS.service)
        simulation.at(fault.at, setattr, server, "speed", SPEED)
        simulation.at(fault.until, setattr, server, "speed", 1.0)
        simulation.run(what.seconds + what.drain)
    return Run(what, policy, seed, crowd.tally, crowd.users, simulation.loop.steps, 0.0)


def behind(simulation: Simulation, serve: Target) -> Target:
    """Return what a client calls: the server works in a task of its own, and answers 503 for "no".

    The task inherits the caller's context, and with it the deadline that Holdfast's clients send in a
    header; that of others tells it none.
    """

    async def attempt(request: Request) -> None:
        request.attempts += 1
        try:
            await asyncio.shield(simulation.spawn(serve(request)))  # type: ignore[arg-type]
        except RejectedError as error:
            raise ServerError("503") from error

    return attempt


def plots(results: Results) -> list[Plot]:
    """Draw the goodput over time, with one seed."""
    made: list[Plot] = []
    for setting in (ALONE, SHED):
        curves = {policy: runs[0].curve for (of, policy), runs in results.items() if of == setting}
        series = {name: (range(len(curve)), curve) for name, curve in curves.items()}
        shaded = (HEALTHY, HEALTHY + FAULT)
        title = f"{setting}: users served a second"
        made.append(Lines(title, "seconds", "served/s", series, shaded=shaded, limit=120.0))
    return made


EXPERIMENT = Experiment(
    number="02",
    title="Brownout",
    story=(
        "The server of experiment 1 is offered 250/s by 20 clients, and for 30 s its workers take 2.5 "
        "times as long: 120/s are left. Goodput is the users served a second in that time, whenever "
        "they came; lost in health is the share of users that were not served before the brownout, "
        "all of them by false rejections."
    ),
    cases=(
        *grid((ALONE,), (OURS, *STANDARD_PEERS)),
        *grid((SHED,), (OURS, *STANDARD_PEERS[:3])),
    ),
    play=play,
    figures=(
        Figure("goodput", "goodput", ".0f", "/s", least=True),
        Figure("lost", "lost in health", ".3%"),
        Figure("ttr", "TTR", unit="s"),
    ),
    bars=(
        Bar(ALONE, "goodput", 100.0),
        Bar(ALONE, "lost", 0.001),
        Bar(SHED, "goodput", 118.0),
    ),
    plots=plots,
)
