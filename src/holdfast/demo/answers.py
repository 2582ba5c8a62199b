"""What the shop tells its users."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """What the shop tells a user: an HTTP status, how it went ("ok", "fallback", "failed") and why."""

    status: int
    outcome: str
    why: str = ""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Read by the load generator."""
        return [("x-outcome", self.outcome), ("x-why", self.why), ("content-type", "text/plain")]


DONE = Answer(200, "ok")
NOT_FOUND = Answer(404, "failed", "no such page")


def failed(error: Exception) -> Answer:
    """The answer when a dependency failed and there is nothing else to say."""
    return Answer(502, "failed", type(error).__name__)
