"""The sections of a report: tables and plots of a comparison, maps of a sweep, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from holdfast.simulation.report.captions import alternative, caption, legend
from holdfast.simulation.report.heat import TITLES, Level, level, rows, scale, summary, title, word
from holdfast.simulation.report.plots import Panel
from holdfast.simulation.report.wording import (
    LATE,
    NOTHING,
    Column,
    columns,
    count,
    measures,
    winners,
)
from holdfast.simulation.runs.compare import Comparison, Played
from holdfast.simulation.runs.sweep import Cell, Sweep

COLUMNS = {1: 1, 2: 2, 4: 2}
"""Plots side by side for so many policies; three for any other number."""

PHASES = {"health": "before", "fault": "in it", "after": "after"}


def medians(comparison: Comparison) -> str:
    """Return the table of all policies: medians, ranges, and who is best."""
    told, seeds = columns(comparison.scenario), len(comparison.seeds)
    body = "".join(_row(comparison, told, played) for played in comparison.played)
    kind = "One seed" if seeds == 1 else f"Medians of {seeds} seeds, with their range"
    stars = "; ★ marks the best" if any(winners(comparison, one) for one in told) else ""
    remark = f"{kind}{stars}.{_excess(comparison)}"
    return f'{_figures(["policy", *(c.title for c in told)], body)}<p class="remark">{remark}</p>'


def _figures(titles: Iterable[str], body: str) -> str:
    head = "".join(f"<th scope=col>{escape(title)}</th>" for title in titles)
    return (
        f'<div class="wide"><table class="figures"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(comparison: Comparison, told: list[Column], played: Played) -> str:
    cells = []
    for column in told:
        median, between = column.median(played), column.range(played)
        best = played.policy in winners(comparison, column)
        kind = " class=met" if best else " class=missed" if median in LATE else ""
        spread = f"<small>{escape(between)}</small>" if between else ""
        cells.append(f"<td><span{kind}>{escape(median)}{' ★' if best else ''}</span>{spread}</td>")
    return f"<tr><th scope=row>{escape(played.policy)}</th>{''.join(cells)}</tr>"


def _excess(comparison: Comparison) -> str:
    excess = comparison.played[0].spread("excess").median
    if not excess:
        return ""
    return (
        f" For {count(excess)} of the users who came in the fault no capacity was left: only who can"
        " wait for its end can be served."
    )


def plots(comparison: Comparison) -> Iterator[str]:
    """Yield a section for each thing to look at, with a plot for each policy."""
    from holdfast.simulation.report.plots import shown

    seed, across = comparison.seeds[0], COLUMNS.get(len(comparison.played), 3)
    shaded = "; the fault is shaded" if comparison.scenario.faults else ""
    yield f'<p class="remark">The plots show seed {seed}. All have the same axes{shaded}.</p>'
    for panel in shown(comparison):
        cells = "".join(
            _plot(comparison, panel, number) for number in range(len(comparison.played))
        )
        yield (
            f'<section><h2>{panel.title}</h2><p class="remark">{panel.about}</p>{legend(panel)}'
            f'<div class="plots" style="--columns: {across}">{cells}</div></section>'
        )


def _plot(comparison: Comparison, panel: Panel, number: int) -> str:
    from holdfast._report.figure import compact, drawn, themed
    from holdfast.simulation.report.plots import cell, has

    played = comparison.played[number]
    told = f"<b>{escape(played.policy)}</b><span>{escape(caption(panel, played))}</span>"
    if not has(panel, played):
        return f'<figure class="none"><figcaption>{told}</figcaption></figure>'
    svg = themed(compact(drawn(lambda: cell(comparison, panel, number)), f"{panel.kind}{number}"))
    return (
        f"<figure><figcaption>{told}</figcaption>"
        f'<div role="img" aria-label="{escape(alternative(panel, played))}">{svg}</div></figure>'
    )


def phases(comparison: Comparison) -> str:
    """Return the table of what was before, in and after the fault; nothing where there is none."""
    if not comparison.scenario.faults:
        return ""
    told = measures(comparison.scenario)
    body = "".join(_phase(played, name, told) for played in comparison.played for name in PHASES)
    table = _figures(["policy", "", *(one.title for one in told)], body)
    return f'<h2>Before, in and after the fault</h2>{table}<p class="remark">Medians over the seeds.</p>'


def _phase(played: Played, phase: str, told: list[Column]) -> str:
    first = phase == next(iter(PHASES))
    name = f"<th scope=rowgroup rowspan={len(PHASES)}>{escape(played.policy)}</th>" if first else ""
    words = (one.word(played.spread(f"{phase}.{one.figure}").median) for one in told)
    cells = "".join(f"<td>{word}</td>" for word in words)
    return f"<tr>{name}<td>{PHASES[phase]}</td>{cells}</tr>"


def failures(comparison: Comparison) -> str:
    """Return which errors the users of each policy got; nothing where all were served."""
    found = [(one.policy, one.figures[0].errors) for one in comparison.played]
    if not any(errors for _, errors in found):
        return ""
    rows = "".join(
        f"<tr><td>{escape(policy)}</td><td>{_most_first(errors)}</td></tr>"
        for policy, errors in found
    )
    remark = f"In seed {comparison.seeds[0]}; users who still waited at the end got nothing."
    return (
        f'<h2>Errors that users got</h2><table class="setup">{rows}</table>'
        f'<p class="remark">{remark}</p>'
    )


def _most_first(errors: Mapping[str, int]) -> str:
    ranked = sorted(errors.items(), key=lambda error: (-error[1], error[0]))
    return ", ".join(f"{escape(name)} {count(number)}" for name, number in ranked) or NOTHING


def maps(sweep: Sweep) -> Iterator[str]:
    """Yield the heat map of each policy."""
    looks = "".join(
        f'<span><i class="heat" style="{_colours(look)}"></i> {look.text}</span>'
        for look in scale(sweep.figure)
    )
    yield f'<h2>{TITLES[sweep.figure]}</h2><p class="legend">{looks}</p><div class="maps">'
    for policy in sweep.policies:
        yield _map(sweep, policy)
    yield "</div>"


def _map(sweep: Sweep, policy: str) -> str:
    first, up = sweep.axes[0], sweep.axes[1] if len(sweep.axes) > 1 else None
    body = "".join(
        f"<tr><th scope=row>{'' if value is None else f'{value:g}'}</th>"
        f"{''.join(_square(sweep, cell) for cell in cells)}</tr>"
        for value, cells in rows(sweep, policy)
    )
    foot = "".join(f"<th scope=col>{value:g}</th>" for value in first.values)
    return (
        f"<figure><figcaption><b>{escape(policy)}</b><span>{escape(summary(sweep, policy))}</span>"
        f'</figcaption><div class="wide"><table class="map"><tbody>{body}</tbody>'
        f"<tfoot><tr><td></td>{foot}</tr></tfoot></table></div>"
        f'<p class="remark">{f"↑ {escape(title(up))} " if up else ""}'
        f"→ {escape(title(first))}</p></figure>"
    )


def _square(sweep: Sweep, cell: Cell) -> str:
    spread = cell.spread(sweep.figure)
    text, look = word(sweep.figure, spread.median), level(sweep.figure, spread.median)
    alike = spread.low == spread.high
    between = f"{word(sweep.figure, spread.low)} – {word(sweep.figure, spread.high)}"
    small = "" if alike else f"<small>{between}</small>"
    return f'<td style="{_colours(look)}">{text}{small}</td>'


def _colours(look: Level) -> str:
    return f"background: {look.background}; color: {look.foreground}"
