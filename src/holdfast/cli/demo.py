"""``holdfast demo``: options in, the story played, verdicts and report out."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from holdfast.cli import EXTRA
from holdfast.cli._files import FILE, FILE_OR_DASH, writable
from holdfast.demo.settings import Settings

if TYPE_CHECKING:
    from holdfast.demo.live import Terminal
    from holdfast.demo.plain import Plain

INTERRUPTED = 130  # as shells have it: 128 + SIGINT
MISSED = (
    "{missed} of {bars} bars missed on this machine, this time. They are for a machine with nothing "
    "else to do, and a busy one misses those on milliseconds; what the two runs show is above."
)
NEEDED = ("httpx", "matplotlib", "rich", "starlette", "uvicorn", "waitress")


class NotPlayed(click.ClickException):
    """The story could not be played."""

    exit_code = 2  # the same as click's own for a wrong option: 1 says that a bar isn't met


@click.command()
@click.option(
    "--sync/--async", "sync", default=False, help="The shop: threads, or asyncio (the default)."
)
@click.option(
    "--rate",
    default=60.0,
    show_default=True,
    type=click.FloatRange(10, 500),
    help="Users' requests per second.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 5),
    help="Tell the story so many times as fast; the bars on latencies are then harder to meet.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the users' arrivals.")
@click.option(
    "--report",
    default="holdfast-demo.html",
    show_default=True,
    metavar="FILE",
    type=FILE,
    callback=writable,
    help="Where to write the report; '' for none.",
)
@click.option("--check", is_flag=True, help="Fail if a bar isn't met: for machines.")
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=FILE_OR_DASH,
    callback=writable,
    help="Write all measurements as JSON; - for standard output.",
)
def demo(
    *, sync: bool, rate: float, speed: float, seed: int, report: str, check: bool,
    json_file: str | None,
) -> None:  # fmt: skip
    """See what happens to a shop when its payment service hangs.

    A payment service (200 ms), a notification service and the shop that calls both run as real HTTP
    servers on loopback. Payments hang for 30 s per call, and recover. Played twice with the same users:
    first unprotected, then with Holdfast; the whole takes about half a minute.

    The exit code is 0, whether all bars are met or not; with --check it is 1 if one is not.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise NotPlayed(f"the demo needs {', '.join(missing)}: {EXTRA}")
    settings = Settings(world="sync" if sync else "async", rate=rate, speed=speed, seed=seed)
    # With JSON on standard output, all that is for people goes to standard error.
    out = sys.stderr if json_file == "-" else sys.stdout
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        met = _run(settings, out, Path(report) if report else None, json_file)
        sys.exit(0 if met or not check else 1)
    except KeyboardInterrupt:
        click.echo("interrupted; all processes are ended", err=True)
        sys.exit(INTERRUPTED)


def _run(settings: Settings, out: TextIO, report: Path | None, json_file: str | None) -> bool:
    import asyncio

    from holdfast.demo.bars import judge, lateness
    from holdfast.demo.measure import summarise
    from holdfast.demo.processes import ChildFailed
    from holdfast.demo.report import write
    from holdfast.demo.results import results
    from holdfast.demo.story import play

    with _view(settings, out) as view:
        try:
            runs = asyncio.run(play(settings, view))
        except ChildFailed as error:
            raise NotPlayed(str(error)) from error
    summaries = [summarise(run) for run in runs]
    bars = judge(settings, *summaries)
    remark = lateness(summaries)
    view.verdicts(bars)
    view.note(remark)
    if report is not None:
        write(report, settings, runs, bars, remark)
        view.note(f"Report: {report.resolve()}")
    if json_file is not None:
        with click.open_file(json_file, "w", encoding="utf-8") as file:
            json.dump(results(settings, runs, summaries, bars), file)
            file.write("\n")
    missed = sum(not bar.met for bar in bars)
    if missed:
        view.note(MISSED.format(missed=missed, bars=len(bars)))
    return not missed


def _view(settings: Settings, out: TextIO) -> Terminal | Plain:
    """The live view in a terminal, plain lines elsewhere."""
    if out.isatty():
        from holdfast.demo.live import Terminal

        return Terminal(settings, out)
    from holdfast.demo.plain import Plain

    return Plain(settings, out)
