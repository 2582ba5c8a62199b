"""The figures of one run: what its users got, what it cost, and when it was well again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import accumulate, pairwise
from typing import Any

from holdfast.simulation.runs.histogram import Histogram
from holdfast.simulation.runs.play import Run
from holdfast.simulation.runs.tally import AFTERMATH, Bucket, Tally, trouble
from holdfast.simulation.scenario.scenario import Fault, Scenario

WELL = 0.99
"""The share of users who must be served for a service to count as well ..."""
WINDOW, STEADY = 5, 20
"""... in every window of so many seconds that begins within so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of a run; None stands for what nobody came to tell.

    Args:
        seconds: how long it lasts.
        users: how many came in it.
        success: the share of them who were served, sooner or later.
        goodput: how many were served in it, a second.
        rejected: the share of them who were turned away before they could do harm.
        amplification: attempts that began in it, for each of its users.
        p50: the median time to the answer of its users who were served, in seconds.
        p99: the same for 99 of 100.
        p999: the same for 999 of 1,000.
        critical: the share of its critical users who were served.
        wasted: the mean time until those who were not served were told so, in seconds; who still waits
            at the end doesn't count.
    """

    seconds: float
    users: int
    success: float | None
    goodput: float | None
    rejected: float | None
    amplification: float | None
    p50: float | None
    p99: float | None
    p999: float | None
    critical: float | None
    wasted: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What became of one run.

    "In the fault" is from the beginning of the first to the end of the last fault; where a scenario
    has none, it is the whole run.

    Args:
        success: the share of all users who were served.
        goodput: how many were served in the fault, a second.
        ttr: the time to recover: seconds from the fault's end to the first second from which every
            window of 5 s has at least 99 % of its users served, for 20 s: twenty windows, the last
            of which ends 24 s later; None if the run has no such second.
        failed: how many were not served, of those who came since the fault began.
        excess: how many users came in the fault for whom the capacity that was left had no room,
            so that nobody could serve them before its end; None where faults overlap, or a cache
            makes the capacity what it hits.
        rejected: how many were turned away.
        amplification: attempts per user in the fault.
        aftermath: attempts per user in the 60 s after it; None if there is no after.
        p99: the time to the answer that 99 % of all users who were served did not exceed, in seconds.
        critical: the share of all critical users who were served; None if there are none.
        wasted: the mean time that passed until users who were not served were told so, in seconds; None
            if nobody was.
        false_rejections: the share of users who were turned away before anything was wrong.
        peak_queue: the most requests that waited at the servers.
        health: before the fault; None if nothing goes wrong.
        fault: in the fault; likewise.
        after: after it; likewise.
        whole: from the first user to the last.
        errors: how many users got which error, by its name.
    """

    success: float | None
    goodput: float | None
    ttr: float | None
    failed: int
    excess: int | None
    rejected: int
    amplification: float | None
    aftermath: float | None
    p99: float | None
    critical: float | None
    wasted: float | None
    false_rejections: float | None
    peak_queue: int
    health: Phase | None
    fault: Phase | None
    after: Phase | None
    whole: Phase
    errors: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON, in a stable order and with six digits."""
        return plain(self)  # type: ignore[no-any-return] # of a dataclass it makes a dict


def figures(run: Run) -> Figures:
    """Return the figures of ``run``."""
    tally, span = run.tally, trouble(run.scenario)
    whole = _phase([*tally.buckets, tally.rest], tally.seconds)
    begun, over = span or (0.0, tally.seconds)
    health, fault, after = (
        _between(tally, *ends) for ends in ((0.0, begun), (begun, over), (over, tally.seconds))
    )
    aftermath = _between(tally, over, over + AFTERMATH)
    return Figures(
        success=whole.success,
        goodput=fault.goodput,
        ttr=_recovery(tally, over) if span else None,
        failed=sum(b.offered - b.good for b in tally.buckets if b.start >= begun),
        excess=_excess(run.scenario, tally),
        rejected=sum(bucket.rejected for bucket in tally.buckets),
        amplification=fault.amplification,
        aftermath=aftermath.amplification,
        p99=whole.p99,
        critical=whole.critical,
        wasted=whole.wasted,
        false_rejections=health.rejected if span else whole.rejected,
        peak_queue=max(bucket.queued for bucket in [*tally.buckets, tally.rest]),
        health=health if span else None,
        fault=fault if span else None,
        after=after if span else None,
        whole=whole,
        errors=dict(sorted(tally.errors.items())),
    )


def plain(value: object) -> Any:
    """Return a value of ours as lists, dicts and numbers of six digits, which JSON can hold."""
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {str(key): plain(content) for key, content in value.items()}
        case list() | tuple():
            return [plain(content) for content in value]
        case None | str() | int():
            return value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return getattr(value, "__qualname__", type(value).__qualname__)


def _between(tally: Tally, start: float, end: float) -> Phase:
    chosen = [b for b in tally.buckets if b.start >= start and b.end <= end]
    return _phase(chosen, min(end, tally.seconds) - start)


def _phase(buckets: Sequence[Bucket], seconds: float) -> Phase:
    users = sum(bucket.offered for bucket in buckets)
    latencies = Histogram.merged(bucket.latencies for bucket in buckets)
    return Phase(
        seconds=float(seconds),
        users=users,
        success=_share(sum(bucket.good for bucket in buckets), users),
        goodput=_share(sum(bucket.answered for bucket in buckets), seconds),
        rejected=_share(sum(bucket.rejected for bucket in buckets), users),
        amplification=_share(sum(bucket.attempts for bucket in buckets), users),
        p50=latencies.quantile(0.5),
        p99=latencies.quantile(0.99),
        p999=latencies.quantile(0.999),
        critical=_share(
            sum(bucket.critical_good for bucket in buckets),
            sum(bucket.critical for bucket in buckets),
        ),
        wasted=_share(
            math.fsum(bucket.wasted for bucket in buckets),
            sum(bucket.rejected + bucket.failed for bucket in buckets),
        ),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _recovery(tally: Tally, healed: float) -> float | None:
    """Return the time to recover; see `Figures`."""
    offered, good = (
        list(accumulate(tally.offered, initial=0)),
        list(accumulate(tally.good, initial=0)),
    )
    width = max(1, round(WINDOW / tally.step))
    needed = max(1, round(STEADY / tally.step))
    well = 0
    for start in range(-int(-healed // tally.step), int(tally.seconds / tally.step) - width + 1):
        users = offered[start + width] - offered[start]
        fine = good[start + width] - good[start] >= WELL * users
        well = well + 1 if fine else 0
        if well == needed:
            return float((start - needed + 1) * tally.step - healed)
    return None


def _excess(scenario: Scenario, tally: Tally) -> int | None:
    """Return how many users came in the faults for whom no capacity was left."""
    faults = sorted(scenario.faults, key=lambda fault: fault.at)
    overlap = any(after.at < before.until for before, after in pairwise(faults))
    if overlap or scenario.servers.cache is not None:
        return None
    return round(math.fsum(_excess_in(fault, scenario, tally) for fault in faults))


def _excess_in(fault: Fault, scenario: Scenario, tally: Tally) -> float:
    servers = scenario.servers
    users = _between(tally, fault.at, fault.until).users
    if fault.shard is not None:
        users = round(users / servers.shards)
    workers = servers.workers if fault.workers is None else fault.workers
    speed = 1.0 if fault.speed is None else fault.speed
    left = 0.0 if fault.refuses or fault.hangs else workers * speed / servers.service.mean
    touched = 1 if fault.shard is not None else servers.shards
    lasts = min(fault.until, scenario.seconds) - fault.at
    return max(0.0, users - touched * left * lasts)
