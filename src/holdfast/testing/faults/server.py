"""`FaultServer`: an HTTP server on loopback that misbehaves as it is told."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Mapping
from contextlib import suppress

from holdfast.testing.faults._background import Background
from holdfast.testing.faults._plan import End, plan
from holdfast.testing.faults._request import Request, read_request
from holdfast.testing.faults._rules import Rules, Steps
from holdfast.testing.faults._service import Service
from holdfast.testing.faults._stream import Stream
from holdfast.testing.faults.behaviours import Behaviour, Reply

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
OK = Reply()


class FaultServer(Service):
    """A real HTTP/1.1 server on 127.0.0.1, in a thread of its own, that plays a script.

    Each request gets one step, the last one for ever, whichever connection it comes by::

        with FaultServer([Reply(503, times=2), Reset(), Reply(body=b"ok", takes=0.3)]) as server:
            httpx.get(server.url)

    Plain ``with`` is right in async code, too: to start and to stop takes about a millisecond.  When it
    stops, connections that hang are closed, so no client hangs for longer than the test.

    It takes real time, but tells when requests came on the clock in force; so a client whose pauses are
    virtual can be watched.  Thread-safe; all methods may be called while it runs.

    Args:
        script: a behaviour, or several; see `holdfast.testing.faults.behaviours`.  A number stands
            for a status, bytes or text for the body of a 200, and ``Ok`` and ``Hang`` of
            `holdfast.testing` do as well.
        routes: scripts for single routes such as ``"/pay"``, ``"POST /pay"`` or ``"/orders/*"``.
        seed: for all jitter.

    Raises:
        ConfigurationError: for a script with a step that is none, or with no step.
    """

    def __init__(
        self, script: Steps = OK, *, routes: Mapping[str, Steps] | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self._rules = Rules(script)
        for route, steps in (routes or {}).items():
            self._rules.set(steps, route)
        self._rng = random.Random(seed)
        self._requests: list[Request] = []

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, without a slash at the end."""
        return "http://{}:{}".format(*self.address)

    @property
    def requests(self) -> list[Request]:
        """The requests that it has read in full, in order."""
        return list(self._requests)

    @property
    def times(self) -> list[float]:
        """The instants of the requests, on the clock in force."""
        return [request.at for request in self._requests]

    def behave(self, script: Steps, *, on: str | None = None) -> None:
        """Play another script from now on; what is under way ends as it began.

        Args:
            script: as for the constructor.
            on: for this route only, such as ``"POST /pay"``; otherwise for all that have none.

        Raises:
            ConfigurationError: as for the constructor; the present script stays in force.
        """
        self._rules.set(script, on)

    def _connected(self, background: Background, connection: socket.socket) -> None:
        stream = Stream(connection)
        task = background.spawn(self._serve(stream))
        task.add_done_callback(lambda _: stream.close())

    async def _serve(self, stream: Stream) -> None:
        with suppress(OSError, EOFError):  # the client has gone
            towards_all = self._rules.on_connection()
            if towards_all is not None:
                await self._play(stream, towards_all)
                return
            while await self._exchange(stream):
                pass

    async def _exchange(self, stream: Stream) -> bool:
        """Read a request and play a step; return whether the connection goes on."""
        try:
            request = await read_request(stream)
        except ValueError:
            await stream.send(BAD_REQUEST)
            await stream.finish()
            return False
        self._requests.append(request)
        step = self._rules.on_request(request.method, request.path)
        return await self._play(stream, step, method=request.method, closes=request.closes)

    async def _play(
        self, stream: Stream, step: Behaviour, *, method: str = "GET", closes: bool = False
    ) -> bool:
        jitter = self._rng.uniform(-step.jitter, step.jitter) if step.jitter else 0.0
        if step.takes + jitter > 0:
            await asyncio.sleep(step.takes + jitter)
        for action in plan(step, method=method, closes=closes):
            if isinstance(action, bytes):
                await stream.send(action)
            elif isinstance(action, End):
                return await _end(stream, action)
            else:
                await asyncio.sleep(action)
        raise AssertionError(f"the plan of {step!r} has no end")


async def _end(stream: Stream, end: End) -> bool:
    match end:
        case End.KEEP:
            return True
        case End.CLOSE:
            await stream.finish()
        case End.HALF_CLOSE:
            stream.half_close()
            await stream.drain()
        case End.RESET:
            stream.reset()
        case End.VANISH:
            await asyncio.Event().wait()
    return False
