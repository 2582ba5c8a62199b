"""Whether a policy's ``on=`` means any of the failures that a simulated call can end in."""

from __future__ import annotations

from typing import Any, Final

from holdfast._value import spell
from holdfast.classify import Condition
from holdfast.errors import AttemptTimeout
from holdfast.pipeline import Pipeline
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Conflict, Refused, ServerError

FAILURES: Final = (ServerError, Conflict, Refused, AttemptTimeout)
"""What calls of a simulation end in; the first three are `ConnectionError`, the last `TimeoutError`."""


def unheard(policy: Policy, scenario: Scenario) -> str | None:
    """Return which layers of a policy match no failure of a simulation, and what to do; or None."""
    with Simulation("matching"):
        made = policy.make(scenario)
    layers = made.strategies if isinstance(made, Pipeline) else ()
    deaf = [_spelt(one) for one in layers if not _hears(one)]
    if not deaf:
        return None
    verb = "hears" if len(deaf) == 1 else "hear"
    return (
        f"policy {policy.name}: {' and '.join(deaf)} {verb} of no failure in this run, because none "
        "matches its on=. Simulated calls end in ConnectionError and TimeoutError: simulate with "
        "on=transient"
    )


def _hears(layer: Any) -> bool:
    on = _condition(layer)
    return on is None or any(on.matches(kind("simulated")) for kind in FAILURES)


def _spelt(layer: Any) -> str:
    return f"{type(layer).__name__}(on={spell(_condition(layer))})"


def _condition(layer: Any) -> Condition | None:
    found = getattr(layer, "_on", None) or getattr(layer, "_condition", None)
    return found if isinstance(found, Condition) else None
