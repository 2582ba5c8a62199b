"""A reader that leaves early, as in ``holdfast simulate ... | head``, is no error of what was asked for.

What is written into a pipe that nobody reads any more vanishes, and the command goes on: its files are
written, its processes end in good order.  Only the exit code tells, as it does where SIGPIPE ends a
command; Python ignores that signal.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

UNREAD = 141  # as shells have it: 128 + SIGPIPE

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""There is no room for what is written: not the command's fault, so it is told in a line."""


class _Pipe(io.FileIO):
    """An open file whose reader may leave."""

    unread: bool = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write ``data``, to nobody if need be."""
        try:
            return super().write(data)
        except BrokenPipeError:
            self.unread = True
            return memoryview(data).nbytes


def run(command: Callable[[], object]) -> None:
    """Run a command; if it ends well, but nobody read all that it printed, the exit code is `UNREAD`."""
    pipes: list[_Pipe] = []
    out, err = _patient(sys.stdout, pipes), _patient(sys.stderr, pipes)
    ends = SystemExit()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            try:
                command()
            except SystemExit as error:
                ends = error
            out.flush()
            err.flush()
        except OSError as error:
            if error.errno not in FULL:
                raise
            where = f" {error.filename}" if error.filename else ""
            ends = SystemExit(f"holdfast: cannot write{where}: {error.strerror}")
    if not ends.code and any(pipe.unread for pipe in pipes):
        ends = SystemExit(UNREAD)
    raise ends


def _patient(stream: TextIO | None, pipes: list[_Pipe]) -> TextIO:
    """Return what writes to the same place as ``stream``; a terminal has no reader that leaves."""
    if stream is None:  # it was closed from the start
        return Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper) or stream.isatty():
        return stream
    try:
        pipe = _Pipe(stream.fileno(), "w", closefd=False)
    except OSError:  # none of the system's
        return stream
    pipes.append(pipe)
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(pipe),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,
    )
