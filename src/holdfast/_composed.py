"""Parts that are made of conditions, and whether two of them can be met at once."""

from __future__ import annotations

from typing import Any, Protocol

from holdfast.verdict import leaves


class Part(Protocol):
    """What is to be known of a condition."""

    def holds(self, error: Exception) -> bool:
        """Return whether ``error`` is meant."""

    def matches_result(self, result: Any) -> bool:
        """Return whether a result is meant."""

    def errors(self) -> tuple[Any, ...]:
        """Return the exception types and the predicates over exceptions."""


def truth(answer: Any) -> bool:
    """Return what a predicate answers; a coroutine is no answer, though it counts as true."""
    if answer is True or answer is False:
        return answer
    if hasattr(type(answer), "__await__"):
        if hasattr(answer, "close"):
            answer.close()
        raise TypeError("it returned something to await, and a predicate must be a plain function")
    return bool(answer)


class All:
    """A predicate made of conditions: each one is met, or is not met, as it is wanted."""

    __slots__ = ("results", "terms")

    def __init__(self, terms: tuple[tuple[Part, bool], ...], *, results: bool) -> None:
        self.terms = terms
        self.results = results

    def __call__(self, outcome: Any) -> bool:
        """Return whether an outcome is meant; what a predicate raises, it raises."""
        return all(self._met(term, wanted, outcome) for term, wanted in self.terms)

    def _met(self, term: Part, wanted: bool, outcome: Any) -> bool:  # noqa: FBT001
        if self.results:
            return term.matches_result(outcome) is wanted
        if wanted:
            return term.holds(outcome)
        parts = [one for one in leaves(outcome) if isinstance(one, Exception)]
        return not (term.holds(outcome) or any(map(term.holds, parts)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, All):
            return NotImplemented
        return (self.terms, self.results) == (other.terms, other.results)

    def __hash__(self) -> int:
        return hash((self.terms, self.results))

    def __repr__(self) -> str:
        spelt = [f"{term!r}" if wanted else f"~({term!r})" for term, wanted in self.terms]
        return f"({' & '.join(spelt)})"


def may_meet(one: Any, two: Any) -> bool:
    """Return whether an exception may be of both kinds: types, or predicates, about which we guess."""
    if isinstance(one, type) and isinstance(two, type):
        return issubclass(one, two) or issubclass(two, one)
    return _may_be(one, two) and _may_be(two, one)


def _may_be(one: Any, two: Any) -> bool:
    if not isinstance(one, All):
        return True
    for term, wanted in one.terms:
        if wanted and not any(may_meet(kind, two) for kind in term.errors()):
            return False
        if not wanted and any(_is_part(two, kind) for kind in term.errors()):
            return False
    return True


def _is_part(one: Any, kind: Any) -> bool:
    """Return whether all that ``one`` means is of a kind that another condition leaves out."""
    if isinstance(one, type) and isinstance(kind, type):
        return issubclass(one, kind)
    if isinstance(one, All):
        return any(
            wanted and all(_is_part(mine, kind) for mine in term.errors())
            for term, wanted in one.terms
        )
    return bool(one == kind)
