"""Experiment 5: layers that each retry the next one."""

from statistics import median

from benchmarks.scenarios.candidates import Calls, Target
from benchmarks.scenarios.crowd import Crowd
from benchmarks.scenarios.e04_steady import Failing
from benchmarks.scenarios.experiment import (
    OURS,
    Bar,
    Experiment,
    Figure,
    Outcome,
    Results,
    grid,
    values,
)
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Uniform
from holdfast.simulation.world.request import Request, ServerError

RATE, SECONDS, FEW = 100.0, 60.0, 1.0
SETTINGS = {
    "3 layers, leaf dead": (3, 1.0),
    "5 layers, leaf dead": (5, 1.0),
    "3 layers, leaf fails 10 %": (3, 0.1),
    "5 layers, leaf fails 10 %": (5, 0.1),
}
STATELESS = "tenacity"
POLICIES = (OURS, STATELESS, "tenacity + pybreaker", "hyx", "tenacity + pybreaker, 5 s", "hyx, 5 s")


def play(setting: str, policy: str, seed: int, seconds: float = SECONDS) -> Outcome:
    """Play one minute; of what keeps no state a second is enough, and takes long enough."""
    depth, share = SETTINGS[setting]
    if policy == STATELESS and share == 1.0:
        seconds = FEW
    with Simulation(seed) as simulation:
        leaf = Failing(simulation, share)
        call: Target = leaf.attempt
        for layer in range(depth):
            protect = decorator(policy, Calls(f"layer {layer}", attempt_timeout=9.5))
            call = protect(call if layer == 0 else answering(call))
        crowd = Crowd(
            simulation, [call], rate=RATE, seconds=seconds, work=Uniform(low=0.0, high=1.0)
        )
        simulation.run(seconds + 120.0)
    figures = {
        "attempts": leaf.attempts / crowd.users,
        "success": crowd.total("good") / crowd.users,
    }
    return Outcome(figures)


def answering(below: Target) -> Target:
    """Return the service below as the next layer sees it: a process of its own that answers 503."""

    async def attempt(request: Request) -> None:
        try:
            await below(request)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is a 503 now
            raise ServerError(f"503: {type(error).__name__}") from None

    return attempt


def plots(results: Results) -> list[Plot]:
    """Draw the attempts at a dead leaf."""
    groups = tuple(SETTINGS)[:2]
    series = {
        policy: [median(values(results[group, policy], "attempts")) for group in groups]
        for policy in POLICIES
    }
    return [
        Bars("attempts at a dead leaf per user", "attempts", groups, series, (1.05, 1.05), log=True)
    ]


EXPERIMENT = Experiment(
    number="05",
    title="Layered retries",
    story=(
        "Three or five services in a row, each with its own policy, above a leaf that is dead or fails "
        "10 %; 100 users a second for a minute; an attempt may take 9.5 s. Attempts are those at the "
        "leaf per user. Plain retries multiply: 3 to the power of the layers."
    ),
    cases=grid(tuple(SETTINGS), POLICIES),
    play=play,
    figures=(
        Figure("attempts", "attempts", ".3f"),
        Figure("success", "success", ".2%", least=True),
    ),
    bars=(
        *(Bar(setting, "attempts", 1.05) for setting in tuple(SETTINGS)[:2]),
        *(Bar(setting, "success", 0.998) for setting in tuple(SETTINGS)[2:]),
    ),
    plots=plots,
    notes=("Of tenacity above a dead leaf one second is played, not a minute: it keeps no state.",),
)
