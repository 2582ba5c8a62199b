"""`Scripted`: a dependency that does what the script says."""

import threading

import pytest

from holdfast import AttemptTimeout, ConfigurationError, Pipeline, Retry, Timeout, backoff
from holdfast.testing import DeadlockError, Fail, Hang, Ok, Scripted, VirtualClock, run


def test_it_plays_one_step_for_each_call(world):
    """Each call gets the next step, and takes the time that it says."""
    dependency = world.dependency(Ok("a", takes=0.5), Fail(ConnectionError("down"), takes=1.0))

    assert world.run(dependency) == "a"
    with pytest.raises(ConnectionError, match="down"):
        world.run(dependency)
    assert dependency.times == [world.start, world.start + 0.5]
    assert world.elapsed() == 1.5


def test_the_last_step_is_played_for_ever(world):
    """After the end of the script its last step is repeated."""
    dependency = world.dependency(Ok(1), Ok(2))
    assert [world.run(dependency) for _ in range(4)] == [1, 2, 2, 2]


def test_anything_else_is_short_for_a_step(world):
    """An exception or its class stands for `Fail`, any other object for `Ok`."""
    dependency = world.dependency("value", KeyError("key"), LookupError)
    assert world.run(dependency) == "value"
    with pytest.raises(KeyError, match="key"):
        world.run(dependency)
    with pytest.raises(LookupError):
        world.run(dependency)


def test_the_calls_are_kept(world):
    """What it was called with, and when, can be read afterwards."""
    dependency = world.dependency(Ok())
    world.run(dependency, "order", total=5)
    (call,) = dependency.calls
    assert (call.at, call.args, call.kwargs) == (world.start, ("order",), {"total": 5})


def test_a_hang_ends_with_its_timeout(world):
    """`Hang` never answers; the timeout around it ends it."""
    with pytest.raises(AttemptTimeout):
        world.call(Pipeline("p", Timeout(3.0, sync="thread")), world.dependency(Hang()))
    assert world.elapsed() == 3.0


def test_a_hang_without_a_timeout_is_reported(world):
    """With nothing that ever ends it, a hang raises instead of hanging."""
    with pytest.raises(DeadlockError, match="nothing will ever happen"):
        world.run(world.dependency(Hang()))


def test_the_first_exception_is_the_very_object():
    """The exception object of the script is raised itself the first time."""
    error = ConnectionError("down")
    with pytest.raises(ConnectionError, match="down") as caught:
        Scripted([error])()
    assert caught.value is error


def test_repeated_exceptions_are_fresh():
    """Each repetition raises a copy, without the notes and the traceback of the one before."""
    dependency = Scripted([ConnectionError("down")])
    call = Pipeline("p", Retry(2, backoff=backoff.constant(1.0)))(dependency)
    caught = []
    with VirtualClock():
        for _ in range(2):
            with pytest.raises(ConnectionError, match="down") as info:
                call()
            caught.append(info.value)
    assert caught[0] is not caught[1]
    assert [len(error.__notes__) for error in caught] == [1, 1]


def test_one_exception_in_several_steps_is_raised_once():
    """The same object in two steps of a script is raised itself only the first time."""
    error = ConnectionError("down")
    dependency = Scripted([error, error])
    caught = []
    for _ in range(2):
        with pytest.raises(ConnectionError) as info:
            dependency()
        caught.append(info.value is error)
    assert caught == [True, False]


def test_an_exception_that_cannot_be_copied_is_raised_again():
    """Where copying fails the same object is raised each time."""

    class Stubborn(Exception):
        def __reduce_ex__(self, _protocol):
            raise TypeError("no copies")

    dependency = Scripted([Stubborn()])
    for _ in range(2):
        with pytest.raises(Stubborn):
            dependency()


@pytest.mark.parametrize("script", [[], "paid", Hang(), OSError])
def test_what_is_no_list_of_steps_is_refused(script):
    """A script without a step has nothing to play, and a text would be played letter by letter."""
    with pytest.raises(ConfigurationError, match=r"at least one step|a list of steps"):
        Scripted(script)


@pytest.mark.parametrize(
    "make, option",
    [
        (lambda: Ok(takes=-1.0), "takes"),
        (lambda: Ok(takes=float("nan")), "takes"),
        (lambda: Fail(OSError, takes=float("inf")), "takes"),
        (lambda: Fail(OSError, times=0), "times"),
        (lambda: Hang(times=1.5), "times"),
        (lambda: Fail("down"), "error"),
    ],
)
def test_steps_that_cannot_be_are_refused(make, option):
    """A negative or endless duration, a count below one, an error that is none: where it is written."""
    with pytest.raises(ConfigurationError, match=f"^{option}="):
        make()


def test_a_step_may_be_played_several_times(world):
    """Fail twice, then answer in 0.3 seconds."""
    dependency = world.dependency(Fail(OSError("down"), times=2), Ok(200, takes=0.3))
    pipeline = Pipeline("p", Retry(3, backoff=backoff.constant(1.0)))

    assert world.call(pipeline, dependency) == 200
    assert [at - world.start for at in dependency.times] == [0.0, 1.0, 2.0]
    assert world.elapsed() == pytest.approx(2.3)


def test_each_call_gets_a_step_of_its_own():
    """However many threads call at once, each step is played as often as it says."""
    dependency = Scripted([Ok(1, times=500), Ok(2, times=500), Ok(3)])
    answers = []

    def calls():
        answers.extend(dependency() for _ in range(300))

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers.count(step) for step in (1, 2, 3)] == [500, 500, 200]


def test_it_tells_how_often_it_was_called():
    """Its representation is for failing tests."""
    dependency = Scripted(["tea"])
    dependency()
    assert repr(dependency) == "<Scripted, called 1 times>"


def test_one_script_serves_both_colours():
    """Blocking and async callers of one dependency share its script."""
    dependency = Scripted([Ok(1), Ok(2)])
    assert (dependency(), run(dependency.aio())) == (1, 2)


@pytest.mark.real_time
def test_without_a_clock_it_takes_real_time():
    """Without a virtual clock `takes` is real, and a hang in blocking code is refused."""
    assert Scripted([Ok("slow", takes=0.001)])() == "slow"
    with pytest.raises(RuntimeError, match="VirtualClock"):
        Scripted([Hang()])()
