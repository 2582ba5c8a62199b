"""The knobs, the durations and the sizes of one demo.

Durations are in seconds of the story. At ``speed=2`` the story runs twice as fast: each duration
(service times, hangs, timeouts, phases, patience) is halved by `Settings.real`. The rate stays as it
is, for the machine is as fast as it was; what follows from rate x duration (calls in flight, and so
the sizes of pools and bulkheads) shrinks with the durations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

World = Literal["sync", "async"]

PAYMENT = 0.2  # one payment takes this long
NOTIFICATION = 0.05  # one notification
HANG = 30.0  # one payment during the fault
PATIENCE = 2.0  # a user waits this long for the shop's answer
ATTEMPT_TIMEOUT = 0.6  # the protected shop gives one payment three times as long as it needs
TOTAL_TIMEOUT = 1.5  # and all attempts together less than the user's patience
OPEN_FOR = 1.0  # the breaker's first pause,
OPEN_CAP = 2.0  # and its longest
BACKOFF = 0.05

WARM_UP = 0.8  # first connections, first imports; measured, but part of no figure
CALM = 3.2
FAULT = 6.0
RECOVERED = 5.3

HTTPX_POOL = 100  # httpx's own default for `max_connections`
SHARE_OF_PAYMENTS = 0.5


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the story, in seconds from the end of the warm-up."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user chose, and the sizes that follow from it."""

    world: World = "async"
    rate: float = 60.0  # users' requests per second
    speed: float = 1.0
    seed: int = 1

    def real(self, seconds: float) -> float:
        """Seconds on the clock for `seconds` of the story."""
        return seconds / self.speed

    @property
    def bulkhead(self) -> int:
        """Payments allowed in flight: in health rarely reached, in the fault a firm wall.

        By Little's law rate x duration payments are in flight on average; arrivals are Poisson, so
        four standard deviations above the mean are exceeded about once in ten thousand payments.
        """
        mean = self.rate * SHARE_OF_PAYMENTS * self.real(PAYMENT)
        return max(4, math.ceil(mean + 4.0 * math.sqrt(mean)))

    @property
    def threads(self) -> int:
        """The sync shop's thread pool: payments can take half of it."""
        return 2 * self.bulkhead

    @property
    def connections(self) -> int:
        """The shop's connection pool: at normal speed what ``httpx`` has by default."""
        return max(2 * self.bulkhead, round(self.real(HTTPX_POOL)))

    @property
    def phases(self) -> tuple[Phase, Phase, Phase]:
        """Calm, fault, recovery; in real seconds from the end of the warm-up."""
        calm, fault, recovered = self.real(CALM), self.real(FAULT), self.real(RECOVERED)
        return (
            Phase("calm", 0.0, calm),
            Phase("payments hang", calm, calm + fault),
            Phase("payments recovered", calm + fault, calm + fault + recovered),
        )

    def to_json(self) -> str:
        """For a child's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The reverse of `to_json`."""
        return cls(**json.loads(text))

    def sizes(self) -> Iterator[tuple[str, str]]:
        """What the report tells about the set-up, as (what, how much)."""
        yield "shop", f"{self.world}, {self.pool}"
        yield (
            "users",
            f"{self.rate:g} requests/s (Poisson, seed {self.seed}), half pay, half are notified",
        )
        yield (
            "payment service",
            f"{1000 * self.real(PAYMENT):.0f} ms; in the fault {self.real(HANG):g} s per call",
        )
        yield "notification service", f"{1000 * self.real(NOTIFICATION):.0f} ms"
        yield "a user gives up after", f"{self.real(PATIENCE):g} s"

    @property
    def pool(self) -> str:
        """What the unprotected shop runs out of."""
        if self.world == "sync":
            return f"a pool of {self.threads} threads"
        return f"a pool of {self.connections} connections"
