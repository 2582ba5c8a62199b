"""What rounding may not decide: a bound that is exactly reached is reached.

``0.55 * 100`` is 55.00000000000001, and five times 0.2 s on a clock that began at 1000 s end at
1.0000000000002 s.
"""

from __future__ import annotations

SHARE = 1e-9
"""How much may be missing of a number of calls, or of a limit."""

INSTANT = 1e-6
"""How much may be missing of a time, in seconds; timers may fire this much early, too."""


def reached(value: float, bound: float, rounding: float = SHARE) -> bool:
    """Return whether ``value`` is at least ``bound``, but for rounding."""
    return value >= bound - rounding
