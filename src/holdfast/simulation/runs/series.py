"""The course of one run, as plots draw it: one number for each bucket of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from holdfast.simulation.runs.tally import Bucket, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The course of one run.  All have one number for each of the stretches that begin at ``starts``.

    Args:
        starts: when each stretch begins, in seconds; and, one more, when the last one ends.
        offered: users who came, a second.
        goodput: users who were served, a second.
        attempts: attempts that began, a second.
        p50: median time to the answer of the users who came then, in seconds; None if none was served.
        p99: the same for 99 of 100.
        open: clients with a breaker that is not closed.
        queued: requests that waited at the servers.
        limit: calls at once that a client's adaptive limit allowed, in the mean; None without limits.
        tokens: what was left of a client's retry budget, in the mean; None without budgets.
    """

    starts: tuple[float, ...]
    offered: tuple[float, ...]
    goodput: tuple[float, ...]
    attempts: tuple[float, ...]
    p50: tuple[float | None, ...]
    p99: tuple[float | None, ...]
    open: tuple[int, ...]
    queued: tuple[int, ...]
    limit: tuple[float | None, ...]
    tokens: tuple[float | None, ...]

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Return the course of a run that has ended."""
        buckets = tally.buckets
        return cls(
            starts=(*(bucket.start for bucket in buckets), tally.seconds),
            offered=tuple(_rate(bucket, bucket.offered) for bucket in buckets),
            goodput=tuple(_rate(bucket, bucket.answered) for bucket in buckets),
            attempts=tuple(_rate(bucket, bucket.attempts) for bucket in buckets),
            p50=tuple(bucket.latencies.quantile(0.5) for bucket in buckets),
            p99=tuple(bucket.latencies.quantile(0.99) for bucket in buckets),
            open=tuple(bucket.open for bucket in buckets),
            queued=tuple(bucket.queued for bucket in buckets),
            limit=tuple(bucket.limit for bucket in buckets),
            tokens=tuple(bucket.tokens for bucket in buckets),
        )


def _rate(bucket: Bucket, count: int) -> float:
    return count / (bucket.end - bucket.start)
