"""A pipeline inside the function of another one: deadlines travel in, errors out, retries multiply."""

import warnings

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    DeadlineExceeded,
    NestedRetryWarning,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    remaining,
)
from holdfast.events import NestedRetry
from holdfast.testing import Fail, Hang, Ok, record

PAUSE = backoff.constant(1.0)


@pytest.fixture
def nest(world):
    """Return a function that puts a dependency behind pipelines, each one inside the next."""

    def nest(dependency, *pipelines):
        function = dependency
        for pipeline in reversed(pipelines):
            function = behind(world, pipeline, function)
        return function

    return nest


def behind(world, pipeline, function):
    protected = world.protect(pipeline, function)

    @world.function
    async def layer():
        return await world.do(protected)

    return layer


def retrying(name, attempts, **options):
    return Pipeline(name, Retry(attempts, backoff=PAUSE, **options))


@pytest.mark.filterwarnings("ignore::holdfast.NestedRetryWarning")
@pytest.mark.parametrize("depth, attempts", [(1, 3), (2, 3), (3, 3), (3, 2), (5, 2)])
def test_retries_multiply(world, nest, depth, attempts):
    """Three layers of three attempts each make twenty-seven calls of what is down."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    layers = [retrying(f"layer {number} of {depth}", attempts) for number in range(depth)]
    with pytest.raises(ConnectionError):
        world.run(nest(dependency, *layers))
    assert len(dependency.calls) == attempts**depth


def test_multiplying_is_warned_about_once(world, nest):
    """The first time that an outer retry repeats an inner one, a warning names both, and the cure."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    names = f"shop in {world.name}", f"payments in {world.name}"
    function = nest(dependency, *(retrying(name, 2) for name in names))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            with pytest.raises(ConnectionError):
                world.run(function)
    (warning,) = caught
    assert warning.category is NestedRetryWarning
    text = str(warning.message)
    assert all(name in text for name in names)
    assert "their attempts multiply" in text
    assert "nested='inner' or nested='outer'" in text


def test_multiplying_is_told_every_time(world, nest):
    """Listeners hear of each repetition, with the attempts that the inner retry has made."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    function = nest(dependency, retrying("told", 3), retrying("told inside", 2))
    with warnings.catch_warnings(), record() as events:
        warnings.simplefilter("ignore")
        with pytest.raises(ConnectionError):
            world.run(function)
    nested = events.of(NestedRetry)
    assert {(event.pipeline, event.inner, event.attempts) for event in nested} == {
        ("told", "told inside", 2)
    }


def test_warnings_as_errors_do_not_replace_the_users_error(world, nest):
    """Under ``-W error`` the warning becomes a note of the error that the user gets."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    names = f"strict shop in {world.name}", f"strict payments in {world.name}"
    function = nest(dependency, retrying(names[0], 2), retrying(names[1], 2))
    with pytest.raises(ConnectionError) as caught:
        world.run(function)
    assert any("their attempts multiply" in note for note in caught.value.__notes__)


def test_the_inner_one_alone_retries(world, nest):
    """With ``nested="inner"`` the outer retry leaves alone what the inner one has given up on."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    function = nest(dependency, retrying("outer", 3, nested="inner"), retrying("inner", 3))
    with pytest.raises(ConnectionError) as caught:
        world.run(function)
    assert len(dependency.calls) == 3
    assert "the retry of pipeline 'inner' has made 3 attempts already" in caught.value.__notes__[-1]


def test_the_outer_one_alone_retries(world, nest):
    """With ``nested="outer"`` retries further in make one attempt for each of the outer one."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    function = nest(
        dependency, retrying("outer", 3, nested="outer"), retrying("middle", 5), retrying("in", 7)
    )
    with pytest.raises(ConnectionError):
        world.run(function)
    assert len(dependency.calls) == 3


def test_an_inner_retry_is_free_again_outside_the_outer_one(world, nest):
    """A claim ends with the call that made it."""
    dependency = world.dependency(Fail(ConnectionError("down")))
    inner = retrying("inner", 3)
    with pytest.raises(ConnectionError):
        world.run(nest(dependency, retrying("outer", 2, nested="outer"), inner))
    assert len(dependency.calls) == 2
    with pytest.raises(ConnectionError):
        world.run(nest(dependency, inner))
    assert len(dependency.calls) == 5


