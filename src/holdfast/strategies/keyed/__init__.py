"""A strategy for each host, shard or tenant, so that one of them cannot fail the others."""

from holdfast.strategies.keyed.keyed import Keyed

__all__ = ["Keyed"]
