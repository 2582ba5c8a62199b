"""What a breaker remembers of the failure that opened it."""

import gc
import sys
import weakref

import pytest

from holdfast import HoldfastError
from holdfast.strategies.breaker.keepsake import keepsake


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
