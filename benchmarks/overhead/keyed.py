"""A breaker per key: the cost of finding it, and the longest stall while keys are evicted.

Looking up one of 100,000 keys must cost as much as one of 1,000. For the stalls, a full map of
10,000 keys meets new ones only, so that each call evicts; the longest single call counts, the best
of several passes, since whatever else the machine does can only add to it.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.overhead.functions import bare
from benchmarks.overhead.ours import OURS
from benchmarks.overhead.rows import Findings, Row
from benchmarks.overhead.sampling import interleaved, quietly
from benchmarks.overhead.settings import FAILURES, Options

FEW, MANY = 1_000, 100_000
FULL = 10_000
LOOKUP = "a breaker per key, lookup"
STALL = "a breaker per key, longest call while keys are evicted"


def among(keys: int) -> str:
    """The row's name for this number of keys."""
    return f"{OURS}, {keys:,} keys"


def measure(options: Options) -> Findings:
    """Nanoseconds per call for few and many keys; milliseconds of the longest call."""
    found = Findings()
    if not options.wants(LOOKUP, OURS):
        return found
    try:
        found.rows += _lookups(options)
        found.rows.append(_stall(1 if options.quick else 3))
    except Exception as error:  # noqa: BLE001 - reported as a skip
        found.skip(LOOKUP, OURS, error)
    return found


def _lookups(options: Options) -> list[Row]:
    samplers = {}
    for keys in (FEW, MANY):
        call = _keyed(2 * keys)
        for key in range(keys):
            call(key)
        samplers[keys] = _cycling(call, keys)
    taken = interleaved(samplers, options.rounds, options.sample_seconds)
    return [
        Row(LOOKUP, among(keys), "holdfast", min(samples) * 1e9, "ns", "with the call itself")
        for keys, samples in taken.items()
    ]


def _cycling(call: Callable[..., Any], keys: int) -> Callable[[int], float]:
    """Calls with keys that are spread evenly over all there are."""
    chosen = [keys * number // FEW for number in range(FEW)]

    def sample(count: int) -> float:
        numbers = [chosen[number % FEW] for number in range(count)]
        start = perf_counter()
        for number in numbers:
            call(number)
        return perf_counter() - start

    return sample


def _stall(passes: int) -> Row:
    best = min(quietly(_longest, 2 * FULL) for _ in range(passes))
    return Row(STALL, OURS, "holdfast", best * 1e3, "ms", f"{FULL:,} keys, all evicted")


def _longest(count: int) -> float:
    call = _keyed(FULL)
    for key in range(FULL):
        call(key)
    longest = 0.0
    for key in range(FULL, FULL + count):
        start = perf_counter()
        call(key)
        longest = max(longest, perf_counter() - start)
    return longest


def _keyed(max_keys: int) -> Callable[..., Any]:
    from holdfast import CircuitBreaker, Keyed, Pipeline

    per_key = Keyed(lambda x: x, lambda *_key: CircuitBreaker(failures=FAILURES), max_keys=max_keys)
    call: Callable[..., Any] = Pipeline("benchmark", per_key)(bare)
    return call
