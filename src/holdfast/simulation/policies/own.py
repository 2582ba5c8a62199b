"""Policies of the user's own: a pipeline, a function that makes one, or any decorator."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from holdfast.errors import ConfigurationError
from holdfast.pipeline import Pipeline
from holdfast.simulation.policies.renewed import renewed
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Decorator


@dataclass(frozen=True, slots=True)
class Own:
    """Makes the protection of a process by an object of the user's."""

    thing: Any
    name: str

    def __call__(self, scenario: Scenario) -> Decorator:
        """Make it."""
        return made(self.thing, scenario, self.name)


def check(thing: Any, name: str) -> None:
    """Refuse what can't be a policy.

    Raises:
        ConfigurationError: for what can't be called.
    """
    if not callable(thing):
        raise ConfigurationError(
            f"policy {name}: {thing!r} is no policy; it must be a Pipeline, a function that makes one, "
            "or a decorator of an async function"
        )


def about(thing: Any) -> str:
    """Return the first line of a function's docstring."""
    doc = inspect.getdoc(thing) if inspect.isfunction(thing) else None
    return (doc or "").partition("\n")[0]


def made(thing: Any, scenario: Scenario, name: str) -> Decorator:
    """Return the protection of one process, which shares no state with another's.

    Raises:
        ConfigurationError: where a pipeline can't be copied, or a function makes something else.
    """
    if isinstance(thing, Pipeline):
        return renewed(thing)
    wanted = _arguments(thing)
    if wanted is None:
        decorator: Decorator = thing
        return decorator
    result: Any = thing(*([scenario] * wanted))
    if not callable(result):
        if inspect.iscoroutine(result):
            result.close()  # or Python warns that it was never awaited
        raise ConfigurationError(
            f"policy {name} made {result!r}; it must make a Pipeline, or a decorator of an async "
            "function"
        )
    return result  # type: ignore[no-any-return]


def _arguments(thing: Any) -> int | None:
    """Return how many arguments a maker of policies takes, 0 or 1; None for a decorator."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):  # written in C, without a signature
        return None
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    return len(needed) if needed in ([], ["scenario"]) else None
