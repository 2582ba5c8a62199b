"""What a view shows of a run that goes on: the last seconds, per page, and the course so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.demo.measure import Record, percentile, throughput
from holdfast.demo.story import Progress

RATE_WINDOW = 1.0  # seconds
LATENCY_WINDOW = 2.0
BLOCKS = "▁▂▃▄▅▆▇█"
TITLES = {False: "unprotected", True: "with Holdfast"}


class Row(NamedTuple):
    """One page of the shop, or all of it. Rates are per second, latencies in seconds."""

    name: str
    done: float
    fallback: float
    failed: float
    p50: float | None
    p99: float | None
    in_use: str
    breaker: str


def rows(progress: Progress) -> list[Row]:
    """The shop, its payments and its notifications, over the last second or two."""
    shop, payments, notifications = (
        progress.latest.get(who, {}) for who in ("shop", "payments", "notifications")
    )
    states = {"payments": "none", "notifications": "none", **shop.get("breakers", {})}
    recent = [r for r in progress.records if r.at + r.seconds >= progress.at - LATENCY_WINDOW]
    pay = [r for r in recent if r.page == "/pay"]
    notify = [r for r in recent if r.page == "/notify"]
    return [
        _row("shop", progress.at, recent, _workers(progress, shop.get("workers", 0)), ""),
        _row("payments", progress.at, pay, _sockets(payments), states["payments"]),
        _row(
            "notifications",
            progress.at,
            notify,
            _sockets(notifications),
            states["notifications"],
        ),
    ]


def course(progress: Progress, width: float, page: str) -> list[float]:
    """Requests for `page` done per second, for each whole `width` seconds since the warm-up."""
    mine = [record for record in progress.records if record.page == page]
    ends = range(1, int(min(progress.at, progress.settings.phases[-1].end) / width) + 1)
    return [throughput(mine, (end - 1) * width, end * width) for end in ends]


def sparkline(values: Sequence[float], top: float, *, columns: int = 1) -> str:
    """A block of so many `columns` per value; `top` and more fill it."""
    last = len(BLOCKS) - 1
    return "".join(BLOCKS[min(last, round(last * value / top))] * columns for value in values)


def milliseconds(seconds: float | None) -> str:
    """For people; a dash where there is nothing."""
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _row(name: str, now: float, records: Sequence[Record], in_use: str, breaker: str) -> Row:
    since, latencies = now - RATE_WINDOW, [record.seconds for record in records]
    return Row(
        name=name,
        done=throughput(records, since, now, "ok"),
        fallback=throughput(records, since, now, "fallback"),
        failed=throughput(records, since, now, "failed"),
        p50=percentile(latencies, 0.5),
        p99=percentile(latencies, 0.99),
        in_use=in_use,
        breaker=breaker,
    )


def _workers(progress: Progress, count: int) -> str:
    if progress.settings.world == "sync":
        return f"{count}/{progress.settings.threads} threads"
    return f"{count} tasks"


def _sockets(figures: dict[str, int]) -> str:
    return f"{figures.get('sockets', 0)} sockets"
