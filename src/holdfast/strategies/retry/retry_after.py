"""What a `Retry` makes of the pause that a dependency asks for: `holdfast.verdict` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.verdict import hint

if TYPE_CHECKING:
    from holdfast.shapes import History

RETRY_AFTER_CAP = 120.0
"""The longest server hint that is honoured by default, in seconds (as in httpx-retries and openai)."""

RETRY_AFTER_JITTER = 0.1


def waited(
    delay: float, outcome: Any, history: History, cap: float | None, limit: float | None
) -> float | str:
    """Return the delay, lengthened to what ``outcome`` asks for; the reason why not, for too much."""
    asked = hint(outcome)
    if asked is None:
        return delay
    if limit is not None and asked > limit:
        return (
            f"the dependency asks to wait for {asked:.3g} s, which is more than "
            f"retry_after_limit={limit:g}"
        )
    if cap is not None:
        asked = min(asked, cap)
    return max(delay, asked + history.rng.uniform(0.0, RETRY_AFTER_JITTER * asked))
