"""What is compared: the candidates by their names, ours and the peers'."""

from typing import Any

from benchmarks.scenarios import ours, peers  # noqa: F401 - they register themselves
from benchmarks.scenarios.candidates import CANDIDATES, Calls, Decorator
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.scenario.scenario import Scenario


def decorator(name: str, calls: Calls) -> Decorator:
    """Return a new protection by a policy: one client process has one."""
    return CANDIDATES[name].make(calls)


def simulated(name: str) -> Policy:
    """Return a policy for `holdfast.simulation.runs.play`."""

    def make(scenario: Scenario) -> Decorator:
        key = shard if scenario.servers.shards > 1 else None
        return decorator(name, Calls(scenario.name, scenario.clients.attempt_timeout, key))

    return Policy(name, make)


def shard(request: Any) -> int:
    """Return which shard a simulated request goes to."""
    key: int = request.key
    return key
