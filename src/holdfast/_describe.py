"""A pipeline as a tree, and the worst case of one call: how many attempts, how long.

The worst case is computed from the inside out: each layer turns the attempts and the longest duration
of what is inside it into its own.  A duration without bound is `inf`; a fallback's own time is unknown
and left out.  The time that a gate lets a call wait for its turn is part of what it is around: of each
attempt inside a retry, of the whole outside of it; the sentence says which.  What the strategies of a
`Keyed` add can't be told before its keys are met, and is left out, with a word.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from holdfast.strategies.retry import RETRY_AFTER_JITTER, Retry
from holdfast.strategies.retry.backoff import of
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from random import Random

    from holdfast.strategies.retry import Backoff
    from holdfast.strategies.retry.backoff import DelayFunction

MANY = 1_000
"""From here on the delays of a retry are taken to be the longest so far."""


class Worst(NamedTuple):
    """The worst case of a call; `inf` stands for no bound."""

    attempts: float
    seconds: float
    hinted: float
    """The seconds where the dependency asks for the longest delays, with ``Retry-After``."""
    because: str
    waits: tuple[str, ...] = ()
    """What of the seconds is waiting for a turn, and isn't told by ``because``."""


class _Highest:
    """A source of randomness that always draws the most."""

    def uniform(self, _low: float, high: float) -> float:
        return high

    def random(self) -> float:
        return 1.0


def described(name: str, strategies: tuple[Any, ...]) -> str:
    """Return the tree, outermost first, and the worst case."""
    lines = [name]
    for place, one in enumerate(strategies):
        lines.append(f"{'   ' * place}└─ {summary(one)}")
    lines.append(f"{'   ' * len(strategies)}└─ the function")
    keyed = any(getattr(one, "kind", "") == "keyed" for one in strategies)
    unknown = "; what the keys' strategies add is not counted" if keyed else ""
    lines.append(f"worst case: {_spelt(worst_case(strategies))}{unknown}")
    return "\n".join(lines)


def summary(strategy: Any) -> str:
    """Return one line about a layer: the options that it was made with."""
    spelt = getattr(strategy, "spelt", None)
    return " ".join((repr(strategy) if spelt is None else spelt()).split())


def worst_case(strategies: tuple[Any, ...]) -> Worst:
    """Return the worst case of one call through ``strategies``, outermost first."""
    worst = Worst(1, math.inf, math.inf, "nothing limits the function")
    for strategy in reversed(strategies):
        worst = _around(strategy, worst)
    return worst


def _around(strategy: Any, inner: Worst) -> Worst:
    if isinstance(strategy, Retry):
        return _retried(strategy, inner)
    if getattr(strategy, "kind", "") == "hedge":
        return _hedged(strategy, inner)
    learnt = getattr(strategy, "ceiling", None)
    limit = strategy.seconds if isinstance(strategy, Timeout) else learnt
    if limit is None:
        return _queued(strategy, inner)
    if inner.seconds <= limit:
        return inner._replace(hinted=min(limit, inner.hinted))
    because = f"cut by the timeout of {limit:g} s"
    return Worst(inner.attempts, limit, min(limit, inner.hinted), because)


def _hedged(hedge: Any, inner: Worst) -> Worst:
    """Each further attempt begins after the delay, or when the one before has failed.

    Where a budget may refuse one at its time, it may still begin at a failure later on.
    """
    fixed = math.inf
    if isinstance(hedge.after, int | float) and hedge.budget is None:
        fixed = float(hedge.after)
    steps = hedge.max_hedges
    finite = inner.seconds < math.inf
    return Worst(
        inner.attempts * (steps + 1),
        inner.seconds + steps * min(fixed, inner.seconds),
        inner.hinted + steps * min(fixed, inner.hinted),
        f"{steps} more after one of {_each(inner)}" if finite else inner.because,
    )


def _queued(strategy: Any, inner: Worst) -> Worst:
    wait, where = _queueing(strategy), getattr(strategy, "kind", "gate")
    if wait == 0 or inner.seconds == math.inf:
        return inner
    if wait == math.inf:
        return Worst(inner.attempts, wait, wait, f"nothing limits the wait at the {where}")
    return inner._replace(
        seconds=inner.seconds + wait,
        hinted=inner.hinted + wait,
        waits=(f"{wait:g} s waiting at the {where}", *inner.waits),
    )


def _retried(retry: Retry, inner: Worst) -> Worst:
    elapsed = math.inf if retry.max_elapsed is None else retry.max_elapsed
    most = math.inf if retry.attempts is None else retry.attempts
    asked = _longest_hint(retry) * (1 + RETRY_AFTER_JITTER)
    waits = _delays(retry.backoff, most - 1)
    hinted = _delays(retry.backoff, most - 1, asked)
    longest = most * inner.seconds + waits
    if inner.seconds == math.inf:
        because = inner.because
    elif elapsed + inner.seconds < longest:
        because = f"no attempt begins after {elapsed:g} s, and the last one takes {_each(inner)}"
    elif most == math.inf:
        because = "the retry goes on"
    elif longest == math.inf:
        because = "its delays depend on what goes wrong"
    else:
        comma = "," if inner.waits else ""
        because = f"{most} × {_each(inner)}{comma} and delays of {waits:.3g} s"
    return Worst(
        inner.attempts * most,
        min(elapsed + inner.seconds, longest),
        min(elapsed + inner.hinted, most * inner.hinted + hinted),
        because,
    )


def _longest_hint(retry: Retry) -> float:
    """Return the longest ``Retry-After`` that is waited for, in seconds."""
    if not retry.respect_retry_after:
        return 0.0
    bounds = (retry.retry_after_cap, retry.retry_after_limit)
    return min((one for one in bounds if one is not None), default=math.inf)


def _each(inner: Worst) -> str:
    """Return how long one attempt takes, and how much of it is waiting."""
    told = f", of which {' and '.join(inner.waits)}" if inner.waits else ""
    return f"{inner.seconds:g} s{told}"


def _delays(given: Backoff | DelayFunction, number: float, least: float = 0.0) -> float:
    """Return the longest sum of so many delays, each of at least ``least``, in seconds."""
    backoff = of(given)
    if number == math.inf or (number and getattr(backoff, "of_call", False)):
        return math.inf
    highest = cast("Random", _Highest())
    total, previous = 0.0, None
    for attempt in range(1, int(min(number, MANY)) + 1):
        previous = max(least, backoff.delay(attempt, previous, highest))
        total += previous
    return total + max(0, number - MANY) * (previous or 0.0)


def _queueing(strategy: Any) -> float:
    """Return how long a call may wait for its turn at a gate, in seconds."""
    queue = getattr(strategy, "queue", 1)
    if queue == 0 or (queue is None and strategy.max_wait is None):
        return 0.0
    limit = getattr(strategy, "max_wait", 0.0)
    return math.inf if limit is None else float(limit)


def _spelt(worst: Worst) -> str:
    many = (
        "attempts without bound" if worst.attempts == math.inf else f"{worst.attempts:g} attempts"
    )
    if worst.attempts == 1:
        many = "1 attempt"
    after = f", after {' and '.join(worst.waits)}" if worst.waits else ""
    text = f"{many}, {_long(worst.seconds)} ({worst.because}{after})"
    if worst.hinted > worst.seconds:
        text += f"; with the longest Retry-After {_long(worst.hinted)}"
    return text


def _long(seconds: float) -> str:
    return "for ever" if seconds == math.inf else f"{seconds:.3g} s"
