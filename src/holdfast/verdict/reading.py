"""Reading what exceptions and responses carry, wherever their library puts it, whatever they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from holdfast.verdict.chain import DEEP

CLASSES: Final = 1_024
"""How many classes are remembered."""

STATUSES: Final = range(100, 600)
READ: Final = frozenset({
    "body", "code", "connection_invalidated", "errno", "grpc_status_code", "has_error_label",
    "http_status", "meta", "pgcode", "reason", "resp", "response", "retriable", "retryable",
    "smtp_code", "sqlite_errorcode", "sqlstate", "status", "status_code", "type",
})  # fmt: skip
"""The attributes that tell anything; an exception without any of them need not be read."""

WRAPPED_IN: Final = ("reason", "orig", "original_error", "cause", "inner_exception")
"""Where libraries put the exception that they wrap: urllib, urllib3, SQLAlchemy, Google, Azure."""

HOLDERS: Final = frozenset(WRAPPED_IN)

MISTAKES: Final = (
    LookupError, TypeError, ValueError, AttributeError, NameError, AssertionError, ArithmeticError,
    ImportError, OSError,
)  # fmt: skip
"""Built-in classes that wrap nothing unless ``from`` says so: they came up in an ``except`` block."""


class ByClass(dict[type, Any]):
    """What is known of a class, found out once; the number of classes is bounded."""

    def __init__(self, find: Callable[[type], Any]) -> None:
        self._find = find

    def __missing__(self, kind: type) -> Any:
        if len(self) >= CLASSES:
            self.clear()
        found = self[kind] = self._find(kind)
        return found


def part(holder: Any, name: str) -> Any:
    """Return an attribute; None where there is none, or where a property raises."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - a property of anybody's may raise anything
        return None


def called(holder: Any, name: str) -> Any:
    """Return what a method without arguments returns; None where there is none, or where it raises."""
    method = part(holder, name)
    if not callable(method):
        return None
    try:
        return method()
    except Exception:  # noqa: BLE001 - the same
        return None


def number(value: Any) -> int | None:
    """Return an HTTP status; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value in STATUSES:
        return int(value)
    return None


def entry(holder: Any, *names: str) -> Any:
    """Return what is in mappings within mappings, None where there is nothing."""
    for name in names:
        holder = holder.get(name) if isinstance(holder, Mapping) else None
    return holder


def status_of(outcome: Any) -> int | None:
    """Return the HTTP status of a response, or of an exception that carries one; None otherwise."""
    response = part(outcome, "response")
    if isinstance(response, Mapping):  # botocore
        return number(entry(response, "ResponseMetadata", "HTTPStatusCode"))
    for holder, name in (
        (response, "status_code"), (response, "status"), (outcome, "status_code"), (outcome, "status"),
        (outcome, "http_status"), (part(outcome, "meta"), "status"), (part(outcome, "resp"), "status"),
    ):  # fmt: skip
        if holder is not None and (status := number(part(holder, name))) is not None:
            return status
    if isinstance(outcome, Exception) and library(outcome) != "pymongo":
        return number(part(outcome, "code"))
    return None


def library(error: BaseException) -> str:
    """Return the name of the top package of an error's class."""
    return str(type(error).__module__).partition(".")[0]


def of_library(error: BaseException, *names: str) -> bool:
    """Return whether a class of the error, or one that it is derived from, is from these packages."""
    return any(str(one.__module__).partition(".")[0] in names for one in type(error).__mro__)


def tells(error: BaseException, by_class: bool, names: frozenset[str]) -> bool:  # noqa: FBT001
    """Return whether an exception may have one of the attributes: by its class, or of its own."""
    return by_class or not names.isdisjoint(error.__dict__)


def of_class(kind: type, names: frozenset[str]) -> bool:
    """Return whether instances of a class may have one of the attributes, whatever they are given."""
    if hasattr(kind, "__getattr__"):
        return True
    own = [one for one in kind.__mro__ if one.__module__ != "builtins"]
    return any(name in vars(one) for one in own for name in names)


def within(error: BaseException, *, by_chance_too: bool = False) -> Iterator[BaseException]:
    """Yield ``error``, then all that it wraps, from the outside in, at most `DEEP` of them.

    ``by_chance_too``: and what was only being handled when an error came up.
    """
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) <= DEEP:
        one = waiting.pop()
        if any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        waiting.extend(reversed(list(wrapped(one))))
        if by_chance_too and one.__cause__ is None and one.__context__ is not None:
            waiting.insert(0, one.__context__)


def wrapped(error: BaseException) -> Iterator[BaseException]:
    """Yield what an exception wraps: as an argument, as an attribute, as its cause or context.

    Our own timeouts wrap a cause only: their context is whatever was going on when the time was up.
    """
    ours = library(error) == "holdfast"
    if not ours:
        yield from (one for one in error.args if isinstance(one, Exception))
        if tells(error, holders[type(error)], HOLDERS):
            for name in WRAPPED_IN:
                held = part(error, name)
                if isinstance(held, Exception) and held is not error:
                    yield held
    if error.__cause__ is not None:
        yield error.__cause__
    elif error.__context__ is not None and not ours and not by_chance(error):
        yield error.__context__


def by_chance(error: BaseException) -> bool:
    """Return whether an error's context says nothing: a mistake while another error was handled.

    But an `OSError` that is raised ``from None`` stands for what it hides.
    """
    if type(error).__module__ != "builtins" or not isinstance(error, MISTAKES):
        return False
    return not (isinstance(error, OSError) and error.__suppress_context__)


holders: Final = ByClass(lambda kind: of_class(kind, HOLDERS))
"""Whether instances of a class may hold what they wrap in an attribute."""
