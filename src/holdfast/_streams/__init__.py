"""Streams: functions that yield, and the context managers that are made of them.

What can be repeated is the way to the first item.  So that is the *attempt*: the layers of a pipeline
are compiled around a step that calls the function, draws one item and returns what is `Opened`; retry,
breaker, hedge and fallback act on it as on any call.  From then on the consumer draws, and nothing is
done twice, unless ``resume=`` says how.

What outlives the attempt is held by what was opened:

* the **permits** of gates, until the stream has ended, however it does (`holdfast._held`): exhausted is
  a success, an error in the middle a failure; who leaves early, or forgets it, says nothing.  A gate
  that learns from durations is told when the answer began (`answered`): its latency is the time to the
  first item.
* the **limits** of timeouts: each item is drawn under what is left in all, and under ``between``.
  While the consumer has the item, no limit runs but the one in all, and that one interrupts nobody: it
  is looked at when the next item is asked for.

The layers know nothing of that.  They get a driver and a runtime that wrap what they are given
(`layers`), and keep what a call would have given back (`opened`).  How items are drawn is the affair of
`blocking` and `aio`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any


def module_of(colour: str) -> ModuleType:
    """Return the module with the streams of one colour."""
    if colour == "asyncio":
        from holdfast._streams import aio

        return aio
    from holdfast._streams import blocking

    return blocking


def fitted(driver: ModuleType, runtime: Any, colour: str) -> tuple[Any, Any]:
    """Return driver and runtime as a stream's layers see them."""
    from holdfast._streams.layers import Driver

    return Driver(driver), module_of(colour).Limiting(runtime)
