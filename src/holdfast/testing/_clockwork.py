"""What runtimes and event loops need of the `VirtualClock` that they go by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from holdfast.testing._agenda import Agenda, Scope


class Clockwork(Protocol):
    """A clock that sleeps and waits in virtual time, and cuts sleeps short."""

    _agenda: Agenda
    _local: threading.local

    def now(self) -> float:
        """Return the instant, in seconds."""

    def sleep(self, seconds: float, /) -> None:
        """Let ``seconds`` pass."""

    def wait(
        self, until: float, granted: Callable[[], bool], wakes: list[Callable[[], Any]], /
    ) -> None:
        """Return when ``granted()``, or at the instant ``until``."""

    def call_at(self, instant: float, action: Callable[[], object], /) -> None:
        """Have ``action()`` called when the time reaches ``instant``."""

    def entered_scope(self, due: float, /) -> Scope:
        """Cut this thread's sleeps at ``due`` from here on; leave with `left_scope`."""

    def left_scope(self, scope: Scope, /) -> None:
        """Take back `entered_scope`."""


class OnVirtualTime:
    """What an event loop is that lives on a clock."""

    clock: Clockwork
