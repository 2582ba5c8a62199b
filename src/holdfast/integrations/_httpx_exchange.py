"""One request on its way through a pipeline, with all its attempts, for httpx and httpx2 alike.

It is the one argument of the protected function, and what the body of the response belongs to.  It is
the same for blocking and async code; the transports do what waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Any, Final

from holdfast._runtimes.limits import exceeded, timed_out
from holdfast._world import now
from holdfast.deadline import Ambient, current
from holdfast.errors import DeadlineTooShortError
from holdfast.integrations import http
from holdfast.integrations._hosts import Host
from holdfast.integrations._httpx_bodies import DRAIN, DRAIN_HEDGED, DRAIN_TIME
from holdfast.integrations._httpx_kit import Kit
from holdfast.integrations._httpx_replay import at_hand, rewinding
from holdfast.integrations._lifetime import SHORTEST, Lasting, Limits
from holdfast.strategies.hedge import Hedge
from holdfast.verdict.answers import MARK
from holdfast.verdict.codes import HTTP_LATER

THROTTLED: Final = 429
PHASES: Final[Mapping[str, None]] = {"connect": None, "read": None, "write": None, "pool": None}


class Exchange:
    """One request on its way through the pipeline, with all its attempts."""

    __slots__ = (
        "_asked", "_caller", "_end", "_extensions", "_keyed", "_limits", "_reading", "_rewind", "_twins",
        "_whole", "answer", "attempts", "gone", "horizon", "host", "kit", "repeat", "request",
        "response",
    )  # fmt: skip

    host: Host[Any]
    _limits: Limits

    def __init__(
        self, kit: Kit, request: Any, connect: float, repeats: Callable[[Any], bool]
    ) -> None:
        self.kit = kit
        self.request = request
        self._rewind = rewinding(request.stream, kit.module.ByteStream)
        self.repeat: bool = self._rewind is not None and bool(repeats(request))
        self.attempts: int = 0
        self._keyed = False
        self.horizon = self._caller = self._end = current()
        self.response: Any = None
        """The response of the last attempt, ..."""
        self.answer: Any = None
        """... and the one that the caller gets."""
        self._extensions = request.extensions
        asked = {**PHASES, **(request.extensions.get("timeout") or {})}
        asked["connect"] = connect if asked["connect"] is None else min(connect, asked["connect"])
        self._asked = asked
        self._reading = False
        self._whole: Exchange | None = None
        self._twins: list[Exchange] = []
        self.gone: bool = False
        """Whether the caller has its answer."""

    def give_key(self, key: str) -> None:
        """Give the request an ``Idempotency-Key`` for this call, so that it may be sent twice."""
        self.request.headers[http.IDEMPOTENCY_KEY] = key
        self._keyed = True
        self.repeat = self._rewind is not None

    def protected(self) -> Callable[[Exchange], Any]:
        """Return the function of the host that suits this request."""
        if not self.repeat:
            return self.host.once
        if self._rewind is at_hand or self.host.singly is None:
            return self.host.repeating
        return self.host.singly

    # -- one attempt -----------------------------------------------------------------------------

    def attempt(self) -> Exchange:
        """Return what one attempt works on: itself, or a twin where several may be under way."""
        hedged = any(isinstance(one, Hedge) for one in self.host.pipeline.strategies)
        if not (hedged and self.repeat and self._rewind is at_hand):
            return self
        twin, request = copy(self), self.request
        twin.request = self.kit.module.Request(
            request.method, request.url, headers=request.headers, stream=request.stream
        )
        twin.response, twin._whole = None, self  # noqa: SLF001 - another one of this class
        self._twins.append(twin)
        return twin

    @property
    def drained(self) -> int:
        """How many bytes of a failed response are read at once."""
        return DRAIN if self._whole is None else DRAIN_HEDGED

    @property
    def lost(self) -> bool:
        """Whether this attempt's response has come too late for anybody to close it."""
        return (self._whole or self).gone

    def begin(self) -> Any:
        """Cut the timeouts for one attempt, and return the request."""
        self._reading = False
        self._end = current()
        if self._end[0] <= now():
            raise DeadlineTooShortError("nothing was sent: the deadline has passed")
        self._limits = Limits(self._asked, self._end[0])
        self.attempts += 1
        if self.attempts > 1 and self._rewind is not None:
            self._rewind()
        self.request.extensions = {**self._extensions, "timeout": self._limits}
        return self.request

    def check(self, error: Exception) -> None:
        """Raise our own error for a timeout of the client's that is due to the deadline."""
        if now() >= self._end[0] - SHORTEST:
            raise self.late() from error

    def received(self, response: Any, body: type) -> Any:
        """Take a response whose headers are there; return its body, None if that is there, too."""
        self.response = response
        if response.is_closed:
            return None
        response.stream = body(response.stream, self)
        return response.stream

    def failed(self, statuses: Collection[int]) -> bool:
        """Return whether the answer is a failure: by its status, or as it says when to come back."""
        status = self.response.status_code
        if status in statuses:
            return True
        return (
            status in HTTP_LATER
            and THROTTLED in statuses
            and self.response.headers.get("Retry-After") is not None
        )

    def hastened(self, statuses: Collection[int]) -> bool:
        """Return whether the body is to be read at once, and if so, limit the time for that.

        Only where another attempt may follow; and never for so long that the status would be lost.
        """
        if not (self.repeat and self.attempts < self.host.most and self.failed(statuses)):
            return False
        at, seconds, retrying = self._end[:3]
        self._end = Ambient(now() + min(DRAIN_TIME, (at - now()) / 2), seconds, retrying)
        self._limits.at = self._end[0]
        return True

    def judged(self, statuses: Collection[int]) -> Any:
        """Return the response, or raise if its status is a failure; from here on, its body is read."""
        self._reading = True
        self._end = self.horizon
        self._limits.at = self._end[0]
        response = self.response
        if self.failed(statuses):
            text = f"{response.status_code} {response.reason_phrase}".rstrip()
            kind = self.kit.module.HTTPStatusError
            error = kind(text, request=self.request, response=response)
            setattr(
                error, MARK, True
            )  # whatever the status: whoever named it takes it for a failure
            raise error
        return response

    # -- the body's owner ------------------------------------------------------------------------

    @property
    def due(self) -> float:
        """The instant at which the reading must end."""
        due: float = self._end[0]
        return due

    @property
    def timeouts(self) -> type[Exception]:
        """The client's own timeouts."""
        return self.kit.Timeout

    def stalled(self) -> Exception:
        """Return the error for the body of a failed answer that did not come while it was awaited."""
        text = "the body of a failed answer stalled, and was given up on"
        return self.kit.module.ReadTimeout(text, request=self.request)  # type: ignore[no-any-return]

    def late(self) -> Exception:
        """Return the error for what took too long."""
        name, end = self.host.pipeline.name, self._end
        if not self._reading:
            return exceeded(name, end, now())  # the `Timeout` whose limit it was will know it
        own = end[0] != self._caller[0]
        return self.kit.both(timed_out(name, end[1], now()) if own else exceeded(name, end, now()))

    # -- the edge --------------------------------------------------------------------------------

    def recovered(self, error: Any) -> Any:
        """Return the response that an error of `judged` carries; raise any other error."""
        if not any(one is error.response for one in self._responses()):
            raise error
        return error.response

    def _responses(self) -> list[Any]:
        """Return the responses that are there."""
        found = [one.response for one in (self, *self._twins)]
        return [response for response in found if response is not None]

    def leave(self, release: Callable[[Host[Any]], None]) -> list[Any]:
        """Put things back; return the responses to be closed."""
        self.gone = True  # before the responses are collected: see `lost`
        self.request.extensions = self._extensions
        if self._keyed:
            del self.request.headers[http.IDEMPOTENCY_KEY]
        body = getattr(self.answer, "stream", None)
        if not (isinstance(body, Lasting) and body.when_closed(lambda: release(self.host))):
            release(self.host)
        leftovers = [one for one in self._responses() if one is not self.answer]
        for one in (self, *self._twins):
            one.response = one.answer = None  # their bodies refer to us: no cycle
        self._twins = []
        return leftovers
