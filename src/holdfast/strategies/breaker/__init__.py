"""Stop calling what is down, and find out gently when it is back.

`CircuitBreaker` is the gate; what decides is in parts of their own: when to open (`trip`, over a
`window`, above the `noise`, slower than is usual: `slowness`), the states and their epochs (`machine`),
and how it comes back (`recovery`, `probe`).
"""

from typing import TYPE_CHECKING

from holdfast._later import later
from holdfast.strategies.breaker.circuit_breaker import CircuitBreaker
from holdfast.strategies.breaker.probe import Probe

if TYPE_CHECKING:
    from holdfast.strategies.breaker.slowness import learnt as learnt

__all__ = ["CircuitBreaker", "Probe", "learnt"]

if not TYPE_CHECKING:  # a type checker shall see the names above, and no others
    __getattr__ = later(__name__, {"learnt": "slowness"})
