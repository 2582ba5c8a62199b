"""What a key's strategy is asked, whatever it is: as far as it has an answer."""

from __future__ import annotations

from typing import Any

from holdfast.errors import ConfigurationError
from holdfast.strategies.identity import Identity


def renew(child: Any) -> None:
    """Have a key's strategy start afresh in a child process."""
    if isinstance(child, Identity):
        child._after_fork()  # noqa: SLF001 - ours


def is_open(child: Any) -> bool:
    """Return whether a key's strategy is a breaker that is not closed."""
    return getattr(child, "state", "closed") in ("open", "half-open", "isolated")


def is_busy(child: Any, now: float) -> bool:
    """Return whether a key's strategy must not be forgotten; one that cannot say may be."""
    busy = getattr(child, "busy", None)
    return busy is not None and bool(busy(now) if callable(busy) else busy)


def report(child: Any) -> dict[str, Any]:
    """Return the snapshot of a key's strategy, as far as it has one."""
    snapshot: dict[str, Any] = (
        child.snapshot() if hasattr(child, "snapshot") else {"strategy": repr(child)}
    )
    return snapshot


def no_gate(child: Any) -> ConfigurationError:
    """Return the error for a block of code, or a call by hand, where only gates will do."""
    return ConfigurationError(
        f"{child!r} is no gate, so this Keyed cannot guard a block of code: decorate a function instead"
    )


def tell_full(title: str, limit: int) -> None:
    """Warn, once, that keys share a strategy that should have their own."""
    import logging

    logging.getLogger("holdfast").warning(
        "%s is full: a call is inside of each of its %d keys, or they are open or in debt, so that "
        "none may go; further keys share one strategy until there is room. If all of these keys are "
        "real, raise max_keys", title, limit,
    )  # fmt: skip
