"""Servers with a quota: a token bucket, fixed windows, and one that says what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Clock = Callable[[], float]


class TooMany(Exception):
    """A 429, with the fields that came with it."""

    status_code = 429

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("429")
        self.headers = headers


class Answer:
    """A 200, with its fields."""

    status_code = 200

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers


class TokenBucket:
    """``quota`` tokens a second, of which a second's worth is kept."""

    def __init__(self, clock: Clock, quota: float) -> None:
        self.clock, self.quota = clock, quota
        self.tokens, self.at = quota, clock()

    def takes(self) -> bool:
        """Return whether a request is let in."""
        now = self.clock()
        self.tokens = min(self.quota, self.tokens + (now - self.at) * self.quota)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def fields(self) -> dict[str, str]:
        """Return what is told: nothing."""
        return {}


class FixedWindow:
    """``quota * width`` requests in each window of ``width`` seconds."""

    def __init__(self, clock: Clock, quota: float, width: float = 1.0) -> None:
        self.clock, self.quota, self.width = clock, quota, width
        self.window, self.used = 0, 0

    def takes(self) -> bool:
        """Return whether a request is let in."""
        window = math.floor(self.clock() / self.width)
        if window != self.window:
            self.window, self.used = window, 0
        if self.used >= self.quota * self.width:
            return False
        self.used += 1
        return True

    def fields(self) -> dict[str, str]:
        """Return what is told: nothing."""
        return {}


class Telling(FixedWindow):
    """The same, and it says in each answer what is left, as the IETF's draft has it."""

    def fields(self) -> dict[str, str]:
        """Return the two fields of the draft."""
        whole = self.quota * self.width
        left = max(0.0, whole - self.used)
        reset = math.ceil(self.width - self.clock() % self.width)
        return {
            "RateLimit": f'"default";r={left:.0f};t={reset}',
            "RateLimit-Policy": f'"default";q={whole:.0f};w={self.width:.0f}',
        }


Server = TokenBucket | FixedWindow
