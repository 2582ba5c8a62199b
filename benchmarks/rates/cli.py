"""``python -m benchmarks rates``: play all clients in all settings, and print the table."""

import argparse
import sys
from statistics import median

from benchmarks.overhead.text import aligned
from benchmarks.rates.clients import there
from benchmarks.rates.played import SETTINGS, played

TITLES = ("setting", "client", "refused", "used", "start", "down", "up", "429s at first")


def main(arguments: list[str]) -> int:
    """Play what is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks rates",
        description="A quota of 100 a second that becomes 40, and 100 again, on virtual time: the share "
        "of 429s, of the quota used, and the seconds until a client keeps to each quota and uses it.",
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each (3); medians are shown")
    parser.add_argument("--only", default="", help="clients whose names begin so")
    parsed = parser.parse_args(arguments)
    clients = {name: make for name, make in there().items() if name.startswith(parsed.only)}
    rows: list[tuple[str, ...]] = []
    for setting in SETTINGS:
        for name, make in clients.items():
            runs = [played(setting, make, seed) for seed in range(1, 1 + parsed.seeds)]
            rows.append((setting, name, *shown([median(run) for run in zip(*runs, strict=True)])))
            print(".", end="", file=sys.stderr, flush=True)
    print("\n" + aligned(TITLES, rows))
    return 0


def shown(figures: list[float]) -> tuple[str, ...]:
    """Return the figures of one row for people."""
    refused, used, start, down, up, first = figures
    seconds = ("never" if one == float("inf") else f"{one:.0f} s" for one in (start, down, up))
    return f"{refused:.2%}", f"{used:.1%}", *seconds, f"{first:.0f}"
