"""The report: one HTML file with everything in it, that needs no network to be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from holdfast._report.page import page as html
from holdfast.demo.bars import Bar
from holdfast.demo.measure import Run
from holdfast.demo.settings import (
    ATTEMPT_TIMEOUT,
    OPEN_CAP,
    OPEN_FOR,
    TOTAL_TIMEOUT,
    Settings,
    World,
)

LEAD: Final = (
    "A shop calls a payment and a notification service. Payments hang for a while, then recover."
    " The same users at the same instants, once without protection and once with Holdfast."
)
DIFFERENCE: Final[dict[World, str]] = {
    "sync": "The two shops differ by decorators: neither client has a timeout, and with Holdfast a call"
    " that hangs is cut at its limit, in its own thread.",
    "async": "The two shops differ by the client’s transport and the page’s decorator.",
}
TITLES: Final = ("measured", "unprotected", "with Holdfast", "bar", "")


def write(
    path: Path, settings: Settings, runs: Sequence[Run], bars: Sequence[Bar], remark: str
) -> None:
    """Write the report to `path`."""
    path.write_text(page(settings, runs, bars, remark), encoding="utf-8")


def page(settings: Settings, runs: Sequence[Run], bars: Sequence[Bar], remark: str) -> str:
    """The HTML document."""
    from holdfast.demo.plots import draw

    met = sum(bar.met for bar in bars)
    body = f"""<h1>When payments hang</h1>
<p class="lead">{LEAD}</p>
<h2>{met} of {len(bars)} bars are met</h2>
{_bars(bars)}
<p class="remark">{escape(remark)}</p>
<h2>Both runs, on the same axes; the fault is shaded</h2>
<figure class="wide">{draw(settings, runs)}</figure>
<h2>Set-up</h2>
<table class="setup">{"".join(_setup(settings))}</table>
<h2>How it is measured</h2>
<ul>{"".join(f"<li>{line}</li>" for line in _method(settings))}</ul>"""
    return html("Holdfast demo: when payments hang", body)


def _bars(bars: Iterable[Bar]) -> str:
    head = "".join(f"<th>{title}</th>" for title in TITLES)
    rows = "".join(_bar(bar) for bar in bars)
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _bar(bar: Bar) -> str:
    cells = (bar.figure, bar.unprotected, bar.holdfast, bar.limit)
    verdict = "<td class=met>✓ met</td>" if bar.met else "<td class=missed>✗ not met</td>"
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}{verdict}</tr>"


def _setup(settings: Settings) -> Iterable[str]:
    real = settings.real
    protection = (
        f"outermost first: fallback (“queued”), timeout {real(TOTAL_TIMEOUT):g} s,"
        f" bulkhead {settings.bulkhead}, one retry with a budget, circuit breaker (opens after 5"
        f" failures in a row, for {real(OPEN_FOR):g} s and up to {real(OPEN_CAP):g} s),"
        f" timeout {real(ATTEMPT_TIMEOUT):g} s per attempt; a pipeline per service"
    )
    for what, how_much in [*settings.sizes(), ("with Holdfast", protection)]:
        yield f"<tr><td>{escape(what)}</td><td>{escape(how_much)}</td></tr>"


def _method(settings: Settings) -> Iterable[str]:
    client = "Client" if settings.world == "sync" else "AsyncClient"
    yield (
        "Every server is a real HTTP server on loopback in a process of its own; the shop calls with"
        f" one <code>httpx.{client}</code>. Both runs start afresh, with the same pools."
        f" {DIFFERENCE[settings.world]}"
    )
    yield (
        "The unprotected shop has <em>no timeout</em>: the default of <code>requests</code>, and"
        " what a client has whose author switched the timeout off."
        " (<code>httpx</code> by default would give up after 5 s without data.)"
    )
    yield (
        "The load is an open loop: users arrive at their instants, whatever became of those before"
        " them, and latency counts from the instant at which a user meant to ask."
        " A user who gave up counts as failed, at the time of giving up."
    )
    yield (
        "A payment is done when it was really made; a fallback’s answer (“queued”) is an answer,"
        " but not counted as done."
    )
    yield (
        "When payments recover, calls that already hang go on hanging, as in a real service."
        " “Late in the fault” is its last third."
    )
    yield (
        "Threads or tasks are counted by the shop, sockets by the services, at each beginning and"
        " end: the table has the exact peaks. Idle sockets of the connection pool count as well."
    )
    yield "The first moments (new connections, first imports) are a warm-up, and part of no figure."
