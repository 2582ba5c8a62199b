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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.testing._agenda import DeadlockError
    from holdfast.testing.clock import VirtualClock
    from holdfast.testing.loop import VirtualLoop, run
    from holdfast.testing.modes import instant, off
    from holdfast.testing.randomness import seeded
    from holdfast.testing.recorder import Recording, record
    from holdfast.testing.scripted import Fail, Hang, Ok, Scripted

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


_HOMES = {
    "_agenda": ("DeadlockError",),
    "clock": ("VirtualClock",),
    "loop": ("VirtualLoop", "run"),
    "modes": ("instant", "off"),
    "randomness": ("seeded",),
    "recorder": ("Recording", "record"),
    "scripted": ("Fail", "Hang", "Ok", "Scripted"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: pytest loads the plugin, and this package with it, in every project."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
