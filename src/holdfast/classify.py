"""Which outcomes a strategy cares about: one vocabulary for ``on=`` and ``ignore=`` everywhere.

An exception type, a tuple or union of them, a predicate over the exception, ``on_result(predicate)``
for results, and any of these joined with ``|`` and ``&``, or turned round with ``~`` (a type by itself
becomes one of them with ``on_error(KeyError)``).  `asyncio.CancelledError`, `KeyboardInterrupt`,
`SystemExit` and `GeneratorExit` are never outcomes, so no condition accepts them; nor are exceptions by
which a framework ends or repeats a task (Celery's ``Retry`` and time limits, RQ's, ...), unless their
class is named.  An exception group is met if all its leaves are.

One file because a condition and what makes one are one vocabulary.
"""

from __future__ import annotations

import functools
import operator
import types
import typing
from collections.abc import Callable
from typing import Any

from holdfast import _validate
from holdfast._composed import All, may_meet, truth
from holdfast._shown import quoted
from holdfast._value import spell
from holdfast.errors import AttemptTimeout, ConfigurationError, DeadlineExceeded, RejectedError
from holdfast.verdict import control_flow, leaves, refusal_in

ErrorPredicate = Callable[[Exception], bool]
ResultPredicate = Callable[[Any], bool]
On = Any
"""``type[Exception] | tuple[...] | ErrorPredicate | Condition``, spelt out in the module's docstring."""

ALLOWED = (
    "it must be an exception type (derived from Exception), a tuple of them, a predicate over the "
    "exception, on_result(predicate), or several of these joined with |, & and ~"
)

UNIONS: tuple[Any, ...] = (types.UnionType, typing.Union)


