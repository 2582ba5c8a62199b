"""`Fallback`: which outcomes are replaced, by what, and what a function is given."""

from collections import deque
from dataclasses import dataclass
from functools import partial, wraps
from unittest.mock import Mock

import pytest

from holdfast import CircuitOpenError, ConfigurationError, Fallback, Pipeline, on_result
from holdfast import events as told
from holdfast.shapes import History, Instead, Reaction

DOWN = ConnectionError("down")


def history(now=0.0, *args, **kwargs):
    return History("payments", now, args=args, kwargs=kwargs)


def answer(verdict):
    """Return what a driver would return for a verdict."""
    assert type(verdict) is Instead
    return verdict.make(verdict.subject)


# -- a plain answer ---------------------------------------------------------------------------


def test_a_fallback_has_the_shape_of_a_reaction():
    """It neither repeats nor measures anything."""
    fallback = Fallback("later")

    assert isinstance(fallback, Reaction)
    assert (fallback.timed, fallback.claims, fallback.credit) == (False, False, None)


@pytest.mark.parametrize("value", ["later", None, 0, False, (1, 2), ValueError("an answer")])
def test_an_exception_is_replaced_by_a_value(value):
    """Any value, also None and an exception object."""
    assert answer(Fallback(value).after_error(DOWN, history())) is value


def test_a_rejection_is_replaced_as_others_are():
    """An open breaker and a fallback together answer at once."""
    assert answer(Fallback("later").after_error(CircuitOpenError(), history())) == "later"


def test_a_function_is_told_the_exception():
    """And what it returns is the answer."""
    fallback = Fallback(lambda error: f"sorry: {error}")

    assert answer(fallback.after_error(DOWN, history())) == "sorry: down"


def test_an_exception_that_is_not_meant_stands():
    """There is no verdict then."""
    fallback = Fallback("later", on=ConnectionError)

    assert fallback.after_error(KeyError(), history()) is None
    assert answer(fallback.after_error(DOWN, history())) == "later"


def test_an_error_in_the_predicate_replaces_nothing():
    """The user's error stands, with a note."""
    fallback = Fallback("later", on=lambda error: error.status == 503)

    assert fallback.after_error(DOWN, history()) is None
    assert "the predicate" in DOWN.__notes__[0]


@pytest.mark.parametrize("on, judges", [(Exception, False), (on_result(bool), True)])
def test_it_asks_for_results_only_where_it_judges_them(on, judges):
    """Otherwise a good call passes it untouched."""
    assert Fallback("later", on=on).judges is judges


def test_a_bad_result_is_replaced_and_its_function_told():
    """Good ones stand, and so do exceptions where only results are meant."""
    fallback = Fallback(lambda result: result + 1, on=on_result(lambda result: result < 0))

    assert answer(fallback.after_result(-5, history())) == -4
    assert fallback.after_result(5, history()) is None
    assert fallback.after_error(DOWN, history()) is None


@pytest.mark.parametrize(
    "react, error",
    [
        (lambda one: one.after_error(DOWN, history(3.0)), DOWN),
        (lambda one: one.after_result("bad", history(3.0)), None),
    ],
    ids=["exception", "result"],
)
def test_the_use_of_a_fallback_is_told(heard, react, error):
    """With the error that it hides."""
    react(Fallback("later", on=Exception | on_result(lambda result: result == "bad")))

    assert heard == [
        told.FallbackUsed(
            pipeline="payments", strategy="fallback", at=3.0, error=error, stale_for=None
        )
    ]


def test_a_fallback_is_a_value():
    """Equal options make equal fallbacks."""
    assert Fallback("later") == Fallback("later", on=Exception)
    assert hash(Fallback("later")) == hash(Fallback("later"))
    assert Fallback("later") != Fallback("now")
    assert repr(Fallback("later", on=KeyError)) == "Fallback('later', on=KeyError)"


def test_what_is_no_condition_is_refused():
    """The message names the option."""
    with pytest.raises(ConfigurationError, match="on="):
        Fallback("later", on=5)


