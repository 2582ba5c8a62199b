"""`Fallback.stale`: whose results are kept, for how long, and what is served."""

import gc
import logging
import weakref
from dataclasses import dataclass

import pytest

from holdfast import ConfigurationError, Fallback, Pipeline, on_result
from holdfast import events as told
from holdfast.shapes import History, Instead

DOWN = ConnectionError("down")


def history(now=0.0, *args, **kwargs):
    return History("payments", now, args=args, kwargs=kwargs)


def answer(verdict):
    """Return what a driver would return for a verdict."""
    assert type(verdict) is Instead
    return verdict.make(verdict.subject)


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


def test_memory_is_bounded_and_the_oldest_goes_first():
    """A result that is stored again is young again."""
    stale = Fallback.stale(60.0, max_keys=2)
    for key in ("a", "b", "a", "c"):
        stale.after_result(key, history(0.0, key))

    assert len(stale._kept) == 2
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


# -- whose results --------------------------------------------------------------------------------


class Shop:
    """A dependency that is up, until it is not."""

    def __init__(self):
        self.up = True

    def get(self, answer):
        if not self.up:
            raise ConnectionError("down")
        return answer


@pytest.fixture
def shop():
    return Shop()


def test_two_functions_with_equal_arguments_keep_apart(shop):
    """As cachetools 132 asks of two cached methods: neither gets the other's result."""
    pipeline = Pipeline("shop", Fallback.stale(60.0))
    price = pipeline(lambda article: shop.get(3.0))
    stock = pipeline(lambda article: shop.get(41))
    assert (price("tea"), stock("tea")) == (3.0, 41)
    shop.up = False
    assert (price("tea"), stock("tea")) == (3.0, 41)


def test_a_key_is_one_within_its_function(shop):
    """Also where the user makes it."""
    pipeline = Pipeline("shop", Fallback.stale(60.0, key=lambda article: "all"))
    price, stock = pipeline(lambda article: shop.get(3.0)), pipeline(lambda article: shop.get(41))
    price("tea")
    shop.up = False
    with pytest.raises(ConnectionError):
        stock("tea")


def test_by_call_the_function_is_told_apart_too(shop):
    """``pipeline.call(fn, ...)`` serves what that function has returned, and no other."""
    pipeline = Pipeline("shop", Fallback.stale(60.0))

    def price(article):
        return shop.get(3.0)

    assert pipeline.call(price, "tea") == 3.0
    shop.up = False
    assert pipeline.call(price, "tea") == 3.0
    with pytest.raises(ConnectionError):
        pipeline.call(lambda article: shop.get(41), "tea")


def test_the_instances_of_a_class_keep_apart_and_are_not_kept(shop):
    """A method's results are those of one instance, which lives no longer for them (cpython 102618)."""
    stale = Fallback.stale(60.0)

    class Client:
        def __init__(self, token):
            self.token = token

        @Pipeline("shop", stale)
        def get(self, path):
            return shop.get(f"{path} for {self.token}")

    ann, bob = Client("ann"), Client("bob")
    assert ann.get("/cart") == "/cart for ann"
    shop.up = False
    assert ann.get("/cart") == "/cart for ann"
    with pytest.raises(ConnectionError):
        bob.get("/cart")
    gone = weakref.ref(ann)
    del ann
    gc.collect()
    assert gone() is None


def test_bound_methods_by_call_are_those_of_their_instance(shop):
    """Python makes a new method object at each look."""
    pipeline = Pipeline("shop", Fallback.stale(60.0))
    other = Shop()
    assert pipeline.call(shop.get, "tea") == "tea"
    shop.up = other.up = False
    assert pipeline.call(shop.get, "tea") == "tea"
    with pytest.raises(ConnectionError):
        pipeline.call(other.get, "tea")


def test_an_instance_that_is_not_hashable_is_told_apart_all_the_same(shop):
    """A plain dataclass has no hash, and two equal ones are two."""

    @dataclass
    class Client:
        url: str

        @Pipeline("shop", Fallback.stale(60.0))
        def get(self, path):
            return shop.get(path)

    one, other = Client("u"), Client("u")
    assert one.get("/x") == "/x"
    shop.up = False
    assert one.get("/x") == "/x"
    with pytest.raises(ConnectionError):
        other.get("/x")


