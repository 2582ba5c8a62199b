"""Concurrent identical calls share one attempt (single flight)."""

from holdfast.strategies.coalesce.coalesce import Coalesce
from holdfast.strategies.coalesce.flight import GONE, Flight, Seat, inside

__all__ = ["GONE", "Coalesce", "Flight", "Seat", "inside"]
