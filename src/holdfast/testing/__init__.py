"""Tests without waiting: virtual time for threads and asyncio, seeded randomness, recorded events.

>>> from holdfast import Retry, Pipeline
>>> from holdfast.testing import VirtualClock, record, seeded
>>> payments = Pipeline("payments", Retry(3))
>>> with VirtualClock() as clock, seeded(1), record() as events:
...     try:
...         payments.call(lambda: 1 / 0)
...     except ZeroDivisionError:
...         pass
>>> events.assert_names("RetryScheduled", "RetryScheduled", "RetriesExhausted", "CallCompleted")

Nothing here needs pytest; `holdfast.testing.pytest_plugin` offers it as fixtures, and runs async tests.
`holdfast.testing.faults` has a server and a proxy on real sockets.
"""

from typing import TYPE_CHECKING, Any

from holdfast.testing._agenda import DeadlockError
from holdfast.testing.clock import VirtualClock
from holdfast.testing.modes import instant, off
from holdfast.testing.randomness import seeded
from holdfast.testing.recorder import Recording, record
from holdfast.testing.scripted import Fail, Hang, Ok, Scripted

if TYPE_CHECKING:
    from holdfast.testing.loop import VirtualLoop, run

__all__ = [
    "DeadlockError",
    "Fail",
    "Hang",
    "Ok",
    "Recording",
    "Scripted",
    "VirtualClock",
    "VirtualLoop",
    "instant",
    "off",
    "record",
    "run",
    "seeded",
]


def __getattr__(name: str) -> Any:
    """Import the event loop when it is asked for: pytest loads this package in every project."""
    if name in ("VirtualLoop", "run"):
        from holdfast.testing import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
