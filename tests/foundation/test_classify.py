"""Which outcomes a condition means: types, unions, predicates, results, and all of them joined."""

import asyncio
import functools
import sys
import types
import typing
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import (
    BulkheadFullError,
    CircuitOpenError,
    ConfigurationError,
    HoldfastError,
    IsolatedError,
    RejectedError,
    on_result,
    transient,
)
from holdfast.classify import Condition, add_note, condition, spell
from tests.ids import spelt


def says_yes(error):
    return True


def says_no(error):
    return False


def breaks(error):
    raise ZeroDivisionError("in the predicate")


class Wide(Exception):
    def method(self):
        pass


class Narrow(Wide):
    pass


# -- one kind of condition --------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, met, unmet",
    [
        (ValueError, [ValueError(), UnicodeError()], [KeyError(), Exception()]),
        (Exception, [ValueError(), RejectedError(), Narrow()], []),
        ((ValueError, KeyError), [ValueError(), KeyError()], [IndexError()]),
        ((), [], [ValueError()]),
        (ValueError | KeyError, [ValueError(), KeyError()], [IndexError()]),
        (typing.Union[ValueError, KeyError], [ValueError(), KeyError()], [IndexError()]),  # noqa: UP007
        (Wide, [Wide(), Narrow()], [Exception()]),
        (Narrow, [Narrow()], [Wide()]),
        (lambda error: "yes" in error.args, [ValueError("yes")], [ValueError("no")]),
        (on_result(bool), [], [ValueError(), Exception()]),
    ],
    ids=spelt,
)
def test_a_condition_is_met_by_what_it_names(value, met, unmet):
    """Subclasses included, and nothing else."""
    compiled = condition("on", value)

    assert all(compiled.matches(error) for error in met)
    assert not any(compiled.matches(error) for error in unmet)


def test_a_condition_stays_itself():
    """Compiling it again changes nothing."""
    assert condition("on", transient) is transient


def test_a_group_is_meant_if_all_its_leaves_are():
    """Tasks of a group fail together; one failure of another kind makes it another failure."""
    meant = condition("on", (ValueError, OSError))
    nested = ExceptionGroup("all", [ValueError(), ExceptionGroup("some", [OSError()])])

    assert meant.matches(ExceptionGroup("one", [ValueError()]))
    assert meant.matches(nested)
    assert not meant.matches(ExceptionGroup("both", [ValueError(), KeyError()]))
    assert condition("on", ExceptionGroup).matches(nested)


@pytest.mark.parametrize(
    "value",
    [
        5,
        None,
        "ValueError",
        int,
        object,
        BaseException,
        KeyboardInterrupt,
        SystemExit,
        GeneratorExit,
        asyncio.CancelledError,
        ValueError(),
        (ValueError, 5),
        (ValueError, KeyboardInterrupt),
        (ValueError, (KeyError,)),
        (ValueError, says_yes),
        [ValueError],
        {ValueError},
        int | str,
        ValueError | None,
        typing.Optional[ValueError],  # noqa: UP045
    ],
    ids=spelt,
)
def test_what_is_no_condition_is_refused(value):
    """Interrupts and cancellation are never outcomes; the message names option and value."""
    with pytest.raises(ConfigurationError) as caught:
        condition("ignore", value)

    assert str(caught.value).startswith("ignore=")
    assert "an exception type (derived from Exception), a tuple of them" in str(caught.value)


async def asked_in_vain(error):
    return False


class AsksInVain:
    async def __call__(self, error):
        return False


@pytest.mark.parametrize(
    "predicate",
    [asked_in_vain, functools.partial(asked_in_vain), AsksInVain(), AsksInVain().__call__],
    ids=["function", "partial", "object", "method"],
)
def test_an_async_predicate_is_refused(predicate):
    """Nobody would await it, and a coroutine object is true."""
    with pytest.raises(ConfigurationError, match="on="):
        condition("on", predicate)
    with pytest.raises(ConfigurationError, match="predicate="):
        on_result(predicate)


@pytest.mark.parametrize("value", [None, 5, "ok"])
def test_on_result_takes_a_callable(value):
    """Nothing else can judge a result."""
    with pytest.raises(ConfigurationError, match="predicate="):
        on_result(value)


# -- predicates -------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True])
def test_a_predicate_that_raises_leaves_a_note(broken):
    """The user's error stays the one that is raised; `broken` says what counts in doubt."""
    error = ValueError("the user's")

    assert condition("on", breaks).matches(error, broken=broken) is broken
    assert error.__notes__ == [
        "holdfast: the predicate breaks raised ZeroDivisionError('in the predicate')"
    ]


