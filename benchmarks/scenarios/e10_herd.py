"""Experiment 10: a thousand clients that fail together, and all come back."""

from functools import partial
from typing import Any

from benchmarks.scenarios.candidates import Calls, Decorator, candidate
from benchmarks.scenarios.experiment import OURS, Bar, Experiment, Figure, Outcome, Results, grid
from benchmarks.scenarios.herd import played
from benchmarks.scenarios.peers import DOWN, STANDARD_PEERS
from benchmarks.scenarios.plots import Lines, Plot
from benchmarks.scenarios.policies import decorator
from holdfast import Pipeline, Retry, backoff, standard

ALONE, WHOLE = "backoff alone", "whole stack"
SECONDS = {ALONE: 200.0, WHOLE: 100.0}
"""How long one looks; the stacks that ask once a second for minutes are dear to play."""

OUR_BACKOFF = f"{OURS}, backoff"
BASE, CAP = 0.1, 10.0


def retrying(how: Any) -> Decorator:
    """Return a pipeline that retries for ever."""
    return Pipeline("herd", Retry(None, backoff=how))


@candidate(OUR_BACKOFF)
def ours(_calls: Calls) -> Decorator:
    """Return `Retry(None, backoff=...)` with the backoff of `standard`, for ever."""
    shipped = next(one for one in standard("herd").strategies if isinstance(one, Retry))
    return retrying(shipped.backoff)


@candidate("no jitter")
def plain(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.1, cap=10, jitter=None)`, for ever."""
    return retrying(backoff.exponential(BASE, cap=CAP, jitter=None))


@candidate("full jitter")
def full(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.1, cap=10)`, for ever."""
    return retrying(backoff.exponential(BASE, cap=CAP))


@candidate("equal jitter")
def equal(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.1, cap=10, jitter="equal")`, for ever."""
    return retrying(backoff.exponential(BASE, cap=CAP, jitter="equal"))


@candidate("decorrelated jitter")
def decorrelated(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.1, cap=10, jitter="decorrelated")`, for ever."""
    return retrying(backoff.exponential(BASE, cap=CAP, jitter="decorrelated"))


@candidate("smooth jitter")
def smooth(_calls: Calls) -> Decorator:
    """Return `backoff.exponential(0.1, cap=10, jitter="smooth")`, Polly's curve, for ever."""
    return retrying(backoff.exponential(BASE, cap=CAP, jitter="smooth"))


@candidate("tenacity, exponential jitter of 1 s", "tenacity")
def tenacity_second(_calls: Calls) -> Decorator:
    """Return tenacity's `wait_exponential_jitter(initial=0.1, max=10)`: jitter of 1 s; for ever."""
    return tenacious(initial=BASE, max=CAP)


@candidate("tenacity, exponential jitter of 0.1 s", "tenacity")
def tenacity_tenth(_calls: Calls) -> Decorator:
    """Return the same with `jitter=0.1`, as large as the first delay, which is how its defaults are."""
    return tenacious(initial=BASE, max=CAP, jitter=BASE)


def tenacious(**options: float) -> Decorator:
    """Retry with tenacity's exponential jitter, for ever."""
    from tenacity import retry, wait_exponential_jitter

    made: Decorator = retry(wait=wait_exponential_jitter(**options))
    return made


@candidate("tenacity, full jitter, for ever", "tenacity")
def tenacity_full(_calls: Calls) -> Decorator:
    """Return tenacity's `wait_random_exponential(multiplier=0.1, max=10)`, for ever."""
    from tenacity import retry, wait_random_exponential

    made: Decorator = retry(wait=wait_random_exponential(multiplier=BASE, max=CAP))
    return made


@candidate("stamina, for ever", "stamina")
def stamina(_calls: Calls) -> Decorator:
    """Return stamina with its default delays, `attempts=None, timeout=None`."""
    import stamina as package

    made: Decorator = package.retry(on=DOWN, attempts=None, timeout=None)
    return made


@candidate("backoff, for ever", "backoff")
def backoff_package(_calls: Calls) -> Decorator:
    """Return backoff's `on_exception(expo, factor=0.1, max_value=10)`, full jitter, for ever."""
    import backoff as package

    made: Decorator = package.on_exception(
        package.expo, DOWN, factor=BASE, max_value=CAP, logger=None
    )
    return made


BACKOFFS = (
    OUR_BACKOFF, "no jitter", "full jitter", "equal jitter", "decorrelated jitter", "smooth jitter",
    "tenacity, full jitter, for ever", "tenacity, exponential jitter of 1 s",
    "tenacity, exponential jitter of 0.1 s", "stamina, for ever", "backoff, for ever",
)  # fmt: skip
ALIKE = ("decorrelated jitter", "tenacity, full jitter, for ever", "backoff, for ever")
"""Those that are not drawn: their curves are like that of full jitter."""


def play(setting: str, policy: str, seed: int) -> Outcome:
    """Let the herd come back; the curve is of clients served, by tenths of a second."""
    told = played(partial(decorator, policy, Calls("herd")), seed, seconds=SECONDS[setting])
    served = [0] * 300
    for instant in told.served:
        place = int(instant * 10)
        if place < len(served):
            served[place] += 1
    curve, so_far = [], 0
    for one in served:
        so_far += one
        curve.append(float(so_far))
    return Outcome(
        {
            "t99": told.share(0.99),
            "t50": told.share(0.5),
            "peak": told.peak,
            "calls": told.calls_each,
        },
        tuple(curve),
    )


def plots(results: Results) -> list[Plot]:
    """Draw how many have been served, with one seed."""
    xs = tuple(place / 10 for place in range(300))
    made: list[Plot] = []
    for setting in SECONDS:
        series = {
            policy: (xs, runs[0].curve)
            for (of, policy), runs in results.items()
            if of == setting and policy not in ALIKE
        }
        made.append(Lines(f"{setting}: clients served", "seconds since it is back", "", series))
    return made


EXPERIMENT = Experiment(
    number="10",
    title="Herd",
    story=(
        "1,000 clients, each a process of its own that wants one answer, call at the same instant. "
        "The dependency fails every call for 5 s; then it serves one each 10 ms, with a queue of "
        "50, and fails who finds the queue full. So 99 % can be served 9.9 s after it is back, and "
        "no sooner. t50 and t99 are counted from there; the peak is that of the arrivals after it "
        "is back, in the worst tenth of a second; calls are per client. Once with nothing but a "
        "backoff that never gives up, as a reconnecting client has it; once with the whole stack of"
        " each policy as it is: where that gives up, the client asks again when the error says that"
        " it may (`retry_after`), or after a second."
    ),
    cases=(
        *grid((ALONE,), BACKOFFS),
        *grid((WHOLE,), (OURS, *STANDARD_PEERS)),
    ),
    play=play,
    figures=(
        Figure("t99", "t99", ".1f", "s"),
        Figure("t50", "t50", ".1f", "s"),
        Figure("peak", "peak", ".0f", "/s"),
        Figure("calls", "calls", ".1f"),
    ),
    bars=tuple(
        Bar(setting, figure, limit, policy=policy)
        for setting, policy in ((ALONE, OUR_BACKOFF), (WHOLE, OURS))
        for figure, limit in (("t99", 11.5), ("peak", 300.0), ("calls", 7.0))
    ),
    plots=plots,
    notes=(
        "Never: not within 95 s of its being back (hyx needs 149 s).",
        (
            "A client with a breaker of its own is a poor judge here: to it a queue that is full "
            "looks like a dependency that is still down, and breakers that opened together try again "
            "together."
        ),
    ),
)
