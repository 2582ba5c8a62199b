"""Conditions made of conditions: ``&``, ``~``, ``ignore=``; and whether two can be met at once."""

import copy
import pickle
import warnings

import pytest

from holdfast import (
    BulkheadFullError,
    ConfigurationError,
    Pipeline,
    RejectedError,
    Retry,
    on_error,
    on_result,
    transient,
)
from holdfast.classify import condition


def is_busy(error):
    return "busy" in str(error)


def is_bad(result):
    return result is None


CASES = {
    "both": (on_error(OSError) & is_busy, [OSError("busy")], [OSError("down"), ValueError("busy")]),
    "a predicate and a type": (is_busy & on_error(OSError), [OSError("busy")], [OSError("down")]),
    "transient, and more": (transient & is_busy, [ConnectionError("busy")], [ConnectionError("x")]),
    "not": (~on_error(KeyError), [OSError(), ValueError()], [KeyError()]),
    "not transient": (~transient, [ValueError()], [ConnectionError()]),
    "not not": (~~transient, [ConnectionError()], [ValueError()]),
    "not one of several": (~on_error((KeyError, OSError)), [ValueError()], [KeyError(), OSError()]),
    "all but": (on_error(Exception) & ~transient, [ValueError()], [ConnectionError()]),
    "one or both of others": (
        on_error(KeyError) | (on_error(OSError) & is_busy), [KeyError(), OSError("busy")], [OSError()],
    ),
    "a group": (
        on_error(OSError) & is_busy,
        [ExceptionGroup("several", [OSError("busy"), OSError("busy, too")])],
        [ExceptionGroup("several", [OSError("busy"), OSError("down")])],
    ),
    "a group of others": (
        ~on_error(KeyError),
        [ExceptionGroup("several", [OSError(), ValueError()])],
        [ExceptionGroup("several", [OSError(), KeyError()])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_they_mean(name):
    """As the operators say, for exceptions and for groups of them (backoff 91, tenacity 374)."""
    made, met, not_met = CASES[name]
    assert [made.matches(error) for error in met] == [True] * len(met)
    assert [made.matches(error) for error in not_met] == [False] * len(not_met)
    assert not made.on_results


def test_results():
    """``~`` and ``&`` of conditions on results are conditions on results."""
    pending = on_result(lambda reply: reply in ("pending", None))
    assert (pending & ~on_result(is_bad)).matches_result("pending")
    assert not (pending & ~on_result(is_bad)).matches_result(None)
    assert (~on_result(is_bad)).matches_result("there")
    assert not (~on_result(is_bad)).errors()
    assert not (~on_result(is_bad)).matches(OSError())


def test_an_outcome_is_not_both():
    """A condition that nothing can meet is refused where it is written."""
    with pytest.raises(
        ConfigurationError, match="never met: an outcome is an exception or a result"
    ):
        transient & on_result(is_bad)


def test_what_can_not_be_joined():
    """The other side has to be a condition."""
    for wrong in (3, [KeyError], BaseException):
        with pytest.raises(ConfigurationError, match="is not allowed"):
            transient & wrong


def test_interruptions_and_rejections_are_never_meant_by_the_way():
    """What isn't an outcome of the function is no case of "anything but"; a name is a name."""
    assert not (~transient).names_rejection(RejectedError())
    assert not on_error(Exception).names_rejection(RejectedError())
    full = on_error(BulkheadFullError) & (lambda error: error.retry_after is None)
    assert full.names_rejection(BulkheadFullError())
    assert not full.names_rejection(BulkheadFullError(retry_after=1.0))


def test_a_broken_predicate_turns_nothing_round():
    """The predicate's own error makes no condition met, not even the opposite one."""

    def broken(error):
        raise ZeroDivisionError

    for made in (
        ~on_error(broken),
        transient & broken,
        condition("on", OSError).less(on_error(broken)),
    ):
        error = ConnectionError("down")
        assert made.matches(error) is False
        assert made.matches(error, broken=True) is True
        assert "raised ZeroDivisionError" in error.__notes__[0]


def test_a_predicate_that_returns_something_to_await():
    """A coroutine is true, and no answer (tenacity's async predicates)."""

    async def asks(error):
        return False

    def hidden(error):
        return asks(error)

    error = OSError()
    assert not on_error(hidden).matches(error)
    assert "must be a plain function" in error.__notes__[0]


def test_equal_and_hashable_and_portable():
    """They are values, as the `Retry` is that has them."""
    one, two = transient & ~on_error(KeyError), transient & ~on_error(KeyError)
    assert one == two
    assert hash(one) == hash(two)
    assert one != transient & ~on_error(OSError)
    assert one.on_errors[0] != "something else"
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one


def test_spelling():
    """As they are written, but for the types."""
    assert repr(~transient) == "~transient"
    assert repr(transient & is_busy) == "(transient & is_busy)"
    assert repr(~on_error((KeyError, OSError))) == "~(KeyError | OSError)"
    assert repr(~on_error(KeyError)) == "~KeyError"
    assert repr(~(on_error(OSError) | KeyError)) == "~(OSError | KeyError)"
    assert repr((transient | KeyError) & is_busy) == "((transient | KeyError) & is_busy)"
    assert repr((transient & is_busy) | KeyError) == "(transient & is_busy) | KeyError"
    assert repr((transient & is_busy).on_errors[0]) == "(transient & is_busy)"
    assert repr((~transient).on_errors[0]) == "(~(transient))"


APART = {
    "types": (ConnectionError, ValueError),
    "a type and all others": (OSError, on_error(Exception) & ~on_error(OSError)),
    "a part of it": (ConnectionError, ~on_error(OSError)),
    "results and errors": (on_result(is_bad), OSError),
    "a predicate and its opposite": (transient, ~transient),
    "more, and its opposite": (transient & is_busy, ~transient),
    "tuples": ((ConnectionError, KeyError), (ValueError, IndexError)),
}
TOGETHER = {
    "the same": (OSError, OSError),
    "a part": (OSError, ConnectionError),
    "predicates": (transient, is_busy),
    "a predicate and a type": (transient, ValueError),
    "all but another": (OSError, ~on_error(KeyError)),
    "results": (on_result(is_bad), on_result(is_bad)),
    "one of several": ((ConnectionError, KeyError), LookupError),
}


@pytest.mark.parametrize("name", APART)
def test_retries_for_different_failures_do_not_multiply(name):
    """Each has its own attempts and delays, and there is nothing to warn of (tenacity 353, 174)."""
    one, two = APART[name]
    with warnings.catch_warnings(action="error"):
        Pipeline("p", Retry(3, on=one), Retry(5, on=two))
        Pipeline("p", Retry(5, on=two), Retry(3, on=one))


@pytest.mark.parametrize("name", TOGETHER)
def test_retries_for_what_may_be_the_same_failure_do(name):
    """Also where nobody can tell."""
    one, two = TOGETHER[name]
    for retries in ((Retry(3, on=one), Retry(5, on=two)), (Retry(5, on=two), Retry(3, on=one))):
        with pytest.warns(match="multiply to 15"):
            Pipeline("p", *retries)


def test_what_a_retry_ignores_is_left_to_another_one():
    """`ignore` takes part in it."""
    with warnings.catch_warnings(action="error"):
        Pipeline("p", Retry(3, ignore=transient), Retry(5, on=transient))
