"""The functions that get protected, and the ones that always fail and keep count."""

from typing import Any

# One entry for each time that a failing function was reached.
REACHED: list[Any] = []


def bare(x: Any) -> Any:
    """The call that succeeds, as cheap as a call can be."""
    return x


async def abare(x: Any) -> Any:
    """The same as a coroutine function."""
    return x


def failing(x: Any) -> Any:
    """Opens a breaker; must not be reached once it is open."""
    REACHED.append(x)
    raise ConnectionError


async def afailing(x: Any) -> Any:
    """The same as a coroutine function."""
    failing(x)
