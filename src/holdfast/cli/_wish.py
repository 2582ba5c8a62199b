"""What ``holdfast simulate`` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user wants."""

    scenario: str
    compared: tuple[str, ...] | None
    """What is asked for; None for what the scenario names, or the usual ones."""
    usual: tuple[str, ...]
    own: tuple[str, ...]
    axes: tuple[str, ...]
    seeds: tuple[int, ...]
    report: Path | None
    json_file: str | None
    workers: int
    most_steps: int
    command: str
