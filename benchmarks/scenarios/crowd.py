"""Users who come to client processes, for experiments whose dependency is no server with a queue."""

from collections.abc import Iterator, Sequence

from benchmarks.scenarios.candidates import Target
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.runs.tally import Tally
from holdfast.simulation.scenario.distributions import Constant, Distribution
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.world.request import Request

NO_WORK = Constant(value=0.0)


class Crowd:
    """``rate`` users a second; each comes to one of ``calls`` by chance, as in `play`.

    Args:
        simulation: where they come.
        calls: the protected function of each client process.
        rate: how many come in a second, at independent instants.
        seconds: how long they come.
        keys: among how many shards they are spread.
        work: what `Request.work` is drawn from.
    """

    def __init__(
        self, simulation: Simulation, calls: Sequence[Target], *, rate: float, seconds: float,
        keys: int = 1, work: Distribution = NO_WORK,
    ) -> None:  # fmt: skip
        self.simulation = simulation
        self.calls = calls
        self.keys = keys
        self.tally = Tally(seconds)
        self.users = 0
        self._work = work
        self._draws = simulation.stream("service")
        self._places = simulation.stream("places of the users")
        self._shards = simulation.stream("keys of the users")
        self._expect(Poisson(rate=rate).arrivals(simulation.stream("arrivals"), seconds))

    def _expect(self, arrivals: Iterator[float]) -> None:
        instant = next(arrivals, None)
        if instant is not None:
            self.simulation.at(instant, self._arrive, instant, arrivals)

    def _arrive(self, instant: float, arrivals: Iterator[float]) -> None:
        client = self._places.randrange(len(self.calls))
        key = self._shards.randrange(self.keys)
        request = Request(self.users, instant, client, key, self._work.draw(self._draws))
        self.users += 1
        self.tally.came(instant)
        self.simulation.spawn(self._user(request))
        self._expect(arrivals)

    async def _user(self, request: Request) -> None:
        try:
            await self.calls[request.client](request)
        except Exception as error:  # noqa: BLE001 - every failure is counted
            self.failed(request, error)
        else:
            self.served(request)

    def served(self, request: Request) -> None:
        """Count a user who was served; for others to extend."""
        self.tally.served(request.arrived, self.simulation.now)

    def failed(self, request: Request, error: Exception) -> None:
        """Count a user who was not; for others to extend."""
        self.tally.lost(request.arrived, error)

    def total(self, what: str) -> int:
        """Return how many of something there were in all."""
        return sum(getattr(bucket, what) for bucket in self.tally.buckets)
