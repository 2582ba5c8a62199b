"""Experiment 4: steady failures."""

import asyncio
from statistics import median

from benchmarks.scenarios.candidates import Calls, Target
from benchmarks.scenarios.crowd import Crowd
from benchmarks.scenarios.experiment import (
    OURS,
    Bar,
    Case,
    Experiment,
    Figure,
    Outcome,
    Results,
    grid,
    values,
)
from benchmarks.scenarios.peers import STANDARD_PEERS
from benchmarks.scenarios.plots import Lines, Plot
from benchmarks.scenarios.policies import decorator
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Uniform
from holdfast.simulation.world.request import Request, ServerError

RATE, SECONDS, TAKES = 100.0, 100.0, 0.01
SHARES = (1, 5, 10, 20, 50, 100)
"""Per cent of the attempts that fail."""
FLEETS = (10, 100, 1000)
BREAKING = "tenacity + pybreaker"


def setting(share: int, clients: int) -> str:
    """Return the name of a setting."""
    return f"f = {share} %, {clients} clients"


SETTINGS = {setting(share, clients): (share, clients) for clients in FLEETS for share in SHARES}


class Failing:
    """A dependency that answers after 10 ms, and fails each attempt by itself with a probability.

    Whether a user's first attempt fails is drawn with the user, so that it is the same for all policies.
    """

    def __init__(self, simulation: Simulation, share: float) -> None:
        self.share = share
        self.attempts = 0
        self._further = simulation.stream("failures of further attempts")

    async def attempt(self, request: Request) -> None:
        """Answer, or not."""
        self.attempts += 1
        request.attempts += 1
        await asyncio.sleep(TAKES)
        draw = request.work if request.attempts == 1 else self._further.random()
        if draw < self.share:
            raise ServerError("down")


def play(name: str, policy: str, seed: int, seconds: float = SECONDS) -> Outcome:
    """Play one load."""
    share, clients = SETTINGS[name]
    with Simulation(seed) as simulation:
        dependency = Failing(simulation, share / 100)
        calls = [protected(policy, dependency.attempt) for _ in range(clients)]
        crowd = Crowd(
            simulation, calls, rate=RATE, seconds=seconds, work=Uniform(low=0.0, high=1.0)
        )
        simulation.run(seconds + 60.0)
    figures = {
        "success": crowd.total("good") / crowd.users,
        "attempts": dependency.attempts / crowd.users,
    }
    return Outcome(figures)


def protected(policy: str, attempt: Target) -> Target:
    """Return one client's protected function."""
    return decorator(policy, Calls(attempt_timeout=1.0))(attempt)


def plots(results: Results) -> list[Plot]:
    """Draw both figures over the share of failures, for 100 clients."""
    made: list[Plot] = []
    for key, title in (("success", "users served"), ("attempts", "attempts per user")):
        series = {}
        for policy in (OURS, *STANDARD_PEERS):
            found = [results.get((setting(share, 100), policy)) for share in SHARES]
            points = [
                (share, median(values(runs, key)))
                for share, runs in zip(SHARES, found, strict=True)
                if runs
            ]
            series[policy] = ([x for x, _ in points], [y for _, y in points])
        made.append(Lines(f"{title}, 100 clients", "% of attempts that fail", title, series))
    return made


EXPERIMENT = Experiment(
    number="04",
    title="Steady failures",
    story=(
        "100 calls a second from 10, 100 or 1,000 clients for 100 s; the dependency fails each attempt "
        "by itself with probability f (the model of Marc Brooker's simulator). Attempts are those per "
        "user. What keeps no state, as plain retries, does the same for any number of clients."
    ),
    cases=(
        *(
            Case(setting(share, 100), policy)
            for share in SHARES
            for policy in (OURS, *STANDARD_PEERS)
            if policy != "stamina" or share in (10, 100)
        ),
        *grid([setting(share, n) for n in (10, 1000) for share in (1, 5, 10, 100)], (OURS,)),
        *grid([setting(share, n) for n in (10, 1000) for share in (10, 100)], (BREAKING,)),
    ),
    play=play,
    figures=(
        Figure("success", "success", ".2%", least=True),
        Figure("attempts", "attempts", ".2f"),
    ),
    bars=(
        *(
            Bar(setting(share, clients), "success", 0.999)
            for clients in FLEETS
            for share in (1, 5, 10)
        ),
        *(Bar(setting(100, clients), "attempts", 1.02) for clients in FLEETS),
    ),
    plots=plots,
)
