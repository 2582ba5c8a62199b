"""Processes that can't read their own account in /proc, in earnest: there the frames do.

Who has given up root's rights without a new program after it, as servers do that begin as root and go on
as somebody else, is not "dumpable" any more, and its files in /proc belong to root.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast._world import has_gil
from tests.cut.blind import ROOT, namespace

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="Linux's account"),
]

NOBODY = 65534

CALL = f"""
import ctypes, os, socket, threading
from holdfast import AttemptTimeout, Pipeline, Timeout
from holdfast._runtimes.cutting import kernel, sockets, step, watcher

def undumpable():
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)

def somebody_else():
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})

PREPARE
told = kernel.Kernel(sockets.Libc()).look(threading.get_native_id()).why_not
here, there = socket.socketpair()
try:
    Pipeline("p", Timeout(0.1)).call(here.recv, 1)
except AttemptTimeout:
    print("cut;", told)
"""
BY_FRAMES = "cut; the kernel does not say what it waits for"
BY_KERNEL = "cut; it waits for no socket"  # its own thread, which just reads that file


def called(prepare, *before):
    """Return what a process says whose call waits for ever, after some preparation."""
    command = [*before, sys.executable, "-c", CALL.replace("PREPARE", prepare)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


needs_gil = pytest.mark.skipif(not has_gil(), reason="frames are read under the GIL only")


@needs_gil
@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_a_server_that_has_given_up_its_rights_is_served_by_the_frames():
    """As gunicorn's workers with ``--user``, or uWSGI with ``uid``."""
    assert called("somebody_else()") == BY_FRAMES


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_who_says_that_it_may_be_looked_at_reads_its_account_again():
    """One system call of Linux's, made after it has become somebody else."""
    assert called("somebody_else(); ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)") == BY_KERNEL


def test_a_process_that_may_not_be_looked_at():
    """Root's are, all the same: root may read whatever there is."""
    expected = BY_KERNEL if ROOT else BY_FRAMES
    assert called("undumpable()") == expected


@needs_gil
def test_without_proc_the_frames_serve():
    """A container or a chroot may have none."""
    assert called("", *namespace("mount -t tmpfs none /proc")) == BY_FRAMES


@pytest.mark.parametrize("option", ["hidepid=2", "hidepid=ptraceable", "subset=pid"])
def test_processes_that_are_hidden_from_others_see_themselves(option):
    """What a thread of its own waits for is never hidden from a process."""
    assert called("", *namespace(f"mount -t proc -o {option} proc /proc")) == BY_KERNEL
