"""Blocking calls: whether they are cut, by what, how late, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median

from holdfast._world import has_gil
from holdfast.doctor import place
from holdfast.doctor.findings import Finding, Subject, Verdict
from holdfast.doctor.trials import Patient, Trial

TOO_LATE = 0.1
"""A cut that comes so long after its limit, in seconds, is worth a remark."""
CALLS, ROUNDS = 10_000, 5

KERNEL, FRAMES = "the kernel's account", "their frames"


def by_kernel(patient: Patient) -> Finding:
    """Have calls cut by the kernel's account alone."""
    return _cut("by_kernel", KERNEL, patient.trial("kernel"))


def by_frames(patient: Patient) -> Finding:
    """Have calls cut by their frames alone, which is the second choice."""
    because = "" if has_gil() else "without the GIL frames can't be read"
    return _cut("by_frames", FRAMES, patient.trial("frames"), because)


def as_usual(patient: Patient) -> Finding:
    """Have calls cut as they are in the pipelines of this process."""
    trial = patient.trial()
    by = "kernel" if patient.trial("kernel").cut else "frames"
    finding = _cut("as_usual", "both, as in your pipelines", trial)
    return replace(finding, figures={**finding.figures, "by": by if trial.cut else None})


def left_alone(patient: Patient) -> Finding:
    """See that a socket that listens goes on listening."""
    wrong = patient.trial().listener
    if wrong:
        remedy = "use sync='cooperative' for what accepts connections, and tell us"
        says = "a socket that listens is not left alone"
        return Finding("listener", ok=False, says=says, because=wrong, do=remedy)
    return Finding("listener", ok=True, says="a socket that listens is left alone")


def lateness(patient: Patient) -> Finding:
    """Say how long after its limit a call has ended."""
    late = sorted(patient.trial().late.values())
    if not late:
        says = "how late a cut comes is not known"
        return Finding("lateness", ok=False, says=says, because="none came")
    figures = {"median": median(late), "worst": late[-1]}
    shown = (
        f"a cut comes {1000 * median(late):.1f} ms after its limit, at worst {1000 * late[-1]:.1f}"
    )
    if late[-1] < TOO_LATE:
        return Finding("lateness", ok=True, says=shown, figures=figures)
    because = "the machine is busy, or something holds the GIL"
    return Finding("lateness", ok=False, says=shown, because=because, figures=figures)


def cost(_: Patient) -> Finding:
    """Measure what it costs a call to be watched."""
    from holdfast.pipeline import Pipeline
    from holdfast.strategies.timeout import Timeout

    def nothing() -> None: ...

    watched = Pipeline("holdfast-doctor", Timeout(60.0))(nothing)
    bare, took = _fastest(nothing), _fastest(watched)
    shown = f"to be watched costs a call {1e6 * (took - bare):.2f} µs"
    return Finding("cost", ok=True, says=shown, figures={"bare": bare, "watched": took})


def judge(findings: Mapping[str, Finding]) -> Verdict:
    """Say by what blocking calls are cut."""
    figures = findings["as_usual"].figures
    by = figures.get("by")
    if by is not None:
        what = KERNEL if by == "kernel" else FRAMES
        return Verdict(ok=True, by=by, says=f"Blocking calls are cut by {what}.")
    if "by" not in figures:
        says = "Whether blocking calls are cut could not be tried here."
        return Verdict(ok=False, by=None, says=says)
    if not findings["watcher"].ok:
        return Verdict(
            ok=False, by=None, says="Blocking calls are not cut here, and not told either."
        )
    return Verdict(ok=False, by=None, says="Blocking calls are not cut here, only told.")


BLOCKING_CALLS: Subject[Patient] = Subject(
    "blocking calls",
    (
        place.python, place.machine, place.hindered, place.system_calls, place.account, place.memory,
        place.libc, place.cookie, by_kernel, by_frames, as_usual, left_alone, lateness, cost,
    ),
    judge,
)  # fmt: skip


def _cut(name: str, by: str, trial: Trial, because: str = "") -> Finding:
    """Return what a trial has shown."""
    figures = {"late": dict(trial.late), "left": dict(trial.left)}
    if trial.cut:
        says = f"by {by}: {_listed(list(trial.late))} are cut"
        return Finding(name, ok=True, says=says, figures=figures)
    says = f"by {by}: {_listed(list(trial.left))} are not cut"
    reasons = "; ".join(dict.fromkeys(trial.left.values()))
    because = place.no_libc() or because or reasons
    return Finding(name, ok=False, says=says, because=because, figures=figures)


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _fastest(function: Callable[[], object]) -> float:
    """Return what a call takes at best, in seconds."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            function()
        took.append(time.perf_counter() - began)
    return min(took) / CALLS
