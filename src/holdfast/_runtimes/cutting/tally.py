"""How often something has happened in each pipeline, counted by any thread."""

from __future__ import annotations

from holdfast._counter import Counter


class Tally(dict[str, Counter]):
    """Counts by name.  Thread-safe, and exact."""

    def one_more(self, name: str) -> None:
        """Count one."""
        next(self.setdefault(name, Counter()))

    def total(self, name: str) -> int:
        """Return how many there were."""
        counter = self.get(name)
        return 0 if counter is None else counter.total