def test_an_instance_that_cannot_be_referred_to_weakly_keeps_nothing(shop, caplog):
    """Another one could have its address tomorrow; the call is not harmed."""

    class Client:
        __slots__ = ()

        @Pipeline("shop", Fallback.stale(60.0))
        def get(self, path):
            return shop.get(path)

    client = Client()
    with caplog.at_level(logging.WARNING, logger="holdfast"):
        assert client.get("/x") == "/x"
    shop.up = False
    with pytest.raises(ConnectionError):
        client.get("/x")
    assert "keeps nothing: the instance can't be told from others" in caplog.text


def test_a_static_function_of_a_class_belongs_to_no_instance(shop):
    """Its first argument is an argument like others."""

    class Prices:
        @staticmethod
        @Pipeline("shop", Fallback.stale(60.0))
        def get(article):
            return shop.get(article)

    assert Prices.get("tea") == "tea"
    shop.up = False
    assert Prices.get("tea") == "tea"


# -- what can be a key ----------------------------------------------------------------------------


@pytest.mark.parametrize("stored, asked, same", [
    (((1,), {}), ((), {"a": 1}), True),
    (((1, 2), {}), ((1,), {"b": 2}), True),
    (((1,), {}), ((True,), {}), False),
    (((1,), {}), ((1.0,), {}), False),
])  # fmt: skip
def test_calls_are_equal_however_they_are_spelt(shop, stored, asked, same):
    """By place or by name is one call; 1, True and 1.0 are three."""
    protected = Pipeline("shop", Fallback.stale(60.0))(lambda a, b=0: shop.get("kept"))
    protected(*stored[0], **stored[1])
    shop.up = False
    if same:
        assert protected(*asked[0], **asked[1]) == "kept"
    else:
        with pytest.raises(ConnectionError):
            protected(*asked[0], **asked[1])


class Touchy:
    """Its hash raises."""

    def __hash__(self):
        raise RuntimeError("don't touch me")


@pytest.mark.parametrize("argument", [[1, 2], {"a": 1}, Touchy()])
def test_arguments_that_cannot_be_keys_are_not_kept_and_said_once(shop, caplog, argument):
    """A successful call stays one, a failed one raises its own error (qBraid 1284)."""
    protected = Pipeline("shop", Fallback.stale(60.0))(lambda items: shop.get("fine"))
    with caplog.at_level(logging.WARNING, logger="holdfast"):
        assert [protected(argument) for _ in range(3)] == ["fine"] * 3
        shop.up = False
        with pytest.raises(ConnectionError) as caught:
            protected(argument)
    assert caught.value.__context__ is None
    assert len(caplog.records) == 1
    assert "keeps nothing" in caplog.text


def test_a_key_whose_hash_changes_harms_nobody_else(shop):
    """As an entry of `functools.lru_cache` it is found no more, and makes room in its time."""

    @dataclass(unsafe_hash=True)
    class Query:
        text: str

    stale = Fallback.stale(60.0, max_keys=2)
    search = Pipeline("shop", stale)(lambda query: shop.get(query.text))
    changing = Query("a")
    search(changing)
    changing.text = "changed"
    for text in "bcdef":
        assert search(Query(text)) == text
    assert stale.snapshot()["kept"] == 2
    shop.up = False
    assert search(Query("f")) == "f"


# -- how long, and whose object -------------------------------------------------------------------


def test_results_that_are_too_old_are_dropped():
    """They are never served again, so they need no memory (ruff's B019 about cached methods)."""
    stale = Fallback.stale(5.0)
    for number in range(50):
        stale.after_result("kept", history(0.0, number))
    stale.after_result("new", history(10.0, "new"))

    assert len(stale._kept) == 1


def test_a_result_is_the_callers_own():
    """What one caller does to its list, no other caller sees (cachetools 184)."""
    stale = Fallback.stale(60.0)
    cart = ["tea"]
    stale.after_result(cart, history(0.0))
    cart.clear()
    first = answer(stale.after_error(DOWN, history(1.0)))
    first.append("milk")

    assert answer(stale.after_error(DOWN, history(2.0))) == ["tea"]


def test_a_result_can_be_shared_on_purpose():
    """With ``copy=False`` everybody has the one object."""
    stale, cart = Fallback.stale(60.0, copy=False), ["tea"]
    stale.after_result(cart, history(0.0))

    assert answer(stale.after_error(DOWN, history(1.0))) is cart


def test_a_result_that_cannot_be_copied_is_shared(caplog):
    """A successful call is never harmed."""
    held = [(number for number in ())]
    stale = Fallback.stale(60.0)
    with caplog.at_level(logging.WARNING, logger="holdfast"):
        stale.after_result(held, history(0.0))

    assert answer(stale.after_error(DOWN, history(1.0))) is held
    assert "can't be copied" in caplog.text
