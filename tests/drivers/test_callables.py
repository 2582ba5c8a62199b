"""What can be protected, what is refused, and what the protected function looks like."""

import asyncio
import contextlib
import functools
import inspect
import typing
import xmlrpc.client
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock, Mock, NonCallableMock, create_autospec

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    ConfigurationError,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)

NO_WAIT = backoff.constant(0)


@pytest.fixture
def pipeline():
    """A pipeline with every strategy that could count a wrong call."""
    return Pipeline(
        "payments",
        Timeout(30.0),
        Bulkhead(2),
        Retry(3, backoff=NO_WAIT, budget=RetryBudget()),
        CircuitBreaker(failures=1),
    )


@pytest.fixture
def unharmed(pipeline, balanced):
    """Check that nothing was counted: no failure, no permit, no token."""

    def check():
        balanced(pipeline)
        _, _, retry, breaker = pipeline.strategies
        assert retry.budget.tokens == retry.budget.capacity
        assert (breaker.state, breaker.snapshot()["failures_in_a_row"]) == ("closed", 0)

    return check


def add(one: int, other: int = 1, *, scale: int = 1) -> int:
    """Add two numbers."""
    return (one + other) * scale


async def aadd(one: int, other: int = 1, *, scale: int = 1) -> int:
    """Add two numbers, some day."""
    await asyncio.sleep(0)
    return (one + other) * scale


class Adder:
    """Adds what it was made with."""

    def __init__(self, other: int = 1) -> None:
        self.other = other

    def method(self, one: int) -> int:
        return one + self.other

    async def amethod(self, one: int) -> int:
        return one + self.other

    def __call__(self, one: int) -> int:
        return one + self.other

    @classmethod
    def made(cls, one: int) -> int:
        return cls(1).method(one)

    @staticmethod
    def static(one: int) -> int:
        return one + 1


class AsyncAdder:
    async def __call__(self, one: int) -> int:
        return one + 1


BLOCKING = {
    "function": add,
    "lambda": lambda one: one + 1,
    "bound method": Adder().method,
    "bound classmethod": Adder.made,
    "static method": Adder.static,
    "callable object": Adder(),
    "partial": functools.partial(add, other=1),
    "partial of a partial": functools.partial(functools.partial(add, other=5), other=1),
    "partial of a method": functools.partial(Adder().method),
    "cached": functools.lru_cache(add),
    "builtin": (1).__add__,
    "class": type("Number", (), {"__new__": lambda _cls, one: one + 1}),
}

ASYNC = {
    "function": aadd,
    "bound method": Adder().amethod,
    "callable object": AsyncAdder(),
    "partial": functools.partial(aadd, other=1),
    "partial of a partial": functools.partial(functools.partial(aadd, other=5), other=1),
    "partial of a method": functools.partial(Adder().amethod),
    "partial of an object": functools.partial(AsyncAdder()),
}


@pytest.mark.parametrize("kind", BLOCKING)
def test_blocking_callables_are_protected(pipeline, unharmed, kind):
    """Functions, methods, partials, objects, builtins and classes are decorated and called."""
    protected = pipeline(BLOCKING[kind])
    assert protected(1) == 2
    assert not inspect.iscoroutinefunction(protected)
    assert pipeline.call(BLOCKING[kind], 1) == 2
    unharmed()


@pytest.mark.parametrize("kind", ASYNC)
def test_async_callables_are_protected(pipeline, unharmed, kind):
    """Coroutine functions are told through partials, methods and callable objects."""
    protected = pipeline(ASYNC[kind])
    assert inspect.iscoroutinefunction(protected)
    assert asyncio.run(protected(1)) == 2
    assert asyncio.run(pipeline.acall(ASYNC[kind], 1)) == 2
    unharmed()


