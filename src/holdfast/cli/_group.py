"""The group of all commands; their modules are imported when they are called for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "demo": "See payments hang, without and with Holdfast: real servers, half a minute.",
    "doctor": "Say what of Holdfast works here, and why: are blocking calls cut, and by what?",
    "simulate": "See what an outage does to a policy, your own included: an hour takes seconds.",
}
"""Command, which is also a module of this package and a function in it, and its line of help."""


class Commands(click.Group):
    """Knows its commands by name, and imports the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, as the help lists them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            similar = get_close_matches(cmd_name, COMMANDS, n=1)
            if similar:
                ctx.fail(f"No such command {cmd_name!r}; did you mean {similar[0]!r}?")
            return None
        command: click.Command = getattr(import_module(f"holdfast.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """List the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's call
    if wanted:
        from holdfast import __version__

        click.echo(f"holdfast {__version__}")
        ctx.exit()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    callback=_version,
    expose_value=False,
    is_eager=True,
    help="Show the version.",
)
def holdfast() -> None:
    """Holdfast: retry, circuit breaker, timeout, bulkhead and more, for sync and async Python."""
