"""Where we are: which Python, on what machine, and what may be read and called here."""

from __future__ import annotations

import errno
import os
import platform
import socket
import sys
import threading
from importlib import import_module

from holdfast._runtimes.cutting.elsewhere import hindrance, subinterpreter
from holdfast._world import has_gil
from holdfast.doctor.findings import Finding
from holdfast.doctor.trials import Patient

LINUX = sys.platform == "linux"
DROPPED = "this process is not dumpable, as one that has given up root's rights"
START_SO = (
    "have it start as that user, or call prctl(PR_SET_DUMPABLE, 1) when it has become that user"
)


def python(_: Patient) -> Finding:
    """Say which Python this is."""
    gil, where = has_gil(), _interpreter()
    shown = f"{platform.python_implementation()} {platform.python_version()}"
    with_gil = "with the GIL" if gil else "without the GIL"
    figures = {"version": platform.python_version(), "gil": gil, "interpreter": where}
    return Finding("python", ok=True, says=f"{shown}, {with_gil}, in {where}", figures=figures)


def machine(_: Patient) -> Finding:
    """Say what it runs on."""
    shown = f"{platform.system()} {platform.release()} on {platform.machine()}"
    figures = {"system": platform.system(), "machine": platform.machine()}
    return Finding("machine", ok=True, says=shown, figures=figures)


def hindered(_: Patient) -> Finding:
    """Say whether a watcher may run at all."""
    reason = hindrance()
    if not reason:
        return Finding("watcher", ok=True, says="the watcher's thread can run")
    cure = "limit calls by the timeouts of what has patched them"
    remedy = cure if "patched" in reason else "make such calls in the main interpreter"
    return Finding("watcher", ok=False, says="no watcher runs", because=reason, do=remedy)


def system_calls(_: Patient) -> Finding:
    """Say whether the numbers of the system's calls are known."""
    name, here = "system_calls", platform.machine()
    bits = "" if sys.maxsize > 1 << 32 else " with 32 bits"
    try:
        known = import_module("holdfast._runtimes.cutting.kernel").TABLES
    except ImportError:
        known, because = (), "ctypes is missing, which is needed to look at it"
    else:
        because = f"there is no table for {here}{bits}" if LINUX else _not_linux()
    if LINUX and here.lower() in known and not bits:
        return Finding(name, ok=True, says=f"the numbers of {here}'s system calls are known")
    return Finding(
        name, ok=False, says="the numbers of system calls are not known", because=because
    )


def account(patient: Patient) -> Finding:
    """Say whether the kernel tells what a thread waits for."""
    path = f"{patient.proc}/self/task/{threading.get_native_id()}/syscall"
    says = f"{patient.proc}/self/task/*/syscall"
    told, because, remedy = _read(path)
    if not told:
        because = because or "it is empty"
    if because:
        return Finding(
            "account", ok=False, says=f"{says} tells nothing", because=because, do=remedy
        )
    return Finding("account", ok=True, says=f"{says} tells what a thread waits for")


def memory(patient: Patient) -> Finding:
    """Say whether the sets of ``poll`` and ``select`` can be read."""
    path = f"{patient.proc}/self/mem"
    _, because, _ = _read(path, 0)
    if because:
        return Finding("memory", ok=False, says=f"{path} can't be read", because=because)
    return Finding("memory", ok=True, says=f"{path} tells what a thread polls")


def libc(_: Patient) -> Finding:
    """Say whether C's functions can be called without letting the GIL go."""
    because = no_libc()
    if because:
        remedy = "take a Python that was built with libffi, on a system with these functions"
        says = "C's functions can't be called with ctypes"
        return Finding("ctypes", ok=False, says=says, because=because, do=remedy)
    return Finding("ctypes", ok=True, says="C's functions can be called with ctypes")


def no_libc() -> str:
    """Return why C's functions can't be called, nothing if they can."""
    try:
        import_module("holdfast._runtimes.cutting.sockets").Libc()
    except (ImportError, OSError, AttributeError, TypeError) as error:
        return str(error)
    return ""


def cookie(_: Patient) -> Finding:
    """Say whether a socket can be told from a later one with the same number."""
    option = 57 if LINUX else None  # SO_COOKIE
    try:
        with socket.socket() as one:
            known = option is not None and any(one.getsockopt(socket.SOL_SOCKET, option, 8))
    except OSError as error:
        known, because = False, f"the system says {error.strerror!r}"
    else:
        because = "" if known else _not_linux()
    if known:
        return Finding("cookie", ok=True, says="SO_COOKIE tells sockets apart")
    return Finding("cookie", ok=False, says="there is no SO_COOKIE", because=because)


def _interpreter() -> str:
    number = subinterpreter()
    return f"the subinterpreter {number}" if number else "the main interpreter"


def _read(path: str, size: int = 256) -> tuple[bytes, str, str]:
    """Return what a file of the kernel's says, or why nothing, and what helps."""
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            return os.read(file, size), "", ""
        finally:
            os.close(file)
    except OSError as error:
        if not LINUX:
            return b"", _not_linux(), ""
        if error.errno in {errno.EACCES, errno.EPERM}:
            return b"", DROPPED, START_SO
        if error.errno == errno.ENOENT:
            because = (
                "there is no such file: /proc is not mounted, or this kernel has none (gVisor)"
            )
            return b"", because, "mount /proc, if it may be"
        return b"", f"the system says {error.strerror!r}", ""


def _not_linux() -> str:
    return f"this is {platform.system()}, not Linux"