def test_methods_are_decorated_in_their_class(pipeline):
    """In a class body ``self`` arrives as usual, for methods of both colours."""

    class Shop:
        factor = 10

        @pipeline
        def pay(self, amount):
            return self.factor * amount

        @pipeline
        async def apay(self, amount):
            return self.factor * amount

        @classmethod
        @pipeline
        def kind(cls, amount):
            return cls.factor * amount

        @staticmethod
        @pipeline
        def plain(amount):
            return amount

        @property
        @pipeline
        def price(self):
            return self.factor

    shop = Shop()
    assert shop.pay(2) == 20
    assert asyncio.run(shop.apay(2)) == 20
    assert (shop.kind(2), Shop.kind(2)) == (20, 20)
    assert (shop.plain(2), Shop.plain(2)) == (2, 2)
    assert shop.price == 10


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_descriptors_are_refused_with_the_order_that_works(pipeline, kind):
    """``@pipeline`` above ``@classmethod`` or ``@staticmethod`` would see no instance rightly."""
    with pytest.raises(ConfigurationError, match=f"put @{kind.__name__} above"):
        pipeline(kind(add))


@pytest.mark.parametrize("value", [None, 3, "add", object(), functools.partialmethod(add)])
def test_what_cannot_be_called_is_refused(pipeline, value):
    """Something that is no callable is refused when it is decorated."""
    with pytest.raises(
        ConfigurationError, match="a pipeline protects functions and other callables"
    ):
        pipeline(value)


def numbers():
    yield 1


async def anumbers():
    yield 1


@contextlib.contextmanager
def connection():
    yield 1


@contextlib.asynccontextmanager
async def aconnection():
    yield 1


class Request:
    """What aiohttp's ``session.get()`` returns, to be awaited."""

    def __await__(self):
        return aadd(1).__await__()


UNFINISHED = {
    "an awaitable": Request,
    "a generator": numbers,
    "an async generator": anumbers,
    "a generator expression": lambda: (one for one in ()),
    "a context manager": connection,
    "an async context manager": aconnection,
}


@pytest.mark.parametrize("made", UNFINISHED)
@pytest.mark.parametrize("by_call", [False, True])
def test_a_plain_function_that_returns_what_has_yet_to_run_is_refused(
    pipeline, unharmed, made, by_call
):
    """Else it would be protected in name only (tenacity 132 and 138); nothing counts it."""
    calls = []

    def disguised():
        calls.append(1)
        return UNFINISHED[made]()

    async def main():
        with pytest.raises(TypeError, match=r"protect|awaits it|decorate"):
            pipeline.call(disguised) if by_call else pipeline(disguised)()

    asyncio.run(main())
    assert calls == [1]
    unharmed()


@pytest.mark.parametrize("given, said", [
    (None, r"pipeline\.call\(\) takes a function and its arguments, not None"),
    (7, "not 7"),
])  # fmt: skip
def test_call_says_what_it_was_given_in_place_of_a_function(pipeline, unharmed, given, said):
    """At once: a mistake of the caller's is not worth another attempt."""
    with pytest.raises(TypeError, match=said):
        pipeline.call(given)
    unharmed()


def test_acall_says_that_a_coroutine_runs_only_once(pipeline, unharmed):
    """And closes it: the function is what it needs, to make one for each attempt."""

    async def main():
        with pytest.raises(TypeError, match=r"which can run only once: .* acall\(aadd, \.\.\.\)"):
            await pipeline.acall(aadd(1))

    asyncio.run(main())
    unharmed()


# -- what has any attribute that it is asked for -------------------------------------------------------


def described(one):
    return one


@pytest.mark.parametrize("double", [
    Mock(return_value=7), MagicMock(return_value=7), MagicMock(spec=described, return_value=7),
    create_autospec(described, return_value=7), MagicMock(spec=Adder, return_value=7),
])  # fmt: skip
def test_a_mock_is_the_plain_callable_that_it_is_called_as(pipeline, double):
    """Asyncio took it for async once, too (bpo 25599); `inspect` and asyncio don't."""
    assert pipeline(double)(1) == 7
    assert pipeline.call(double, 1) == 7