def test_a_predicate_that_raises_is_not_asked_where_a_type_is_met():
    """Types come first; of the predicates the first one that is met ends the asking."""
    error = ValueError()

    assert condition("on", ValueError).__or__(breaks).matches(error)
    assert (condition("on", says_yes) | breaks).matches(error)
    assert not hasattr(error, "__notes__")


def test_a_predicate_that_raises_ends_the_asking():
    """Whatever a later one would say, the verdict is in doubt."""
    assert not (condition("on", breaks) | says_yes).matches(ValueError())


@pytest.mark.parametrize("answer", [1, "yes", [0]])
def test_a_predicate_may_answer_with_anything_true(answer):
    """Python's own notion of truth."""
    assert condition("on", lambda error: answer).matches(ValueError())
    assert on_result(lambda result: answer).matches_result(5)


def test_a_callable_object_is_a_predicate():
    """Also one that has no hash, as dataclasses have none."""

    @dataclass
    class StatusIn:
        codes: tuple

        def __call__(self, error):
            return error.args[0] in self.codes

    compiled = condition("on", StatusIn((503,)))

    assert compiled.matches(OSError(503))
    assert not compiled.matches(OSError(404))


# -- results ----------------------------------------------------------------------------------


def test_a_condition_on_results_is_met_by_results():
    """Several of them are joined by or."""
    either = on_result(lambda result: result < 0) | on_result(lambda result: result > 10)

    assert [either.matches_result(value) for value in (-1, 5, 11)] == [True, False, True]


def test_a_condition_on_errors_is_met_by_no_result():
    """An exception object that was returned is a result like others."""
    assert not condition("on", Exception).matches_result(ValueError())


def test_a_result_predicate_that_raises_raises_to_the_caller():
    """There is no error of the user's that could carry a note."""
    with pytest.raises(ZeroDivisionError):
        on_result(breaks).matches_result(5)


# -- rejections by name -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "on, error, named",
    [
        (CircuitOpenError, CircuitOpenError(), True),
        (CircuitOpenError, IsolatedError(), True),
        (RejectedError, BulkheadFullError(), True),
        (ValueError | RejectedError, BulkheadFullError(), True),
        (BulkheadFullError, CircuitOpenError(), False),
        (Exception, CircuitOpenError(), False),
        (HoldfastError, CircuitOpenError(), False),
        (says_yes, CircuitOpenError(), False),
        (transient, CircuitOpenError(), False),
        (RejectedError, ValueError(), False),
    ],
)
def test_a_rejection_is_meant_only_by_its_class(on, error, named):
    """Or by `RejectedError` itself; whoever catches everything did not ask for it."""
    assert (condition("on", ()) | on).names_rejection(error) is named


# -- joining ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [ValueError, ValueError | KeyError], ids=["type", "union"])
@pytest.mark.parametrize("more", [transient, on_result(bool), condition("on", says_yes)], ids=repr)
def test_types_are_joined_with_a_condition_in_either_order(kinds, more):
    """Also where a union of types takes the condition in, as it does from Python 3.14 on."""
    expected = condition("on", kinds) | more

    joined = condition("on", kinds | more)

    assert set(joined.types) == set(expected.types)
    assert (joined.on_errors, joined.on_results) == (more.on_errors, more.on_results)
    assert repr(joined) == repr(expected)
    assert condition("on", more | kinds) == more | condition("on", kinds)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="such a union is a TypeError before 3.14")
def test_a_union_may_hold_predicates_and_nothing_else():
    """What Python joins with `|` is judged part by part; the message shows the whole."""
    assert condition("on", ValueError | KeyError | says_yes).matches(OSError())
    with pytest.raises(ConfigurationError, match=r"on=ValueError \| KeyError \| \[1\] is not"):
        condition("on", ValueError | KeyError | [1])


SAME_EACH_TIME = settings(derandomize=True, database=None, deadline=None, max_examples=100)

TYPES = [ValueError, UnicodeError, KeyError, LookupError, Wide, Narrow, OSError, TimeoutError]
ERRORS = [kind("x") for kind in TYPES if kind is not UnicodeError] + [Exception("other")]
PREDICATES = [says_yes, says_no, lambda error: len(error.args) > 5]
RESULTS = [on_result(lambda result: result < 0), on_result(lambda result: result > 10)]

