"""Holdfast as shipped: one configuration for all experiments."""

from typing import cast

from benchmarks.scenarios.candidates import Calls, Decorator, candidate
from benchmarks.scenarios.experiment import OURS
from holdfast import standard


@candidate(OURS)
def pipeline(calls: Calls) -> Decorator:
    """Return `standard(name, attempt_timeout=..., key=...)`, and nothing else, in all of them."""
    made = standard(calls.name, attempt_timeout=calls.attempt_timeout, key=calls.key)
    return cast("Decorator", made)


def described() -> str:
    """Return what the one configuration consists of, for a service with and without shards."""
    plain = standard("service", attempt_timeout=1.0)
    return plain.describe()
