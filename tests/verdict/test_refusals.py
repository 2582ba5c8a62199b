"""A rejection of ours in somebody else's words: found, and only where it is what went wrong."""

import pytest

from holdfast import (
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Hedge,
    Pipeline,
    Retry,
    backoff,
    transient,
)
from holdfast.classify import condition
from holdfast.outcome import Outcome
from holdfast.verdict import refusal_in

REFUSAL = CircuitOpenError(retry_after=3.0)


class ServiceError(Exception):
    """A client's own."""


class Unavailable(ServiceError):
    """As web frameworks have it."""

    status_code = 503


def raised(error, cause=None, context=None):
    """Return an error as it is after it was raised from another one."""
    error.__cause__, error.__context__ = cause, context
    return error


FOUND = {
    "itself": REFUSAL,
    "the cause": raised(ServiceError(), cause=REFUSAL),
    "the context": raised(ServiceError(), context=REFUSAL),
    "the cause of the cause": raised(ServiceError(), cause=raised(ServiceError(), cause=REFUSAL)),
    "the cause of a connection error": raised(ConnectionError("shop"), cause=REFUSAL),
    "the cause of an error with a status": raised(Unavailable(), cause=REFUSAL),
    "the cause of a cause with a class": raised(
        Unavailable(), cause=raised(TimeoutError(), cause=REFUSAL)
    ),
    "an argument": ServiceError("shop", REFUSAL),
    "a group of them": ExceptionGroup("all", [REFUSAL, raised(ServiceError(), cause=REFUSAL)]),
}
NOT_FOUND = {
    "nothing": ServiceError(),
    "something else": raised(ServiceError(), cause=ConnectionError()),
    "a mistake while a rejection was handled": raised(KeyError("x"), context=REFUSAL),
    "another backend's own failure": raised(ConnectionError(), context=REFUSAL),
    "a group with something else": ExceptionGroup("some", [REFUSAL, OSError()]),
}


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found(name):
    """Through causes, contexts, arguments and groups (redis-client 228)."""
    error = FOUND[name]
    assert refusal_in(error) is REFUSAL
    assert Outcome(error=error).rejected
    assert Outcome(error=error).retry_after == 3.0
    assert condition("on", Exception).passes_over(error)
    assert not condition("on", CircuitOpenError).passes_over(error)


@pytest.mark.parametrize("name", NOT_FOUND)
def test_it_is_not_found_where_it_is_not_what_went_wrong(name):
    """An outcome of the function itself, to be counted and retried."""
    error = NOT_FOUND[name]
    assert refusal_in(error) is None
    assert not Outcome(error=error).rejected
    assert not condition("on", Exception).passes_over(error)


def test_a_rejection_that_a_caller_is_handling_is_not_meant():
    """What is called in an ``except`` block has the error that is handled there as its context."""

    def second():
        raise ServiceError("slow")

    def judged():
        try:
            second()
        except ServiceError as error:
            return type(error.__context__), refusal_in(error)

    try:
        raise CircuitOpenError
    except CircuitOpenError:
        assert judged() == (CircuitOpenError, None)


def test_no_rejection_is_no_error():
    """There may be no error at all."""
    assert refusal_in(None) is None
    assert not Outcome("well").rejected
    assert Outcome("well").retry_after is None


def test_an_outer_breaker_does_not_count_them():
    """Nor does a hedge start another attempt for one."""
    breaker, calls = CircuitBreaker(failures=2), []

    def client():
        calls.append(1)
        raise ServiceError from BulkheadFullError()

    for _ in range(5):
        assert Pipeline("p", breaker).try_call(client).rejected
    assert breaker.state == "closed"
    Pipeline("q", Hedge(9.0, max_hedges=3, budget=None)).try_call(client)
    assert len(calls) == 6


def test_a_retry_does_not_wait_for_a_breaker_behind_an_error_of_a_known_class():
    """The application's own words may be a class, or a status, worth repeating (failsafe 379)."""
    shop = Pipeline("shop", CircuitBreaker())
    shop[CircuitBreaker].isolate()
    calls = []

    def client():
        calls.append(1)
        try:
            shop.call(len, "tea")
        except CircuitOpenError as rejection:
            raise ConnectionError("the shop is closed") from rejection

    outcome = Pipeline("page", Retry(4, on=transient)).try_call(client)

    assert (len(calls), outcome.rejected) == (1, True)


def test_a_retry_names_what_it_retries():
    """Where ``on`` names the class of the rejection, the wrapper has to be meant, too."""
    calls = []

    def client():
        calls.append(1)
        raise ServiceError from BulkheadFullError()

    quick = backoff.constant(0.0)
    for on, attempts in ((ServiceError, 1), ((ServiceError, BulkheadFullError), 3)):
        calls.clear()
        Pipeline("p", Retry(3, on=on, backoff=quick)).try_call(client)
        assert len(calls) == attempts
