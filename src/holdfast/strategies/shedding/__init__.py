"""Turn away what cannot be served in time, on the server's side, the least important first."""

from holdfast.strategies.shedding.codel import Codel
from holdfast.strategies.shedding.load_shedder import LoadShedder

__all__ = ["Codel", "LoadShedder"]
