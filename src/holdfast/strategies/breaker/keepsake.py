"""What a breaker remembers of the failure that opened it."""

from __future__ import annotations

from holdfast.errors import HoldfastError

FLAT = (str, bytes, int, float, bool, type(None))


def keepsake(error: Exception) -> Exception:
    """Return a copy of ``error`` that keeps nothing alive: no traceback, no context, flat arguments.

    A breaker shows it as the cause of its rejections for as long as it is open; the original would
    keep the frames of a finished request, and all that they refer to.  Where the class cannot be
    copied to the same words, a plain error with those words stands in.
    """
    kind = type(error)
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - an exception class may forbid anything
        words = "?"
    try:
        # an OSError keeps the name of its file apart from its arguments
        given = error.__reduce__()[1] if isinstance(error, OSError) else error.args
        args = tuple(one if isinstance(one, FLAT) else repr(one) for one in given)
        copy = kind.__new__(kind, *args)
        if not isinstance(error, OSError):
            copy.args = args
        if str(copy) == words and repr(copy):
            return copy
    except Exception:  # noqa: BLE001, S110 - the same
        pass
    return HoldfastError(f"{kind.__name__}: {words}")
