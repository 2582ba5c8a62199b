"""`Timeout`: how long one attempt, or the whole call, may take.

Where it stands decides what it means: outside a `Retry` it is the total, inside it is per attempt.
The shorter of it and the ambient deadline holds, and what runs inside sees what is left of it through
`remaining`.

asyncio: the attempt is cancelled exactly once, and a cancellation from outside is told apart from our
own, as `asyncio.timeout` does.

Sync, honestly: Python cannot interrupt a blocking call, but the socket that it waits for can be shut
down (``sync="cut"``): the call ends in its own thread, with its own error, which is the cause of ours.
What waits for no socket goes on, and is told: `events.Overrun`, `OverrunWarning`.

``sync="cooperative"`` only sets the deadline: for code that gives its client what is left
(``timeout=allowance()``), as our HTTP integrations do.  A function that pays no heed returns late, and
its result stands.

``sync="thread"`` runs the attempt in a worker of a bounded pool, in a copy of the caller's context that
is brought back, and stops waiting; the abandoned worker is counted, and keeps a permit of every
enclosing bulkhead until it really ends, so a hung dependency cannot leak threads without bound.  It is
no default: thread-locals, database transactions and connections, and locks that the caller holds belong
to the caller's thread, and the worker has none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._value import Value
from holdfast.strategies.timeout.sync import Sync, WhenLate, checked, when_late

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.strategies.timeout.adaptive import AdaptiveTimeout


def _part(option: str, given: Any, whole: float) -> float | None:
    """Return the limit of a part of a stream, in seconds."""
    limit = _validate.optional_seconds(option, given)
    if limit is not None and limit > whole:
        raise _validate.refuse(option, given, f"it must be at most seconds={whole:g}")
    return limit


class Timeout(Value, _validate.Layer):
    """Give up on what is inside after ``seconds``, with `AttemptTimeout`.

    A value: equal, hashable, safe to share between pipelines, threads and tasks.

    Args:
        seconds: the limit, in seconds; greater than 0.  Of a stream, to its end.
        first: of a stream, the limit to its first item, in seconds; None: no other than ``seconds``.
        between: of a stream, the limit for each further item, in seconds, from the instant at which it
            is asked for; the consumer's own time doesn't count.  Other functions know neither.
        sync: for blocking functions, ``"cut"`` (default), ``"thread"`` or ``"cooperative"``; see the
            module.
        late: what to do with a blocking function's result that comes after the limit, where nothing
            was cut: ``"return"`` (default) hands it over, and gates count a timeout; ``"raise"``
            raises `AttemptTimeout`.
        discard: called with a result that is handed to nobody, in the thread that has it.

    Raises:
        ConfigurationError: for a limit that is not a finite positive number, or another ``sync``; for
            a ``first`` or ``between`` that is longer than ``seconds``.
    """

    __slots__ = _options = ("seconds", "first", "between", "sync", "late", "discard")
    seconds: float
    first: float | None
    between: float | None
    sync: Sync
    late: WhenLate
    discard: Callable[[Any], object] | None

    def __init__(
        self,
        seconds: float | timedelta,
        *,
        first: float | timedelta | None = None,
        between: float | timedelta | None = None,
        sync: Sync = "cut",
        late: WhenLate = "return",
        discard: Callable[[Any], object] | None = None,
    ) -> None:
        if discard is not None:
            _validate.plain_callable("discard", discard)
        limit = _validate.seconds("seconds", seconds)
        self._set(
            seconds=limit, first=_part("first", first, limit), between=_part("between", between, limit),
            sync=checked(sync), late=when_late(late), discard=discard,
        )  # fmt: skip

    @classmethod
    def adaptive(
        cls,
        *,
        quantile: float = 0.99,
        margin: float = 2.0,
        floor: float | timedelta = 0.05,
        ceiling: float | timedelta = 5.0,
        min_samples: int = 100,
        window: float | timedelta = 60.0,
        sync: Sync = "cut",
        late: WhenLate = "return",
        discard: Callable[[Any], object] | None = None,
        name: str | None = None,
    ) -> AdaptiveTimeout:
        """Return a timeout that learns its limit: ``margin`` times a quantile of the durations.

        An identity, unlike a `Timeout`: the pipelines that share one learn together.

        Args:
            quantile: of the successes' durations, from 0.5 to 0.9999.
            margin: times the quantile is the limit; at least 1.
            floor: the lowest limit, in seconds; at least 0.
            ceiling: the highest limit, in seconds, and the one that holds before ``min_samples``.
            min_samples: so many successes are needed before it adapts.
            window: how far back it looks, in seconds; further with fewer samples than those.
            sync: as for `Timeout`.
            late: as for `Timeout`.
            discard: as for `Timeout`.
            name: for messages; by default the first pipeline's.

        Raises:
            ConfigurationError: for a value outside its range.
        """
        from holdfast.strategies.timeout.adaptive import AdaptiveTimeout

        return AdaptiveTimeout(
            quantile=quantile, margin=margin, floor=floor, ceiling=ceiling, min_samples=min_samples,
            window=window, sync=sync, late=late, discard=discard, name=name,
        )  # fmt: skip
