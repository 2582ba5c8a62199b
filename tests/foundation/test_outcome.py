"""`Outcome`: how a call ended, as a value."""

import pytest

from holdfast import CircuitOpenError, Outcome


def test_a_result():
    """A call that returned is ok, and gives its result."""
    outcome = Outcome("receipt")

    assert outcome.ok
    assert not outcome.rejected
    assert outcome.error is None
    assert outcome.unwrap() == outcome.value_or("sorry") == "receipt"
    assert repr(outcome) == "<Outcome 'receipt'>"


def test_none_is_a_result():
    """A function that returns nothing has succeeded."""
    assert Outcome(None).ok
    assert Outcome(None).value_or("sorry") is None


def test_an_error():
    """A call that raised gives the default, or raises the very exception again."""
    error = OSError("down")
    outcome = Outcome(error=error)

    assert not outcome.ok
    assert not outcome.rejected
    assert outcome.retry_after is None
    assert outcome.value_or("sorry") == "sorry"
    assert repr(outcome) == "<Outcome error=OSError('down')>"
    with pytest.raises(OSError, match="down") as caught:
        outcome.unwrap()
    assert caught.value is error


def test_a_rejection():
    """A call that was refused says so, and when to come back."""
    outcome = Outcome(error=CircuitOpenError(retry_after=3.0))

    assert outcome.rejected
    assert outcome.retry_after == 3.0
