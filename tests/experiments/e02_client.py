"""Experiment 2, the client's part: brownout to 40 % (120/s) for 30 s, 250 of 300 users a second.

Bar: goodput in the fault >= 100/s with clients alone, <= 0.1 % false rejections in health.

Why it is hard: by the time the first attempt times out, the queue is longer than the timeout, and what
is served from then on is served for nobody.  Of 20 clients each may have 1.4 calls in flight.

Reached by `concurrency.demand`; the other designs tried are in `DESIGNS`.  `Cubic` is a limit of the
rate, as botocore's adaptive mode has it.  A bulkhead of 3 with a queue does as well as `demand`, for
this fleet and this server; nothing finds its size where these are others.  A queue before `demand`
takes up what is no overload: chance, and a dependency that is slower but can do as much (`queues`).
"""

from random import Random
from statistics import median

from holdfast.errors import RateLimitedError
from holdfast.strategies import concurrency
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.circuit_breaker import CircuitBreaker
from holdfast.strategies.concurrency_limiter import ConcurrencyLimiter
from holdfast.strategies.throttle import Throttle
from tests.experiments.outage import SEEDS, Outage, Row, Stack, play, shipped, spread


class Cubic:
    """A limit of the rate, with CUBIC's growth (RFC 9438), as botocore's adaptive mode has it.

    After a loss the rate is that of the successes of the last half second, smoothed, times 0.7; then
    it grows by 0.4 (t - K)^3 around the rate before the loss, up to twice what is measured.
    """

    timed = True
    resting = None

    def __init__(self) -> None:
        self.enabled = False
        self.rate = self.peak = self.measured = 0.0
        self.lost_at = self.filled = self.tokens = 0.0
        self.half, self.count = 0, 0

    def enter(self, now, _args, _kwargs, _site=None):
        """Take a token, from the first loss on."""
        if self.enabled:
            self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.filled) * self.rate)
            self.filled = now
            if self.tokens < 1.0:
                raise RateLimitedError(strategy="cubic")
            self.tokens -= 1.0
        return now

    def measure(self, now: float) -> None:
        """Count by half seconds, smoothed with a weight of 0.8."""
        half = int(now * 2)
        if half > self.half:
            self.measured += 0.8 * (self.count / (half - self.half) * 2 - self.measured)
            self.half, self.count = half, 0
        self.count += 1

    def succeeded(self, _permit, now, _result):
        self.measure(now)
        if self.enabled:
            away = (self.peak * 0.3 / 0.4) ** (1 / 3)
            grown = 0.4 * (now - self.lost_at - away) ** 3 + self.peak
            self.rate = max(0.5, min(grown, 2 * self.measured))

    def failed(self, _permit, now, error):
        if not isinstance(error, TimeoutError):
            return
        self.measure(now)
        self.peak = min(self.measured, self.rate) if self.enabled else self.measured
        self.rate = max(0.5, self.peak * 0.7)
        if not self.enabled:
            self.filled = now
        self.enabled, self.lost_at = True, now

    def abandoned(self, _permit, _now):
        pass


def breaker(jitter: Random) -> CircuitBreaker:
    """Return a breaker that opens for a second at first."""
    return CircuitBreaker(open_for=1.0, rng=jitter)


def limited(
    algorithm: concurrency.Algorithm, low: float = 1, queue: int = 0, patience: float = 1.0
) -> Stack:
    """Return a stack with that breaker and an adaptive limit."""
    waits = {"queue": queue, "max_wait": patience}
    return lambda jitter: [breaker(jitter), ConcurrencyLimiter(algorithm, min=low, **waits)]


BEST = limited(concurrency.demand(), low=0.05)
QUEUED = limited(concurrency.demand(), low=0.05, queue=100)