class Condition:
    """A compiled ``on=``: exception types, predicates over exceptions, predicates over results.

    Immutable; safe to share between threads and tasks.
    """

    __slots__ = ("name", "named", "on_errors", "on_results", "types")

    def __init__(
        self,
        types: tuple[type[Exception], ...] = (),
        on_errors: tuple[ErrorPredicate, ...] = (),
        on_results: tuple[ResultPredicate, ...] = (),
        name: str | None = None,
        named: tuple[type[Exception], ...] | None = None,
    ) -> None:
        self.named: tuple[type[Exception], ...] = types if named is None else named
        """The classes that were asked for by name, whatever else is demanded of them."""
        self.types: tuple[type[Exception], ...] = types
        self.on_errors: tuple[ErrorPredicate, ...] = on_errors
        self.on_results: tuple[ResultPredicate, ...] = on_results
        self.name: str | None = name

    def matches(self, error: Exception, *, broken: bool = False) -> bool:
        """Return whether ``error`` is meant; ``broken`` where a predicate itself raises.

        The predicate's own error goes into a note of ``error``, which stays the one that is raised.
        """
        if control_flow[type(error)] and not self._names(error):
            return False
        if isinstance(error, self.types):
            return True
        for predicate in self.on_errors:
            try:
                if truth(predicate(error)):
                    return True
            except Exception as fault:  # noqa: BLE001 - the user's predicate may raise anything
                start = f"holdfast: the predicate {spell(predicate)} raised "
                add_note(error, start + quoted(fault), start)
                return broken
        return isinstance(error, ExceptionGroup) and self._matches_all(error, broken=broken)

    def _matches_all(self, group: ExceptionGroup[Exception], *, broken: bool) -> bool:
        """Return whether all leaves of a group are meant."""
        all_leaves = leaves(group)
        return bool(all_leaves) and all(
            isinstance(one, Exception) and self.matches(one, broken=broken) for one in all_leaves
        )

    def _names(self, error: Exception) -> bool:
        return any(control_flow[kind] and isinstance(error, kind) for kind in self.named)

    def holds(self, error: Exception) -> bool:
        """Return whether ``error`` is meant; what a predicate raises, it raises."""
        if isinstance(error, self.types) or any(truth(test(error)) for test in self.on_errors):
            return True
        parts = leaves(error) if isinstance(error, ExceptionGroup) else []
        return bool(parts) and all(isinstance(one, Exception) and self.holds(one) for one in parts)

    def matches_result(self, result: Any) -> bool:
        """Return whether a result is meant; a predicate that raises, raises to the caller."""
        return any(truth(predicate(result)) for predicate in self.on_results)

    @property
    def tests(self) -> tuple[Callable[[Any], bool], ...]:
        """All the predicates."""
        return self.on_errors + self.on_results

    def passes_over(self, error: Exception, *, slow: bool = False) -> bool:
        """Return whether ``error`` is no outcome: a rejection, control flow, or too little time.

        Unless it is named.  An attempt that had less time than usual counts all the same, if it was
        ``slow`` by then.
        """
        refusal = refusal_in(error)
        if refusal is not None:
            return not self.names_rejection(refusal)
        if control_flow[type(error)]:
            return not self._names(error)
        if isinstance(error, AttemptTimeout):
            return error.rushed and not slow and not self._names_deadline()
        return isinstance(error, ExceptionGroup) and self._passes_over_group(error, slow=slow)

    def _passes_over_group(self, group: ExceptionGroup[Exception], *, slow: bool) -> bool:
        """Return whether a group has control flow in it, or nothing but what is passed over."""
        parts = [one for one in leaves(group) if isinstance(one, Exception)]
        ways_out = any(control_flow[type(one)] and not self._names(one) for one in parts)
        return ways_out or (bool(parts) and all(self.passes_over(one, slow=slow) for one in parts))

    def _names_deadline(self) -> bool:
        return any(issubclass(kind, DeadlineExceeded) for kind in self.types)

    def names_rejection(self, error: Exception) -> bool:
        """Return whether a type below `RejectedError` was asked for by name, and ``error`` is one."""
        for kind in self.named:
            if issubclass(kind, RejectedError) and isinstance(error, kind):
                return self.matches(error)
        return False

    def __or__(self, other: On) -> Condition:
        more = condition("on", other)
        name = " | ".join(
            dict.fromkeys(repr(one) for one in (self, more) if one.types or one.tests)
        )
        return Condition(
            self.types + more.types,
            self.on_errors + more.on_errors,
            self.on_results + more.on_results,
            name or None,
            self.named + more.named,
        )

    def __ror__(self, other: On) -> Condition:
        return condition("on", other) | self

    def __and__(self, other: On) -> Condition:
        more = condition("on", other)
        both = _all((self, True), (more, True), name=f"({grouped(self)} & {grouped(more)})")
        if not (both.on_errors or both.on_results):
            raise ConfigurationError(
                f"{both!r} is never met: an outcome is an exception or a result, and not both"
            )
        return both

    def __rand__(self, other: On) -> Condition:
        return condition("on", other) & self

    def __invert__(self) -> Condition:
        return _all((self, False), name=f"~{grouped(self)}")

    def less(self, other: Condition) -> Condition:
        """Return the condition that is met by what this one is met by, and ``other`` is not."""
        if not (other.types or other.tests):
            return self
        return _all((self, True), (other, False), name=repr(self))

    def meets(self, other: Condition) -> bool:
        """Return whether some outcome may meet both, as far as can be told."""
        if self.on_results and other.on_results:
            return True
        return any(may_meet(one, two) for one in self.errors() for two in other.errors())

    def errors(self) -> tuple[Any, ...]:
        """Return the exception types and the predicates over exceptions."""
        return self.types + self.on_errors

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return (self.types, self.on_errors, self.on_results) == (
            other.types,
            other.on_errors,
            other.on_results,
        )

    def __hash__(self) -> int:
        return hash((self.types, self.on_errors, self.on_results))

    def __repr__(self) -> str:
        if self.name is not None:
            return self.name
        kinds = [spell(kind) for kind in self.types]
        parts = [*kinds, *map(spell, self.on_errors), *map(spell, self.on_results)]
        return " | ".join(parts) or "()"


def grouped(condition: Condition) -> str:
    """Return how ``condition`` is written beside ``&`` and ``~``, which bind closer than ``|``."""
    text = repr(condition)
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and text[place : place + 3] == " | ":
            return f"({text})"
    return text


