"""All that was measured, for machines: what ``--json`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from holdfast.demo.bars import Bar
from holdfast.demo.measure import Record, Run, Sample, Summary
from holdfast.demo.settings import Settings


def results(
    settings: Settings, runs: Sequence[Run], summaries: Sequence[Summary], bars: Sequence[Bar]
) -> dict[str, Any]:
    """A JSON document. Times and latencies are in seconds, from the end of the warm-up."""
    return {
        "settings": asdict(settings),
        "sizes": {
            "bulkhead": settings.bulkhead,
            "threads": settings.threads,
            "connections": settings.connections,
        },
        "phases": [asdict(phase) for phase in settings.phases],
        "all_met": all(bar.met for bar in bars),
        "bars": [asdict(bar) for bar in bars],
        "runs": {
            "with_holdfast" if run.protected else "unprotected": {
                "summary": asdict(summary),
                "requests": _table(Record._fields, run.records),
                "in_use": _table(Sample._fields, run.samples),
            }
            for run, summary in zip(runs, summaries, strict=True)
        },
    }


def _table(columns: Sequence[str], lines: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    rounded = [
        [round(value, 6) if isinstance(value, float) else value for value in line] for line in lines
    ]
    return {"columns": list(columns), "rows": rounded}
