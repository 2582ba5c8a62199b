"""`record`: what Holdfast told, as a list to make assertions on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from holdfast.events import Event, subscribe

E = TypeVar("E", bound=Event)


class Recording(list[Event]):
    """The events, in the order in which they happened."""

    def of(self, kind: type[E]) -> list[E]:
        """Return those of one class."""
        return [event for event in self if isinstance(event, kind)]

    def names(self) -> list[str]:
        """Return the names of their classes."""
        return [type(event).__name__ for event in self]


@contextmanager
def record(*, pipeline: str | None = None) -> Generator[Recording]:
    """Keep every event that happens inside, or those of one ``pipeline``.

    Thread- and task-safe; what was recorded can be read afterwards, too.
    """
    recording = Recording()
    with subscribe(recording.append, pipeline=pipeline):
        yield recording
