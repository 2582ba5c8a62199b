"""``holdfast simulate``: options in, a scenario played with several policies, table and report out."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from holdfast.cli._files import FILE, FILE_OR_DASH, writable
from holdfast.cli._wish import Wish

INTERRUPTED = 130  # as shells have it: 128 + SIGINT
NEEDED = ("matplotlib", "pydantic", "rich")
USUAL: Final = ("none,retry,standard", 3)
SWEPT: Final = ("retry,standard", 1)
"""Policies and number of seeds of a single scenario, and of a sweep, which has many cells."""

STORM: Final = "retry-storm"
"""What a sweep is of, where nothing else is said."""

MOST_STEPS = 20_000_000


class NotPlayed(click.ClickException):
    """Bad input: nothing was played."""

    exit_code = 2


class Ended(click.ClickException):
    """The simulation was ended before its time."""

    exit_code = 1


def _listed(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's call
    """Print the scenarios, or the policies, and leave."""
    if not wanted or ctx.resilient_parsing:
        return
    if option.name == "list_policies":
        from holdfast.simulation.policies.policies import READY

        rows = [(policy.name, policy.about) for policy in READY.values()]
    else:
        from holdfast.simulation import files

        rows = list(files.titles().items())
    formatter = ctx.make_formatter()
    formatter.write_dl(rows)
    click.echo(formatter.getvalue(), nl=False)
    ctx.exit()


def _shown(ctx: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Print a ready scenario, and leave."""
    if name is None or ctx.resilient_parsing:
        return
    from holdfast.errors import ConfigurationError
    from holdfast.simulation import files

    try:
        click.echo(files.text(name), nl=False)
    except ConfigurationError as error:
        raise NotPlayed(str(error)) from error
    ctx.exit()


@click.command()
@click.argument("words", nargs=-1, metavar="[SCENARIO]")
@click.option(
    "--policy",
    "own",
    multiple=True,
    metavar="MODULE:ATTRIBUTE",
    help="A policy of your own, besides the others; may be given several times.",
)
@click.option(
    "--compare",
    "compared",
    metavar="NAMES",
    help="The policies to play, separated by commas; 'all' for all that --list-policies shows.  "
    f"[default: those that the scenario names, or {USUAL[0]}; {SWEPT[0]} in a sweep]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    help="How many runs of each policy, each with other users.  "
    f"[default: {USUAL[1]}; {SWEPT[1]} in a sweep]",
)
@click.option(
    "--seed", default=1, show_default=True, help="The first of the seeds; the others follow it."
)
@click.option(
    "--report",
    default="holdfast-simulate.html",
    show_default=True,
    metavar="FILE",
    type=FILE,
    callback=writable,
    help="Where to write the report; '' for none.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=FILE_OR_DASH,
    callback=writable,
    help="Write all figures as JSON; - for standard output.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Processes that play side by side.  [default: one for each core]",
)
@click.option(
    "--sweep",
    "axes",
    multiple=True,
    metavar="KEY=LOW:HIGH...",
    help="Play a grid of one or two settings: load (as a share of the capacity), stall (seconds), "
    "or any key of the scenario, such as clients.count=20,200.",
)
@click.option(
    "--max-steps",
    "most_steps",
    default=MOST_STEPS,
    show_default=True,
    type=click.IntRange(min=1),
    help="End a run that takes more steps than this.",
)
@click.option("--list", "list_scenarios", is_flag=True, is_eager=True, expose_value=False,
    callback=_listed, help="List the ready scenarios.")  # fmt: skip
@click.option("--list-policies", is_flag=True, is_eager=True, expose_value=False,
    callback=_listed, help="List the ready policies.")  # fmt: skip
@click.option("--show", metavar="NAME", is_eager=True, expose_value=False,
    callback=_shown, help="Print a ready scenario, to be copied and changed.")  # fmt: skip
@click.pass_context
def simulate(
    ctx: click.Context, /, *, words: tuple[str, ...], own: tuple[str, ...], compared: str | None,
    seeds: int | None, seed: int, report: str, json_file: str | None, workers: int | None,
    axes: tuple[str, ...], most_steps: int,
) -> None:  # fmt: skip
    """Play a scenario with several policies, on virtual time.

    SCENARIO is a TOML file, or the name of a ready scenario (see --list).  All policies get the same
    users.  An hour takes seconds; equal seeds give equal results.

    \b
    holdfast simulate retry-storm
    holdfast simulate brownout --policy my_service:pipeline --seeds 5
    holdfast simulate --sweep load=0.3:0.98 stall=1:30

    The exit code is 0 if all was played, 1 if the simulation had to be ended (a policy blocks, or it
    takes too many steps), 2 for wrong input.
    """  # noqa: D301 - a backspace, by which click knows lines that are not to be filled
    scenario, axes = _sorted(ctx, words, axes)
    policies, runs = SWEPT if axes else USUAL
    wish = Wish(
        scenario=scenario,
        compared=None if compared is None else _chosen(compared, own),
        usual=_names(policies),
        own=own,
        axes=axes,
        seeds=tuple(range(seed, seed + (seeds or runs))),
        report=Path(report) if report else None,
        json_file=json_file,
        workers=workers or _cores(),
        most_steps=most_steps,
        command=_spelt(sys.argv[1:]),
    )
    _check_extra()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        _play(wish)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)


def _play(wish: Wish) -> None:
    from holdfast.cli._playing import play
    from holdfast.errors import ConfigurationError
    from holdfast.simulation.engine.errors import Endless, SimulationError

    try:
        play(wish)
    except ConfigurationError as error:
        raise NotPlayed(str(error)) from error
    except SimulationError as error:
        more = "; --max-steps allows more" if type(error) is Endless else ""
        raise Ended(f"{error}{more}") from error


def _sorted(
    ctx: click.Context, words: tuple[str, ...], axes: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """Tell the scenario from further axes: ``--sweep load=0.3:0.98 stall=1:30``."""
    further = tuple(word for word in words if "=" in word and not word.endswith(".toml"))
    names = [word for word in words if word not in further]
    if further and not axes:
        raise click.UsageError(f"{further[0]!r} is no scenario; did you forget --sweep?", ctx)
    if len(names) > 1:
        raise click.UsageError(f"one scenario at a time, please, not {' and '.join(names)}", ctx)
    if not names and not axes:
        raise click.UsageError(
            "which scenario? Give its file, or a name: 'holdfast simulate --list' shows them", ctx
        )
    return (names[0] if names else STORM), (*axes, *further)


def _chosen(compared: str, own: tuple[str, ...]) -> tuple[str, ...]:
    names = _names(compared)
    if not names and not own:
        raise click.UsageError("--compare names no policy; --list-policies shows which there are")
    return names


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spelt(arguments: list[str]) -> str:
    from shlex import join

    return f"holdfast {join(arguments)}"


def _check_extra() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise NotPlayed(f"simulate needs {', '.join(missing)}: pip install 'holdfast[simulation]'")
