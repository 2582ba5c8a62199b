"""Values: equal by their options, hashable, frozen, and shown as what makes them."""

import copy
import pickle

import pytest

import holdfast
from holdfast import Fallback, Retry, RetryBudget, Timeout, backoff, on_result, transient

BUDGET = RetryBudget()


def each_second(attempt):
    return 1.0


# How each value is made, twice, and another one of the same kind.
VALUES = {
    "timeout": (lambda: Timeout(5.0), Timeout(6.0)),
    "timeout by thread": (lambda: Timeout(5.0, sync="thread"), Timeout(5.0)),
    "retry": (Retry, Retry(4)),
    "endless retry": (lambda: Retry(None), Retry()),
    "retry of types": (lambda: Retry(3, on=(ValueError, KeyError)), Retry(3, on=ValueError)),
    "retry of a union": (lambda: Retry(on=ValueError | KeyError), Retry(on=ValueError)),
    "retry of a single type": (lambda: Retry(on=(ValueError,)), Retry(on=(KeyError,))),
    "retry of transient": (lambda: Retry(on=transient), Retry()),
    "retry of more": (lambda: Retry(on=transient | KeyError), Retry(on=transient)),
    "retry of results": (lambda: Retry(on=on_result(bool)), Retry(on=on_result(int))),
    "retry of a builtin": (lambda: Retry(on=callable), Retry(on=bool.__instancecheck__)),
    "retry with limits": (
        lambda: Retry(2, max_elapsed=10.0, respect_retry_after=False, nested="inner"),
        Retry(2, max_elapsed=10.0, nested="inner"),
    ),
    "retry with backoff": (
        lambda: Retry(backoff=backoff.exponential(0.1, jitter=None)),
        Retry(backoff=backoff.constant(0.1)),
    ),
    "fallback": (lambda: Fallback("later"), Fallback("now")),
    "fallback of nothing": (lambda: Fallback(None), Fallback(())),
    "fallback of a function": (lambda: Fallback(repr, on=(ValueError,)), Fallback(repr)),
    "exponential": (backoff.exponential, backoff.exponential(2.0)),
    "exponential with options": (
        lambda: backoff.exponential(0.1, 3.0, 5.0, "proportional", 0.25),
        backoff.exponential(0.1, 3.0, 5.0, "proportional"),
    ),
    "plain exponential": (lambda: backoff.exponential(jitter=None), backoff.exponential()),
    "constant": (lambda: backoff.constant(5), backoff.constant()),
    "linear": (lambda: backoff.linear(step=2.5, jitter="equal"), backoff.linear()),
    "fibonacci": (lambda: backoff.fibonacci(0.5, cap=8.0), backoff.fibonacci()),
}


@pytest.fixture(params=VALUES)
def made(request):
    return VALUES[request.param]


@pytest.fixture
def make(made):
    return made[0]


def test_equal_options_make_equal_values(make):
    """They are as good as one, also as keys."""
    assert make() == make()
    assert hash(make()) == hash(make())
    assert len({make(), make()}) == 1


def test_other_options_make_other_values(made):
    """And nothing of another kind is equal."""
    make, other = made

    assert make() != other
    assert make() != "something else"
    assert make() is not None


def test_a_value_cannot_be_changed(make):
    """Neither its options, nor others, nor by deleting."""
    value = make()
    before = repr(value)
    name = value.__class__.__slots__[-1]

    with pytest.raises(AttributeError):
        setattr(value, name, None)
    with pytest.raises(AttributeError):
        value.something_else = 5
    with pytest.raises(AttributeError):
        delattr(value, name)
    assert repr(value) == before


def test_its_repr_makes_it(make):
    """It is valid Python for whoever has imported Holdfast."""
    value = make()

    assert eval(repr(value), dict(vars(holdfast))) == value


def test_its_repr_leaves_out_what_is_usual(make):
    """What a reader did not write would only be in the way."""
    value = make()
    text = repr(value)

    for option in ("amplitude=0.5", "respect_retry_after=True", "nested='allow'", "on=Exception"):
        assert option not in text
    assert "budget" not in text


def test_a_value_pickles(make):
    """So that a configuration reaches a worker process."""
    value = make()

    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value


def test_a_value_can_be_copied(make):
    """The copy is equal and works as well."""
    value = make()

    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize(
    "value, text",
    [
        (Retry(), "Retry(5)"),
        (Retry(3, on=ConnectionError), "Retry(3, on=ConnectionError)"),
        (Retry(None, max_elapsed=60), "Retry(None, max_elapsed=60.0)"),
        (Retry(backoff=each_second), "Retry(5, backoff=each_second)"),
        (Retry(on=transient), "Retry(5, on=transient)"),
        (backoff.exponential(), "backoff.exponential()"),
        (backoff.exponential(0.1), "backoff.exponential(0.1)"),
        (backoff.exponential(0.1, cap=5), "backoff.exponential(0.1, cap=5.0)"),
        (backoff.constant(2), "backoff.constant(2.0)"),
        (Fallback({"state": "unknown"}), "Fallback({'state': 'unknown'})"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_its_repr_reads_as_it_was_written(value, text):
    """The first option without its name, the others with theirs."""
    shortened = text.replace("Retry(5)", "Retry()").replace("Retry(5, ", "Retry(")

    assert repr(value) in {text, shortened}


def test_an_option_can_be_replaced(make):
    """Which makes another value; with nothing to replace it makes an equal one."""
    assert make().replace() == make()


def test_replacing_checks_as_making_does():
    """A wrong value is refused, and so is an option that is not there."""
    assert Retry(3).replace(attempts=4) == Retry(4)
    assert Timeout(5.0).replace(seconds=1) == Timeout(1.0)
    assert backoff.exponential().replace(cap=60) == backoff.exponential(cap=60.0)
    with pytest.raises(holdfast.ConfigurationError):
        Retry(3).replace(attempts=0)
    with pytest.raises(TypeError):
        Retry(3).replace(tries=4)


def test_a_value_with_a_shared_part_keeps_sharing_it():
    """A budget is an identity: equal retries have the same one."""
    assert Retry(budget=BUDGET) == Retry(budget=BUDGET)
    assert Retry(budget=BUDGET).replace(attempts=2).budget is BUDGET
    assert Retry(budget=BUDGET) != Retry(budget=RetryBudget())


def test_a_fallback_of_something_mutable_has_no_hash():
    """As a tuple of lists has none."""
    assert Fallback([]) == Fallback([])
    with pytest.raises(TypeError, match="unhashable"):
        hash(Fallback([]))
