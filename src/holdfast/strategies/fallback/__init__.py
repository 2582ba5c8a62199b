"""A plain answer instead of an error: a value, what a function makes, or the last good result."""

from holdfast.strategies.fallback.fallback import Fallback
from holdfast.strategies.fallback.stale import StaleFallback

__all__ = ["Fallback", "StaleFallback"]
