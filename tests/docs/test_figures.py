"""Numbers that the pages quote from the code are those of the code."""

import inspect
import re
from pathlib import Path

import pytest

from holdfast import Bulkhead, CircuitBreaker, Retry, RetryBudget, standard
from holdfast._conditions import STATUSES
from holdfast.extend import worker_pool
from holdfast.strategies import retry as retries
from holdfast.strategies.breaker.circuit_breaker import BATCH
from holdfast.strategies.breaker.window import BUCKETS

ROOT = Path(__file__).resolve().parents[2]


def layer(kind):
    return next(one for one in standard("quoted").strategies if isinstance(one, kind))


def default(kind, option):
    return inspect.signature(kind).parameters[option].default


STATUS_LIST = ", ".join(map(str, sorted(STATUSES)[:-1]))
BREAKER, BUDGET = default(CircuitBreaker, "open_for"), default(RetryBudget, "ratio")
OWN = layer(Retry).backoff
QUOTED = {
    "README.md": [
        f"{Retry().attempts} attempts, exponential backoff with {Retry().backoff.jitter} jitter",
        f"{BUDGET:.0%} of the successes".replace("%", " %"),
        f"opens after {default(CircuitBreaker, 'failures')} failures in a row, for {BREAKER:g} s",
    ],
    "docs/how-to/retry-safely.md": [f"{STATUS_LIST} and {max(STATUSES)}"],
    "docs/reference/strategies/retry.md": [
        f"Up to {retries.RETRY_AFTER_JITTER:.0%}".replace("%", " %"),
        f"capped at {retries.RETRY_AFTER_CAP:g} seconds",
    ],
    "docs/reference/strategies/timeout.md": [f"at most {worker_pool().limit} such workers"],
    "docs/reference/strategies/circuit-breaker.md": ["kept in ten buckets"],
    "docs/reference/pipeline.md": [
        f"delays grow from {OWN.base:g} s to {OWN.cap:g} s with {OWN.jitter} jitter"
    ],
    "docs/explanation/what-it-costs.md": [
        f"Worker threads: {worker_pool().limit} for the process",
        "ten buckets",
    ],
    "docs/explanation/why-these-defaults.md": [
        f"`attempts={Retry().attempts}`, `standard()`: {layer(Retry).attempts}.",
        f"`base={Retry().backoff.base}`, `cap={Retry().backoff.cap}`",
        f"`standard()`: {OWN.base:g} and {OWN.cap:g}.",
        f"`failures={default(CircuitBreaker, 'failures')}`.",
        f"`open_for={BREAKER}`, `standard()`: 0.7;",
        f"`open_growth={default(CircuitBreaker, 'open_growth')}`",
        f"`open_cap={default(CircuitBreaker, 'open_cap')}`.",
        f"`open_jitter={default(CircuitBreaker, 'open_jitter')}`.",
        f"`probes={default(CircuitBreaker, 'probes')}`",
        f"`min_calls={default(CircuitBreaker, 'min_calls')}`.",
        f"`standard()` has a size of {layer(Bulkhead).size}",
    ],
    "docs/explanation/decisions/0006-gates-at-rest.md": [f"counts them {BATCH} at a time"],
    "docs/explanation/decisions/0009-abandoned-workers.md": [
        f"at most {worker_pool().limit} workers"
    ],
}


@pytest.mark.parametrize(
    "page, sentence", [(page, one) for page, quoted in QUOTED.items() for one in quoted]
)
def test_a_quoted_number_is_that_of_the_code(page, sentence):
    """The sentence, with the number taken from the code, stands on the page."""
    text = re.sub(r"\s+", " ", (ROOT / page).read_text(encoding="utf-8"))

    assert sentence in text


def test_the_breaker_of_standard_opens_for_less_than_a_second_at_first(holdfast_clock):
    """The pages say so of `standard()`, up to the jitter."""
    breaker = layer(CircuitBreaker)
    breaker.trip()

    assert 0.7 <= breaker.snapshot()["retry_after"] <= 0.77


def test_a_window_of_time_has_ten_buckets():
    """The pages say "ten"."""
    assert BUCKETS == 10
