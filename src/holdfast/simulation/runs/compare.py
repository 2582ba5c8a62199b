"""Plays a scenario with several policies and several seeds, and puts the results side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from holdfast import _validate
from holdfast.simulation.engine.parallel import each
from holdfast.simulation.engine.stage import MOST_STEPS
from holdfast.simulation.policies.imports import policy
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.runs.play import play
from holdfast.simulation.runs.results import Figures, figures, plain
from holdfast.simulation.runs.series import Series
from holdfast.simulation.scenario.scenario import Scenario

Progress = Callable[[float, int, str], object]
"""Is told how many runs are done, of how many, and what is being played."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a figure over seeds, and its range; None stands for "never" or "nothing"."""

    median: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        """Return the spread of ``values``; None counts as more than all others."""
        known = sorted(math.inf if value is None else value for value in values)
        middle = statistics.median(known)
        return cls(
            *(None if value == math.inf else value for value in (middle, known[0], known[-1]))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of one policy.

    Args:
        policy: its name.
        figures: of each seed, in the order of the seeds.
        series: the course of the first seed's run.
        took: real seconds of all its runs; no part of the results.
    """

    policy: str
    figures: tuple[Figures, ...]
    series: Series
    took: float

    def spread(self, figure: str) -> Spread:
        """Return median and range of a figure of `Figures`; dots lead into phases: "fault.p99"."""
        return spread(self.figures, figure)

    def as_dict(self) -> dict[str, Any]:
        """Return its figures for JSON."""
        return {"policy": self.policy, "figures": [each.as_dict() for each in self.figures]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several policies in one scenario, with the same users for all.

    Args:
        scenario: what was played.
        seeds: of the runs.
        played: one for each policy, in the order in which they were asked for.
    """

    scenario: Scenario
    seeds: tuple[int, ...]
    played: tuple[Played, ...]

    @property
    def took(self) -> float:
        """Real seconds of all runs together, the only figure that differs from time to time."""
        return math.fsum(played.took for played in self.played)

    def as_dict(self) -> dict[str, Any]:
        """Return all figures for JSON: equal seeds give equal bytes."""
        return {
            "scenario": plain(self.scenario),
            "seeds": list(self.seeds),
            "policies": [played.as_dict() for played in self.played],
        }


def compare(
    scenario: Scenario,
    policies: Iterable[Policy | str],
    seeds: Iterable[int] = (1,),
    *,
    workers: int = 1,
    most_steps: int = MOST_STEPS,
    progress: Progress | None = None,
) -> Comparison:
    """Play ``scenario`` with each of the ``policies`` and ``seeds``.

    Args:
        scenario: what happens.
        policies: `Policy` objects, or names that `holdfast.simulation.policies.imports.policy` knows.
        seeds: one run each; figures are medians over them.
        workers: processes that play side by side; the results are the same for any number.
        most_steps: a run is ended with `Endless` after so many steps of the event loop.
        progress: is told ``(done, total, label)`` now and then.

    Raises:
        ConfigurationError: for a policy that isn't known, or no policies or seeds at all.
    """
    who, numbers = chosen(policies, seeds)
    jobs = [
        (f"{policy.name}, seed {seed}", partial(_run, scenario, policy, seed, most_steps))
        for policy in who
        for seed in numbers
    ]
    runs = each(jobs, workers=workers, progress=progress)
    rows = [runs[start : start + len(numbers)] for start in range(0, len(runs), len(numbers))]
    played = (_played(policy.name, row) for policy, row in zip(who, rows, strict=True))
    return Comparison(scenario=scenario, seeds=numbers, played=tuple(played))


def chosen(
    policies: Iterable[Policy | str], seeds: Iterable[int]
) -> tuple[list[Policy], tuple[int, ...]]:
    """Return policies and seeds that can be played.

    Raises:
        ConfigurationError: for a policy that isn't known, or no policies or seeds at all.
    """
    who, numbers = (
        [one if isinstance(one, Policy) else policy(one) for one in policies],
        tuple(seeds),
    )
    if not who or not numbers:
        raise _validate.refuse("seeds" if who else "policies", (), "there must be at least one")
    return who, numbers


def _run(
    scenario: Scenario,
    policy: Policy,
    seed: int,
    most_steps: int,
    progress: Callable[[float], object] | None,
) -> tuple[Figures, Series, float]:
    whole = scenario.seconds + scenario.drain
    tell = None if progress is None else lambda now: progress(min(1.0, now / whole))
    run = play(scenario, policy, seed, most_steps=most_steps, progress=tell)
    return figures(run), Series.of(run.tally), run.took


def _played(policy: str, runs: list[tuple[Figures, Series, float]]) -> Played:
    return Played(
        policy=policy,
        figures=tuple(figures for figures, _, _ in runs),
        series=runs[0][1],
        took=math.fsum(took for _, _, took in runs),
    )


def spread(figures: Iterable[Figures], name: str) -> Spread:
    """Return median and range of one of the ``figures``; dots lead into phases: "fault.p99".

    Seeds in which there was nothing to measure don't count.
    """
    values = [_figure(each, name) for each in figures]
    if name == "ttr":  # None is never: the worst there is
        return Spread.of(values)
    return Spread.of([value for value in values if value is not None] or [None])


def _figure(figures: Figures, name: str) -> float | None:
    value: Any = figures
    for part in name.split("."):
        value = None if value is None else getattr(value, part)
    return value  # type: ignore[no-any-return] # figures are numbers
