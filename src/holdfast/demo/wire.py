"""A child's end of the pipe to the story.

Each server runs in a process of its own. Figures go up its standard output, one JSON object per line;
commands come down its standard input. Neither passes through the server under test, so they arrive
even when all its threads hang. The end of the input means that the story is over, or that its process
died, however that happened: then the child ends at once, and neither process nor port is left behind.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from holdfast._world import renew_after_fork

REPORT_EVERY = 0.1  # seconds between two reports of a child's figures


class Wire:
    """Says things to the story, and hears its commands."""

    def __init__(self) -> None:
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def say(self, **message: Any) -> None:
        """Send one message; `at` is on the monotonic clock, which all processes here share."""
        line = json.dumps({"at": time.monotonic(), **message}) + "\n"
        try:
            with self._lock:
                sys.stdout.write(line)
                sys.stdout.flush()
        except OSError:
            os._exit(0)

    def hear(self, obey: Callable[[Mapping[str, Any]], None]) -> None:
        """Pass each command to `obey`, on a thread of its own; the end of the input ends the process."""
        threading.Thread(target=self._hear, args=(obey,), name="wire", daemon=True).start()

    def report(self, figures: Callable[[], Mapping[str, Any]]) -> None:
        """Say the current figures from now on, every `REPORT_EVERY` seconds."""
        threading.Thread(target=self._report, args=(figures,), name="figures", daemon=True).start()

    def _hear(self, obey: Callable[[Mapping[str, Any]], None]) -> None:
        for line in sys.stdin:
            obey(json.loads(line))
        os._exit(0)

    def _report(self, figures: Callable[[], Mapping[str, Any]]) -> None:
        while True:
            self.say(figures=figures())
            time.sleep(REPORT_EVERY)
