"""The verdict: what an outcome is, found in its table (`table`), in its codes, and in what it wraps."""

from __future__ import annotations

from typing import Any, Final

from holdfast.errors import RejectedError
from holdfast.verdict.answers import Found, answered, of_system
from holdfast.verdict.chain import DEEP, leaves
from holdfast.verdict.codes import HTTP, TLS_MISTAKES
from holdfast.verdict.hints import hint
from holdfast.verdict.kinds import (
    CONTROL_FLOW,
    FAILED,
    FINE,
    NEVER_SENT,
    PERMANENT,
    POOL_EXHAUSTED,
    REJECTED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    Kind,
)
from holdfast.verdict.reading import ByClass, library, status_of, within
from holdfast.verdict.table import public, row_of

FIRST: Final = (CONTROL_FLOW, THROTTLED, POOL_EXHAUSTED)
"""What a row of these kinds says goes before what the exception carries."""

ANSWERED, BY_CLASS, USUALLY = "answered", "by its class", "unless what it wraps knows better"
UNKNOWN: Final[Found] = (PERMANENT, "nothing is known about it")

row: Final = ByClass(row_of)
"""The row of a class, remembered: it never changes."""

control_flow: Final = ByClass(lambda kind: row[kind] is not None and row[kind].kind is CONTROL_FLOW)
"""``control_flow[type(error)]``; asked for each failure, so it is one look."""


class Judgement:
    """The verdict about one outcome.

    Attributes:
        kind: the `Kind`, which says what follows.
        because: what it was decided by, in a few words.
    """

    __slots__ = ("_outcome", "because", "kind")

    def __init__(self, kind: Kind, because: str, outcome: Any) -> None:
        self.kind: Kind = kind
        self.because: str = because
        self._outcome = outcome

    @property
    def status(self) -> int | None:
        """The HTTP status of the outcome, or of what it wraps, if there is one."""
        if not isinstance(self._outcome, BaseException):
            return status_of(self._outcome)
        found = (status_of(one) for one in within(self._outcome))
        return next((status for status in found if status is not None), None)

    @property
    def repeat(self) -> bool:
        """Whether another attempt is likely to fare better."""
        return self.kind.repeat

    @property
    def any_method(self) -> bool:
        """Whether it may be repeated even where a request must not be sent twice."""
        return self.kind.any_method

    @property
    def counts(self) -> bool:
        """Whether it speaks against the dependency."""
        return self.kind.counts

    @property
    def hint(self) -> float | None:
        """The seconds after which the dependency asks to come back, if it does."""
        return hint(self._outcome)

    def __repr__(self) -> str:
        return f"<Judgement {self.kind.name!r}: {self.because}>"


def judge(outcome: Any) -> Judgement:
    """Return the verdict about an exception, or about a result such as a response."""
    if isinstance(outcome, BaseException):
        kind, because = found(outcome)
        return Judgement(kind, because, outcome)
    status = status_of(outcome)
    if status is None or status < 400:  # noqa: PLR2004 - RFC 9110, 15.5
        return Judgement(FINE, "it is a result", outcome)
    return Judgement(HTTP.get(status, PERMANENT), f"status {status}", outcome)


def kind_of(error: BaseException) -> Kind:
    """Return the kind of an exception: the short way to ask."""
    return found(error)[0]


def found(error: BaseException) -> Found:
    """Return the kind of an exception, and what it was decided by."""
    if isinstance(error, RejectedError):
        return REJECTED, type(error).__name__
    if error.__cause__ is not None and (refusal := _raised_from_refusal(error)) is not None:
        return REJECTED, type(refusal).__name__
    usual: Found | None = None
    for one in within(error):
        how, said = _own(one)
        if how is USUALLY:
            usual = usual or said
        elif said is not None:
            return said if how is ANSWERED else _narrowed(error, usual, said)
    return usual or UNKNOWN


def _raised_from_refusal(error: BaseException) -> RejectedError | None:
    """Return the rejection of ours that somebody else's error says it comes ``from``.

    Whatever class that has, or status it carries: nobody was asked.  A framework's control flow stays
    what it is, and our own errors say themselves what they mean.
    """
    of_class = row[type(error)]
    if library(error) == "holdfast" or (of_class is not None and of_class.kind in FIRST):
        return None
    cause = error.__cause__
    for _ in range(DEEP):
        if cause is None or isinstance(cause, RejectedError):
            return cause
        cause = cause.__cause__
    return None


def _own(error: BaseException) -> tuple[str, Found | None]:
    """Return how sure it is what an exception says, without what it wraps, and what that is."""
    if isinstance(error, BaseExceptionGroup):
        return ANSWERED, _of_group(error)
    if isinstance(error, RejectedError):
        return ANSWERED, (REJECTED, type(error).__name__)
    of_class = row[type(error)]
    by_class = None if of_class is None else (of_class.kind, _name(error))
    if of_class is not None and of_class.kind in FIRST:
        return ANSWERED, by_class
    said = answered(error) if isinstance(error, Exception) else None
    if said is not None:
        return ANSWERED, said
    if of_class is None:
        return BY_CLASS, of_system(error)
    return (USUALLY if of_class.inside else BY_CLASS), by_class


def _name(error: BaseException) -> str:
    return public(type(error).__module__, type(error).__qualname__)


def _narrowed(error: BaseException, usual: Found | None, said: Found) -> Found:
    """Return the last word: a timeout stays one, and a wrong certificate makes all else hopeless."""
    kind = said[0]
    if usual is not None and usual[0] is TIMEOUT and not kind.any_method:
        return usual
    if kind in (NEVER_SENT, TRANSIENT):
        for one in within(error):
            if hopeless(one):
                return PERMANENT, _name(one)
    return said


def hopeless(error: BaseException) -> bool:
    """Return whether an exception that is wrapped says that no attempt can help."""
    said = answered(error) if isinstance(error, Exception) else None
    if said is not None:
        return said[0] is PERMANENT and said[1] in TLS_MISTAKES
    of_class = row[type(error)]
    return of_class is not None and of_class.kind is PERMANENT and not of_class.inside


def _of_group(group: BaseExceptionGroup[BaseException]) -> Found:
    """Join the verdicts of all leaves: it is worth repeating if they all are."""
    all_found = [found(one) for one in leaves(group)]
    if not all_found:
        return UNKNOWN
    kinds = [kind for kind, _ in all_found]
    for name, because in all_found:
        if name is CONTROL_FLOW:
            return CONTROL_FLOW, because
    because = f"{len(kinds)} exceptions in a group"
    if all(kind is kinds[0] for kind in kinds):
        return kinds[0], because
    counts = any(kind.counts for kind in kinds)
    if not all(kind.repeat for kind in kinds):
        return FAILED if counts else PERMANENT, because
    if all(kind.any_method for kind in kinds):
        return NEVER_SENT, because
    return TRANSIENT if counts else THROTTLED, because
