"""Tries a policy with one call that nothing is wrong with, before hours are simulated with it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Awaitable
from typing import Final

from holdfast.errors import ConfigurationError
from holdfast.simulation.engine.errors import SimulationError
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Request

LONG: Final = 60.0
"""Simulated seconds within which a policy must have answered."""

MOST_STEPS: Final = 3_000_000
"""A policy that goes round without time passing is found out within seconds."""

MISTAKES: Final = (
    AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError,
)  # fmt: skip
"""What a policy raises that has an error in itself; a rejection, or an injected fault, is none."""


def rehearse(policy: Policy, scenario: Scenario, *, patience: float = 5.0) -> None:
    """Make ``policy`` for one process and one call, to a service that is well.

    Args:
        policy: what to try.
        scenario: what it is made for.
        patience: real seconds that one step may take.

    Raises:
        ConfigurationError: where it can't be made, fails by an error of its own, or never answers.
        SimulationError: where it blocks the event loop, or goes round for ever.
    """
    try:
        with Simulation("rehearsal", most_steps=MOST_STEPS, patience=patience) as simulation:
            _rehearse(policy, scenario, simulation)
    except SimulationError as error:
        error.policy = policy.name
        raise


def _rehearse(policy: Policy, scenario: Scenario, simulation: Simulation) -> None:
    async def attempt(_request: Request) -> None:
        pass

    try:
        with simulation.watched():
            call = policy.make(scenario)(attempt)
    except (ConfigurationError, SimulationError):
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"policy {policy.name} cannot be made: {_described(error)}"
        ) from error
    _check(policy, call)

    async def user() -> None:
        answer: object = call(Request(0, 0.0, 0, 0, 0.1))
        if not isinstance(answer, Awaitable):
            raise ConfigurationError(
                f"policy {policy.name} makes a function whose calls give {answer!r}, which can't be "
                "awaited: it must be for async functions"
            )
        await answer

    task = simulation.spawn(user())
    simulation.run(LONG)
    if not task.done():
        raise ConfigurationError(
            f"policy {policy.name} has not answered its first call within {LONG:g} simulated seconds, "
            "although the service was well: what does it wait for?"
        )
    if task.cancelled():
        raise ConfigurationError(
            f"policy {policy.name} lets asyncio.CancelledError out, although nobody cancelled its call"
        )
    failure = task.exception()
    if isinstance(failure, ConfigurationError):
        raise failure
    if isinstance(failure, MISTAKES):
        raise ConfigurationError(
            f"policy {policy.name} fails by itself, with a service that is well: {_described(failure)}"
        ) from failure


def _check(policy: Policy, call: object) -> None:
    if callable(call):
        return
    if inspect.iscoroutine(call):
        call.close()  # or Python warns that it was never awaited
    raise ConfigurationError(
        f"policy {policy.name} makes {call!r} of an async function; it must make another async function"
    )


def _described(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"
