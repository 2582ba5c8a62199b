"""The options that all candidates share, and those of a run."""

from dataclasses import dataclass

ATTEMPTS = 3
FAILURES = 5
WINDOW = 100
FAILURE_RATE = 0.5
SLOW = 1.0
SLOW_RATE = 0.5
LIMIT = 10
SECONDS = 5.0
# Per second; more than any candidate could use.
RATE = 100_000_000
# Rejections are measured on breakers that stay open for the whole run.
AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how much to measure."""

    rounds: int = 25
    sample_seconds: float = 0.015
    quick: bool = False
    only: str = ""

    def wants(self, section: str, name: str = "") -> bool:
        """Whether ``--only`` leaves this candidate in."""
        return self.only.lower() in f"{section}: {name}".lower()
