"""What a server can put before its work; experiments 3 and 9 compare them."""

from benchmarks.scenarios.candidates import Calls, Decorator, candidate
from benchmarks.scenarios.overload import WORKERS
from holdfast import Bulkhead, ConcurrencyLimiter, LoadShedder, Pipeline, concurrency

LIMITER, SHEDDER = "holdfast, limiter", "holdfast, shedder"


@candidate("no gate")
def no_gate(_calls: Calls) -> Decorator:
    """Return a server that takes in everything, first come first served."""
    return lambda target: target


@candidate("static limit")
def static(_calls: Calls) -> Decorator:
    """Return `Bulkhead(24)`: one and a half calls for each worker, which somebody has to know."""
    return Pipeline("server", Bulkhead(WORKERS * 3 // 2))


@candidate("AIMD")
def aimd(_calls: Calls) -> Decorator:
    """Return `ConcurrencyLimiter(concurrency.aimd())`: by losses alone."""
    return Pipeline("server", ConcurrencyLimiter(concurrency.aimd()))


@candidate("Vegas")
def vegas(_calls: Calls) -> Decorator:
    """Return `ConcurrencyLimiter(concurrency.vegas())`: Netflix's default."""
    return Pipeline("server", ConcurrencyLimiter(concurrency.vegas()))


@candidate("Gradient2")
def gradient(_calls: Calls) -> Decorator:
    """Return `ConcurrencyLimiter(concurrency.gradient())`: Netflix's Gradient2."""
    return Pipeline("server", ConcurrencyLimiter(concurrency.gradient()))


@candidate("Gradient2, reserve")
def reserved(_calls: Calls) -> Decorator:
    """Return `ConcurrencyLimiter(concurrency.gradient(), reserve=0.3)`: the best that was known."""
    return Pipeline("server", ConcurrencyLimiter(concurrency.gradient(), reserve=0.3))


@candidate("limiter without priorities")
def indifferent(_calls: Calls) -> Decorator:
    """Return `ConcurrencyLimiter(reserve=0)`: nobody is more important."""
    return Pipeline("server", ConcurrencyLimiter(reserve=0))


@candidate(LIMITER)
def limiter(_calls: Calls) -> Decorator:
    """Return `ConcurrencyLimiter()` on the server, with its defaults."""
    return Pipeline("server", ConcurrencyLimiter())


@candidate(SHEDDER)
def shedder(_calls: Calls) -> Decorator:
    """Return `LoadShedder(16)` on the server: the number of its workers, and defaults."""
    return Pipeline("server", LoadShedder(WORKERS))
