"""The errors: what they are, what they say at three in the morning, and that they travel."""

import concurrent.futures
import copy
import inspect
import multiprocessing
import pickle
import traceback

import pytest

from holdfast import (
    AttemptTimeout,
    BadResultError,
    BulkheadFullError,
    CircuitOpenError,
    CompositionWarning,
    ConcurrencyLimitedError,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    HoldfastError,
    IsolatedError,
    NestedRetryWarning,
    RateLimitedError,
    RejectedError,
    StoppedError,
    ThrottledError,
    errors,
)

REJECTIONS = [
    CircuitOpenError,
    IsolatedError,
    BulkheadFullError,
    RateLimitedError,
    ConcurrencyLimitedError,
    ThrottledError,
    DeadlineTooShortError,
    StoppedError,
]
ALL = [HoldfastError, RejectedError, *REJECTIONS, AttemptTimeout, DeadlineExceeded, BadResultError]


# -- what they are ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, base",
    [
        (HoldfastError, Exception),
        (RejectedError, HoldfastError),
        *((kind, RejectedError) for kind in REJECTIONS),
        (IsolatedError, CircuitOpenError),
        (AttemptTimeout, HoldfastError),
        (AttemptTimeout, TimeoutError),
        (DeadlineExceeded, AttemptTimeout),
        (ConfigurationError, ValueError),
        (CompositionWarning, UserWarning),
        (NestedRetryWarning, UserWarning),
    ],
)
def test_the_hierarchy(kind, base):
    """`except RejectedError` means "not called", `except TimeoutError` "called, and given up on"."""
    assert issubclass(kind, base)


@pytest.mark.parametrize("kind", [AttemptTimeout, DeadlineExceeded, ConfigurationError])
def test_these_are_no_rejections(kind):
    """The call was made, or nothing was built."""
    assert not issubclass(kind, RejectedError)


def test_a_configuration_error_is_not_caught_with_the_others():
    """It is raised while building, where nobody expects a call to fail."""
    assert not issubclass(ConfigurationError, HoldfastError)


