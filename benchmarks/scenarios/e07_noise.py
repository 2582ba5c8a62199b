"""Experiment 7: background noise, then a hard stop."""

from statistics import median
from typing import Any

from benchmarks.scenarios.candidates import Calls
from benchmarks.scenarios.crowd import Crowd
from benchmarks.scenarios.e04_steady import Failing
from benchmarks.scenarios.experiment import (
    NEVER,
    OURS,
    Bar,
    Experiment,
    Figure,
    Outcome,
    Results,
    grid,
    values,
)
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator
from holdfast import RejectedError
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Uniform
from holdfast.simulation.world.request import Request

RATE = 100.0
HOUR, SHORT, STOPPED = 3600.0, 600.0, 60.0
SHARES = (1, 5, 10, 20, 30)
"""Per cent of the attempts that fail."""
SETTINGS = {f"e = {share} %": share for share in SHARES}
POLICIES = (OURS, "pybreaker", "tenacity + pybreaker", "hyx", "nopanic", "hyx, 5 s")
REFUSALS = ("CircuitOpenError", "CircuitBreakerError", "BreakerFailing", "CircuitOpen")
APART = 0.25
"""Seconds without a refusal, at 100 users a second: the breaker is closed again."""


class Listening(Crowd):
    """Users; notes whom a breaker refused, and takes refusals close to each other for one opening."""

    def __init__(self, *args: Any, stop: float, **options: Any) -> None:
        self.stop = stop
        self.blocked = 0
        self.opens = 0
        self.detected = NEVER
        self._last = -APART
        super().__init__(*args, **options)

    def failed(self, request: Request, error: Exception) -> None:  # noqa: ARG002 - by instant
        """Note a refusal, before the stop or after it."""
        by_breaker, now = opened(error), self.simulation.now
        if now < self.stop:
            self.blocked += by_breaker or isinstance(error, RejectedError)
            self.opens += by_breaker and now - self._last > APART
        elif by_breaker:
            self.detected = min(self.detected, now - self.stop)
        if by_breaker:
            self._last = now


def opened(error: Exception) -> bool:
    """Return whether an open breaker is the reason; hyx's retry hides it behind an error of its own."""
    return any(type(one).__name__ in REFUSALS for one in (error, error.__context__))


def play(setting: str, policy: str, seed: int, seconds: float | None = None) -> Outcome:
    """Play an hour of noise or ten minutes, and then a minute in which everything fails."""
    if seconds is None:
        seconds = HOUR if policy == OURS else SHORT
    with Simulation(seed) as simulation:
        dependency = Failing(simulation, SETTINGS[setting] / 100)
        call = decorator(policy, Calls(attempt_timeout=1.0))(dependency.attempt)
        crowd = Listening(
            simulation, [call], rate=RATE, seconds=seconds + STOPPED, stop=seconds,
            work=Uniform(low=0.0, high=1.0),
        )  # fmt: skip
        simulation.at(seconds, setattr, dependency, "share", 1.1)
        simulation.run(seconds + STOPPED)
    users = sum(crowd.tally.offered[: int(seconds)])
    figures = {
        "opens": crowd.opens * HOUR / seconds,
        "blocked": crowd.blocked / users,
        "detected": crowd.detected,
    }
    return Outcome(figures)


def plots(results: Results) -> list[Plot]:
    """Draw what is blocked."""
    groups = tuple(SETTINGS)
    series = {
        policy: [100 * median(values(results[group, policy], "blocked")) for group in groups]
        for policy in POLICIES
    }
    return [Bars("users blocked by chance", "%", groups, series)]


EXPERIMENT = Experiment(
    number="07",
    title="Noise, then a hard stop",
    story=(
        "100 users a second through one client; the dependency fails each attempt with probability e, "
        "for an hour (the others: ten minutes), and then every attempt fails. "
        "False opens are per hour; blocked is the share of users in the noise that were refused "
        "though the dependency is as ever; detected is when the first user is refused after the stop."
    ),
    cases=grid(tuple(SETTINGS), POLICIES),
    play=play,
    figures=(
        Figure("opens", "false opens/h", ".1f"),
        Figure("blocked", "blocked", ".2%"),
        Figure("detected", "detected", ".2f", "s"),
    ),
    bars=tuple(
        bar
        for setting in SETTINGS
        for bar in (Bar(setting, "opens", 0.0, "worst"), Bar(setting, "detected", 1.0, "worst"))
    ),
    plots=plots,
)
