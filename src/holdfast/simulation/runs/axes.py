"""The axes of a sweep: which settings, which values, and a scenario with them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from holdfast import _validate
from holdfast.simulation.runs.tally import trouble
from holdfast.simulation.scenario.faults import Fault
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.scenario.settings import changed

LADDERS: dict[str, tuple[float, ...]] = {
    "load": (0.3, 0.5, 0.66, 0.83, 0.93, 0.98),
    "stall": (1.0, 3.0, 10.0, 30.0),
}
"""What is tried between two ends, unless a number of values is asked for."""

STEPS = 5
"""How many values other settings get."""

GEOMETRIC = 8.0
"""Where the ends are so many times apart, values are spaced by factors, else evenly."""

RATES = ("rate", "calm_rate", "burst_rate", "start", "end")
"""What the rates of models of load are called."""

FORM = "it must be NAME=LOW:HIGH, NAME=LOW:HIGH:NUMBER or NAME=VALUE,VALUE,..."


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting, and the values that it takes.

    Args:
        name: ``"load"``, as a share of the servers' capacity; ``"stall"``, seconds for which they stand
            still, in place of the scenario's own faults; or the dotted name of a number in the
            scenario, such as ``"clients.count"`` or ``"faults.0.lasts"``.
        values: what is tried, in this order.
    """

    name: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise _validate.refuse("values", self.values, "there must be at least one")

    def place(self, scenario: Scenario, value: float) -> Scenario:
        """Return the scenario with ``value``; as much comes after its faults as before.

        Raises:
            ConfigurationError: for a setting that isn't there, or a value that it can't have.
        """
        if self.name == "load":
            return _loaded(scenario, value)
        if self.name == "stall":
            return _lasting(scenario, _stalled(scenario, value))
        return _lasting(scenario, changed(scenario, self.name, value))


def axis(text: str) -> Axis:
    """Return the axis of ``"load=0.3:0.98"``, ``"stall=1:30:5"`` or ``"clients.count=20,200"``.

    Raises:
        ConfigurationError: for a text of another form.
    """
    name, _, values = text.partition("=")
    try:
        parts = [float(part) for part in values.replace(",", ":").split(":")]
    except ValueError:
        raise _validate.refuse("sweep", text, FORM) from None
    if not name or not all(map(math.isfinite, parts)):
        raise _validate.refuse("sweep", text, FORM)
    if "," in values or len(parts) == 1:
        return Axis(name, tuple(parts))
    low, high = parts[:2]
    if len(parts) > 3:  # noqa: PLR2004 - low, high, number
        raise _validate.refuse("sweep", text, FORM)
    if low >= high:
        raise _validate.refuse(
            "sweep", text, f"LOW must be below HIGH, as in {name}={high:g}:{low:g}"
        )
    if len(parts) == 3:  # noqa: PLR2004 - low, high, number
        return Axis(name, _spaced(low, high, _validate.count("number", int(parts[2]), low=2)))
    if name in LADDERS:
        inner = (value for value in LADDERS[name] if low < value < high)
        return Axis(name, (low, *inner, high))
    return Axis(name, _spaced(low, high, STEPS))


def _spaced(low: float, high: float, number: int) -> tuple[float, ...]:
    """Return ``number`` values from ``low`` to ``high``, those between rounded to two digits."""
    shares = [step / (number - 1) for step in range(1, number - 1)]
    if low > 0 and high / low >= GEOMETRIC:
        inner = [low * (high / low) ** share for share in shares]
    else:
        inner = [low + (high - low) * share for share in shares]
    whole = low.is_integer() and high.is_integer() and high - low >= number
    rounded = (float(f"{value:.2g}") for value in inner)
    return (low, *(float(round(value)) if whole else value for value in rounded), high)


def _loaded(scenario: Scenario, share: float) -> Scenario:
    """Return the scenario with a load of that share of the capacity, before anything goes wrong."""
    _validate.number("load", share, low=0.0, above=True)
    servers, load = scenario.servers, scenario.load
    names = [name for name in (*RATES, "steps") if hasattr(load, name)]
    if not names or not hasattr(load, "rate_at"):
        raise _validate.refuse("load", share, f"a load of kind {load.kind!r} has no rate to be set")
    span = trouble(scenario)
    calm = max(1, int(span[0] if span else scenario.seconds))
    mean = math.fsum(load.rate_at(second + 0.5) for second in range(calm)) / calm
    if mean <= 0:
        raise _validate.refuse("load", share, "no users come before the fault")
    capacity = servers.shards * servers.workers / servers.service.mean
    factor = share * capacity / mean
    return replace(
        scenario, load=replace(load, **{n: _times(getattr(load, n), factor) for n in names})
    )


def _times(rate: Any, factor: float) -> Any:
    if isinstance(rate, tuple):  # steps: pairs of an instant and a rate
        return tuple((instant, value * factor) for instant, value in rate)
    return rate * factor


def _stalled(scenario: Scenario, seconds: float) -> Scenario:
    span = trouble(scenario)
    at = span[0] if span else scenario.seconds / 3
    return replace(scenario, faults=(Fault(at=at, lasts=seconds, speed=0.0),))


def _lasting(before: Scenario, after: Scenario) -> Scenario:
    """Return ``after`` with as many seconds behind its faults as there were ``before``."""
    old, new = trouble(before), trouble(after)
    if new is None:
        return after
    return replace(after, seconds=before.seconds + new[1] - (old[1] if old else new[0]))