def _all(*terms: tuple[Condition, bool], name: str) -> Condition:
    """Return a condition on exceptions, on results or on both, as what is wanted speaks of them.

    ``~transient`` is met by exceptions only: no result is to be repeated because it is not transient.
    """
    speaking = [term for term, wanted in terms if wanted] or [term for term, _ in terms]
    errors = all(term.errors() for term in speaking)
    results = all(term.on_results for term in speaking)
    named = [kind for term, wanted in terms if wanted for kind in term.named]
    return Condition(
        on_errors=(All(terms, results=False),) if errors else (),
        on_results=(All(terms, results=True),) if results else (),
        name=name,
        named=tuple(named),
    )


def on_error(kinds: On) -> Condition:
    """Return the condition that ``on=kinds`` means, for ``&`` and ``~``: ``~on_error(KeyError)``.

    Raises:
        ConfigurationError: if it is no exception type, tuple of them, or predicate over exceptions.
    """
    return condition("kinds", kinds)


def on_result(predicate: ResultPredicate) -> Condition:
    """Return a condition that is met by results for which ``predicate(result)`` is true.

    Raises:
        ConfigurationError: if ``predicate`` is not callable.
    """
    _validate.plain_callable("predicate", predicate)
    return Condition(on_results=(predicate,), name=f"on_result({spell(predicate)})")


def some(option: str, value: On) -> Condition:
    """Return the `Condition` that ``option=value`` means; refuse one that nothing ever meets."""
    meant = condition(option, value)
    if not (meant.types or meant.tests):
        raise _validate.refuse(option, value, "nothing would ever match; " + ALLOWED)
    return meant


def condition(option: str, value: On) -> Condition:
    """Return the `Condition` that ``option=value`` means; raise `ConfigurationError` otherwise."""
    if isinstance(value, Condition):
        return value
    if typing.get_origin(value) in UNIONS:
        return _joined(option, value)
    if isinstance(value, tuple):
        return _several(option, value)
    if isinstance(value, type):
        if not issubclass(value, Exception):
            raise _validate.refuse(option, value, ALLOWED)
        return ANY_ERROR if value is Exception else Condition(types=(value,))
    if not _validate.is_function(value) or _validate.is_async(value):
        raise _validate.refuse(option, value, ALLOWED)
    return Condition(on_errors=(value,))


def _joined(option: str, union: Any) -> Condition:
    """Return what a union means; from Python 3.14 on it takes whatever is joined to it with ``|``."""
    parts = typing.get_args(union)
    try:
        found = [condition(option, part) for part in parts]
    except ConfigurationError:
        raise _validate.refuse(option, union, ALLOWED) from None
    if all(isinstance(part, type) for part in parts):
        return Condition(types=parts)
    return functools.reduce(operator.or_, found)


def _several(option: str, kinds: tuple[Any, ...]) -> Condition:
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise _validate.refuse(option, kinds, ALLOWED)
    return Condition(types=kinds) if kinds else NOTHING


ANY_ERROR = Condition(types=(Exception,))
NOTHING = Condition()
"""The defaults of most strategies: they need not be kept once for each of 100,000 breakers."""

NOTES = 8
"""How many notes of ours one exception bears: it may be raised again and again, and by many at once."""


def add_note(error: BaseException, note: str, start: str = "") -> None:
    """Add ``note`` to ``error`` unless it forbids it (frozen exceptions, read-only notes).

    In place of one that begins with ``start``, if there is one: an exception object may live longer than
    a call, and bear what was said about an earlier one.
    """
    try:
        notes = getattr(error, "__notes__", [])
        earlier = [one for one in notes if one == note or (start and one.startswith(start))]
        ours = [one for one in notes if one.startswith("holdfast: ") and one not in earlier]
        for one in (*earlier, *ours[: max(0, len(ours) - NOTES + 1)]):
            notes.remove(one)
        error.add_note(note)
    except Exception:  # noqa: BLE001, S110 - a note is never worth another error
        pass
