"""The report's figure: both runs side by side on the same axes, as one SVG.

Drawn by matplotlib without pyplot, so nothing global is touched; imported only when a report is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

from holdfast._report.figure import BLUE, GREEN, GREY, INK, ORANGE, RED, SHADE, drawn, themed
from holdfast.demo.glance import TITLES
from holdfast.demo.measure import Run, Sample, throughput
from holdfast.demo.settings import Settings

BREAKERS: Final = {"closed": GREEN, "half-open": ORANGE, "open": RED}
PAGES: Final = {"/pay": ("payments", BLUE), "/notify": ("notifications", GREEN)}
BIN = 0.5  # seconds of the story per step of the throughput
LOG_FROM = 5  # where the unprotected run needs so many times the bulkhead, the axis is logarithmic


def draw(settings: Settings, runs: Sequence[Run]) -> str:
    """The figure as an ``<svg>`` element."""
    return themed(drawn(lambda: _figure(settings, runs)))


def _figure(settings: Settings, runs: Sequence[Run]) -> Figure:
    figure = Figure(
        figsize=(11, 10.2),
        layout=ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.06),
        facecolor="none",  # the page's own shall be seen
    )
    rows = figure.subplots(
        4, len(runs), sharex=True, sharey="row", height_ratios=(3, 3, 3, 0.45),
        subplot_kw={"facecolor": "none"},
    )  # fmt: skip
    linear = _is_small(settings, runs)
    for column, run in zip(rows.T, runs, strict=True):
        _throughput(column[0], settings, run)
        _latency(column[1], run)
        _in_use(column[2], settings, run, linear=linear)
        _breaker(column[3], run)
        _story(column, run)
    titles = (
        "Answers per second",
        "Time to the answer of each request (ms, logarithmic)",
        "In use" if linear else "In use (logarithmic)",
        "Payments' circuit breaker",
    )
    for row, title in zip(rows, titles, strict=True):
        row[0].set_title(title, pad=6)
        row[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=2.5)
    rows[0][0].set_ylim(0, 1.12 * rows[0][0].get_ylim()[1])
    return figure


def _throughput(axes: Axes, settings: Settings, run: Run) -> None:
    width, end = settings.real(BIN), run.phases[-1].end
    starts = [width * step for step in range(round(end / width) + 1)]
    layers = {
        "payments made": (BLUE, "ok", "/pay"),
        "notifications sent": (GREEN, "ok", "/notify"),
        "payments queued (fallback)": (ORANGE, "fallback", None),
        "failed": (RED, "failed", None),
    }
    heights = [
        [
            throughput([r for r in run.records if page in (None, r.page)], at, at + width, outcome)
            for at in starts
        ]
        for _, outcome, page in layers.values()
    ]
    colours = [colour for colour, _, _ in layers.values()]
    axes.stackplot(
        starts, heights, labels=list(layers), colors=colours, step="post", alpha=0.85, linewidth=0
    )


def _latency(axes: Axes, run: Run) -> None:
    for page, (name, colour) in PAGES.items():
        done = [r for r in run.records if r.page == page and r.outcome == "ok" and r.at >= 0]
        _dots(axes, done, colour, f"{name}, done")
    _dots(
        axes,
        [r for r in run.records if r.outcome == "fallback" and r.at >= 0],
        ORANGE,
        "payments, queued",
    )
    _dots(axes, [r for r in run.records if r.outcome == "failed" and r.at >= 0], RED, "failed")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))


def _dots(axes: Axes, records: Sequence, colour: str, label: str) -> None:  # type: ignore[type-arg]
    axes.plot(
        [r.at for r in records],
        [1000 * r.seconds for r in records],
        linestyle="none",
        marker="o",
        markersize=2.4,
        markeredgewidth=0,
        color=colour,
        label=label,
    )


def _in_use(axes: Axes, settings: Settings, run: Run, *, linear: bool) -> None:
    at = [sample.at for sample in run.samples]
    workers = "threads in use" if settings.world == "sync" else "tasks in use"
    lines = {
        workers: (GREY, [s.workers for s in run.samples]),
        "sockets to payments": (BLUE, [s.payment_sockets for s in run.samples]),
        "sockets to notifications": (GREEN, [s.notification_sockets for s in run.samples]),
    }
    for label, (colour, values) in lines.items():
        axes.plot(at, values, color=colour, linewidth=1.4, label=label)
    axes.axhline(
        settings.bulkhead,
        color=INK,
        linewidth=1,
        linestyle=(0, (4, 3)),
        label=f"bulkhead ({settings.bulkhead})",
    )
    if linear:
        axes.set_ylim(0, None)
    else:
        axes.set_yscale("log", nonpositive="clip")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:g}"))


def _is_small(settings: Settings, runs: Sequence[Run]) -> bool:
    return max(run.peaks["workers"] for run in runs) < LOG_FROM * settings.bulkhead


def _breaker(axes: Axes, run: Run) -> None:
    for state, colour in BREAKERS.items():
        spans = [
            (start, end - start) for start, end, now in _stretches(run.samples) if now == state
        ]
        axes.broken_barh(spans, (0, 1), color=colour, linewidth=0, alpha=0.85, label=state)
    if not run.protected:
        axes.text(0.01, 0.5, "none", transform=axes.transAxes, va="center")
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_xlabel("seconds")


def _stretches(samples: Sequence[Sample]) -> Iterator[tuple[float, float, str]]:
    """From when to when the breaker was in which state."""
    start = samples[0] if samples else None
    for sample in samples:
        if start and sample.breaker != start.breaker:
            yield start.at, sample.at, start.breaker
            start = sample
    if start:
        yield start.at, samples[-1].at, start.breaker


def _story(column: Sequence[Axes], run: Run) -> None:
    calm, fault, healed = run.phases
    for axes in column:
        axes.axvspan(fault.start, fault.end, color=SHADE, zorder=-1, linewidth=0)
        axes.set_xlim(0, healed.end)
    top = column[0]
    top.text(
        0.0, 1.16, TITLES[run.protected], transform=top.transAxes, fontsize=13, fontweight="bold"
    )
    for phase in (calm, fault, healed):
        top.text(
            (phase.start + phase.end) / 2, 0.97, phase.name, ha="center", va="top", fontsize=9,
            transform=top.get_xaxis_transform(),
        )  # fmt: skip