@pytest.mark.parametrize("double", [
    AsyncMock(return_value=7), create_autospec(aadd, return_value=7),
])  # fmt: skip
def test_an_async_mock_is_async(pipeline, double):
    """As asyncio and `inspect` say; on 3.11 only the former knows one that is made to a function."""
    assert asyncio.run(pipeline(double)(1)) == 7


def test_a_mock_can_stand_for_any_function_of_the_users(pipeline):
    """Conditions, callbacks, keys, listeners: none is refused as an async one."""
    Retry(on=Mock(return_value=True), before_sleep=Mock(), backoff=Mock(return_value=0.0))
    CircuitBreaker(on=Mock(return_value=True), probe=Mock())
    assert (
        Pipeline("p", Retry(2, on=Mock(), backoff=NO_WAIT)).call(Mock(side_effect=[KeyError, 7]))
        == 7
    )


def test_a_mock_that_cannot_be_called_is_refused(pipeline):
    """`callable` goes by its class."""
    with pytest.raises(ConfigurationError, match="a pipeline protects functions"):
        pipeline(NonCallableMock())


def test_a_proxy_of_a_remote_method_is_protected(pipeline):
    """It answers to any name with another proxy; the standard library has one."""
    method = xmlrpc.client.ServerProxy("http://127.0.0.1:9/").system.listMethods
    with pytest.raises(ConnectionRefusedError):
        Pipeline("p", Retry(1))(method)()


# -- the wrong colour ------------------------------------------------------------------------------


def test_call_refuses_an_async_function(pipeline, unharmed):
    """``pipeline.call(async_function)`` is a TypeError that names ``acall``; nothing counts it."""
    with pytest.raises(TypeError, match=r"use 'await pipeline\.acall"):
        pipeline.call(aadd, 1)
    unharmed()


def test_acall_refuses_a_blocking_function(pipeline, unharmed):
    """``await pipeline.acall(function)`` is a TypeError that names ``call``, after one call."""
    calls = []
    with pytest.raises(TypeError, match=r"use pipeline\.call"):
        asyncio.run(pipeline.acall(calls.append, 1))
    assert calls == [1]
    unharmed()


def test_a_blocking_function_that_returns_a_coroutine_is_refused(pipeline, unharmed):
    """A plain function around an async one would leave the protection before its work begins."""
    calls = []

    def disguised(one):
        calls.append(one)
        return aadd(one)

    with pytest.raises(TypeError, match="which is awaited after a blocking pipeline has ended"):
        pipeline(disguised)(1)
    assert calls == [1]
    unharmed()


def test_a_lambda_around_an_async_function_goes_through_acall(pipeline, unharmed):
    """``acall`` takes whatever returns something to await."""
    assert asyncio.run(pipeline.acall(lambda one: aadd(one, 1), 1)) == 2
    unharmed()


def test_acall_awaits_futures_and_tasks_too(pipeline, unharmed):
    """Not only coroutines: a Future will do."""

    async def main():
        future = asyncio.get_running_loop().create_future()
        future.set_result(7)
        return await pipeline.acall(lambda: future)

    assert asyncio.run(main()) == 7
    unharmed()


def test_the_wrong_colour_is_no_outcome_for_a_half_open_breaker():
    """A TypeError for a wrong call neither closes nor opens a breaker, and its probe comes back."""
    breaker = CircuitBreaker(failures=1, open_for=1e-9, probes=1)
    breaker.trip()
    pipeline = Pipeline("p", breaker)
    for _ in range(3):
        with pytest.raises(TypeError):
            pipeline.call(aadd, 1)
    assert breaker.state == "half-open"
    assert pipeline.call(add, 1) == 2
    assert breaker.state == "closed"


def test_wrong_arguments_are_the_callers_own_type_error(pipeline):
    """A call with the wrong arguments raises Python's own TypeError, after all attempts."""
    protected = Pipeline("p", Retry(3, backoff=NO_WAIT))(add)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        protected(1, colour="red")