def test_every_error_is_listed_here():
    """A new class gets its tests, or this one fails."""
    public = [
        kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, HoldfastError) and not name.startswith("_")
    ]

    assert set(public) == set(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_its_attributes_without_being_given_any(kind):
    """Whoever catches one may ask without looking first."""
    error = kind()

    assert (error.pipeline, error.strategy) == (None, "")
    if issubclass(kind, RejectedError):
        assert error.retry_after is None
    if issubclass(kind, CircuitOpenError):
        assert error.state in {"open", "isolated"}
        assert error.opened_at == 0.0
    if issubclass(kind, AttemptTimeout):
        assert error.seconds == 0.0


# -- what they say ----------------------------------------------------------------------------


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error, text",
    [
        (HoldfastError(), "the call failed"),
        (StoppedError(), "holdfast.stop() was called, so nothing new begins"),
        (
            BadResultError(attempts=3, result={"password": "tea"}, pipeline="p"),
            "pipeline 'p': the result of the last of 3 attempts is still one that Retry(on=...) is to repeat",  # noqa: E501 - as it is printed
        ),
        (HoldfastError("own words"), "own words"),
        (HoldfastError(pipeline="payments"), "pipeline 'payments': the call failed"),
        (HoldfastError("own words", pipeline="payments"), "pipeline 'payments': own words"),
        (RejectedError(), "the call was rejected"),
        (RejectedError(retry_after=0), "the call was rejected; try again in 0 s"),
        (RejectedError("too much", retry_after=1.25), "too much; try again in 1.25 s"),
        (BulkheadFullError(), "the bulkhead is full"),
        (RateLimitedError(retry_after=0.0123), "the rate limit is reached; try again in 0.0123 s"),
        (ConcurrencyLimitedError(), "the concurrency limit is reached"),
        (ThrottledError(), "the call was throttled"),
        (DeadlineTooShortError(), "what is left of the deadline cannot hold another attempt"),
        (CircuitOpenError(), "circuit breaker is open"),
        (CircuitOpenError("own words"), "own words"),
        (CircuitOpenError("own words", retry_after=3), "own words; try again in 3 s"),
        (
            CircuitOpenError(strategy="circuit breaker 'payments'", state="half-open"),
            "circuit breaker 'payments' is half-open",
        ),
        (CircuitOpenError(retry_after=4.5), "circuit breaker is open; next probe in 4.5 s"),
        (CircuitOpenError(retry_after=-1.0), "circuit breaker is open; next probe in 0 s"),
        (
            caused(CircuitOpenError(pipeline="payments", retry_after=2), ConnectionError("down")),
            (
                "pipeline 'payments': circuit breaker is open after ConnectionError: down; "
                "next probe in 2 s"
            ),
        ),
        (IsolatedError(), "circuit breaker is held open by hand; reset() lets calls pass"),
        (IsolatedError("own words"), "own words"),
        (
            IsolatedError(strategy="circuit breaker 'payments'", pipeline="checkout"),
            (
                "pipeline 'checkout': circuit breaker 'payments' is held open by hand; "
                "reset() lets calls pass"
            ),
        ),
        (AttemptTimeout(seconds=2.0), "no answer within 2 s"),
        (AttemptTimeout(seconds=0.12345), "no answer within 0.123 s"),
        (AttemptTimeout("own words", seconds=2.0), "own words"),
        (
            AttemptTimeout(seconds=2, pipeline="payments"),
            "pipeline 'payments': no answer within 2 s",
        ),
        (DeadlineExceeded(seconds=2.0), "the caller's deadline of 2 s ran out"),
        (DeadlineExceeded("own words", seconds=2.0), "own words"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else type(value).__name__,
)
def test_what_an_error_says(error, text):
    """Who, what, and what to do, in one line that can be read at three in the morning."""
    assert str(error) == text


def test_a_traceback_ends_with_those_words():
    """Python asks for them when it prints the error."""
    error = CircuitOpenError(
        pipeline="payments", strategy="circuit breaker 'payments'", retry_after=3
    )

    assert "".join(traceback.format_exception_only(error)) == (
        "holdfast.errors.CircuitOpenError: pipeline 'payments': circuit breaker 'payments' is open; "
        "next probe in 3 s\n"
    )


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_documented(kind):
    """With the attributes that it adds."""
    text = inspect.getdoc(kind)

    assert text
    for name in inspect.get_annotations(kind):
        if name != "default_message":
            assert f"{name}:" in text


# -- that they travel -------------------------------------------------------------------------

FULL = [
    HoldfastError("own words", pipeline="payments", strategy="retry"),
    RejectedError(retry_after=1.5, pipeline="payments"),
    CircuitOpenError(
        pipeline="payments", strategy="circuit breaker 'p'", state="half-open", opened_at=12.5
    ),
    IsolatedError(strategy="circuit breaker 'p'", state="isolated"),
    BulkheadFullError("10 of 10 are in flight", strategy="bulkhead"),
    RateLimitedError(retry_after=0.25),
    ConcurrencyLimitedError(),
    ThrottledError("shed", pipeline="payments"),
    DeadlineTooShortError("too late"),
    StoppedError(pipeline="payments"),
    BadResultError(attempts=3, result="pending"),
    AttemptTimeout(seconds=2.0, pipeline="payments", strategy="timeout"),
    DeadlineExceeded(seconds=2.0, at=99.5),
]


def test_every_error_travels_in_this_file():
    """A new class is added to the list."""
    assert {type(error) for error in FULL} == set(ALL)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_every_error_pickles(error, protocol):
    """Class, words and attributes arrive; so do notes."""
    original = copy.copy(error)
    original.add_note("seen by somebody")

    arrived = pickle.loads(pickle.dumps(original, protocol))

    assert type(arrived) is type(original)
    assert str(arrived) == str(original)
    assert arrived.__dict__ == original.__dict__
    assert arrived.__notes__ == ["seen by somebody"]


def test_the_words_of_a_cause_travel():
    """Python leaves causes behind; what was down must be told all the same."""
    error = caused(CircuitOpenError(retry_after=2), ConnectionError("down"))

    arrived = pickle.loads(pickle.dumps(error))

    assert str(arrived) == str(error)
    assert "after ConnectionError: down" in str(arrived)


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_every_error_can_be_copied(error):
    """The copy's attributes are its own."""
    twin = copy.copy(error)
    twin.pipeline = "elsewhere"

    assert type(twin) is type(error)
    assert error.pipeline != "elsewhere"


def test_a_configuration_error_pickles():
    """It is a plain `ValueError` with a message."""
    arrived = pickle.loads(pickle.dumps(ConfigurationError("seconds=0 is not allowed")))

    assert type(arrived) is ConfigurationError
    assert str(arrived) == "seconds=0 is not allowed"


@pytest.mark.real_time
def test_every_error_comes_out_of_a_process_pool():
    """What a worker raises is what its caller catches, attributes and all."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        for error in FULL:
            code = f"import pickle\nraise pickle.loads({pickle.dumps(error)!r})"
            with pytest.raises(type(error)) as caught:
                pool.submit(exec, code).result()

            assert type(caught.value) is type(error)
            assert str(caught.value) == str(error)
            for name, value in error.__dict__.items():
                assert name == "after" or getattr(caught.value, name) == value


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_every_error_can_be_a_client_s_too(error):
    """Those of requests, aiohttp and botocore are OSErrors, whose layout slots would clash with."""

    class Client(OSError):
        """As `requests.exceptions.ConnectionError`."""

    kind = type(error)
    both = type(kind.__name__, (kind, Client), {})
    made = both(*error.args)
    made.__dict__.update(error.__dict__)
    assert isinstance(made, kind)
    assert isinstance(made, Client)
    assert str(made) == str(error)