atoms = st.one_of(
    st.sampled_from(TYPES),
    st.lists(st.sampled_from(TYPES), max_size=3).map(tuple),
    st.lists(st.sampled_from(TYPES), min_size=2, max_size=3, unique=True).map(
        lambda kinds: functools.reduce(lambda one, other: one | other, kinds)
    ),
    st.sampled_from(PREDICATES),
    st.sampled_from(RESULTS),
)


def joined(parts):
    """Join them as a user would, starting with a condition: types alone make a union."""
    return functools.reduce(lambda whole, part: whole | part, parts, Condition())


@SAME_EACH_TIME
@given(st.lists(atoms, max_size=5))
def test_a_joined_condition_is_met_if_one_of_its_parts_is(parts):
    """Whatever they are, and for errors as for results."""
    whole = joined(parts)
    compiled = [condition("on", part) for part in parts]

    for error in ERRORS:
        assert whole.matches(error) == any(part.matches(error) for part in compiled)
    for result in (-1, 5, 11):
        assert whole.matches_result(result) == any(part.matches_result(result) for part in compiled)


@SAME_EACH_TIME
@given(st.lists(atoms, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_joining_does_not_matter(parts, random):
    """As long as no predicate raises."""
    shuffled = random.sample(parts, len(parts))

    for error in ERRORS:
        assert joined(parts).matches(error) == joined(shuffled).matches(error)


@SAME_EACH_TIME
@given(atoms, atoms)
def test_joining_works_from_either_side(one, other):
    """`ValueError | transient` is `transient | ValueError`, for errors."""
    left = condition("on", one | condition("on", other))
    right = condition("on", one) | other

    assert left == right
    assert hash(left) == hash(right)


@SAME_EACH_TIME
@given(st.lists(atoms, max_size=3), st.lists(atoms, max_size=3))
def test_equal_conditions_are_made_of_equal_parts(one, other):
    """Equal ones have equal hashes, and differing ones differ in a part."""
    left, right = joined(one), joined(other)
    parts = [(made.types, made.on_errors, made.on_results) for made in (left, right)]

    assert (left == right) is (parts[0] == parts[1])
    if left == right:
        assert hash(left) == hash(right)


@pytest.mark.parametrize("part", [5, None, KeyboardInterrupt, "ValueError"])
def test_joining_with_what_is_no_condition_is_refused(part):
    """From either side."""
    with pytest.raises(ConfigurationError, match="on="):
        transient | part
    with pytest.raises(ConfigurationError, match="on="):
        part | transient


def test_a_condition_equals_no_other_thing():
    """Neither its type nor its predicate."""
    for other in (ValueError, (ValueError,), None):
        assert condition("on", ValueError) != other


# -- spelling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made, text",
    [
        (condition("on", ValueError), "ValueError"),
        (condition("on", (ValueError, KeyError)), "ValueError | KeyError"),
        (transient, "transient"),
        (transient | ValueError, "transient | ValueError"),
        (ValueError | transient, "ValueError | transient"),
        ((ValueError, KeyError) | transient, "ValueError | KeyError | transient"),
        (on_result(says_yes), "on_result(says_yes)"),
        (on_result(says_yes) | says_no | Narrow, "on_result(says_yes) | says_no | Narrow"),
        (condition("on", asyncio.QueueFull), "QueueFull"),
        (condition("on", ()), "()"),
        (() | transient, "transient"),
    ],
    ids=spelt,
)
def test_a_condition_is_spelt_as_it_was_written(made, text):
    """So that the `repr` of a retry can be read."""
    assert repr(made) == text


@pytest.mark.parametrize(
    "value, text",
    [
        ((), "()"),
        ((ValueError,), "(ValueError,)"),
        ((ValueError, Narrow), "(ValueError, Narrow)"),
        (len, "len"),
        (says_yes, "says_yes"),
        (Wide.method, "Wide.method"),
        ("text", "'text'"),
        (0.5, "0.5"),
        (ValueError | KeyError, "ValueError | KeyError"),
    ],
    ids=spelt,
)
def test_values_are_spelt_as_source_code(value, text):
    """As far as that can be known."""
    assert spell(value) == text


def test_a_note_is_never_worth_another_error():
    """An exception that forbids notes stays as it is."""

    class Frozen(Exception):
        __notes__ = types.MappingProxyType({})

    error = Frozen()
    add_note(error, "never mind")

    assert len(error.__notes__) == 0
