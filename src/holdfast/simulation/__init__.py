"""Virtual time: what a policy makes of an outage, an hour of it in seconds.

The real policies, unchanged, call a model of a service: its load, its servers, the network and what
goes wrong.  Equal seeds give equal runs, to the byte.  The classes here need nothing but the standard
library; reading scenario files, plots and the command ``holdfast simulate`` need
``pip install 'holdfast[simulation]'``.
"""

from holdfast.simulation.distributions import (
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
from holdfast.simulation.errors import (
    BadPolicy,
    Blocked,
    Endless,
    NoTimePasses,
    SimulationError,
    Stuck,
    TooMany,
)
from holdfast.simulation.faults import Fault
from holdfast.simulation.guard import Guard
from holdfast.simulation.handling import Handling
from holdfast.simulation.load import Bursty, Closed, Diurnal, Load, Poisson, Ramp, Replay, Steps
from holdfast.simulation.network import Link
from holdfast.simulation.play import Run, play
from holdfast.simulation.policies import READY, Policy
from holdfast.simulation.request import Conflict, Refused, Request, ServerError, TooLate
from holdfast.simulation.scenario import Cache, Clients, Network, Scenario, Servers
from holdfast.simulation.server import Server
from holdfast.simulation.stage import Simulation

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
    "play",
]