DESIGNS: dict[str, Stack] = {
    "budget": lambda _: [],
    "+ breaker": lambda jitter: [breaker(jitter)],
    "+ breaker + aimd(0.9)": limited(concurrency.aimd()),
    "+ breaker + aimd(0.5)": limited(concurrency.aimd(backoff=0.5)),
    "+ breaker + vegas": limited(concurrency.vegas()),
    "+ breaker + gradient": limited(concurrency.gradient()),
    "+ breaker + gradient, queue=1": limited(concurrency.gradient(queue=1.0)),
    "+ breaker + spread": limited(concurrency.spread()),
    "+ breaker + throttle": lambda jitter: [breaker(jitter), Throttle(rng=jitter)],
    "+ breaker + cubic rate": lambda jitter: [breaker(jitter), Cubic()],
    "+ breaker + bulkhead 3, queue 20": lambda jitter: [
        breaker(jitter), Bulkhead(3, queue=20, max_wait=0.5),
    ],
    "+ breaker + demand": BEST,
    "+ breaker + demand, queue 100": QUEUED,
    "as shipped": shipped,
}  # fmt: skip


def row(name: str, outages: list[Outage], bar: str = "") -> Row:
    goodput = [one.goodput for one in outages]
    false = max(one.false_rejections for one in outages)
    ttr = [one.recovered for one in outages]
    slowest = "never" if None in ttr else f"{max(ttr)} s"
    figure = f"{spread(goodput)}/s, false {false:.3%}, TTR {slowest}"
    return name, figure, bar, median(goodput) >= 100 and false <= 0.001


def stragglers(rng: Random) -> float:
    """Draw a service time of 50 ms on average, and one in fifty of 0.6 to 1.2 s."""
    return rng.expovariate(20.0) if rng.random() < 0.98 else rng.uniform(0.6, 1.2)


def report() -> list[Row]:
    """Return the figures of all designs, and of the best for other fleets and other faults."""
    bar = ">= 100/s, <= 0.1 %"
    half = limited(concurrency.aimd(backoff=0.5))
    rows = [
        row(
            name,
            [play(stack, seed=seed, healthy=130) for seed in SEEDS],
            bar * (stack is shipped),
        )
        for name, stack in DESIGNS.items()
    ]
    for clients in (1, 50):
        outages = [play(half, seed=seed, clients=clients) for seed in SEEDS]
        rows.append(row(f"+ breaker + aimd(0.5), {clients} clients", outages))
    for clients in (1, 5, 20, 50, 200):
        outages = [play(shipped, seed=seed, clients=clients) for seed in SEEDS]
        rows.append(row(f"as shipped, {clients} clients", outages, bar))
    long = [play(shipped, seed=seed, fault=300) for seed in SEEDS[:2]]
    rows.append(row("as shipped, 300 s long", long, bar))
    stack = limited(concurrency.demand(samples=16), low=0.05)
    outages = [play(stack, seed=seed, draw=stragglers) for seed in SEEDS]
    rows.append(row("+ breaker + demand(samples=16), one straggler in 50", outages))
    return rows + queues()


def queues() -> list[Row]:
    """Return what a queue before the limit does where latencies vary, and where they have grown."""
    rows = []
    for queue, patience in ((0, 1.0), (10, 1.0), (100, 0.25), (100, 0.5), (100, 1.0), (100, 2.0)):
        stack = limited(concurrency.demand(), 0.05, queue, patience)
        name = (
            f"+ breaker + demand, queue {queue} x {patience} s" if queue else "+ breaker + demand"
        )
        uneven = [play(stack, seed=seed, draw=stragglers, fault=1, after=1) for seed in SEEDS]
        false = max(one.false_rejections for one in uneven)
        figure = f"false {false:.3%}"
        rows.append((f"{name}, one straggler in 50", figure, "", false <= 0.001))
        slow = [play(stack, seed=seed, speed=1 / 3, workers=81, after=1) for seed in SEEDS]
        lost = median(one.failed for one in slow) / (250 * 31)
        name = f"{name}, x3 slower, capacity as before (250/s)"
        rows.append((name, f"{lost:.2%} failed in the first half-minute", "", lost <= 0.001))
    for clients in (1, 5, 50, 200):
        outages = [play(QUEUED, seed=seed, clients=clients) for seed in SEEDS]
        rows.append(row(f"+ breaker + demand, queue 100, {clients} clients", outages))
    long = [play(QUEUED, seed=seed, fault=300) for seed in SEEDS[:2]]
    rows.append(row("+ breaker + demand, queue 100, 300 s long", long))
    return rows