# -- an answer of each caller's own -----------------------------------------------------------------


@dataclass
class Cart:
    items: list


@pytest.mark.parametrize(
    "value", [["tea"], {"tea": 3.0}, {"tea"}, bytearray(b"tea"), deque("t"), Cart([])]
)
def test_a_mutable_answer_is_copied_for_each_caller(value):
    """What one caller does to it, no other caller sees."""
    fallback = Fallback(value)
    first, second = (answer(fallback.after_error(DOWN, history())) for _ in range(2))

    assert first == second == value
    assert len({id(first), id(second), id(value)}) == 3


def test_what_is_inside_is_copied_too():
    """A tuple cannot be changed, and the list in it can."""
    fallback = Fallback((["tea"],))
    answer(fallback.after_error(DOWN, history()))[0].append("for ann")

    assert answer(fallback.after_error(DOWN, history())) == (["tea"],)


@dataclass(frozen=True)
class Frozen:
    price: float


@pytest.mark.parametrize("value", [("tea", 1), "tea", Frozen(3.0), frozenset("t")])
def test_what_cannot_be_changed_is_shared(value):
    """A copy would be a waste."""
    assert answer(Fallback(value).after_error(DOWN, history())) is value


def test_an_answer_can_be_shared_on_purpose():
    """With ``copy=False`` everybody has the one object."""
    value = ["tea"]

    assert answer(Fallback(value, copy=False).after_error(DOWN, history())) is value


def test_an_answer_that_cannot_be_copied_is_refused_when_it_is_built():
    """Not in the outage."""
    with pytest.raises(ConfigurationError, match="give a function that makes it, or copy=False"):
        Fallback([(number for number in ())])


# -- what a function gets ---------------------------------------------------------------------------


def arguments(error, order, *, currency="EUR"):
    return error, order, currency


class Desk:
    def take(self, error, order):
        return order


@pytest.mark.parametrize("function, expected", [
    (arguments, (DOWN, 12, "USD")),
    (lambda: "nothing", "nothing"),
    (lambda error: error, DOWN),
    (lambda error, order: order, 12),
    (lambda *seen, **named: (seen, named), ((DOWN, 12), {"currency": "USD"})),
    (lambda error, **named: named, {"currency": "USD"}),
    (lambda error, currency: currency, 12),
    (Desk().take, 12),
    (partial(arguments, order=7), (DOWN, 7, "USD")),
    (Mock(return_value="stub"), "stub"),
    (list, []),
    (dict, {}),
    (str, "down"),
])  # fmt: skip
def test_a_function_gets_the_calls_arguments_as_far_as_it_takes_them(function, expected):
    """As circuitbreaker, resilience4j and hyx give them: the order can be kept for later."""
    asked = history(0.0, 12, currency="USD")

    assert answer(Fallback(function).after_error(DOWN, asked)) == expected


def test_a_decorated_function_gets_what_the_function_takes():
    """`functools.wraps` says what it is."""

    @wraps(arguments)
    def decorated(*args, **kwargs):
        return arguments(*args, **kwargs)

    assert answer(Fallback(decorated).after_error(DOWN, history(0.0, 1, 2, 3))) == (DOWN, 1, "EUR")


def test_a_function_that_demands_a_name_is_refused_when_it_is_built():
    """Nobody would give it that."""

    def charge_later(error, *, queue):
        raise AssertionError

    with pytest.raises(ConfigurationError, match="demands queue by name: give that a default"):
        Fallback(charge_later)


def test_a_function_that_needs_more_than_the_call_has_is_refused_when_it_decorates():
    """Else it would raise in the outage, which is when it is needed."""
    pipeline = Pipeline("p", Fallback(lambda error, order, user: None))
    with pytest.raises(
        ConfigurationError, match="it needs 3 arguments, and gets the error and those"
    ):
        pipeline(lambda order: order)
    pipeline(lambda order, user: order)
    pipeline(lambda *anything: anything)
