"""What plots say in words: a figure to remember, and all of them for those who can't see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from holdfast.simulation.report.plots import DOTTED, Line, Panel
from holdfast.simulation.report.wording import (
    NOTHING,
    count,
    duration,
    quantity,
    rate,
    share,
    times,
)
from holdfast.simulation.runs.compare import Played
from holdfast.simulation.runs.results import Figures, Phase


def caption(panel: Panel, played: Played) -> str:
    """Return what a plot shows, in one figure."""
    return told(panel.kind, played.figures[0], played)


def alternative(panel: Panel, played: Played) -> str:
    """Return what a plot shows, for those who can't see it."""
    figures = played.figures[0]
    whole = figures.whole
    phases = {"before the fault": figures.health, "in it": figures.fault, "after it": figures.after}
    known = {name: phase for name, phase in phases.items() if phase} or {"in the whole run": whole}
    parts = "; ".join(f"{name} {_of_phase(panel.kind, phase)}" for name, phase in known.items())
    if panel.kind in ("breakers", "limits", "budgets", "queue"):
        parts = told(panel.kind, figures, played)
    return f"{panel.title} with {played.policy}: {parts}."


def told(kind: str, figures: Figures, played: Played) -> str:
    """Return the figure of a run that a plot of that kind is about."""
    where = "in the fault" if figures.fault else "on average"
    match kind:
        case "goodput":
            return f"{_word(share, figures.success)} of users served"
        case "latency":
            return f"p99 {_word(duration, figures.p99)} in all"
        case "attempts":
            return f"{_word(times, figures.amplification)} per user {where}"
        case "breakers":
            return f"at most {count(max(played.series.open, default=0))}"
        case "limits" | "budgets":
            series = played.series
            return _between(series.limit if kind == "limits" else series.tokens)
    return f"at most {count(figures.peak_queue)}"


def legend(panel: Panel) -> str:
    """Return the legend of a panel as HTML."""
    return f'<p class="legend">{"".join(_swatch(line) for line in panel.lines)}</p>'


def _swatch(line: Line) -> str:
    from holdfast._report.figure import themed

    dashes = "" if line.style == "solid" else "1.3 2" if line.style == DOTTED else "5 3"
    area = f'<path d="M0 6H22V12H0z" fill="{line.colour}" opacity=".18"/>' if line.filled else ""
    stroke = (
        f'<path d="M0 6H22" stroke="{line.colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    )
    svg = f'<svg viewBox="0 0 22 12" width="22" height="12" aria-hidden="true">{area}{stroke}</svg>'
    return f"<span>{themed(svg)} {escape(line.label)}</span>"


def _of_phase(kind: str, phase: Phase) -> str:
    match kind:
        case "goodput":
            return _word(rate, phase.goodput)
        case "latency":
            return f"p50 {_word(duration, phase.p50)}, p99 {_word(duration, phase.p99)}"
    return f"{_word(times, phase.amplification)} per user"


def _between(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"between {quantity(min(known))} and {quantity(max(known))}" if known else "none to show"


def _word(how: Callable[[float], str], value: float | None) -> str:
    return NOTHING if value is None else how(value)
