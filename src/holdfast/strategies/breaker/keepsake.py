"""What a breaker remembers of the failure that opened it."""

from __future__ import annotations

from holdfast._shown import scrubbed
from holdfast.errors import HoldfastError
from holdfast.verdict import status_of

FLAT = (bytes, int, float, bool, type(None))


def keepsake(error: Exception) -> Exception:
    """Return a copy of ``error`` that keeps nothing alive: no traceback, no context, flat arguments.

    A breaker shows it as the cause of its rejections, to whomever they hit, for as long as it is open;
    the original would keep the frames of a finished request, and all that they refer to.  Its words are
    cut as those of our messages are; its HTTP status is kept.  Where the class cannot be copied to the
    same words, a plain error with those words stands in.
    """
    copy = _copied(error)
    status = status_of(error)
    if status is not None and status_of(copy) is None:
        try:
            copy.status_code = status  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001, S110 - an exception class may forbid anything
            pass
    return copy


def _copied(error: Exception) -> Exception:
    kind = type(error)
    try:
        words = scrubbed(str(error))
    except Exception:  # noqa: BLE001 - the same
        words = "?"
    try:
        # an OSError keeps the name of its file apart from its arguments
        given = error.__reduce__()[1] if isinstance(error, OSError) else error.args
        args = tuple(_flat(one) for one in given)
        copy = kind.__new__(kind, *args)
        if not isinstance(error, OSError):
            copy.args = args
        if str(copy) == words and repr(copy):
            return copy
    except Exception:  # noqa: BLE001, S110 - the same
        pass
    return HoldfastError(f"{kind.__name__}: {words}")


def _flat(argument: object) -> object:
    if isinstance(argument, str):
        return scrubbed(argument)
    return argument if isinstance(argument, FLAT) else scrubbed(repr(argument))
