"""Rates, percentiles and recovery, from records of requests: numbers in, numbers out.

Times are in real seconds from the end of the warm-up; a record belongs to the instant at which its user
meant to ask. An outcome is "ok" (done for real), "fallback" (answered, but not done) or "failed".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from holdfast.demo.settings import Phase

CIRCUIT_OPEN = "CircuitOpenError"  # the `why` of an answer that an open breaker led to


class Record(NamedTuple):
    """One user's request: meant to be sent at `at`, and sent `late` seconds after that."""

    at: float
    page: str
    outcome: str
    why: str
    seconds: float  # from `at` until the answer
    late: float = 0.0


class Sample(NamedTuple):
    """What was in use at one instant. `workers` are threads in the sync shop, tasks in the async one."""

    at: float
    workers: int
    payments: int
    notifications: int
    payment_sockets: int
    notification_sockets: int
    breaker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that was measured in one run."""

    protected: bool
    phases: tuple[Phase, Phase, Phase]
    records: Sequence[Record]
    samples: Sequence[Sample]
    peaks: dict[str, int]  # the highest count ever of each thing in use: counted, not sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures that the bars are about. None: there was nothing to measure."""

    collapse: float | None  # answers per second late in the fault, as a share of calm
    notified_late: float | None  # share of notifications that succeed late in the fault
    notified: float | None  # the same over the whole fault
    calm_p99: float | None  # seconds, notifications
    fault_p99: float | None
    rejected: int  # payments that the open breaker rejected
    rejected_p99: float | None  # seconds until such a user had the fallback's answer
    recovery: float | None  # seconds from the payment service's recovery until the shop's
    late_p99: float | None  # seconds, the load generator's own lateness: how busy the machine was
    peaks: dict[str, int]


def percentile(values: Iterable[float], q: float) -> float | None:
    """The smallest value that at least the share `q` of all values doesn't exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def success(records: Sequence[Record]) -> float | None:
    """The share that was done for real; a fallback's answer is none."""
    if not records:
        return None
    return sum(record.outcome == "ok" for record in records) / len(records)


def during(
    records: Iterable[Record], start: float, end: float, page: str | None = None
) -> list[Record]:
    """Those whose users meant to ask in [start, end)."""
    return [
        record for record in records if start <= record.at < end and page in (None, record.page)
    ]


def throughput(records: Iterable[Record], start: float, end: float, outcome: str = "ok") -> float:
    """Answers of that outcome that arrived in [start, end), per second."""
    arrived = sum(
        start <= record.at + record.seconds < end and record.outcome == outcome
        for record in records
    )
    return arrived / (end - start)


def recovery(
    records: Sequence[Record], healed: float, end: float, *, level: float = 0.99
) -> float | None:
    """Seconds after `healed` from which the share `level` of all requests until `end` is done for real.

    None if that isn't so over at least the last tenth of the time, or if there are no requests.
    """
    after = sorted(during(records, healed, end), reverse=True)
    done, recovered = 0, None
    for seen, record in enumerate(after, start=1):
        done += record.outcome == "ok"
        if done / seen >= level:
            recovered = record.at
    if recovered is None or recovered > end - 0.1 * (end - healed):
        return None
    return 0.0 if recovered == after[-1].at else recovered - healed


def summarise(run: Run) -> Summary:
    """The figures of one run."""
    calm, fault, healed = run.phases
    late = fault.end - (fault.end - fault.start) / 3
    rejected = [
        r.seconds
        for r in during(run.records, fault.start, fault.end, "/pay")
        if r.why == CIRCUIT_OPEN
    ]
    notifications = during(run.records, fault.start, fault.end, "/notify")
    in_calm = throughput(run.records, calm.start, calm.end)
    return Summary(
        collapse=throughput(run.records, late, fault.end) / in_calm if in_calm else None,
        notified_late=success(during(notifications, late, fault.end)),
        notified=success(notifications),
        calm_p99=percentile(
            (r.seconds for r in during(run.records, calm.start, calm.end, "/notify")), 0.99
        ),
        fault_p99=percentile((r.seconds for r in notifications), 0.99),
        rejected=len(rejected),
        rejected_p99=percentile(rejected, 0.99),
        recovery=recovery(run.records, healed.start, healed.end),
        late_p99=percentile((r.late for r in during(run.records, calm.start, healed.end)), 0.99),
        peaks=run.peaks,
    )
