"""Sweeps a scenario over one or two of its settings, to see where it recovers and where it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from holdfast import _validate
from holdfast.simulation.engine.parallel import each
from holdfast.simulation.engine.stage import MOST_STEPS
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.runs.axes import Axis, axis
from holdfast.simulation.runs.compare import Progress, Spread, chosen, spread
from holdfast.simulation.runs.play import play
from holdfast.simulation.runs.results import Figures, figures, plain
from holdfast.simulation.runs.tally import trouble
from holdfast.simulation.scenario.scenario import Scenario

__all__ = ["Axis", "Cell", "Sweep", "axis", "sweep"]

AFTER = 60.0
"""Seconds after the fault that a cell has at least; who needs longer "never" recovers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What became of one policy with one pair of values; figures are in the order of the seeds."""

    policy: str
    values: tuple[float, ...]
    figures: tuple[Figures, ...]
    took: float

    def spread(self, figure: str) -> Spread:
        """Return median and range of a figure of `Figures`."""
        return spread(self.figures, figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A grid of values, for each of several policies.

    Args:
        scenario: what was played, before values were put in.
        axes: one or two; the first is drawn from left to right, the second upward.
        policies: their names.
        seeds: of the runs in each cell.
        cells: policy by policy, and in each of them the first axis slowest.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]

    @property
    def figure(self) -> str:
        """What a cell shows: the time to recover, or the users served where nothing goes wrong."""
        return "success" if any(c.figures[0].fault is None for c in self.cells) else "ttr"

    @property
    def took(self) -> float:
        """Real seconds of all runs together; no part of the results."""
        return math.fsum(cell.took for cell in self.cells)

    def of(self, policy: str) -> dict[tuple[float, ...], Cell]:
        """Return the cells of a policy, by their values."""
        return {cell.values: cell for cell in self.cells if cell.policy == policy}

    def as_dict(self) -> dict[str, Any]:
        """Return all figures for JSON: equal seeds give equal bytes."""
        return {
            "scenario": plain(self.scenario),
            "axes": plain(self.axes),
            "seeds": list(self.seeds),
            "cells": [
                {
                    "policy": cell.policy,
                    "values": plain(cell.values),
                    "figures": plain(cell.figures),
                }
                for cell in self.cells
            ],
        }


def sweep(
    scenario: Scenario,
    axes: Sequence[Axis | str],
    policies: Iterable[Policy | str],
    seeds: Iterable[int] = (1,),
    *,
    workers: int = 1,
    most_steps: int = MOST_STEPS,
    progress: Progress | None = None,
) -> Sweep:
    """Play ``scenario`` in each cell of the grid of ``axes``, with each of the ``policies``.

    Args:
        scenario: what happens; it is followed for at least 60 s after its faults.
        axes: one or two, as `Axis` or as texts for `axis`.
        policies: `Policy` objects, or names that `holdfast.simulation.policies.imports.policy` knows.
        seeds: one run each in every cell.
        workers: processes that play side by side; the results are the same for any number.
        most_steps: a run is ended with `Endless` after so many steps of the event loop.
        progress: is told ``(done, total, label)`` now and then.

    Raises:
        ConfigurationError: for more than two axes, or a setting or value that can't be.
    """
    across = tuple(one if isinstance(one, Axis) else axis(one) for one in axes)
    if not 1 <= len(across) <= 2:  # noqa: PLR2004 - a picture has no more
        raise _validate.refuse("axes", len(across), "a sweep has one or two")
    who, numbers = chosen(policies, seeds)
    places = list(product(*(one.values for one in across)))
    scenarios = [_placed(scenario, across, values) for values in places]
    jobs = [
        (
            f"{policy.name}, {_spelt(across, values)}",
            partial(_cell, here, policy, numbers, most_steps),
        )
        for policy in who
        for values, here in zip(places, scenarios, strict=True)
    ]
    results = each(jobs, workers=workers, progress=progress)
    cells = (
        Cell(policy=policy.name, values=values, figures=told, took=took)
        for (policy, values), (told, took) in zip(product(who, places), results, strict=True)
    )
    names = tuple(policy.name for policy in who)
    return Sweep(scenario=scenario, axes=across, policies=names, seeds=numbers, cells=tuple(cells))


def _placed(scenario: Scenario, axes: Sequence[Axis], values: Sequence[float]) -> Scenario:
    for one, value in zip(axes, values, strict=True):
        scenario = one.place(scenario, value)
    span = trouble(scenario)
    if span is None:
        return scenario
    return replace(scenario, seconds=max(scenario.seconds, span[1] + AFTER))


def _cell(
    scenario: Scenario,
    policy: Policy,
    seeds: Sequence[int],
    most_steps: int,
    progress: Callable[[float], object] | None,
) -> tuple[tuple[Figures, ...], float]:
    runs = []
    for number, seed in enumerate(seeds):
        runs.append(play(scenario, policy, seed, most_steps=most_steps))
        if progress is not None:
            progress((number + 1) / len(seeds))
    return tuple(map(figures, runs)), math.fsum(run.took for run in runs)


def _spelt(axes: Sequence[Axis], values: Sequence[float]) -> str:
    return ", ".join(f"{axis.name} {value:g}" for axis, value in zip(axes, values, strict=True))
