"""How long one attempt, or the whole call, may take: fixed, or learnt from how long the others took."""

from typing import TYPE_CHECKING

from holdfast._later import later
from holdfast.strategies.timeout.sync import Sync
from holdfast.strategies.timeout.timeout import Timeout

if TYPE_CHECKING:
    from holdfast.strategies.timeout.adaptive import AdaptiveTimeout as AdaptiveTimeout
    from holdfast.strategies.timeout.adaptive import Limit as Limit

__all__ = ["AdaptiveTimeout", "Limit", "Sync", "Timeout"]

if not TYPE_CHECKING:  # a type checker shall see the names above, and no others
    __getattr__ = later(__name__, {"AdaptiveTimeout": "adaptive", "Limit": "adaptive"})
