"""What a `Retry` makes of the pause that a dependency asks for: `holdfast.verdict` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from holdfast.verdict import hint

if TYPE_CHECKING:
    from holdfast.shapes import History

RETRY_AFTER_CAP = 120.0
"""The longest server hint that is honoured by default, in seconds (as in httpx-retries and openai)."""

RETRY_AFTER_JITTER = 0.1


class Patience(Protocol):
    """How long a hint may make somebody wait: a `Retry`."""

    @property
    def respect_retry_after(self) -> bool:
        """Whether hints are honoured at all."""

    @property
    def retry_after_cap(self) -> float | None:
        """What a longer hint is taken for, in seconds."""

    @property
    def retry_after_limit(self) -> float | None:
        """Beyond what hint it gives up, in seconds."""


def waited(delay: float, outcome: Any, retry: Patience, history: History) -> float | str:
    """Return the delay, lengthened to what ``outcome`` asks for; the reason why not, for too much."""
    asked = hint(outcome) if retry.respect_retry_after else None
    if asked is None:
        return delay
    if retry.retry_after_limit is not None and asked > retry.retry_after_limit:
        return (
            f"the dependency asks to wait for {asked:.3g} s, which is more than "
            f"retry_after_limit={retry.retry_after_limit:g}"
        )
    if retry.retry_after_cap is not None:
        asked = min(asked, retry.retry_after_cap)
    return max(delay, asked + history.rng.uniform(0.0, RETRY_AFTER_JITTER * asked))
