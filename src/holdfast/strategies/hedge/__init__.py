"""Start another attempt where the first is slow, and take the first success.

`Hedge` holds the options and what it has learnt, a `delay` says when, and a `race` decides what
follows each end; the runtimes make the attempts.
"""

from holdfast.strategies.hedge.delay import knee, quantile
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.strategies.hedge.race import NEXT, OVER, Race

__all__ = ["NEXT", "OVER", "Hedge", "Race", "knee", "quantile"]
