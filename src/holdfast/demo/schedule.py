"""Who asks for what, and when: an open loop of seeded Poisson arrivals."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

Page = Literal["/pay", "/notify"]


class Arrival(NamedTuple):
    """One user: asks for `page` at `at` seconds of the run (negative: during the warm-up)."""

    at: float
    page: Page


def arrivals(
    *, rate: float, share_of_payments: float, start: float, end: float, seed: int
) -> list[Arrival]:
    """All users of one run, in order; the same arguments give the same users."""
    rng = random.Random(seed)
    users: list[Arrival] = []
    at = start + rng.expovariate(rate)
    while at < end:
        users.append(Arrival(at, "/pay" if rng.random() < share_of_payments else "/notify"))
        at += rng.expovariate(rate)
    return users
