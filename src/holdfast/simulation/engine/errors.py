"""What ends a simulation before its time."""

from __future__ import annotations

from holdfast.errors import HoldfastError


class SimulationError(HoldfastError):
    """A simulation could not be played to its end.

    Attributes:
        policy: the name of the policy that was played, if it is known.
    """

    policy: str | None = None

    def __str__(self) -> str:
        whose = "" if self.policy is None else f"policy {self.policy!r}: "
        return whose + super().__str__()


class Stuck(SimulationError):
    """Nothing will ever happen again, and the simulation is not over."""


class Endless(SimulationError):
    """More steps were made than were allowed."""


class NoTimePasses(Endless):
    """Very many steps were made at one and the same instant."""


class TooMany(Endless):
    """More users waited at once than fit into the memory."""


class Blocked(SimulationError):
    """A policy blocked the event loop."""


class BadPolicy(SimulationError):
    """A policy could not be made, or does not return what can be called and awaited."""
