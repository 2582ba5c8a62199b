"""`Pipeline.describe`: the layers with their options, and the worst case of one call."""

import math

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    Pipeline,
    RateLimiter,
    Retry,
    Timeout,
    backoff,
    extend,
    on_result,
)
from holdfast._describe import worst_case

SECOND = backoff.constant(1.0)


@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
def test_the_tree():
    """Outermost first, each with the options that it was made with, the function innermost."""
    pipeline = Pipeline(
        "payments", Timeout(9.0), Bulkhead(10, queue=5, max_wait=1.0), CircuitBreaker(failures=3)
    )

    assert pipeline.describe().splitlines() == [
        "payments",
        "└─ Timeout(9.0)",
        "   └─ Bulkhead(10, queue=5, max_wait=1.0)",
        "      └─ CircuitBreaker(failures=3)",
        "         └─ the function",
        "worst case: 1 attempt, 9 s (cut by the timeout of 9 s)",
    ]


def test_a_strategy_of_a_users_own_is_shown_by_its_repr():
    """On one line, whatever it is."""

    class Toll(extend.Gate):
        def __repr__(self):
            return "Toll(\n  coins=3)"

    assert "└─ Toll( coins=3)" in Pipeline("payments", Toll()).describe()


WORST = {
    "nothing": ((), 1, math.inf),
    "a timeout": ((Timeout(2.0),), 1, 2.0),
    "a retry without a timeout": ((Retry(3, backoff=SECOND),), 3, math.inf),
    "a retry of attempts with a limit": ((Retry(3, backoff=SECOND), Timeout(2.0)), 3, 8.0),
    "the longest jitter": ((Retry(3, backoff=backoff.exponential()), Timeout(2.0)), 3, 9.0),
    "a total that cuts": ((Timeout(5.0), Retry(3, backoff=SECOND), Timeout(2.0)), 3, 5.0),
    "a total that does not": ((Timeout(50.0), Retry(3, backoff=SECOND), Timeout(2.0)), 3, 8.0),
    "max_elapsed": ((Retry(9, backoff=SECOND, max_elapsed=4.0), Timeout(2.0)), 9, 6.0),
    "no end of attempts": ((Timeout(9.0), Retry(None), Timeout(2.0)), math.inf, 9.0),
    "no end of attempts, for a while": (
        (Retry(None, max_elapsed=4.0), Timeout(2.0)),
        math.inf,
        6.0,
    ),
    "two retries": ((Retry(2, backoff=SECOND), Retry(2, backoff=SECOND), Timeout(1.0)), 4, 7.0),
    "a queue": ((Bulkhead(1, queue=1, max_wait=3.0), Timeout(2.0)), 1, 5.0),
    "a queue without limit": ((Bulkhead(1, queue=1), Timeout(2.0)), 1, math.inf),
    "no queue": ((Bulkhead(1), Timeout(2.0)), 1, 2.0),
    "a wait for a turn": ((RateLimiter(1, max_wait=3.0), Timeout(2.0)), 1, 5.0),
    "an endless wait for a turn": ((RateLimiter(1, max_wait=None), Timeout(2.0)), 1, math.inf),
    "a hedge": ((Hedge(after=0.1, max_hedges=2, budget=None), Timeout(2.0)), 3, 2.2),
    "a hedge that a budget may delay": ((Hedge(after=0.1, max_hedges=2), Timeout(2.0)), 3, 6.0),
    "a hedge after a whole number": ((Hedge(after=1, budget=None), Timeout(2.0)), 2, 3.0),
    "hedges that are retried": ((Retry(2, backoff=SECOND), Hedge(after=0.5), Timeout(2.0)), 4, 9.0),
    "a limit that is learnt": ((Timeout.adaptive(ceiling=3.0),), 1, 3.0),
    "a fallback": ((Fallback(None), Timeout(2.0)), 1, 2.0),
    "thousands of attempts": ((Retry(5_000, backoff=SECOND), Timeout(1.0)), 5_000, 9_999.0),
}


