"""Walking what exceptions wrap."""

from itertools import pairwise

import pytest

from holdfast.verdict import causes, leaves


def chained(number, attribute="__cause__"):
    """Return so many errors, each the cause of the one before."""
    errors = [ValueError(one) for one in range(number)]
    for outer, inner in pairwise(errors):
        setattr(outer, attribute, inner)
    return errors


@pytest.mark.parametrize("attribute", ["__cause__", "__context__"])
def test_causes_come_from_the_outside_in(attribute):
    """The error itself is the first one."""
    errors = chained(4, attribute)

    assert list(causes(errors[0])) == errors


def test_a_cause_goes_before_a_context():
    """It was said on purpose."""
    error, cause, context = ValueError(), KeyError(), OSError()
    error.__context__, error.__cause__ = context, cause

    assert list(causes(error)) == [error, cause]


def test_a_hidden_context_is_looked_at():
    """Clients hide what they replace with ``from None``."""

    def hides():
        try:
            raise OSError
        except OSError:
            raise ValueError from None

    with pytest.raises(ValueError, match=r"^$") as caught:
        hides()
    assert [type(one) for one in causes(caught.value)] == [ValueError, OSError]


def test_a_chain_may_be_long_or_a_ring():
    """It is followed for eight causes, and never twice."""
    errors = chained(20)
    ring = chained(3)
    ring[-1].__cause__ = ring[0]

    assert list(causes(errors[0])) == errors[:9]
    assert list(causes(errors[0], 2)) == errors[:3]
    assert list(causes(ring[0])) == ring


def test_leaves_are_those_of_all_groups_within():
    """In their order; a plain error is its own leaf."""
    first, second, third = ValueError(), KeyError(), OSError()
    group = ExceptionGroup("all", [first, ExceptionGroup("some", [second]), third])

    assert leaves(group) == [first, second, third]
    assert leaves(first) == [first]


def test_more_leaves_than_anybody_looks_at_are_none():
    """A group of thousands is judged by nothing."""
    assert leaves(ExceptionGroup("many", [ValueError()] * 3_000)) == []
