"""How many are inside right now, and how many there were at most."""

from __future__ import annotations

import threading

from holdfast._world import renew_after_fork


class Gauge:
    """Counts those between entry and exit of its ``with`` block; for threads and tasks alike."""

    def __init__(self) -> None:
        self._after_fork()
        renew_after_fork(self)
        self.now: int = 0
        self.peak: int = 0

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.peak = max(self.peak, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1
