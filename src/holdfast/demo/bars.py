"""What was promised, and whether the runs kept it: figures in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.demo.measure import Summary
from holdfast.demo.settings import Settings

COLLAPSED = 0.20  # of calm throughput; half of it would remain if only the payments were lost
NOTIFICATIONS_LOST = 0.50
NOTIFIED = 0.99
P99_GROWTH = 1.2
REJECTED_WITHIN = 0.005  # seconds, whatever the speed
RECOVERED_WITHIN = 5.0  # seconds of the story
BUSY = 0.002  # seconds that the load generator is late
NOTHING = "-"  # there was nothing to measure


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise: the figure in both runs, the limit, and whether the run that it is about keeps it."""

    figure: str
    unprotected: str
    holdfast: str
    limit: str
    met: bool


def judge(settings: Settings, bare: Summary, held: Summary) -> list[Bar]:
    """All bars, in the order of the story."""
    return [
        *_what_happens_without(bare, held),
        *_what_holds(bare, held),
        *_what_is_bounded(settings, bare, held),
    ]


def _what_happens_without(bare: Summary, held: Summary) -> Iterator[Bar]:
    yield Bar(
        "Throughput late in fault, of calm",
        _share(bare.collapse),
        _share(held.collapse),
        f"unprotected ≤ {_share(COLLAPSED)}",
        _at_most(bare.collapse, COLLAPSED),
    )
    yield Bar(
        "Notifications done late in fault",
        _share(bare.notified_late),
        _share(held.notified_late),
        f"unprotected ≤ {_share(NOTIFICATIONS_LOST)}",
        _at_most(bare.notified_late, NOTIFICATIONS_LOST),
    )


def _what_holds(bare: Summary, held: Summary) -> Iterator[Bar]:
    yield Bar(
        "Notifications done, whole fault",
        _share(bare.notified),
        _share(held.notified),
        f"Holdfast ≥ {_share(NOTIFIED)}",
        held.notified is not None and held.notified >= NOTIFIED,
    )
    yield Bar(
        "Notifications' p99, fault / calm",
        _growth(bare),
        _growth(held),
        f"Holdfast ≤ {P99_GROWTH:g} x",
        _at_most(_ratio(held.fault_p99, held.calm_p99), P99_GROWTH),
    )
    yield Bar(
        "Rejected payments answered in, p99",
        _rejection(bare),
        _rejection(held),
        f"Holdfast ≤ {_milliseconds(REJECTED_WITHIN)}",
        _at_most(held.rejected_p99, REJECTED_WITHIN),
    )


def _what_is_bounded(settings: Settings, bare: Summary, held: Summary) -> Iterator[Bar]:
    size = settings.bulkhead
    holder = "Threads" if settings.world == "sync" else "Tasks"
    kinds = {
        f"{holder} at payments / notifications": ("payments", "notifications"),
        "Sockets to payments / notifications": ("payment_sockets", "notification_sockets"),
    }
    for figure, names in kinds.items():
        yield Bar(
            figure,
            _peaks(bare, names),
            _peaks(held, names),
            f"Holdfast ≤ {size} each",
            all(held.peaks[name] <= size for name in names),
        )
    limit = settings.real(RECOVERED_WITHIN)
    yield Bar(
        "≥ 99 % done again after",
        _recovery(bare),
        _recovery(held),
        f"Holdfast ≤ {limit:g} s",
        _at_most(held.recovery, limit),
    )


def lateness(summaries: Iterable[Summary]) -> str:
    """How busy the machine was: the generator's own lateness is part of every latency here."""
    late = [run.late_p99 for run in summaries if run.late_p99 is not None]
    worst = max(late, default=0.0)
    remark = " (a busy machine)" if worst > BUSY else ""
    return f"Lateness of the load generator itself, p99: {_milliseconds(worst)}{remark}."


def _at_most(value: float | None, limit: float) -> bool:
    return value is not None and value <= limit


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _share(value: float | None) -> str:
    """Rounded down, so that 98.96 % doesn't look like 99 %."""
    return NOTHING if value is None else f"{int(value * 1000 + 1e-9) / 10:g} %"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def _peaks(run: Summary, names: Iterable[str]) -> str:
    return " / ".join(str(run.peaks[name]) for name in names)


def _growth(run: Summary) -> str:
    ratio = _ratio(run.fault_p99, run.calm_p99)
    if ratio is None or run.fault_p99 is None or run.calm_p99 is None:
        return NOTHING
    return f"{ratio:.3g} x ({1000 * run.calm_p99:.0f} → {1000 * run.fault_p99:.0f} ms)"


def _rejection(run: Summary) -> str:
    return (
        NOTHING
        if run.rejected_p99 is None
        else f"{_milliseconds(run.rejected_p99)} (of {run.rejected})"
    )


def _recovery(run: Summary) -> str:
    return "not in this run" if run.recovery is None else f"{run.recovery:.1f} s"
