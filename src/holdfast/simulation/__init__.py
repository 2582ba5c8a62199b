"""Virtual time: what a policy makes of an outage, an hour of it in seconds.

The real policies, unchanged, call a model of a service: its load, its servers, the network and what
goes wrong.  Equal seeds give equal runs, to the byte.  The classes here need nothing but the standard
library; reading scenario files, plots and the command ``holdfast simulate`` need
``pip install 'holdfast[simulation]'``.
"""

from holdfast.simulation.engine.errors import (
    BadPolicy,
    Blocked,
    Endless,
    NoTimePasses,
    SimulationError,
    Stuck,
    TooMany,
)
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.policies.policies import READY, Policy
from holdfast.simulation.runs.compare import compare
from holdfast.simulation.runs.play import Run, play
from holdfast.simulation.scenario.distributions import (
    Constant,
    Distribution,
    Exponential,
    Lognormal,
    Mixture,
    Pareto,
    Part,
    Recorded,
    Stragglers,
    Uniform,
)
from holdfast.simulation.scenario.faults import Fault
from holdfast.simulation.scenario.load import (
    Bursty,
    Closed,
    Diurnal,
    Load,
    Poisson,
    Ramp,
    Replay,
    Steps,
)
from holdfast.simulation.scenario.scenario import Cache, Clients, Network, Scenario, Servers
from holdfast.simulation.world.guard import Guard
from holdfast.simulation.world.handling import Handling
from holdfast.simulation.world.network import Link
from holdfast.simulation.world.request import Conflict, Refused, Request, ServerError, TooLate
from holdfast.simulation.world.server import Server

__all__ = [
    "READY",
    "BadPolicy",
    "Blocked",
    "Bursty",
    "Cache",
    "Clients",
    "Closed",
    "Conflict",
    "Constant",
    "Distribution",
    "Diurnal",
    "Endless",
    "Exponential",
    "Fault",
    "Guard",
    "Handling",
    "Link",
    "Load",
    "Lognormal",
    "Mixture",
    "Network",
    "NoTimePasses",
    "Pareto",
    "Part",
    "Poisson",
    "Policy",
    "Ramp",
    "Recorded",
    "Refused",
    "Replay",
    "Request",
    "Run",
    "Scenario",
    "Server",
    "ServerError",
    "Servers",
    "Simulation",
    "SimulationError",
    "Steps",
    "Stragglers",
    "Stuck",
    "TooLate",
    "TooMany",
    "Uniform",
    "compare",
    "play",
]