QUEUE = Bulkhead(1, queue=1, max_wait=3.0)
SENTENCES = {
    "each attempt waits": (
        (
            Retry(3, backoff=SECOND),
            ConcurrencyLimiter(queue=5, max_wait=0.5),
            RateLimiter(1, max_wait=3.0),
            Timeout(2.0),
        ),
        "of which 0.5 s waiting at the concurrency limiter and 3 s waiting at the rate limiter, and",
    ),
    "no queue, no word": (
        (Retry(2, backoff=SECOND), Bulkhead(1), Timeout(2.0)),
        "2 × 2 s and delays",
    ),
    "the whole waits": (
        (QUEUE, Retry(3, backoff=SECOND), Timeout(2.0)),
        "3 × 2 s and delays of 2 s, after 3 s waiting at the bulkhead)",
    ),
    "a single attempt waits": (
        (QUEUE, Timeout(2.0)),
        "5 s (cut by the timeout of 2 s, after 3 s waiting at the bulkhead)",
    ),
    "a timeout around the wait": (
        (Timeout(4.0), QUEUE, Timeout(2.0)),
        "4 s (cut by the timeout of 4 s)",
    ),
    "a wider timeout": ((Timeout(9.0), QUEUE, Timeout(2.0)), "after 3 s waiting at the bulkhead)"),
    "a wait without bound": (
        (Bulkhead(1, queue=1), Timeout(2.0)),
        "for ever (nothing limits the wait at the bulkhead)",
    ),
    "a function without bound": ((QUEUE,), "for ever (nothing limits the function)"),
    "hedges wait": (
        (Hedge(after=0.5), QUEUE, Timeout(2.0)),
        "one of 5 s, of which 3 s waiting at the",
    ),
    "max_elapsed": (
        (Retry(9, backoff=SECOND, max_elapsed=4.0), QUEUE, Timeout(2.0)),
        "9 s (no attempt begins after 4 s, and the last one takes 5 s, of which 3 s waiting at the",
    ),
    "keys": (
        (Keyed(str, lambda _: QUEUE), Timeout(2.0)),
        "2 s (cut by the timeout of 2 s); what the keys' strategies add is not counted",
    ),
    "for ever": ((Retry(None, backoff=backoff.constant(0.0)), Timeout(2.0)), "(the retry goes on)"),
}


@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence_says_what_the_seconds_are_made_of(case):
    """Waiting for a turn is counted with each attempt inside a retry, and once outside of it."""
    strategies, words = SENTENCES[case]

    assert words in Pipeline("p", *strategies).describe().splitlines()[-1]


@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
@pytest.mark.parametrize("case", WORST)
def test_the_worst_case(case):
    """Worked out from the inside, layer by layer."""
    strategies, attempts, seconds = WORST[case]

    worst = worst_case(strategies)

    assert worst.attempts == attempts
    assert worst.seconds == pytest.approx(seconds)


def test_the_worst_case_is_never_exceeded(world):
    """A dependency that always hangs takes exactly as long, with the longest delays drawn."""
    limit = Timeout(2.0, sync="thread")
    strategies = (Retry(3, backoff=backoff.exponential(jitter=None)), limit)
    hanging = world.function(_sleeping(world))

    with pytest.raises(TimeoutError):
        world.call(Pipeline("payments", *strategies), hanging)

    assert world.elapsed() == pytest.approx(worst_case(strategies).seconds)


def _sleeping(world):
    async def sleeping():
        await world.sleep(60.0)

    return sleeping


def test_what_a_server_may_ask_for_is_told_apart():
    """A ``Retry-After`` makes delays longer, up to the limit of what is obeyed."""
    obeys, ignores = Retry(2, backoff=SECOND), Retry(2, backoff=SECOND, respect_retry_after=False)

    assert worst_case((obeys, Timeout(1.0))).hinted == pytest.approx(2.0 + 132.0)
    assert worst_case((ignores, Timeout(1.0))).hinted == 3.0
    assert "with the longest Retry-After 134 s" in Pipeline("p", obeys, Timeout(1.0)).describe()
    assert "Retry-After" not in Pipeline("p", ignores, Timeout(1.0)).describe()


def test_conditions_are_spelt_as_they_were_written():
    """A predicate by its name."""

    def is_empty(result):
        return not result

    described = Pipeline("p", Retry(2, on=on_result(is_empty))).describe()

    assert "on_result(is_empty)" in described
