"""Whether the bars are met, and what the best of the others reaches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.scenarios.experiment import OURS, Bar, Experiment, Figure, Results, values


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar, our figure, and the best figure of a peer in the same setting."""

    bar: Bar
    figure: Figure
    ours: float
    spread: str
    met: bool
    best_peer: str
    best: float

    @property
    def limit(self) -> str:
        """The bar for people."""
        return f"{'≥' if self.figure.least else '≤'} {self.figure.text(self.bar.limit)}"

    @property
    def word(self) -> str:
        """Whether it is met, for people."""
        return "yes" if self.met else "NO"

    @property
    def peer(self) -> str:
        """The best peer for people."""
        return f"{self.best_peer}: {self.figure.text(self.best)}" if self.best_peer else ""


def judged(experiment: Experiment, results: Results) -> list[Verdict]:
    """Return the verdicts on all bars of an experiment that was played."""
    return [
        _judge(experiment, results, bar)
        for bar in experiment.bars
        if (bar.setting, bar.policy) in results
    ]


def _judge(experiment: Experiment, results: Results, bar: Bar) -> Verdict:
    figure = experiment.figure(bar.figure)
    own = values(results[bar.setting, bar.policy], bar.figure)
    value = _of(own, bar, figure)
    met = value >= bar.limit if figure.least else value <= bar.limit
    others = {
        policy: _of(found, bar, figure)
        for (setting, policy), outcomes in results.items()
        if setting == bar.setting and not policy.startswith(OURS)
        if (found := values(outcomes, bar.figure))
    }
    best = (max if figure.least else min)(others, key=lambda name: others[name], default="")
    return Verdict(bar, figure, value, figure.spread(own), met, best, others.get(best, math.nan))


def _of(found: Sequence[float], bar: Bar, figure: Figure) -> float:
    if bar.of == "median":
        return float(median(found))
    return min(found) if figure.least else max(found)
