"""Experiment 1: a retry storm, after HotOS '21."""

from benchmarks.scenarios.experiment import OURS, Bar, Experiment, Figure, Outcome, Results, grid
from benchmarks.scenarios.outage import between, failed, outage, played, recovered
from benchmarks.scenarios.peers import STANDARD_PEERS
from benchmarks.scenarios.plots import Lines, Plot
from holdfast.simulation.scenario.scenario import Scenario

HEALTHY, FAULT, AFTER = 30, 10, 90
SETTINGS = {"20 clients": (20, False), "200 clients": (200, False), "200, shared": (200, True)}
NAIVE = "tenacity + pybreaker, naive"
STATELESS = ("none", "tenacity", "stamina")
UNAVOIDABLE = 2_800
BARS = {"20 clients": 3, "200 clients": 5, "200, shared": 2}


def scenario(setting: str, *, healthy: int = HEALTHY, after: int = AFTER) -> Scenario:
    """Return the storm for a fleet."""
    clients, shared = SETTINGS[setting]
    return outage(
        rate=280.0, speed=0.0, healthy=healthy, fault=FAULT, after=after,
        clients=clients, shared=shared,
    )  # fmt: skip


def play(setting: str, policy: str, seed: int, **seconds: int) -> Outcome:
    """Play one storm."""
    run = played(scenario(setting, **seconds), policy, seed)
    fault = run.scenario.faults[0]
    attempts = between(run, fault.at, fault.until, "attempts")
    figures = {
        "ttr": recovered(run),
        "failed": failed(run, fault.at, run.scenario.seconds),
        "amplification": attempts / between(run, fault.at, fault.until, "offered"),
    }
    goodput = tuple(bucket.answered for bucket in run.tally.buckets[: int(run.scenario.seconds)])
    return Outcome(figures, goodput)


def plots(results: Results) -> list[Plot]:
    """Draw the goodput over time, with one seed."""
    made: list[Plot] = []
    for setting in SETTINGS:
        curves = {policy: runs[0].curve for (of, policy), runs in results.items() if of == setting}
        series = {
            name: (range(len(curve)), curve) for name, curve in curves.items() if name != NAIVE
        }
        title = f"{setting}: users served a second"
        shaded = (HEALTHY, HEALTHY + FAULT)
        made.append(Lines(title, "seconds", "served/s", series, shaded=shaded))
    return made


EXPERIMENT = Experiment(
    number="01",
    title="Retry storm",
    story=(
        "A server of 300/s is offered 280/s, and for 10 s it serves nothing (the example of "
        '"Metastable Failures in Distributed Systems", HotOS 2021). An attempt times out after 1 s. '
        "TTR is the first second after the fault from which every window of 5 s, for 20 s, has 99 % "
        "of its users served (never: not within 65 s); failed are the users that were not served, from "
        "the fault on (2,800 of them come in it); amplification is attempts per user during the fault. "
        '"Shared" is one policy object for all clients, as a fleet would share it through a store.'
    ),
    cases=(
        *grid(tuple(SETTINGS)[:1], (OURS, *STANDARD_PEERS[:3], NAIVE, *STANDARD_PEERS[3:])),
        *grid(
            tuple(SETTINGS)[1:], (OURS, *(one for one in STANDARD_PEERS if one not in STATELESS))
        ),
    ),
    play=play,
    figures=(
        Figure("ttr", "TTR", unit="s"),
        Figure("failed", "failed", ",.0f"),
        Figure("amplification", "amplification", ".2f"),
    ),
    bars=tuple(
        bar
        for setting in SETTINGS
        for bar in (
            Bar(setting, "ttr", BARS[setting]),
            Bar(setting, "failed", 1.15 * UNAVOIDABLE),
            Bar(setting, "amplification", 0.3),
        )
    ),
    plots=plots,
    notes=(
        (
            "What keeps no state (none, tenacity, stamina) does the same for 200 clients as for 20, and "
            "has nothing to share."
        ),
    ),
)
