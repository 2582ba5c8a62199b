"""One verdict about each failure, for everything in Holdfast that asks: what is it, and what follows."""

from holdfast.verdict.chain import causes, leaves

__all__ = ["causes", "leaves"]
