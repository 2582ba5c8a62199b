"""Orders that defeat themselves are warned about, each with the reason and the fix."""

import warnings
from pathlib import Path

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    Coalesce,
    CompositionWarning,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    RateLimiter,
    Retry,
    Throttle,
    Timeout,
    standard,
)

BREAKER_OUTSIDE = (
    "a circuit breaker stands outside the retry",
    "sees one outcome for each series of attempts and opens late",
    "put the breaker inside the retry",
)

FINDINGS = {
    "two retries": ((Retry(3), Retry(4)), ("2 retries", "attempts multiply to 12", "keep one")),
    "three retries": (
        (Retry(3), Retry(3), Retry(3)),
        ("3 retries", "attempts multiply to 27", "keep one"),
    ),
    "an endless retry around another": (
        (Retry(None), Retry(3)),
        ("2 retries", "multiply without bound", "keep one"),
    ),
    "a breaker outside a retry": ((CircuitBreaker(), Retry(3)), BREAKER_OUTSIDE),
    "a breaker outside a retry, with layers between": (
        (CircuitBreaker(), Bulkhead(1), Retry(3), Timeout(1.0)),
        BREAKER_OUTSIDE,
    ),
    "a fallback inside a retry": (
        (Retry(3), Fallback(None)),
        ("a fallback stands inside the retry", "put the fallback outermost"),
    ),
    "a stale fallback inside a breaker": (
        (CircuitBreaker(), Fallback.stale(1.0)),
        ("a fallback stands inside the circuit breaker", "put the fallback outermost"),
    ),
    "an attempt limit above the total": (
        (Timeout(2.0), Retry(3), Timeout(5.0)),
        ("the inner timeout of 5 s never fires before the outer one of 2 s", "shorter"),
    ),
    "an attempt limit equal to the total": (
        (Timeout(2.0), Retry(3), Timeout(2.0)),
        ("the inner timeout of 2 s never fires", "make the inner one, which is per attempt"),
    ),
    "an adaptive limit outside a retry": (
        (ConcurrencyLimiter(), Retry(3)),
        ("takes the delays between attempts for latency", "inside the retry"),
    ),
    "a timeout that learns outside a retry": (
        (Timeout.adaptive(), Retry(3)),
        ("learns how long series of attempts take", "inside the retry"),
    ),
    "a throttle outside a retry": (
        (Throttle(), Retry(3)),
        ("a throttle stands outside the retry", "one outcome for each series"),
    ),
    "a hedge outside a retry": (
        (Hedge(after=1.0), Retry(3)),
        ("each of its attempts is a series of retries", "put the hedge inside the retry"),
    ),
    "a hedge outside a bulkhead": (
        (Hedge(after=1.0), Bulkhead(5)),
        ("each of its attempts needs a permit", "put the hedge inside the bulkhead"),
    ),
    "a hedge outside a rate limit": (
        (Hedge(after=1.0), RateLimiter(5)),
        ("use up the rate that was meant for calls", "put the hedge inside the rate limiter"),
    ),
    "a retry outside a load shedder": (
        (Retry(3), LoadShedder(5)),
        ("is asked for again at once", "put the retry inside the load shedder"),
    ),
    "a bulkhead outside a single flight": (
        (Bulkhead(5), Coalesce(str)),
        ("take a permit each", "put the bulkhead inside the coalesce"),
    ),
    "a rate limit outside a single flight": (
        (RateLimiter(5), Coalesce(str)),
        ("are counted one by one", "put the rate limiter inside the coalesce"),
    ),
    "chaos that is not innermost": (
        (Chaos(error=OSError), CircuitBreaker()),
        ("chaos stands outside the circuit breaker", "never sees its faults", "innermost"),
    ),
}

GOOD = {
    "nothing": (),
    "the recommended order": (
        Fallback(None),
        Timeout(9.0),
        Bulkhead(5),
        Retry(3),
        CircuitBreaker(),
        Timeout(2.0),
    ),
    "a breaker alone": (CircuitBreaker(), Bulkhead(5)),
    "a bulkhead inside the retry": (Retry(3), CircuitBreaker(), Bulkhead(5)),
    "falling limits": (Timeout(9.0), Timeout(4.0), Timeout(1.0)),
    "silences of a stream, in the same whole": (Timeout(9.0), Retry(3), Timeout(9.0, between=1.0)),
    "all that there is": (
        Fallback(None),
        Timeout(9.0),
        Coalesce(str),
        RateLimiter(50),
        Bulkhead(5),
        Retry(3),
        CircuitBreaker(),
        Throttle(),
        ConcurrencyLimiter(),
        Hedge(after=0.5),
        Timeout.adaptive(),
        Chaos(error=OSError),
    ),
    "a server's": (LoadShedder(50), Timeout(1.0), Keyed(str, Bulkhead)),
    "two kinds of chaos": (Retry(3), Chaos(error=OSError), Chaos(latency=1.0)),
    "rate limits for attempts": (Retry(3), RateLimiter(5), CircuitBreaker()),
    "fallbacks outermost": (Fallback.stale(9.0), Fallback(None), Retry(3), CircuitBreaker()),
}


@pytest.mark.parametrize("order", FINDINGS)
def test_an_order_that_defeats_itself(order):
    """The warning names the pipeline, says what goes wrong, and what to do."""
    strategies, expected = FINDINGS[order]
    with pytest.warns(CompositionWarning) as caught:
        Pipeline("payments", *strategies)
    (warning,) = caught
    text = str(warning.message)
    assert text.startswith("pipeline 'payments': ")
    for part in expected:
        assert part in text


@pytest.mark.parametrize("order", GOOD)
def test_an_order_that_works(order):
    """Nothing is said about orders that work."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pipeline("payments", *GOOD[order])


def test_the_standard_pipelines_are_in_order():
    """`standard` builds without a warning, whatever is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        standard("p")
        standard("p", timeout=None)
        standard("p", attempt_timeout=None, fallback=1)
        standard("p", attempts=None, breaker=None)
        standard("p", concurrency=None, sync="cooperative")
        standard("p", rate=5, adaptive=ConcurrencyLimiter(), key=str)


def test_several_findings_are_several_warnings():
    """Each of them has a text of its own."""
    with pytest.warns(CompositionWarning) as caught:
        Pipeline("p", CircuitBreaker(), Retry(2), Retry(2), Fallback(None))
    assert len({str(one.message) for one in caught}) == len(caught) == 4


def derived():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = Pipeline("p", CircuitBreaker(), Retry(2))
    return wrong.with_(Retry(3))


BUILDERS = {
    "Pipeline": lambda: Pipeline("p", CircuitBreaker(), Retry(2)),
    "with_": derived,
    "standard": lambda: standard("p", timeout=1.0, attempt_timeout=2.0),
}


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_warning_points_to_the_line_that_builds_the_pipeline(builder):
    """The file in the warning is the user's, not one of ours."""
    with pytest.warns(CompositionWarning) as caught:
        BUILDERS[builder]()
    assert Path(caught[0].filename).name == Path(__file__).name


def test_a_warning_can_be_silenced_by_its_class():
    """Somebody who knows better filters `CompositionWarning`, which is a UserWarning."""
    assert issubclass(CompositionWarning, UserWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CompositionWarning)
        Pipeline("p", CircuitBreaker(), Retry(2))
