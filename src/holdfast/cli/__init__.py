"""``holdfast``: the command line.

Each command lives in a module of its own, imported when it is called for, so that ``holdfast --help``
starts at once. Needs the extra: ``pip install 'holdfast[cli]'``.
"""

from __future__ import annotations

import sys

from holdfast.cli._pipes import run

EXTRA = "pip install 'holdfast[cli]'"


def main() -> None:
    """The console script."""
    try:
        from holdfast.cli._group import holdfast
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit(f"holdfast: the command line needs {error.name}, which is not installed: {EXTRA}")
    run(holdfast)
