"""What type checkers must see: read by mypy and pyright in `test_api_types.py`, and never run."""

import functools
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from datetime import timedelta
from typing import Any, Literal, assert_type

import holdfast
from holdfast import (
    AdaptiveTimeout,
    BadResultError,
    Bulkhead,
    BulkheadFullError,
    Chaos,
    CircuitBreaker,
    CircuitOpenError,
    Coalesce,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Outcome,
    Pipeline,
    Rate,
    RateLimiter,
    RejectedError,
    Retry,
    RetryBudget,
    StoppedError,
    Throttle,
    Timeout,
    allowance,
    backoff,
    concurrency,
    deadline,
    detached,
    knee,
    llm,
    on_error,
    on_result,
    pipelines,
    priority,
    quantile,
    remaining,
    standard,
    stop,
    transient,
)
from holdfast.classify import Condition
from holdfast.events import Event, RetryScheduled, Subscription, subscribe
from holdfast.extend import Gate, Reaction, Site, Verdict
from holdfast.testing import Recording, VirtualClock, record, run, seeded

pipeline = Pipeline("payments", Timeout(9.0), Bulkhead(10), Retry(3), CircuitBreaker())


# -- decorated functions keep their types ----------------------------------------------------------


@pipeline
def pay(order: int, /, amount: float, *, currency: str = "EUR") -> list[str]:
    """A blocking function."""
    return [f"{order} {amount} {currency}"]


@pipeline
async def apay(order: int, /, amount: float, *, currency: str = "EUR") -> list[str]:
    """An async function."""
    return [f"{order} {amount} {currency}"]


assert_type(pay(1, 2.0), list[str])
assert_type(pay(1, amount=2.0, currency="USD"), list[str])
pay("1", 2.0)  # type: ignore[arg-type]
pay(1)  # type: ignore[call-arg]
pay(1, 2.0, colour="red")  # type: ignore[call-arg]


async def use_async() -> None:
    """Awaiting a protected coroutine function gives its result, and nothing wider."""
    assert_type(await apay(1, 2.0), list[str])
    coroutine: Coroutine[Any, Any, list[str]] = apay(1, 2.0)
    assert_type(await coroutine, list[str])
    await apay("1", 2.0)  # type: ignore[arg-type]
    assert_type(await pipeline.acall(apay, 1, amount=2.0), list[str])
    assert_type(await pipeline.acall(fetch, "a"), bytes)
    await pipeline.acall(apay)  # type: ignore[call-arg]
    assert_type(await pipeline.outcome(fetch, "a"), Outcome[bytes])
    async with pipeline:
        pass
    async for attempt in Retry(3):
        with attempt:
            assert_type(attempt.number, int)


def fetch(url: str) -> Awaitable[bytes]:
    """A function that is not async itself, but returns something to await."""
    raise NotImplementedError(url)


class Shop:
    """Methods of both colours."""

    @pipeline
    def method(self, amount: float) -> str:
        """A blocking method."""
        return f"{amount}"

    @pipeline
    async def amethod(self, amount: float) -> str:
        """An async method."""
        return f"{amount}"

    @classmethod
    @pipeline
    def made(cls, name: str) -> "Shop":
        """A class method."""
        return cls()

    @staticmethod
    @pipeline
    def static(amount: float) -> int:
        """A static method."""
        return int(amount)


async def use_methods(shop: Shop) -> None:
    """Methods are bound as usual."""
    assert_type(shop.method(1.0), str)
    assert_type(await shop.amethod(1.0), str)
    assert_type(Shop.static(1.0), int)
    shop.method("1")  # type: ignore[arg-type]


class Callback:
    """A callable object."""

    def __call__(self, number: int) -> bytes:
        """Return some bytes."""
        return bytes(number)


assert_type(pipeline(Callback())(3), bytes)
assert_type(pipeline(functools.partial(pay, 1))(2.0), list[str])
assert_type(pipeline(lambda: 5)(), int)


