"""What a call of a `Keyed` holds while it waits: whose permit it is, and the parent's probe."""

from __future__ import annotations

from typing import Any

from holdfast.shapes import Instead, Wait
from holdfast.strategies.keyed.table import Entry


class Answer:
    """What answers in place of a call, and whose answer it is: the gate is asked while it waits."""

    __slots__ = ("entry", "instead")

    def __init__(self, entry: Entry, instead: Instead) -> None:
        self.entry: Entry = entry
        self.instead: Instead = instead

    def __call__(self, subject: Any) -> Any:
        """Answer as the key's strategy wants it."""
        return self.instead.make(subject)


def rewrapped(wait: Wait, entry: Entry, probe: Any) -> Wait:
    """Return a wait of a key's strategy with what `Keyed` needs to know in its permit."""
    permit = wait.permit
    if type(permit) is Instead:
        return Wait(Instead(Answer(entry, permit), permit.subject), wait.delay, wait.ticket)
    return Wait((entry, permit, probe), wait.delay, wait.ticket)


def waited(held: Any) -> tuple[Entry, Any, Any]:
    """Return the entry, its permit and the parent's probe of a call that may have waited."""
    if type(held) is Instead:
        answer: Any = held.make
        return answer.entry, answer.instead, None
    return held  # type: ignore[no-any-return]


def behind(held: Any) -> Any:
    """Return the key's strategy whose permit it is; for the runtimes."""
    return waited(held)[0].child
