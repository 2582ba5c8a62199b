"""``holdfast doctor``: what works here, and why."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(*, as_json: bool) -> None:
    """Say what of Holdfast works in this place, and why.

    It tries: calls that block on loopback are to be cut, which takes about a second.  Run it where your
    program runs: in the same container, as the same user, with the same Python.  Without the extra that
    this command needs, `python -m holdfast.doctor` does the same.

    The exit code is 0 if blocking calls are cut, and 1 if they are not.
    """
    from holdfast.doctor import examine
    from holdfast.doctor.findings import printed

    sys.exit(printed(examine(), as_json=as_json))
