"""A plain answer instead of an error: a value, what a function makes, or the last good result."""

from typing import TYPE_CHECKING

from holdfast._later import later
from holdfast.strategies.fallback.fallback import Fallback

if TYPE_CHECKING:
    from holdfast.strategies.fallback.stale import StaleFallback

__all__ = ["Fallback", "StaleFallback"]

if not TYPE_CHECKING:  # a type checker shall see the names above, and no others
    __getattr__ = later(__name__, {"StaleFallback": "stale"})
