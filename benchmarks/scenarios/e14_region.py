"""Experiment 14: the metastable region."""

from statistics import median

from benchmarks.scenarios.experiment import (
    NEVER,
    OURS,
    Bar,
    Experiment,
    Figure,
    Outcome,
    Results,
    grid,
    values,
)
from benchmarks.scenarios.outage import CAPACITY, outage, played, recovered
from benchmarks.scenarios.plots import Heat, Plot

LOADS, STALLS = (30, 50, 66, 83, 93, 98), (1, 3, 10, 30)
"""Per cent of the capacity; seconds."""
FLEETS = (20, 200)
HEALTHY = 30
SOON, LATE = 50, 125
"""Seconds that are played after the stall; a TTR takes 24 of them to be sure of."""
PEERS = ("none", "tenacity", "tenacity + pybreaker", "tenacity + pybreaker, 5 s", "hyx, 5 s")
LIMITS = {20: 4, 200: 8}


def setting(load: int, clients: int) -> str:
    """Return the name of a row of the region."""
    return f"{clients} clients, load {load} %"


SETTINGS = {setting(load, clients): (load, clients) for clients in FLEETS for load in LOADS}


def cell(load: int, clients: int, stall: int, policy: str, seed: int) -> float:
    """Return the TTR of one cell; only what has not recovered soon is watched for longer."""
    ttr = NEVER
    for after in (SOON, LATE):
        scenario = outage(
            rate=CAPACITY * load / 100, speed=0.0, healthy=HEALTHY, fault=stall, after=after,
            clients=clients,
        )  # fmt: skip
        ttr = recovered(played(scenario, policy, seed))
        if ttr < NEVER:
            break
    return ttr


def play(name: str, policy: str, seed: int, stalls: tuple[int, ...] = STALLS) -> Outcome:
    """Play a row of the region."""
    load, clients = SETTINGS[name]
    found = {f"after {stall} s": cell(load, clients, stall, policy, seed) for stall in stalls}
    return Outcome({**found, "worst": max(found.values())})


def plots(results: Results) -> list[Plot]:
    """Draw the region of each policy."""
    made: list[Plot] = []
    for clients, policies in ((20, (OURS, *PEERS)), (200, (OURS, PEERS[-1]))):
        for policy in policies:
            cells = [
                [
                    median(values(results[setting(load, clients), policy], f"after {stall} s"))
                    for load in LOADS
                ]
                for stall in STALLS
            ]
            title = f"{policy}, {clients} clients: seconds until recovery"
            columns, rows = [f"{load} %" for load in LOADS], [f"{stall} s" for stall in STALLS]
            made.append(Heat(title, "load", "stall", columns, rows, cells, worst=60.0))
    return made


EXPERIMENT = Experiment(
    number="14",
    title="The metastable region",
    story=(
        "The server of experiment 1 stalls for 1 to 30 s, at 30 to 98 % load; the cells are the TTR in "
        "seconds. Never is: not within 100 s."
    ),
    cases=(
        *grid([setting(load, 20) for load in LOADS], (OURS, *PEERS)),
        *grid([setting(load, 200) for load in LOADS], (OURS, PEERS[-1])),
    ),
    play=play,
    figures=(
        *(Figure(f"after {stall} s", f"after {stall} s") for stall in STALLS),
        Figure("worst", "worst", unit="s"),
    ),
    bars=tuple(Bar(name, "worst", LIMITS[clients]) for name, (_, clients) in SETTINGS.items()),
    plots=plots,
)
