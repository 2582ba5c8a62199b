"""`Timeout` as a value: how long, and how blocking code is cut."""

import pytest

from holdfast import ConfigurationError, Timeout


def test_a_timeout_is_a_value():
    """Equal limits are equal, may be keys, and an int is as good as a float."""
    assert Timeout(5) == Timeout(5.0)
    assert hash(Timeout(5)) == hash(Timeout(5.0))
    assert Timeout(5.0) != Timeout(6.0)
    assert Timeout(5.0) != Timeout(5.0, sync="thread")
    assert Timeout(5.0) != 5.0


def test_its_seconds_are_a_float():
    """Whatever number was given."""
    assert type(Timeout(5).seconds) is float


@pytest.mark.parametrize("sync", ["cut", "thread", "cooperative"])
def test_it_knows_how_blocking_code_is_ended(sync):
    """In its own thread by default, in a worker, or by itself (Hystrix 212, resilience4j 1831)."""
    assert Timeout(5.0, sync=sync).sync == sync
    assert Timeout(5.0).sync == "cut"
    assert Timeout.adaptive().sync == "cut"


def test_it_knows_what_becomes_of_a_late_result():
    """It is handed over; who says so gets an error instead."""
    assert Timeout(5.0).late == "return"
    assert Timeout.adaptive(late="raise").late == "raise"
    with pytest.raises(ConfigurationError, match=r"late=.* one of 'return', 'raise'"):
        Timeout(5.0, late="refuse")


@pytest.mark.parametrize("sync", ["process", None, "", "THREAD", True])
def test_another_way_of_cutting_is_refused(sync):
    """The message names those that there are."""
    with pytest.raises(ConfigurationError, match=r"sync=.* one of 'cut', 'thread', 'cooperative'"):
        Timeout(5.0, sync=sync)


@pytest.mark.parametrize(
    "timeout, text",
    [
        (Timeout(5), "Timeout(5.0)"),
        (Timeout(0.25, sync="thread"), "Timeout(0.25, sync='thread')"),
    ],
)
def test_its_repr_is_what_makes_it(timeout, text):
    """Options at their defaults are left out."""
    assert repr(timeout) == text


def test_it_cannot_be_changed():
    """Pipelines share it."""
    with pytest.raises(AttributeError):
        Timeout(5.0).seconds = 6.0