def identity(function: Callable[[int], str]) -> Callable[[int], str]:
    """A decorated callable is a callable of the same type."""
    return pipeline(function)


# -- calls, blocks and loops -----------------------------------------------------------------------

assert_type(pipeline.call(pay, 1, amount=2.0), list[str])
assert_type(pipeline.call(divmod, 7, 2), tuple[int, int])
pipeline.call(pay, 1)  # type: ignore[call-arg]
assert_type(pipeline.try_call(pay, 1, amount=2.0), Outcome[list[str]])
assert_type(pipeline.try_call(pay, 1, 2.0).unwrap(), list[str])
assert_type(pipeline.try_call(pay, 1, 2.0).value_or(None), list[str] | None)
pipeline.try_call(pay, 1)  # type: ignore[call-arg]
assert_type(pipeline.describe(), str)
assert_type(pipeline.name, str)
assert_type(pipeline.snapshot(), dict[str, Any])
assert_type(pipeline.with_(Timeout(1.0), name="faster"), Pipeline)
assert_type(pipeline.without(Timeout, Retry), Pipeline)
assert_type(standard("p", timeout=5.0, fallback="later"), Pipeline)

with pipeline:
    pass

for one in Retry(3):
    with one:
        assert_type(one.number, int)

with deadline(2.0) as limit:
    assert_type(limit.seconds, float)
assert_type(remaining(), float)
with deadline(timedelta(seconds=2)), detached():
    assert_type(allowance(5.0), float | None)
    assert_type(allowance(timedelta(seconds=5)), float | None)
Pipeline("durations", Timeout(timedelta(seconds=2)), Retry(3, max_elapsed=timedelta(minutes=1)))


# -- strategies ------------------------------------------------------------------------------------


def too_slow(error: Exception) -> bool:
    """A predicate over exceptions."""
    return "slow" in str(error)


def read_from_cache(error: Exception) -> str:
    """A fallback."""
    return f"instead of {error}"


Retry(None, on=(ConnectionError, TimeoutError))
Retry(3, on=transient | on_result(lambda result: result is None))
Retry(3, on=too_slow, backoff=lambda attempt: 0.1 * attempt, budget=RetryBudget())
Retry(3, backoff=backoff.exponential(base=0.1, jitter="decorrelated"), nested="inner")
Retry(3, ignore=(KeyError, IndexError), exhausted="raise", stop=threading.Event(), discard=print)
Retry(3, on=transient & too_slow | ~on_error(KeyError))
Retry(3, backoff=lambda attempt, call: 0.1 * attempt if isinstance(call.error, OSError) else 1.0)
Timeout(1.0, discard=print)
assert_type(holdfast.attempt(), int)
with stop(5.0) as stopping:
    assert_type(stopping.until, float)
assert_type(BadResultError().attempts, int)
assert_type(StoppedError().retry_after, float | None)
assert_type(on_error(KeyError) & transient, Condition)
Retry("3")  # type: ignore[arg-type]
Retry(3, nested="never")  # type: ignore[arg-type]
Timeout("5")  # type: ignore[arg-type]
Bulkhead(10, queue=5, max_wait=1.0).size = 20
CircuitBreaker(failures=None, failure_rate=0.5, window_calls=100, ignore=KeyError)
CircuitBreaker(5)  # type: ignore[call-arg]
Fallback(read_from_cache, on=RejectedError)

breaker = CircuitBreaker()
assert_type(
    breaker.state, Literal["closed", "open", "half-open", "ramping", "isolated", "disabled"]
)
assert_type(breaker.failures, int | None)
assert_type(breaker.open_for, float)
breaker.configure(failures=10, open_for=2.0)
breaker.open_for = "soon"  # type: ignore[assignment]
assert_type(pipeline[CircuitBreaker], CircuitBreaker)
assert_type(pipelines(), dict[str, Pipeline])
Pipeline("x", 5)  # type: ignore[arg-type]
Pipeline("x", "retry", CircuitBreaker)  # type: ignore[arg-type]
pipeline.with_(5)  # type: ignore[arg-type]
Retry(3)(str)  # type: ignore[operator]
assert_type(breaker.snapshot(), dict[str, Any])
assert_type(Bulkhead(1).in_flight, int)
assert_type(RetryBudget().tokens, float)

