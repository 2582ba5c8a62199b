"""Faults on purpose: latency, errors and wrong results, for tests and game days."""

from holdfast.strategies.chaos.chaos import Chaos

__all__ = ["Chaos"]
