"""Experiment 14: the metastable region, 24 cells: load 30 to 98 % of the capacity, stall 1 to 30 s.

The server and the clients of experiment 1.  A cell's figure is the time to recover: seconds after the
stall from which every 5 s window for 20 s has 99 % of its users served; the median of the seeds.
Bars: no cell over 4 s with 20 clients, none over 8 s with 200.

What decides, with 20 clients, is for how long a breaker may be open when the stall ends: a share of the
stall's length.  With an interval that doubles it is half of it, and the worst cell takes 14 s.
"""

from statistics import median

from tests.experiments.e02_client import BEST
from tests.experiments.outage import SEEDS, Row, Stack, play, shipped

LOADS = (0.30, 0.50, 0.66, 0.83, 0.93, 0.98)
STALLS = (1, 3, 10, 30)
CAPACITY = 300.0
NEVER = 99


def recovery(stack: Stack, load: float, stall: int, *, seed: int, clients: int = 20) -> int:
    """Return the seconds until users are served again; `NEVER` if that takes a minute or more."""
    outage = play(stack, seed=seed, clients=clients, rate=load * CAPACITY, speed=0.0, fault=stall)
    return NEVER if outage.recovered is None else outage.recovered


def region(stack: Stack, *, clients: int, seeds: tuple[int, ...]) -> dict[float, list[float]]:
    """Return the medians for each load, by the length of the stall."""
    return {
        load: [
            median(recovery(stack, load, stall, seed=seed, clients=clients) for seed in seeds)
            for stall in STALLS
        ]
        for load in LOADS
    }


DESIGNS: dict[str, tuple[Stack, tuple[int, ...]]] = {
    "retries with a budget": (lambda _jitter: [], SEEDS[:1]),
    "before: open_growth=2, probes=3": (BEST, SEEDS[:1]),
    "as shipped": (shipped, SEEDS),
}


def report() -> list[Row]:
    """Return a row for each load, and one with the bar for all cells."""
    rows = []
    for clients, limit in ((20, 4), (200, 8)):
        for name, (stack, seeds) in DESIGNS.items():
            found = region(stack, clients=clients, seeds=seeds)
            what = f"{clients} clients, {name}"
            for load, cells in found.items():
                figure = " / ".join(f"{cell:g}" for cell in cells)
                rows.append((f"{what}, load {load:.0%}", f"TTR {figure} s", "", True))
            worst = max(max(cells) for cells in found.values())
            bar = f"<= {limit} s" if stack is shipped else ""
            rows.append((f"{what}, worst of 24 cells", f"{worst:g} s", bar, worst <= limit))
    return rows