# -- how it looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fn", [add, aadd])
def test_name_docstring_and_signature_are_kept(pipeline, fn):
    """The protected function looks like the one inside it."""
    fn.tag = "kept"
    protected = pipeline(fn)
    assert protected.__name__ == fn.__name__
    assert protected.__qualname__ == fn.__qualname__
    assert protected.__doc__ == fn.__doc__
    assert protected.__module__ == fn.__module__
    assert protected.__wrapped__ is fn
    assert protected.tag == "kept"
    assert inspect.signature(protected) == inspect.signature(fn)
    assert typing.get_type_hints(protected) == typing.get_type_hints(fn)


@pytest.mark.parametrize("fn", [functools.partial(add, scale=2), Adder(), functools.partial(aadd)])
def test_what_has_no_name_is_decorated_all_the_same(pipeline, fn):
    """Partials and callable objects have no ``__name__``; their signature is still shown."""
    assert inspect.signature(pipeline(fn)) == inspect.signature(fn)


def test_arguments_arrive_as_they_were_given(pipeline):
    """Positional, keyword and unusual arguments pass, ``fn`` and ``self`` included."""

    def collect(*args, **kwargs):
        return args, kwargs

    expected = ((1, 2), {"fn": 3, "self": 4, "args": 5, "kwargs": 6})
    assert pipeline(collect)(1, 2, fn=3, self=4, args=5, kwargs=6) == expected
    assert pipeline.call(collect, 1, 2, fn=3, self=4, args=5, kwargs=6) == expected

    async def acollect(*args, **kwargs):
        return args, kwargs

    assert asyncio.run(pipeline(acollect)(1, 2, fn=3, self=4, args=5, kwargs=6)) == expected
    assert asyncio.run(pipeline.acall(acollect, 1, 2, fn=3, self=4, args=5, kwargs=6)) == expected


@pytest.mark.parametrize("result", [None, 0, False, "", [], NotImplemented, Ellipsis])
def test_any_result_passes(colour, pipeline, result):
    """Falsy and odd results come back as the object they are."""
    assert colour.protected(pipeline, lambda: result)() is result


def test_a_pipeline_without_strategies_is_a_plain_call(colour):
    """An empty pipeline adds nothing and takes nothing."""
    error = ValueError("x")

    def fail():
        raise error

    assert colour.protected(Pipeline("empty"), lambda: 5)() == 5
    with pytest.raises(ValueError, match="x") as caught:
        colour.protected(Pipeline("empty"), fail)()
    assert caught.value is error


def test_a_function_can_be_protected_twice(pipeline):
    """Two pipelines around one function nest like any decorators."""
    outer = Pipeline("outer", Retry(2, backoff=NO_WAIT))
    assert outer(pipeline(add))(1) == 2
    assert asyncio.run(outer(pipeline(aadd))(1)) == 2


def test_a_coroutine_is_made_anew_for_each_attempt():
    """Each attempt calls the function again, so no coroutine is awaited twice."""
    state = SimpleNamespace(calls=0)

    async def flaky():
        state.calls += 1
        await asyncio.sleep(0)
        if state.calls < 3:
            raise OSError(state.calls)
        return state.calls

    assert asyncio.run(Pipeline("p", Retry(3, backoff=NO_WAIT))(flaky)()) == 3


def test_calling_an_async_function_runs_nothing_until_it_is_awaited(pipeline, unharmed):
    """A protected coroutine that is closed unawaited has called nothing."""
    calls = []

    @pipeline
    async def work():
        calls.append(1)

    work().close()
    assert calls == []
    unharmed()


def test_the_methods_of_a_cache_stay_at_hand(pipeline):
    """What `functools.lru_cache` adds is found on the protected function, too."""

    @pipeline
    @functools.lru_cache
    def square(number):
        return number * number

    assert [square(3), square(3)] == [9, 9]
    assert square.cache_info().hits == 1
    square.cache_clear()
    assert square.cache_info().misses == 0
    assert square.cache_parameters()["maxsize"] == 128
