"""Gates inside of a call that a worker thread makes: they hear at once when its caller leaves.

A worker can't be interrupted.  The gates between the limit and the function would hear of the call
when it ends, if it ever does, and by then it may even have succeeded.  So each notes its permit on
the board of the job, and whoever leaves the job alone tells the gates; what the worker says later
is not heard.

Only where a worker may be left behind is a gate overseen, so nothing else pays for it.  A gate that
keeps a place for a call (a `Bulkhead`) is not: the place is taken until the worker has ended.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from holdfast.shapes import Arguments, Gate, Instead, Keywords, Site, Wait

if TYPE_CHECKING:
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast.errors import AttemptTimeout


class Board:
    """The permits that are held inside of one job."""

    __slots__ = ("_notes",)

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def pin(self, note: Note) -> None:
        """Note a permit."""
        self._notes[note] = None

    def take(self, note: Note) -> bool:
        """Take a note off; True for exactly one of the worker and who leaves it."""
        return self._notes.pop(note, self) is None

    def cut(self, now: float, error: Exception) -> None:
        """Tell all gates that the calls which they let through took too long, the innermost first."""
        for note in reversed(list(self._notes)):
            ticket = note.wait
            if (ticket is None or ticket.granted) and self.take(note):
                note.gate.failed(note.permit, now, error)


board: ContextVar[Board | None] = ContextVar("holdfast_board", default=None)


class Note:
    """A permit of a gate, for as long as nobody has taken it off its board."""

    __slots__ = ("board", "gate", "permit", "wait")

    def __init__(self, pinned: Board, gate: Gate, permit: Any, wait: Any = None) -> None:
        self.board: Board = pinned
        self.gate: Gate = gate
        self.permit: Any = permit
        self.wait: Any = wait
        """The ticket on which it waits first."""


class Overseen:
    """A gate that notes its permits; to a driver it is the gate."""

    resting: Any = None

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.timed: bool = gate.timed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site, /) -> Any:
        """Let the gate answer, and note its permit."""
        gate, pinned = self._gate, board.get()
        permit = gate.resting
        if permit is None:
            permit = gate.enter(now, args, kwargs, site)
        if pinned is None:  # asked by hand, or the worker's context was left
            pinned = Board()
        if type(permit) is not Wait:
            note = Note(pinned, gate, permit)
        elif type(permit.permit) is Instead:
            return permit
        else:
            note = Note(pinned, gate, permit.permit, permit.ticket)
            permit = Wait(note, permit.delay, permit.ticket)
        pinned.pin(note)
        return permit if type(permit) is Wait else note

    def succeeded(self, note: Note, now: float, result: Any, /) -> None:
        """Tell the gate, unless it has been told."""
        if note.board.take(note) and note.permit is not self._gate.resting:
            self._gate.succeeded(note.permit, now, result)

    def failed(self, note: Note, now: float, error: Exception, /) -> None:
        """Tell the gate, unless it has been told."""
        if note.board.take(note):
            self._gate.failed(note.permit, now, error)

    def abandoned(self, note: Any, now: float, /) -> None:
        """Tell the gate, unless it has been told."""
        if type(note) is not Note:
            self._gate.abandoned(note, now)
        elif note.board.take(note):
            self._gate.abandoned(note.permit, now)

    def follows(self, note: Note, /) -> bool:
        """Return whether the gate wants to see a stream's last item."""
        tell = getattr(self._gate, "follows", None)
        return tell is not None and tell(note.permit)

    def answered(self, note: Note, at: float, now: float, /) -> Note:
        """Tell the gate that a stream's answer began to come at ``at``."""
        tell = getattr(self._gate, "answered", None)
        if tell is not None:
            note.permit = tell(note.permit, at, now)
        return note

    def woken(self, note: Note, now: float, /) -> Any:
        """Ask the gate whether a call whose turn has come may start."""
        ask = getattr(self._gate, "woken", None)
        return None if ask is None else ask(note.permit, now)

    def behind(self, note: Any) -> Any:
        """Return the gate that gave a permit: of a `Keyed` it is the key's own."""
        find = getattr(self._gate, "behind", None)
        permit = note.permit if type(note) is Note else note
        return self._gate if find is None else find(permit)

    def expired(self, note: Any, now: float, /) -> Any:
        """Ask the gate what to do about a wait that was too long."""
        if type(note) is not Note:
            return self._gate.expired(note, now)
        error = self._gate.expired(note.permit, now)
        if error is not None:
            note.board.take(note)
        return error


def running(pinned: Board | None, inner: Step) -> Step:
    """Return ``inner`` with a board in the context of its worker."""
    if pinned is None:
        return inner

    def step(args: Arguments, kwargs: Keywords) -> Any:
        board.set(pinned)
        return inner(args, kwargs)

    return step


def told(pinned: Board | None, error: AttemptTimeout, now: float) -> AttemptTimeout:
    """Tell all that are held that their time is up, and return the error to be raised."""
    if pinned is not None:
        pinned.cut(now, error)
    return error


def in_a_worker(site: Site) -> bool:
    """Return whether a layer at this place runs in a worker that may be left behind."""
    outer = [one for one in site.enclosing if _leaves(one)]
    return bool(outer) and not any(_leaves(one) for one in site.inside)


def _leaves(strategy: Any) -> bool:
    return getattr(strategy, "sync", "") == "thread" or getattr(strategy, "kind", "") == "hedge"


def oversees(site: Site) -> bool:
    """Return whether any gate inside of a layer at this place is overseen."""
    return any(isinstance(one, Gate) and not keeps_places(one) for one in site.inside)


def keeps_places(gate: Any) -> bool:
    """Return whether a gate counts who is inside, abandoned or not."""
    return hasattr(gate, "hold") or getattr(gate, "makes", "") in ("bulkhead", "load shedder")


def overseen(gate: Gate, site: Site) -> Gate:
    """Return a gate as the driver shall see it at this place."""
    return Overseen(gate) if in_a_worker(site) and not keeps_places(gate) else gate
