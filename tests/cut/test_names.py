"""What the names in a frame stand for: told without running anybody's code."""

import functools
import socket
import sys
import threading

import pytest

from holdfast._runtimes.cutting.names import Names, Nowhere


class Slots:
    __slots__ = ("held",)


class Plain:
    kept = len

    def __init__(self):
        self.held = Slots()
        self.held.held = self
        self.append = [].append

    @property
    def asked(self):
        raise AssertionError("a property is code")

    @functools.cached_property
    def cached(self):
        return self


class Odd:
    def __getattribute__(self, name):
        raise AssertionError("code, too")


class OfThreads(threading.local):
    """What it holds depends on who asks."""

    held = None


class Lies:
    @property
    def __class__(self):
        raise AssertionError("even this is code")

    @property
    def __dict__(self):
        raise AssertionError("and this")


def names_here(one=None, odd=None, lies=None, thread=None):
    """Return the names of a frame with such variables."""
    return Names(sys._getframe())


def test_names_stand_for_what_frames_and_objects_hold():
    """Variables of all kinds, attributes in dicts and in slots, of classes and of modules."""
    plain = Plain()
    assert plain.cached is plain  # from now on it is held
    names = names_here(plain)

    assert names.value("one") is plain
    assert names.value("one.held.held.held") is plain.held
    assert names.value("one.cached") is plain
    assert names.value("sys.path") is sys.path
    assert names.function("one.append")[0] == []
    assert names.function("one.kept")[1] == "len"
    assert names.function("len")[1] == "len"


def test_a_function_of_c_belongs_to_what_it_was_taken_from():
    """However it is called: by a name of its own, by another's, or with arguments given before."""
    held = Plain()
    with socket.socket() as here:
        held.append = functools.partial(here.recv, 1)

        def frame(one, receive, held):
            return Names(sys._getframe())

        names = frame(here, here.recv, held)
        assert names.function("receive") == (here, "recv")
        assert names.function("one.recv") == (here, "recv")
        assert names.function("held.append") == (here, "recv")


@pytest.mark.parametrize(
    "name",
    [
        "one.asked",
        "one.nothing.more",
        "odd.held",
        "lies.held",
        "thread.held",
        "nobody",
        "(...)",
        "one[...]",
        "f(...).x",
    ],
)
def test_nobodys_code_is_run(name):
    """What can't be told without it stands for nothing."""
    names = names_here(one=Plain(), odd=Odd(), lies=Lies(), thread=OfThreads())
    with pytest.raises(Nowhere):
        names.value(name)