assert_type(Timeout.adaptive(quantile=0.999, ceiling=2.0), AdaptiveTimeout)
RateLimiter(100, per=1.0, burst=10, max_wait=None)
RateLimiter(Rate(10), Rate(300, per=60.0), Rate(90_000, per=60.0, cost=len, actual=int))
RateLimiter("100")  # type: ignore[arg-type]
ConcurrencyLimiter(concurrency.vegas(), shadow=True)
Throttle(ratio=2.0, window=5.0)
Hedge(after=0.05, budget=RetryBudget())
Hedge(after=quantile(0.95))
Hedge(after=knee())
Hedge(after="soon")  # type: ignore[arg-type]
Keyed(len, CircuitBreaker)
Keyed(len, lambda key: Bulkhead(10, name=str(key)), max_keys=100)
Keyed(3, CircuitBreaker)  # type: ignore[arg-type]
Chaos(rate=0.1, error=ConnectionError)
Coalesce(len)
LoadShedder(10, shadow=False)
with priority("critical"):
    pass
assert_type(llm("model", requests_per_minute=500), Pipeline)
standard("p", rate=10, key=len, attempt_timeout=Timeout.adaptive(), adaptive=ConcurrencyLimiter())


def read(error: CircuitOpenError | BulkheadFullError) -> None:
    """What a rejection tells."""
    assert_type(error.retry_after, float | None)
    assert_type(error.pipeline, str | None)
    if isinstance(error, CircuitOpenError):
        assert_type(error.opened_at, float)


# -- events, extensions and tests ------------------------------------------------------------------


def listener(event: Event) -> None:
    """A listener."""
    if isinstance(event, RetryScheduled):
        assert_type(event.delay, float)
        assert_type(event.error, Exception | None)


assert_type(subscribe(listener), Subscription)


class EveryOther(Gate):
    """A gate of one's own."""

    def __init__(self) -> None:
        self.count = 0

    def enter(
        self, now: float, args: tuple[Any, ...], kwargs: dict[str, Any], site: Site, /
    ) -> Any:
        """Let every other call pass."""
        self.count += 1
        if self.count % 2:
            raise site.refuse(RejectedError("not this one"), now)
        return self.count


class Once(Reaction):
    """A reaction of one's own."""

    def after_error(self, error: Exception, history: Any, /) -> Verdict:
        """Let the error stand."""
        return None


Pipeline("mine", EveryOther(), Once())


async def answer() -> int:
    """Something to run on virtual time."""
    return 42


assert_type(run(answer()), int)
with VirtualClock() as clock, seeded(1), record() as events:
    assert_type(clock.now(), float)
    assert_type(events, Recording)
    assert_type(events.of(RetryScheduled), list[RetryScheduled])


feed = Pipeline("feed", Retry(3))


@feed.stream
async def rows(day: str) -> AsyncIterator[int]:
    """An async function that returns a stream."""
    return later(day)


def rest(last: int, day: str) -> dict[str, str]:
    """Return the arguments for the rest."""
    return {"day": day[last:]}


@feed.stream(resume=rest)
async def later(day: str) -> AsyncIterator[int]:
    """One that yields."""
    yield len(day)


@feed.stream
def lines(day: str) -> list[str]:
    """A plain function that returns something to iterate over."""
    return [day]


@feed
def tell(day: str) -> Iterator[str]:
    """A generator function."""
    yield day


assert_type(rows("monday"), AsyncGenerator[int, Any])
assert_type(later("monday"), AsyncGenerator[int, Any])
assert_type(lines("monday"), Generator[str, Any, Any])
assert_type(tell("monday"), Iterator[str])
