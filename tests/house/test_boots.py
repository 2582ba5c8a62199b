"""`make boots` moves the clock by as much as it should."""

import subprocess
import sys
import time

import pytest

from tools import boots

pytestmark = pytest.mark.skipif(not boots.OFFSETS.exists(), reason="no time namespaces here")
TELL = "import time; print(time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"


def test_offsets_are_reckoned_from_the_clocks_of_now():
    """Whatever the machine's uptime, suspended or not, and though the clocks are moved already."""
    before = {"monotonic": time.monotonic(), "boottime": time.clock_gettime(time.CLOCK_BOOTTIME)}
    inherited = {
        line.split()[0]: int(line.split()[1]) for line in boots.OFFSETS.read_text().splitlines()
    }
    for clock, offset in boots.offsets_for(30.0).items():
        assert before[clock] + offset - inherited[clock] == pytest.approx(30.0, abs=2.0)


@pytest.mark.skipif(bool(boots.impossible()), reason="nobody may move a clock here")
@pytest.mark.parametrize("age", boots.AGES.values())
def test_a_process_sees_the_clock_of_another_boot(age):
    """Both clocks of the process show so many seconds, and a few more for its start."""
    told = subprocess.run(
        boots.moved(age, [sys.executable, "-c", TELL]), capture_output=True, text=True, check=True
    )
    assert [float(one) for one in told.stdout.split()] == pytest.approx([age] * 2, abs=10.0)


def test_a_reason_is_given_where_it_cannot_be(monkeypatch):
    """Without `unshare` there is a sentence, not a traceback."""
    monkeypatch.setattr(boots.shutil, "which", lambda name: None)
    assert "util-linux" in boots.impossible()
