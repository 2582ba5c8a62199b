"""What the sync and the async shop share: their set-up and their figures."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from holdfast.demo.gauge import Gauge
from holdfast.demo.settings import Settings

if TYPE_CHECKING:
    from holdfast.demo.protection import Protection


def idempotent() -> dict[str, str]:
    """Headers that let the payment service tell a retry from a second order."""
    return {"idempotency-key": uuid.uuid4().hex}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the story tells a shop on its command line: among others, where the services are."""

    settings: Settings
    protected: bool
    payments: str
    notifications: str

    def protection(self) -> Protection | None:
        """The pipelines, or None in the unprotected run."""
        if not self.protected:
            return None
        from holdfast.demo.protection import Protection

        return Protection(self.settings, self.payments, self.notifications)

    def to_json(self) -> str:
        """For the shop's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Setup:
        """The reverse of `to_json`."""
        fields = json.loads(text)
        return cls(**{**fields, "settings": Settings(**fields["settings"])})


class Figures:
    """What is in use in the shop, called for by the story."""

    def __init__(self, protection: Protection | None) -> None:
        self.protection: Protection | None = protection
        self.workers: Gauge = Gauge()  # requests being served; each holds a thread, or a task
        self.payments: Gauge = Gauge()  # calls in flight; each holds a socket, or waits for one
        self.notifications: Gauge = Gauge()

    def __call__(self) -> Mapping[str, Any]:
        """Numbers by name, and the states of the breakers."""
        gauges = {
            "workers": self.workers,
            "payments": self.payments,
            "notifications": self.notifications,
        }
        return {
            **{name: gauge.now for name, gauge in gauges.items()},
            **{f"{name}_peak": gauge.peak for name, gauge in gauges.items()},
            "breakers": self.protection.states() if self.protection else {},
        }
