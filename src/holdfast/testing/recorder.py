"""`record`: what Holdfast told, as a list to make assertions on."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, TypeVar

from holdfast.events import Event, subscribe
from holdfast.testing._timeline import (
    MOST,
    check_fields,
    described,
    differences,
    since_start,
    timeline,
)

E = TypeVar("E", bound=Event)
Kind = type[Event] | str


class Recording(list[Event]):
    """The events, in the order in which they happened.

    A failing assertion is an `AssertionError` that says what came nearest, and prints the timeline;
    ``print(events)`` prints it, too.

    Events are asked for by class and by fields: ``events.only(BreakerOpened, pipeline="payments")``.
    A field is compared with a value; ``error`` also with an exception of the same type and arguments, or
    with a class of exceptions.  A class stands for its instances, a compiled regular expression for what
    it is found in, and a function for what it returns true for: ``delay=lambda delay: delay < 1.0``.
    Floats may differ in the ninth digit.

    Raises:
        TypeError: from all methods, for a field that such an event doesn't have, and for a name where
            a class is wanted.
    """

    def of(self, kind: type[E], /, **fields: Any) -> list[E]:
        """Return those of one class, with such fields."""
        check_fields(kind, fields)
        return [one for one in self if isinstance(one, kind) and not differences(one, fields)]

    def only(self, kind: type[E], /, **fields: Any) -> E:
        """Return the one event of a class, with such fields; fail unless there is exactly one."""
        __tracebackhide__ = True  # pytest then shows the line of the test
        self.assert_happened(kind, times=1, **fields)
        return self.of(kind, **fields)[0]

    def names(self) -> list[str]:
        """Return the names of their classes."""
        return [type(event).__name__ for event in self]

    def timeline(self) -> str:
        """Return a line for each: seconds since the first one, pipeline, event, strategy, fields."""
        return timeline(self)

    __str__ = timeline

    def assert_names(self, *expected: Kind) -> None:
        """Fail unless exactly these events happened, by name or class, in this order."""
        __tracebackhide__ = True
        wanted, names = [_name(kind) for kind in expected], self.names()
        if names == wanted:
            return
        place = next(
            (at for at, pair in enumerate(zip(names, wanted, strict=False)) if pair[0] != pair[1]),
            min(len(names), len(wanted)),
        )
        here = names[place] if place < len(names) else "nothing more"
        there = wanted[place] if place < len(wanted) else "nothing more"
        self._fail(
            f"expected the {len(wanted)} events {', '.join(wanted) or '(none)'}, but {len(self)} "
            f"happened; the first difference is at number {place + 1}: {here} instead of {there}",
            lambda event: place < len(self) and event is self[place],
        )

    def assert_happened(self, kind: type[E], /, *, times: int | None = None, **fields: Any) -> None:
        """Fail unless such an event happened, or happened exactly so many ``times``."""
        __tracebackhide__ = True
        found = self.of(kind, **fields)
        if len(found) == times or (found and times is None):
            return
        asked = "at least once" if times is None else _times(times)
        happened = f"it happened {_times(len(found))}" if found else "it never happened"
        what = f"expected {described(kind, fields)} {asked}, but {happened}"
        if not found:
            nearest, words = self._nearest(kind, fields)
            what, found = what + words, nearest
        self._fail(what, lambda event: any(event is one for one in found))

    def assert_never(self, kind: type[Event], /, **fields: Any) -> None:
        """Fail if such an event happened."""
        __tracebackhide__ = True
        self.assert_happened(kind, times=0, **fields)

    def assert_order(self, *kinds: Kind) -> None:
        """Fail unless one event of each kind, by name or class, happened after the one before.

        Others may have happened in between.
        """
        __tracebackhide__ = True
        rest = iter(self)
        last: Event | None = None
        for kind in kinds:
            found = next((event for event in rest if _is(event, kind)), None)
            if found is None:
                self._fail(self._missing(kind, last), partial(operator.is_, last))
            last = found

    def _missing(self, kind: Kind, last: Event | None) -> str:
        name = _name(kind)
        if last is None:
            return f"expected {name} first, but none happened"
        after = f"expected {name} after {type(last).__name__} at {since_start(last, self)} s"
        before = [event for event in self if _is(event, kind)]
        if not before:
            return f"{after}, but none happened at all"
        return f"{after}, but the last one happened before it, at {since_start(before[-1], self)} s"

    def _nearest(self, kind: type[E], fields: dict[str, Any]) -> tuple[list[E], str]:
        """Return which event misses what was asked for by the fewest fields, or what there is."""
        candidates = [event for event in self if isinstance(event, kind)]
        if not candidates:
            return [], f"; there is no {kind.__name__}, only {self._census()}" if self else ""
        best = min(candidates, key=lambda event: len(differences(event, fields)))
        missed = "; ".join(differences(best, fields))
        return [best], f"\nthe nearest, at {since_start(best, self)} s, has {missed}"

    def _census(self) -> str:
        counts = Counter(self.names())
        return ", ".join(f"{count} {name}" for name, count in counts.items())

    def _fail(self, what: str, marked: Callable[[Event], bool]) -> NoReturn:
        __tracebackhide__ = True
        if not self:
            raise AssertionError(f"{what}; nothing was recorded")
        shown = timeline(self, marked=marked, most=MOST)
        raise AssertionError(f"{what}\n\nwhat happened, in seconds since the first event:\n{shown}")


def _name(kind: Kind) -> str:
    return kind if isinstance(kind, str) else kind.__name__


def _is(event: Event, kind: Kind) -> bool:
    return type(event).__name__ == kind if isinstance(kind, str) else isinstance(event, kind)


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


@contextmanager
def record(*, pipeline: str | None = None) -> Generator[Recording]:
    """Keep every event that happens inside, or those of one ``pipeline``.

    Thread- and task-safe; what was recorded can be read afterwards, too.
    """
    recording = Recording()
    with subscribe(recording.append, pipeline=pipeline):
        yield recording
