"""Stand-ins for the errors of libraries that are not installed here."""

import pytest


def of_library(name, *bases, **attributes):
    """Return an error whose class has the name of a library's class, without that library."""
    module, _, qualname = name.rpartition(".")
    kind = type(qualname, bases or (Exception,), {"__module__": module})
    error = kind("made up")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


class Holder:
    """Stands for a response, or whatever else has attributes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


@pytest.fixture(name="of_library")
def _of_library():
    return of_library


@pytest.fixture(name="holder")
def _holder():
    return Holder
