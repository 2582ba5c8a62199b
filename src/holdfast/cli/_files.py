"""Options that name a file to be written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

FILE: Final = click.Path(dir_okay=False, writable=True)
FILE_OR_DASH: Final = click.Path(dir_okay=False, writable=True, allow_dash=True)


def writable(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuse a file that can't be written now, not after all has been played."""
    if value is not None:
        path = Path(value).absolute()
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
        if not path.exists() and not os.access(path.parent, os.W_OK):
            raise click.BadParameter(f"the folder {str(path.parent)!r} is not writable")
    return value
