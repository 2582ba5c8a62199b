"""Send a dependency just a little more than it accepts: client-side throttling."""

from holdfast.strategies.throttle.throttle import Throttle

__all__ = ["Throttle"]
