"""The child's end of the pipe, in a process of its own: it writes to its own standard output."""

import json
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.real_time


@pytest.fixture
def child():
    """Start Python with `code`, after ``wire = Wire()``; it is not left behind."""
    started = []

    def start(code):
        program = f"import time\nfrom holdfast.demo.wire import Wire\nwire = Wire()\n{code}"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([sys.executable, "-c", program], **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if not stream.closed:
                stream.close()


def test_messages_are_lines_of_json_with_the_time(child):
    """All processes share the clock, so the story can place what it hears."""
    before = time.monotonic()
    message = json.loads(child("wire.say(port=7)").stdout.readline())

    assert message["port"] == 7
    assert before < message["at"] < time.monotonic()


def test_commands_are_heard(child):
    """Each line that comes in is passed on, while the process does something else."""
    process = child("wire.hear(lambda command: wire.say(heard=command))\ntime.sleep(20)")
    process.stdin.write(b'{"hang": true}\n')
    process.stdin.flush()

    assert json.loads(process.stdout.readline())["heard"] == {"hang": True}


def test_the_end_of_the_input_ends_the_process(child):
    """Even one that does something else, and would go on for long."""
    process = child("wire.hear(print)\ntime.sleep(20)")
    process.stdin.close()

    assert process.wait(5) == 0


def test_a_story_that_no_longer_listens_ends_the_process(child):
    """Who speaks to nobody stops, without a word of complaint."""
    process = child("while True: wire.say(text='x' * 1000)")
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(5) == 0


def test_figures_are_reported_again_and_again(child):
    """Each report has the figures of that moment."""
    process = child(
        "figures = iter(range(9))\nwire.report(lambda: {'n': next(figures)})\ntime.sleep(20)"
    )

    assert [json.loads(process.stdout.readline())["figures"]["n"] for _ in range(3)] == [0, 1, 2]
