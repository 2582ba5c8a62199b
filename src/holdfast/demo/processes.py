"""Starting the demo's processes, talking to them, and leaving none behind.

A child runs in a session of its own, so Ctrl-C in the terminal reaches only the story, which then ends
its children in order. They also end by themselves when their standard input does (see `wire`).
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

START_WITHIN = 20.0  # seconds; a cold disk and a busy machine included
STOP_WITHIN = 2.0
LONGEST_LINE = 1 << 22  # bytes

T = TypeVar("T")
Message = dict[str, Any]
Hear = Callable[[Message], None]


class ChildFailed(Exception):
    """A child ended too early; with the last lines that it wrote."""


class Child:
    """One running process. What it said first is in `first`; all after that is passed to `hear`."""

    def __init__(self, module: str, process: Process, hear: Hear) -> None:
        self._module = module
        self._process = process
        self._input = _pipe(process.stdin)
        self._hear = hear
        self._errors: deque[str] = deque(maxlen=15)
        self._first: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._readers = [
            asyncio.create_task(self._read_messages()),
            asyncio.create_task(self._read_errors()),
        ]
        self.first: Message = {}
        self.pid: int = process.pid

    @property
    def port(self) -> int:
        """Where the child listens."""
        return int(self.first["port"])

    @property
    def url(self) -> str:
        """The same as an address."""
        return f"http://127.0.0.1:{self.port}/"

    def send(self, **command: Any) -> None:
        """Give the child a command."""
        self._input.write(f"{json.dumps(command)}\n".encode())

    def check(self) -> None:
        """Raise if the child is gone, or said what can't be understood."""
        if self._process.returncode is not None:
            raise ChildFailed(self._obituary())
        if self._readers[0].done():
            self._readers[0].result()

    async def started(self) -> None:
        """Wait for its first message."""
        either: list[asyncio.Future[Any]] = [self._first, self._readers[0]]
        done, _ = await asyncio.wait(
            either, timeout=START_WITHIN, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            raise ChildFailed(f"{self._module} didn't start within {START_WITHIN:g} s")
        if not self._first.done():
            await self._process.wait()
            await self._readers[1]
            raise ChildFailed(self._obituary())
        self.first = self._first.result()

    async def end(self) -> None:
        """Close its input, which ends it; kill it if that doesn't."""
        self._input.close()
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _read_messages(self) -> None:
        async for line in _pipe(self._process.stdout):
            message = json.loads(line)
            if self._first.done():
                self._hear(message)
            else:
                self._first.set_result(message)

    async def _read_errors(self) -> None:
        async for line in _pipe(self._process.stderr):
            self._errors.append(line.decode(errors="replace").rstrip())

    def _obituary(self) -> str:
        said = "\n  ".join(self._errors) or "(it wrote nothing)"
        return f"{self._module} ended with code {self._process.returncode}:\n  {said}"


def _pipe(stream: T | None) -> T:
    """Of a process that was started with a pipe."""
    if stream is None:
        raise ChildFailed("a process was started without its pipes")
    return stream


@asynccontextmanager
async def running(
    module: str, *arguments: str, hear: Hear = lambda _: None
) -> AsyncIterator[Child]:
    """``python -m holdfast.demo.MODULE ARGUMENTS`` for the length of the ``async with`` block."""
    command = (sys.executable, "-m", f"{__package__}.{module}", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=LONGEST_LINE
    )
    child = Child(module, process, hear)
    try:
        await child.started()
        yield child
    finally:
        await child.end()
