"""What a candidate is: a policy that makes the protection of one client process, and says what it is."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

Target = Callable[..., Awaitable[Any]]
Decorator = Callable[[Target], Target]


@dataclass(frozen=True, slots=True)
class Calls:
    """What a policy is told about the calls that it protects.

    Args:
        name: of the service.
        attempt_timeout: seconds that one attempt may take, the same for every policy.
        key: takes the call's arguments, and returns which shard they go to; None where there is one.
    """

    name: str = "service"
    attempt_timeout: float = 1.0
    key: Callable[..., Hashable] | None = None


Make = Callable[[Calls], Decorator]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy, what it is configured with, and the packages that it is made of."""

    name: str
    make: Make
    what: str
    packages: tuple[str, ...] = ()

    @property
    def versions(self) -> str:
        """The packages with their versions."""
        return ", ".join(f"{package} {version(package)}" for package in self.packages)


CANDIDATES: dict[str, Candidate] = {}


def candidate(name: str, *packages: str) -> Callable[[Make], Make]:
    """Register the decorated maker; its docstring says what it is."""

    def add(make: Make) -> Make:
        what = " ".join((make.__doc__ or "").split()).removeprefix("Return ").rstrip(".")
        CANDIDATES[name] = Candidate(name, make, what, packages)
        return make

    return add
