"""On a build without the GIL the races are real."""

import sys
import sysconfig

import pytest


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_nothing_has_turned_the_gil_on():
    """An extension module that does not know of such builds would, for the whole process."""
    assert not sys._is_gil_enabled()
