"""Experiment 11: AWS's contention model, and its published figures."""

from functools import partial
from typing import Any

from benchmarks.scenarios.candidates import Calls, Decorator, candidate
from benchmarks.scenarios.contention import PUBLISHED, Conflict, averaged, played
from benchmarks.scenarios.experiment import OURS, Bar, Case, Experiment, Figure, Outcome, Results
from benchmarks.scenarios.plots import Lines, Plot
from benchmarks.scenarios.policies import decorator
from holdfast import Bulkhead, Pipeline, Retry, backoff

TRIALS = {10: 100, 20: 100, 50: 100, 100: 100, 150: 40, 190: 40}
"""How many for each number of clients; those of the published means are 100."""

BASE, CAP = 0.005, 2.0
KINDS = ("none", "exponential", "equal", "full", "decorrelated")
TENACITY = "tenacity, exponential jitter"
GATED = f"{OURS}, bulkhead of 1"
CLAMPED = f"{OURS}, decorrelated, clamped"


def retrying(how: Any) -> Decorator:
    """Return a pipeline that retries conflicts for ever."""
    return Pipeline("row", Retry(None, on=Conflict, backoff=how))


@candidate(f"{OURS}, none")
def at_once(_calls: Calls) -> Decorator:
    """Return `backoff.constant(0)`: no backoff."""
    return retrying(backoff.constant(0.0))


@candidate(f"{OURS}, exponential")
def exponential(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.01, cap=2, jitter=None)`."""
    return retrying(backoff.exponential(2 * BASE, cap=CAP, jitter=None))


@candidate(f"{OURS}, equal")
def equal(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.01, cap=2, jitter="equal")`."""
    return retrying(backoff.exponential(2 * BASE, cap=CAP, jitter="equal"))


@candidate(f"{OURS}, full")
def full(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.01, cap=2, jitter="full")`."""
    return retrying(backoff.exponential(2 * BASE, cap=CAP, jitter="full"))


@candidate(f"{OURS}, decorrelated")
def decorrelated(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.005, cap=2, jitter="decorrelated")`: drawn below the cap."""
    return retrying(backoff.exponential(BASE, cap=CAP, jitter="decorrelated"))


class Clamped:
    """Decorrelated jitter as AWS published it: min(cap, U(base, 3 * previous))."""

    def delay(self, _attempt: int, previous: float | None, rng: Any) -> float:
        """Return a delay, in seconds."""
        return min(CAP, rng.uniform(BASE, 3 * (BASE if previous is None else previous)))


@candidate(CLAMPED)
def clamped(_calls: Calls) -> Decorator:
    """Return AWS's formula of decorrelated jitter, clamped onto the cap, as a backoff of one's own."""
    return retrying(Clamped())


@candidate(GATED)
def gated(_calls: Calls) -> Decorator:
    """Return `Bulkhead(1, queue=1000)`, shared by the clients of one process, around a `Retry`."""
    return Pipeline("row", Bulkhead(1, queue=1000), Retry(None, on=Conflict))


@candidate(TENACITY, "tenacity")
def tenacity(_calls: Calls) -> Decorator:
    """Return tenacity's `wait_exponential_jitter(initial=0.01, max=2, jitter=0.01)`."""
    from tenacity import retry, retry_if_exception_type, wait_exponential_jitter

    made: Decorator = retry(
        wait=wait_exponential_jitter(initial=2 * BASE, max=CAP, jitter=2 * BASE),
        retry=retry_if_exception_type(Conflict),
    )
    return made


def play(setting: str, policy: str, seed: int, *, trials: int | None = None) -> Outcome:
    """Play some trials, and compare the means with what is published."""
    clients = int(setting.removeprefix("N = "))
    make = partial(decorator, policy, Calls("row"))
    trials = trials or TRIALS[clients]
    told = averaged([played(clients, make, f"{seed} {trial}") for trial in range(trials)])
    figures = {
        "ms": told.ms,
        "least": told.ms - 2 * told.ms_spread / trials**0.5,
        "writes": told.writes,
    }
    kind = "decorrelated" if policy == CLAMPED else policy.removeprefix(f"{OURS}, ")
    known = PUBLISHED[clients].get(kind)
    if known is not None:
        figures |= {"published ms": known[0], "published writes": known[1], "off": told.off(known)}
    return Outcome(figures)


def plots(results: Results) -> list[Plot]:
    """Draw time and writes by the number of clients."""
    made: list[Plot] = []
    for key, y in (("ms", "ms until the last is done"), ("writes", "writes")):
        series: dict[str, tuple[list[int], list[float]]] = {}
        for (setting, policy), runs in results.items():
            if policy != TENACITY:
                xs, ys = series.setdefault(policy, ([], []))
                xs.append(int(setting.removeprefix("N = ")))
                ys.append(runs[0].figures[key])
        title = "time" if key == "ms" else "writes"
        made.append(Lines(f"{title}, by the number of clients", "clients", y, series, log=True))
    return made


def cases() -> tuple[Case, ...]:
    """Return all backoffs for all numbers of clients; one seed stands for all the trials."""
    policies = (*(f"{OURS}, {kind}" for kind in KINDS), CLAMPED, GATED)
    return tuple(
        Case(f"N = {clients}", policy, seeds=1)
        for clients in PUBLISHED
        for policy in (*policies, *((TENACITY,) if clients == 100 else ()))
    )


EXPERIMENT = Experiment(
    number="11",
    title="Contention",
    story=(
        'AWS\'s model of "Exponential Backoff and Jitter" (2015): N clients each update one row '
        "once, with optimistic locking; a write whose version is stale fails, and its client backs "
        "off and reads again. Each way over the net takes |N(10, 2)| ms; base 5 ms, cap 2 s. "
        "Figures are means of 100 trials (40 from N = 150 on), the published ones of 100: the time "
        "until the last client is done, and the writes. Off is by how much the worse of both "
        "differs from the published figure, two standard errors of that set aside. Their first "
        "delay is twice the base, so ours has a base of 10 ms."
    ),
    cases=cases(),
    play=play,
    figures=(
        Figure("ms", "time", ",.0f", "ms"),
        Figure("least", "less two standard errors", ",.0f", "ms"),
        Figure("published ms", "published", ",.0f", "ms"),
        Figure("writes", "writes", ",.0f"),
        Figure("published writes", "published", ",.0f"),
        Figure("off", "off", ".1%"),
    ),
    bars=(
        *(
            Bar(f"N = {clients}", "off", 0.05, policy=policy)
            for clients in PUBLISHED
            for policy in (f"{OURS}, {kind}" for kind in KINDS)
        ),
        Bar("N = 100", "least", 4000.0, policy=GATED),
        Bar("N = 100", "writes", 110.0, policy=GATED),
    ),
    plots=plots,
    notes=(
        (
            "Our decorrelated jitter is drawn below the cap where AWS's is clamped onto it: as many"
            " writes, and done sooner from 100 clients on. There it misses the published figures on"
            " the good side; AWS's own formula, as a backoff of one's own (clamped), reproduces "
            "them."
        ),
        (
            "One by one, 100 clients need 400 ways of 10 ms each: 4,000 ms is what the bulkhead of 1 "
            "cannot but take, on average; its bar is met if 4,000 ms lies within two standard errors."
        ),
    ),
)
