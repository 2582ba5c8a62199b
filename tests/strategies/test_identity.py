"""What strategies with an identity share: a name, and the pipelines that use them."""

import gc
import weakref

import pytest

from holdfast import Bulkhead, CircuitBreaker, ConfigurationError, Fallback, Pipeline
from holdfast.events import BreakerClosed
from holdfast.simulation.policies.renewed import renewed
from holdfast.strategies.identity import Identity

KINDS = {
    "circuit breaker": CircuitBreaker,
    "bulkhead": lambda **options: Bulkhead(10, **options),
    "stale fallback": lambda **options: Fallback.stale(60.0, **options),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def make(kind):
    return KINDS[kind]


def test_a_name_may_be_given(kind, make):
    """It stays, whatever pipelines use the strategy."""
    strategy = make(name="shared")
    strategy.joined("payments")

    assert strategy.name == "shared"
    assert strategy.title == f"{kind} 'shared'"


def test_the_first_pipeline_gives_the_name(kind, make):
    """The second one does not change it."""
    strategy = make()
    assert (strategy.name, strategy.title) == (None, kind)

    strategy.joined("payments")
    strategy.joined("refunds")

    assert strategy.name == "payments"
    assert strategy.title == f"{kind} 'payments'"


@pytest.mark.parametrize("name", ["", 5, b"payments", True, ("a",)])
def test_what_is_no_name_is_refused(make, name):
    """The message names the option and the value."""
    with pytest.raises(ConfigurationError, match="name="):
        make(name=name)


def test_two_with_the_same_options_are_two(make):
    """State is shared where the instance is, and nowhere else."""
    one, other = make(name="same"), make(name="same")

    assert one != other
    assert len({one, other}) == 2


@pytest.mark.parametrize(
    "refused, right",
    [({"open_for": True}, {"open_for": 1.0}), ({"failures": 1.0}, {"failures": 1})],
)
def test_equal_options_of_other_types_are_told_as_they_were_given(refused, right):
    """An option that was refused somewhere is not taken for one that is equal to it, and right."""
    with pytest.raises(ConfigurationError):
        CircuitBreaker(**refused)

    breaker = CircuitBreaker(**right)

    assert breaker.spelt() == f"CircuitBreaker({spelt(right)})"
    assert renewed(Pipeline("p", breaker)).strategies[0].spelt() == breaker.spelt()


def spelt(options):
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def test_an_identity_that_nobody_uses_is_freed(make):
    """Being renewed after a fork does not keep it alive."""
    seen = weakref.ref(make())
    gc.collect()

    assert seen() is None


@pytest.mark.parametrize(
    "pipelines, told", [([], ""), (["payments"], "payments"), (["a", "b", "a"], "a, b")]
)
def test_an_event_names_all_pipelines_that_share_the_strategy(heard, pipelines, told):
    """What happens to a shared breaker happens to all of them."""
    breaker = CircuitBreaker()
    for pipeline in pipelines:
        breaker.joined(pipeline)

    breaker.reset()

    (event,) = heard
    assert type(event) is BreakerClosed
    assert event.pipeline == told


def test_an_event_of_an_unused_strategy_names_the_strategy(heard):
    """Its own name stands in for that of a pipeline."""
    CircuitBreaker(name="payments").reset()

    assert heard[0].pipeline == "payments"


def test_a_kind_says_itself_what_a_child_process_renews():
    """Nobody forgets it: the base class has no answer."""

    class Forgetful(Identity):
        __slots__ = ()

    thing = Forgetful(None)
    with pytest.raises(NotImplementedError):
        thing._after_fork()


@pytest.mark.parametrize("first, then", [(10, 10.0), (10.0, 10), (1, 1.0)], ids=repr)
def test_options_that_are_equal_and_not_the_same_are_spelt_apart(first, then):
    """A window of 10 is ten calls, one of 10.0 ten seconds, although 10 == 10.0 == 10."""
    made = [CircuitBreaker(failure_rate=0.5, min_calls=1, window=one) for one in (first, then)]

    assert [
        f"window={one!r}" in breaker.spelt()
        for one, breaker in zip((first, then), made, strict=True)
    ] == [True, True]
