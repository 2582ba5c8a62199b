"""What a `Retry` makes of the pause that a dependency asks for: `holdfast.verdict` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from holdfast.verdict import hint

if TYPE_CHECKING:
    from holdfast.shapes import History

RETRY_AFTER_CAP = 120.0
"""The longest server hint that is honoured by default, in seconds (as in httpx-retries and openai)."""

RETRY_AFTER_JITTER = 0.1


class Rule(Protocol):
    """What a `Retry` says about such pauses."""

    respect_retry_after: bool
    retry_after_cap: float | None
    retry_after_limit: float | None


def waited(delay: float, outcome: Any, rule: Rule, history: History) -> float | None:
    """Return the delay, lengthened to what ``outcome`` asks for; None, with the reason, for too much."""
    asked = hint(outcome) if rule.respect_retry_after else None
    if asked is None:
        return delay
    if rule.retry_after_limit is not None and asked > rule.retry_after_limit:
        history.reason = (
            f"the dependency asks to wait for {asked:.3g} s, which is more than "
            f"retry_after_limit={rule.retry_after_limit:g}"
        )
        return None
    if rule.retry_after_cap is not None:
        asked = min(asked, rule.retry_after_cap)
    return max(delay, asked + history.rng.uniform(0.0, RETRY_AFTER_JITTER * asked))
