"""Calls that block on loopback until they are cut, or for a second where they are not."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from holdfast._cut import Late
from holdfast._runtimes.cutting.elsewhere import hindrance
from holdfast._runtimes.cutting.watcher import Watcher
from holdfast._runtimes.cutting.wheel import Wheel
from holdfast._runtimes.threads import Threads
from holdfast.errors import AttemptTimeout
from holdfast.shapes import Site
from holdfast.strategies.timeout import Timeout

LIMIT = 0.2
"""What the calls get, in seconds."""
PATIENCE = 1.0
"""When a call that was not cut is ended otherwise, in seconds after its limit."""

LISTENER = "a socket that listens"

Address = tuple[str, int]


def by_recv(address: Address) -> None:
    """Wait in ``recv``, without a timeout."""
    with socket.create_connection(address) as one:
        one.recv(1)


def by_poll(address: Address) -> None:
    """Wait in ``recv`` with a timeout, for which Python calls ``poll`` before."""
    with socket.create_connection(address, timeout=LIMIT + 2 * PATIENCE) as one:
        one.recv(1)


def by_client(address: Address) -> None:
    """Wait as a client does that knows nothing of us."""
    connection = http.client.HTTPConnection(*address)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    finally:
        connection.close()


WAYS: dict[str, Callable[[Address], None]] = {
    "recv": by_recv,
    "poll": by_poll,
    "an HTTP client": by_client,
}


@dataclass(slots=True)
class Trial:
    """What became of the calls that were watched in one way."""

    late: dict[str, float] = field(default_factory=dict)
    """How long after its limit each call that was cut has ended, in seconds."""
    left: dict[str, str] = field(default_factory=dict)
    """Why the others were not cut."""
    listener: str = ""
    """What has happened to a socket that listens; nothing if it was left alone, as it should be."""

    @property
    def cut(self) -> bool:
        """Whether all calls were cut."""
        return bool(self.late) and not self.left


class Patient:
    """Who is examined: this process.  Each trial is made once, when a check first asks for it.

    ``proc`` is where the kernel's account is.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self.proc = proc
        self._trials: dict[str, Trial] = {}

    def trial(self, by: str = "") -> Trial:
        """Have calls cut by the ``"kernel"`` alone, by the ``"frames"`` alone, or as they are usually.

        Raises:
            OSError: if there is no loopback.
            RuntimeError: if no thread can be started.
        """
        if by not in self._trials:
            reason = hindrance()
            if reason:
                self._trials[by] = Trial(left=dict.fromkeys(WAYS, reason))
            else:
                with _watching(by) as watcher:
                    self._trials[by] = _tried(watcher)
        return self._trials[by]


class _Watching(Watcher):
    """Looks in one way only, warns of nothing, and ends."""

    def __init__(self, by: str) -> None:
        super().__init__()
        self._by = by
        self._over = False

    def reasons(self) -> dict[str, str]:
        """Return why calls that are overdue were left alone."""
        return {one.wheel.pipeline: one.why_not for one in list(self.overdue.values())}

    def wheel(self, pipeline: str, *, mixed: bool = False) -> Wheel:
        """Return a new wheel, whose calls nobody is warned of."""
        made = super().wheel(pipeline, mixed=mixed)
        made.warned = True
        return made

    def close(self) -> None:
        """End its thread."""
        self._over = True
        self.arm(self._nobodys, self._now())

    def _turn(self) -> float:
        if self._over:
            self._eyes.close()
            raise SystemExit
        if self._by == "kernel":
            self._eyes._by_frames = None  # noqa: SLF001 - ours
        elif self._by == "frames":
            self._eyes._kernel = None  # noqa: SLF001 - ours
        return super()._turn()


@contextmanager
def _watching(by: str) -> Iterator[_Watching]:
    watcher = _Watching(by)
    try:
        yield watcher
    finally:
        watcher.close()


class _Call(threading.Thread):
    """A call with a limit, in a thread of its own."""

    def __init__(self, name: str, function: Callable[..., Any], watcher: Watcher) -> None:
        super().__init__(name=f"holdfast-doctor: {name}", daemon=True)
        self.watched_as = name
        self.error: BaseException | None = None
        self.took = 0.0
        timeout = Timeout(LIMIT, sync="cut")
        runtime = Threads(watcher=watcher)
        self._step = runtime.within(timeout, lambda _, __: function(), Site(name))

    def run(self) -> None:
        """Make the call; whatever it ends in is kept."""
        began = time.monotonic()
        try:
            self._step((), {})
        except (Exception, Late) as error:  # noqa: BLE001 - to be looked at in peace
            self.error = error
        self.took = time.monotonic() - began


def _tried(watcher: _Watching) -> Trial:
    """Make a call in each way, to a server that accepts, as all that listen do, and never answers."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = server.getsockname()[:2]
        calls = [_Call(name, lambda way=way: way(address), watcher) for name, way in WAYS.items()]
        listener.settimeout(LIMIT + 2 * PATIENCE)  # so that it polls, and can be seen

        def accept() -> None:
            listener.accept()[0].close()

        listens = _Call(LISTENER, accept, watcher)
        for one in (*calls, listens):
            one.start()
        until = time.monotonic() + LIMIT + PATIENCE
        for one in calls:
            one.join(max(0.0, until - time.monotonic()))
        reasons = watcher.reasons()
        found = Trial(listener=_listened(listens, listener, watcher))
        hanging = [one for one in calls if one.is_alive()]
        _hang_up(server, calls)
    for one in calls:
        name = one.watched_as
        if one in hanging:
            found.left[name] = reasons.get(name) or "nobody has looked at it"
        elif isinstance(one.error, AttemptTimeout):
            found.late[name] = one.took - LIMIT
        else:
            found.left[name] = f"it ended with {one.error!r}"
    return found


def _listened(call: _Call, listener: socket.socket, watcher: _Watching) -> str:
    """Return what is wrong with a socket that listens, after the limit of a call that waits for it."""
    until = time.monotonic() + PATIENCE
    while call.is_alive() and not watcher.reasons().get(LISTENER) and time.monotonic() < until:
        call.join(0.01)
    if not call.is_alive():
        return f"it ended with {call.error!r}"
    with socket.create_connection(listener.getsockname()[:2]):
        call.join(PATIENCE)
    if call.is_alive():
        return "it takes no connections any more"
    return "" if not isinstance(call.error, Exception) else f"it ended with {call.error!r}"


def _hang_up(server: socket.socket, calls: list[_Call]) -> None:
    """End the calls that nobody has cut: their peer goes away."""
    server.settimeout(0)
    with suppress(OSError):
        while True:
            server.accept()[0].close()
    for one in calls:
        one.join(PATIENCE)
