"""`Fallback` and `StaleFallback`: which outcomes are replaced, and by what."""

import pytest

from holdfast import CircuitOpenError, ConfigurationError, Fallback, on_result
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


@pytest.mark.parametrize("value", ["later", None, 0, False, [], ValueError("an answer")])
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


# -- the last good result ---------------------------------------------------------------------


def test_the_last_good_result_is_served():
    """For the same arguments, positional and named."""
    stale = Fallback.stale(60.0)
    stale.after_result("one", history(0.0, 1, size=2))
    stale.after_result("other", history(0.0, 1, size=3))

    assert answer(stale.after_error(DOWN, history(1.0, 1, size=2))) == "one"
    assert answer(stale.after_error(DOWN, history(1.0, 1, size=3))) == "other"
    assert stale.after_error(DOWN, history(1.0, 2)) is None


def test_a_newer_result_takes_the_place_of_an_older_one():
    """Nothing older than the last good answer is served."""
    stale = Fallback.stale(60.0)
    stale.after_result("old", history(0.0))
    stale.after_result("new", history(50.0))

    assert answer(stale.after_error(DOWN, history(100.0))) == "new"


@pytest.mark.parametrize("age, served", [(0.0, True), (60.0, True), (60.001, False)])
def test_a_result_is_served_up_to_its_age(age, served):
    """Older than `ttl`, it is no answer any more, and the error stands."""
    stale = Fallback.stale(60.0)
    stale.after_result("kept", history(0.0))

    verdict = stale.after_error(DOWN, history(age))

    assert (verdict is not None) is served


def test_with_nothing_kept_the_outcome_stands():
    """It invents nothing."""
    stale = Fallback.stale(60.0, on=Exception | on_result(lambda result: result == "bad"))

    assert stale.after_error(DOWN, history()) is None
    assert stale.after_result("bad", history()) is None


def test_an_exception_that_is_not_meant_stands_though_something_is_kept():
    """`on` decides, as everywhere."""
    stale = Fallback.stale(60.0, on=ConnectionError)
    stale.after_result("kept", history(0.0))

    assert stale.after_error(KeyError(), history(1.0)) is None


def test_a_bad_result_is_replaced_and_not_kept():
    """The last good one is served, and stays."""
    stale = Fallback.stale(60.0, on=on_result(lambda result: result == "bad"))
    stale.after_result("good", history(0.0))

    assert answer(stale.after_result("bad", history(1.0))) == "good"
    assert answer(stale.after_result("bad", history(2.0))) == "good"


def test_a_good_result_stands_and_none_is_one():
    """Keeping is no verdict; a None that was returned is kept like others."""
    stale = Fallback.stale(60.0)

    assert stale.after_result(None, history(0.0)) is None
    assert answer(stale.after_error(DOWN, history(1.0))) is None


def test_a_key_tells_calls_apart():
    """It is made of the call's arguments, and the rest of them does not matter."""
    stale = Fallback.stale(60.0, key=lambda customer, *, verbose=False: customer)
    stale.after_result("kept", history(0.0, 7, verbose=True))

    assert answer(stale.after_error(DOWN, history(1.0, 7))) == "kept"
    assert stale.after_error(DOWN, history(1.0, 8)) is None


def test_arguments_of_different_kinds_do_not_meet():
    """`f(1, a=2)` is another call than `f((1,), (("a", 2),))`."""
    stale = Fallback.stale(60.0)
    stale.after_result("kept", history(0.0, 1, a=2))

    assert stale.after_error(DOWN, history(1.0, (1,), (("a", 2),))) is None


def test_the_order_of_named_arguments_does_not_matter():
    """It is the same call."""
    stale = Fallback.stale(60.0)
    stale.after_result("kept", history(0.0, a=1, b=2))

    assert answer(stale.after_error(DOWN, history(1.0, b=2, a=1))) == "kept"


def test_arguments_that_cannot_be_keys_need_a_key_function():
    """The default key says so in Python's own words."""
    with pytest.raises(TypeError, match="unhashable"):
        Fallback.stale(60.0).after_result("kept", history(0.0, [1]))


def test_memory_is_bounded_and_the_oldest_goes_first():
    """A result that is stored again is young again."""
    stale = Fallback.stale(60.0, max_keys=2)
    for key in ("a", "b", "a", "c"):
        stale.after_result(key, history(0.0, key))

    assert stale.snapshot()["kept"] == 2
    assert stale.after_error(DOWN, history(1.0, "b")) is None
    assert answer(stale.after_error(DOWN, history(1.0, "a"))) == "a"
    assert answer(stale.after_error(DOWN, history(1.0, "c"))) == "c"


def test_what_is_served_can_be_marked_as_stale():
    """The caller sees the age then."""
    stale = Fallback.stale(60.0, mark=lambda result, age: (result, f"{age:g} s old"))
    stale.after_result("kept", history(0.0))

    assert answer(stale.after_error(DOWN, history(30.0))) == ("kept", "30 s old")


def test_the_age_of_what_was_served_is_told(heard):
    """So that a dashboard shows how stale the answers are."""
    stale = Fallback.stale(60.0)
    stale.after_result("kept", history(0.0))
    stale.after_error(DOWN, history(30.0))

    assert heard == [
        told.FallbackUsed(
            pipeline="payments", strategy="fallback", at=30.0, error=DOWN, stale_for=30.0
        )
    ]


def test_the_snapshot_tells_how_much_is_kept_and_how_old(clock):
    """The oldest one decides."""
    stale = Fallback.stale(60.0, name="prices")
    clock.now = 10.0
    assert stale.snapshot() == {
        "strategy": "stale fallback", "name": "prices", "kept": 0, "ttl": 60.0, "oldest": None,
    }  # fmt: skip

    stale.after_result("a", history(0.0, "a"))
    stale.after_result("b", history(5.0, "b"))

    assert (stale.snapshot()["kept"], stale.snapshot()["oldest"]) == (2, 10.0)


def test_its_repr_is_alive():
    """Name, how much is kept, and for how long."""
    stale = Fallback.stale(60.0, name="prices")
    stale.after_result("a", history())

    assert repr(stale) == "<StaleFallback 'prices' 1 kept, ttl 60 s>"
    assert repr(Fallback.stale(0.5)) == "<StaleFallback 0 kept, ttl 0.5 s>"


def test_after_a_fork_what_is_kept_is_still_there():
    """A child process may serve what its parent has seen."""
    stale = Fallback.stale(60.0)
    stale.after_result("kept", history(0.0))

    stale._after_fork()

    assert answer(stale.after_error(DOWN, history(1.0))) == "kept"


@pytest.mark.parametrize("option", ["key", "mark"])
@pytest.mark.parametrize("value", [5, "customer"])
def test_what_cannot_be_called_is_refused(option, value):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=f"{option}="):
        Fallback.stale(60.0, **{option: value})
