"""What Holdfast adds to the shop. One statement of it serves the sync and the async shop."""

from __future__ import annotations

import httpx

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Pipeline,
    RejectedError,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    transient,
)
from holdfast.demo.answers import Answer
from holdfast.demo.settings import (
    ATTEMPT_TIMEOUT,
    BACKOFF,
    OPEN_CAP,
    OPEN_FOR,
    TOTAL_TIMEOUT,
    Settings,
)


def queued(error: Exception) -> Answer:
    """The fallback: the order is taken, the payment is made later. `why` names what led here."""
    return Answer(202, "fallback", type(error).__name__)


class Protection:
    """A pipeline per dependency, and a fallback around the page.

    The dependencies share nothing, so one can't take the other down. The sync shop's functions are
    decorated with them; the async shop's client looks them up by their origins.
    """

    def __init__(self, settings: Settings, payments: str, notifications: str) -> None:
        self._settings = settings
        self._breakers: dict[str, CircuitBreaker] = {}
        self.payments: Pipeline = self._pipeline("payments")
        self.notifications: Pipeline = self._pipeline("notifications")
        self.page: Pipeline = Pipeline(
            "pay", Fallback(queued, on=(RejectedError, TimeoutError, httpx.TransportError))
        )
        self._by_origin: dict[str, Pipeline] = {
            payments.rstrip("/"): self.payments,
            notifications.rstrip("/"): self.notifications,
        }

    def pipeline_of(self, origin: str) -> Pipeline:
        """The pipeline of a dependency, for `holdfast.integrations.httpx`."""
        return self._by_origin[origin]

    def states(self) -> dict[str, str]:
        """The state of each breaker, by dependency."""
        return {name: breaker.state for name, breaker in self._breakers.items()}

    def _pipeline(self, name: str) -> Pipeline:
        real = self._settings.real
        breaker = self._breakers[name] = CircuitBreaker(
            failures=5, open_for=real(OPEN_FOR), open_cap=real(OPEN_CAP), on=transient
        )
        return Pipeline(
            name,
            Timeout(real(TOTAL_TIMEOUT)),
            Bulkhead(self._settings.bulkhead),
            Retry(
                2,
                on=transient,
                backoff=backoff.exponential(base=real(BACKOFF)),
                budget=RetryBudget(),
            ),
            breaker,
            Timeout(real(ATTEMPT_TIMEOUT)),
        )
