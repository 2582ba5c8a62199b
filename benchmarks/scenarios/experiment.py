"""What an experiment is made of: cases that are played, figures, bars, a plot."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.scenarios.plots import Plot

OURS = "holdfast"
NEVER = math.inf
"""Of a figure in seconds: it did not happen while one looked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run: its figures, and what a plot draws of it."""

    figures: dict[str, float]
    curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of the table: ``key`` in `Outcome.figures`; ``form`` is a format specification."""

    key: str
    title: str
    form: str = ".0f"
    unit: str = ""
    least: bool = False
    """Whether more is better."""

    def text(self, value: float) -> str:
        """Return the value for people."""
        number = "never" if math.isinf(value) else format(value, self.form)
        return f"{number} {self.unit}" if self.unit and not math.isinf(value) else number

    def spread(self, values: Sequence[float]) -> str:
        """Return the median, and the range in brackets where there is one."""
        low, middle, high = (self.text(one) for one in (min(values), median(values), max(values)))
        return middle if low == high else f"{middle} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Bar:
    """What our figure is to reach in one setting."""

    setting: str
    figure: str
    limit: float
    of: Literal["median", "worst"] = "median"
    policy: str = OURS


@dataclass(frozen=True, slots=True)
class Case:
    """What is played with each seed: a policy in a setting."""

    setting: str
    policy: str
    seeds: int | None = None
    """How many seeds, where it is not as many as asked for."""


Results = dict[tuple[str, str], list[Outcome]]
"""The outcomes of a setting and a policy, by seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment of the bench.

    Args:
        number: as in the list of bars, "01".
        title: a few words.
        story: what is played and what the figures mean, in a few sentences of markdown.
        cases: what is played, in the order of the table.
        play: plays ``(setting, policy, seed)``; in a process of its own, so it is a module's function.
        figures: the columns.
        bars: what ours is to reach.
        plots: what is drawn, side by side.
        notes: what a reader of the table must know.
    """

    number: str
    title: str
    story: str
    cases: tuple[Case, ...]
    play: Callable[[str, str, int], Outcome]
    figures: tuple[Figure, ...]
    bars: tuple[Bar, ...] = ()
    plots: Callable[[Results], list[Plot]] | None = None
    notes: tuple[str, ...] = field(default=())

    def figure(self, key: str) -> Figure:
        """Return the column of a figure."""
        return next(one for one in self.figures if one.key == key)


def values(outcomes: Sequence[Outcome], key: str) -> list[float]:
    """Return one figure of all seeds; none of them where it was not measured."""
    return [one.figures[key] for one in outcomes if key in one.figures]


def grid(settings: Sequence[str], policies: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases of all policies in all settings."""
    return tuple(Case(setting, policy) for setting in settings for policy in policies)


def found() -> dict[str, str]:
    """Return the modules of all experiments by their numbers."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("e[0-9][0-9]_*.py"))
    return {name[1:3]: f"{__package__}.{name}" for name in names}


def load(module: str) -> Experiment:
    """Return the experiment of a module."""
    experiment: Experiment = import_module(module).EXPERIMENT
    return experiment
