"""What an exception wraps: its causes, and the leaves of groups; bounded, and safe with cycles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

DEEP: Final = 8
"""How many causes are looked at: clients wrap a few times, and chains may be long or have cycles."""

MANY: Final = 1_000
"""How many leaves of a group are looked at."""


def causes(error: BaseException, most: int = DEEP) -> Iterator[BaseException]:
    """Yield ``error``, then what it was raised from, from the outside in, at most ``most`` causes.

    Each one's ``__cause__``, or else its ``__context__``, even where ``from None`` hides it from
    tracebacks: clients do that to the certificate that was not trusted.
    """
    seen = [error]
    yield error
    while len(seen) <= most:
        last = seen[-1]
        following = last.__context__ if last.__cause__ is None else last.__cause__
        if following is None or any(following is one for one in seen):
            return
        seen.append(following)
        yield following


def leaves(error: BaseException) -> list[BaseException]:
    """Return the exceptions in a group and in the groups within it; the error itself if it is none.

    Empty where there are more than a thousand: nobody shall wait for that.
    """
    found: list[BaseException] = []
    waiting = [error]
    for _ in range(2 * MANY):
        if not waiting:
            return found
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(reversed(one.exceptions))
        else:
            found.append(one)
    return []
