"""The small parts of a circuit breaker, each alone."""

import gc
import sys
import weakref

import pytest

from holdfast import ConfigurationError, HoldfastError
from holdfast.strategies.breaker.parts import Probe, keepsake, new_trip
from holdfast.strategies.breaker.recovery import opening
from holdfast.strategies.breaker.window import CountWindow, TimeWindow

# -- probes -----------------------------------------------------------------------------------


def test_a_probe_tells_its_epoch_its_start_and_its_lease():
    """A probe is a pair (epoch, start) that knows when its lease ends."""
    probe = Probe(7, 1.5, 61.5)

    assert (tuple(probe), probe.expires) == ((7, 1.5), 61.5)


def test_two_probes_of_the_same_instant_are_two():
    """Probes are compared by identity: giving one back must not give back another."""
    one, other = Probe(1, 0.0, 60.0), Probe(1, 0.0, 60.0)

    assert one == one  # noqa: PLR0124 - that is the point
    assert one != other
    assert not one != one  # noqa: PLR0124, SIM202 - both operators
    assert len({one: None, other: None}) == 2


# -- the conditions ---------------------------------------------------------------------------


def conditions(**options):
    usual = {
        "failures": 5, "failure_rate": None, "window": 10.0, "min_calls": 20, "slow": None,
        "slow_rate": None,
    }  # fmt: skip
    return new_trip(**(usual | options))


@pytest.mark.parametrize(
    "options, kind",
    [
        ({}, None),
        ({"failure_rate": 0.5}, TimeWindow),
        ({"failure_rate": 0.5, "window": 100}, CountWindow),
        ({"slow": 1.0, "slow_rate": 0.5}, TimeWindow),
        ({"slow": 1.0, "slow_rate": 0.5, "window": 20, "failures": None}, CountWindow),
        ({"window": 100}, None),
        ({"window": 3}, None),
    ],
)
def test_a_window_is_kept_only_where_a_rate_needs_it(options, kind):
    """An int is a number of calls, a float a duration; without a rate there is no window at all."""
    window = conditions(**options).window

    assert window is None if kind is None else isinstance(window, kind)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"failures": None}, "without a condition"),
        ({"slow": 1.0}, "slow=1.0 and slow_rate=None need each other"),
        ({"slow_rate": 0.5}, "slow=None and slow_rate=0.5 need each other"),
        ({"failure_rate": 0.5, "window": 19}, "min_calls=20 is not allowed: a window of 19 calls"),
    ],
)
def test_conditions_that_cannot_work_together_are_refused(options, told):
    """The message names the options that contradict each other."""
    with pytest.raises(ConfigurationError) as caught:
        conditions(**options)

    assert told in str(caught.value)


# -- the open time ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failed_trials, seconds", [(0, 5.0), (1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (10_000, 60.0)]
)
def test_the_open_time_grows_with_each_failed_trial_up_to_its_cap(failed_trials, seconds):
    """It doubles from 5 s and never exceeds 60 s, also after ten thousand failed trials."""
    assert opening(5.0, 2.0, 60.0, failed_trials) == seconds


def test_without_growth_the_open_time_stays():
    """A growth of 1 leaves it as it is."""
    assert opening(5.0, 1.0, 60.0, 1_000) == 5.0


# -- the keepsake -----------------------------------------------------------------------------


class Stubborn(Exception):
    """It cannot be made without a token."""

    def __new__(cls, *args, token):
        return super().__new__(cls, *args)

    def __init__(self, *args, token):
        super().__init__(*args)


class ApiError(Exception):
    """As many libraries write theirs: what is printed is kept in attributes, not in `args`."""

    def __init__(self, status):
        self.status = status

    def __str__(self):
        return f"status {self.status}"

    def __repr__(self):
        return f"ApiError({self.status})"


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("missing"),
        ConnectionRefusedError(111, "refused"),
        FileNotFoundError(2, "No such file", "/etc/nothing"),
        Exception(),
        RuntimeError("attempts", 3, 2.5, None, True, b"raw"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_keepsake_is_an_equal_copy(error):
    """It has the class and the words of the failure, and is another object."""
    copy = keepsake(error)

    assert copy is not error
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert repr(copy) == repr(error)


@pytest.mark.parametrize(
    "error, words",
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError: 'utf-8' codec"),
        (Stubborn("no", token=1), "Stubborn: no"),
        (ApiError(503), "ApiError: status 503"),
        (Mute(), "Mute: ?"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_copied_to_the_same_words_keeps_its_words(error, words):
    """A class may print attributes that `__init__` sets, or forbid copies: its words stand in."""
    copy = keepsake(error)

    assert str(copy).startswith(words)
    assert isinstance(copy, HoldfastError)
    assert repr(copy)


def test_the_arguments_of_a_keepsake_are_flat():
    """An exception or a request among the arguments would bring its frames and all it refers to."""

    class Request:
        def __repr__(self):
            return "<Request>"

    inner = KeyError("inner")
    copy = keepsake(ConnectionError(inner, Request()))

    assert copy.args == ("KeyError('inner')", "<Request>") or isinstance(copy, HoldfastError)
    assert not any(isinstance(one, KeyError | Request) for one in copy.args)


def test_the_keepsake_of_a_group_keeps_no_member():
    """The members of an exception group have tracebacks of their own."""
    copy = keepsake(ExceptionGroup("both", [ValueError("one"), KeyError("two")]))

    assert "both" in str(copy)
    assert not hasattr(copy, "exceptions")


def test_a_keepsake_has_no_traceback_no_context_and_no_notes():
    """What the original has picked up on its way stays with the original."""
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second") from None
    except ValueError as error:
        error.add_note("seen by somebody")
        copy = keepsake(error)

    assert (copy.__traceback__, copy.__context__, copy.__cause__) == (None, None, None)
    assert not hasattr(copy, "__notes__")


def test_a_keepsake_keeps_no_frame_alive():
    """The locals of the request that failed are free as soon as the caller forgets the failure."""

    class Request:
        pass

    def fail():
        request = Request()
        died.append(weakref.ref(request))
        raise ValueError("down")

    died = []
    try:
        fail()
    except ValueError as error:
        kept = keepsake(error)
    gc.collect()

    assert died[0]() is None
    assert isinstance(kept, ValueError)


def test_a_keepsake_does_not_refer_to_the_original():
    """Copying adds no reference, so nothing that hangs on the failure lives longer for it."""
    error = ValueError("no")
    before = sys.getrefcount(error)

    copy = keepsake(error)

    assert sys.getrefcount(error) == before
    assert copy.args == ("no",)