@pytest.mark.filterwarnings("ignore::holdfast.NestedRetryWarning")
def test_an_outer_retry_of_something_else_is_no_nesting(world, nest):
    """Where the function has more to fail with than the inner call, that is retried in peace."""
    inner = retrying("inner", 2)
    dependency = world.dependency(Ok("fine"))
    tries = []

    @world.function
    async def function():
        tries.append(1)
        await world.do(world.protect(inner, dependency))
        if len(tries) < 3:
            raise KeyError("my own")
        return "done"

    with record() as events:
        assert world.call(retrying("outer", 3, nested="inner"), function) == "done"
    assert events.of(NestedRetry) == []


def test_the_outer_limit_reaches_all_the_way_in(world, nest):
    """An inner pipeline sees what is left of the outermost total, and does not extend it."""
    seen = []

    @world.function
    async def function():
        await world.sleep(1.0)
        seen.append(remaining())

    pipelines = [Pipeline(f"layer {n}", Timeout(seconds)) for n, seconds in enumerate((5.0, 9.0))]
    world.run(nest(function, *pipelines))
    assert seen == [4.0]


def test_the_sooner_limit_wins_whichever_layer_set_it(world, nest):
    """The error is that of the layer whose limit it was; the layers around it pass it on."""
    outer, inner = (
        Pipeline("outer", Timeout(2.0, sync="thread")),
        Pipeline("inner", Timeout(9.0, sync="thread")),
    )
    with pytest.raises(AttemptTimeout, match="pipeline 'outer': no answer within 2 s") as caught:
        world.run(nest(world.dependency(Hang()), outer, inner))
    assert not isinstance(caught.value, DeadlineExceeded)
    assert world.elapsed() == 2.0
    with pytest.raises(AttemptTimeout, match="pipeline 'inner': no answer within 3 s"):
        world.run(nest(world.dependency(Hang()), Pipeline("outer", Timeout(9.0, sync="thread")),
                       Pipeline("inner", Timeout(3.0, sync="thread"))))  # fmt: skip


def test_a_retry_further_in_does_not_outlast_the_outer_limit(world, nest):
    """The inner retry gives up while there is time, instead of being cut in the middle."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=1.0))
    function = nest(dependency, Pipeline("outer", Timeout(6.0)), retrying("inner", 100))
    with pytest.raises(ConnectionError) as caught:
        world.run(function)
    assert len(dependency.calls) == 3  # 0-1, 2-3, 4-5; the next would end at 7
    assert "deadline" in caught.value.__notes__[0]


def test_an_inner_rejection_is_an_error_like_any_other_for_the_outer_breaker(world, nest):
    """What another pipeline refuses is no outcome of a dependency: the outer breaker does not count."""
    inner = CircuitBreaker()
    inner.trip()
    outer = CircuitBreaker(failures=2)
    function = nest(world.dependency(Ok(1)), Pipeline("outer", outer), Pipeline("inner", inner))
    for _ in range(3):
        with pytest.raises(CircuitOpenError) as caught:
            world.run(function)
        assert caught.value.pipeline == "inner"
    assert outer.state == "closed"


def test_one_bulkhead_in_both_pipelines_can_block_itself(world, nest):
    """A compartment of one that is entered again from inside is full: refused, not deadlocked."""
    bulkhead = Bulkhead(1, queue=5, max_wait=2.0)
    function = nest(
        world.dependency(Ok(1)), Pipeline("outer", bulkhead), Pipeline("inner", bulkhead)
    )
    with pytest.raises(Exception, match="no permit came free in time"):
        world.run(function)
    assert world.elapsed() == 2.0
    assert bulkhead.in_flight == 0


def test_the_same_pipeline_within_itself(world):
    """A function that calls itself through its own pipeline works, to any depth."""
    pipeline = Pipeline("p", Timeout(60.0), Bulkhead(5), Retry(2, backoff=PAUSE), CircuitBreaker())

    @world.function
    async def countdown(number):
        await world.sleep(0.1)
        return number if number == 0 else await world.do(protected, number - 1)

    protected = world.protect(pipeline, countdown)
    assert world.run(protected, 4) == 0
    assert pipeline.strategies[1].in_flight == 0
