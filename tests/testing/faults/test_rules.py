"""Which behaviour is next."""

import pytest

from holdfast import ConfigurationError
from holdfast.testing import Fail, Hang, Ok
from holdfast.testing.faults import Close, Reply, Reset, Vanish
from holdfast.testing.faults._rules import Rules


def played(rules, count, method="GET", path="/"):
    return [rules.on_request(method, path) for _ in range(count)]


def test_a_script_is_played_step_by_step_and_the_last_one_for_ever():
    """``times`` repeats a step."""
    rules = Rules([Reply(503, times=2), Reset(), Reply()])

    assert played(rules, 6) == [Reply(503, times=2)] * 2 + [Reset()] + [Reply()] * 3


def test_one_behaviour_is_a_script():
    """It needs no list."""
    assert played(Rules(Reset()), 2) == [Reset(), Reset()]


@pytest.mark.parametrize(
    "step, behaviour",
    [
        (503, Reply(503)),
        ("tea", Reply(body=b"tea")),
        (b"tea", Reply(body=b"tea")),
        (Ok(), Reply()),
        (Ok("tea", takes=0.2, times=2), Reply(body=b"tea", takes=0.2, times=2)),
        (Hang(), Vanish()),
    ],
)
def test_the_words_of_scripted_are_understood(step, behaviour):
    """And the shortest ones: a status, a body."""
    assert played(Rules([step]), 1) == [behaviour]


@pytest.mark.parametrize("step", [Fail(OSError()), OSError(), None, True, Ok(7), Reply, {}])
def test_what_a_socket_cannot_do_is_refused(step):
    """An exception is nothing that a server sends; the message tells what is."""
    with pytest.raises(
        ConfigurationError, match=r"a step must be a behaviour such as Reply\(503\)"
    ):
        Rules([step])


@pytest.mark.parametrize("script, message", [([], "at least one step"), (None, "a step must be")])
def test_what_is_no_script_is_refused(script, message):
    """There would be nothing to do for ever."""
    with pytest.raises(ConfigurationError, match=message):
        Rules(script)


@pytest.mark.parametrize("route", ["pay", "post /pay", "", "POST"])
def test_a_route_that_fits_no_request_is_refused(route):
    """A typing error is told at once, not by a script that is never played."""
    with pytest.raises(ConfigurationError, match=r"on=.* is not allowed"):
        Rules(200).set(503, route)


def test_a_route_has_a_script_of_its_own():
    """By path, by method and path, or by pattern; all other requests share the general one."""
    rules = Rules(Reply(404))
    rules.set([Reply(503), Reply()], "POST /pay")
    rules.set(Reply(201), "/orders/*")

    assert played(rules, 2, "POST", "/pay") == [Reply(503), Reply()]
    assert played(rules, 1, "GET", "/pay") == [Reply(404)]
    assert played(rules, 1, "GET", "/orders/7") == [Reply(201)]


def test_a_route_can_be_told_anew():
    """Its script begins again."""
    rules = Rules(200)
    rules.set([503, 200], "/pay")
    played(rules, 2, path="/pay")

    rules.set([503, 200], "/pay")

    assert played(rules, 2, path="/pay") == [Reply(503), Reply()]


def test_what_happens_at_the_accept_needs_no_request():
    """It is taken by the connection, and only if it is next."""
    rules = Rules([Reply(), Close("accept"), Reply(503)])

    assert rules.on_connection() is None
    assert played(rules, 1) == [Reply()]
    assert rules.on_connection() == Close("accept")
    assert rules.on_connection() is None
    assert played(rules, 1) == [Reply(503)]


def test_a_route_cannot_say_what_happens_before_the_path_is_known():
    """That is told at once."""
    with pytest.raises(ConfigurationError, match="known only when the request has been read"):
        Rules(200).set(Reset("accept"), "/pay")
