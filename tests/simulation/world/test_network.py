"""Messages take time, and some are lost; what a server's own policy does to requests."""

import asyncio

import pytest

from holdfast import Bulkhead, Pipeline, Timeout, deadline, priority, remaining
from holdfast.criticality import current_priority
from holdfast.simulation import (
    Constant,
    Guard,
    Link,
    Network,
    Refused,
    Request,
    Server,
    ServerError,
    Simulation,
)


@pytest.fixture
def simulation():
    with Simulation(seed=5) as simulation:
        yield simulation


@pytest.fixture
def server(simulation):
    return Server(simulation, workers=2, service=Constant(value=1.0))


def outcome(simulation, call):
    """Return what became of a call, and when."""
    task = simulation.spawn(call)
    ended = []
    task.add_done_callback(lambda _task: ended.append(round(simulation.now, 6)))
    simulation.run(simulation.now + 100)
    if not task.done():
        return None
    error = task.exception()
    return (str(error) if error else "served"), *ended


def test_a_message_takes_its_time_both_ways(simulation, server):
    """There, the work, and back."""
    link = Link(
        simulation,
        server,
        Network(delay=Constant(value=0.2), reply_delay=Constant(value=0.05)),
    )
    assert outcome(simulation, link.serve(Request(0, 0, 0, 0, 1.0))) == ("served", 1.25)


def test_delays_of_a_fault_are_added_to_both_ways(simulation, server):
    """A slower network is slower in each direction."""
    link = Link(simulation, server, Network(delay=Constant(value=0.2)))
    link.slower = 0.5
    assert outcome(simulation, link.serve(Request(0, 0, 0, 0, 1.0))) == ("served", 2.4)


def test_errors_take_the_way_back_too(simulation, server):
    """Even a refusal is news that travels."""
    link = Link(simulation, server, Network(delay=Constant(value=0.2)))
    server.refuses = True
    assert outcome(simulation, link.serve(Request(0, 0, 0, 0, 1.0))) == ("connection refused", 0.4)


def test_a_lost_request_is_neither_served_nor_answered(simulation, server):
    """The client waits for ever, and the server knows nothing."""
    link = Link(simulation, server, Network(loss=1.0))
    assert outcome(simulation, link.serve(Request(0, 0, 0, 0, 1.0))) is None
    assert server.served == 0


def test_a_lost_reply_is_work_for_nothing(simulation, server):
    """The server has done it, and the client waits for ever."""
    link = Link(simulation, server, Network(reply_loss=1.0))
    assert outcome(simulation, link.serve(Request(0, 0, 0, 0, 1.0))) is None
    assert server.served == 1


def test_losses_are_as_frequent_as_said(simulation):
    """10 % of the network's own and 20 % of a fault strike by themselves: 28 % in all."""
    server = Server(simulation, workers=1, service=Constant(value=0.0))
    link = Link(simulation, server, Network(loss=0.1))
    link.lossier = 0.2
    for number in range(5000):
        simulation.spawn(link.serve(Request(number, 0, 0, 0, 0.0)))
    simulation.run(1)
    assert server.served / 5000 == pytest.approx(0.72, abs=0.02)


def test_what_was_sent_arrives_though_the_client_has_given_up(simulation, server):
    """A timeout doesn't take a message back."""
    link = Link(simulation, server, Network(delay=Constant(value=0.2)))

    async def impatient():
        async with asyncio.timeout(0.1):
            await link.serve(Request(0, 0, 0, 0, 1.0))

    assert outcome(simulation, impatient()) == ("", 0.1)
    assert server.served == 1


def test_a_servers_policy_turns_requests_away(simulation, server):
    """What it rejects is an error of the server's for the client, and no work is done."""
    Guard(simulation, server, Pipeline("guard", Bulkhead(1)))
    first = simulation.spawn(server.serve(Request(0, 0, 0, 0, 1.0)))
    answer, at = outcome(simulation, server.serve(Request(1, 0, 0, 0, 1.0)))
    assert "BulkheadFullError" in answer
    assert at == 0.0
    assert first.exception() is None
    assert (server.served, server.failed) == (1, 1)


def test_a_servers_policy_may_say_when_to_come_again(simulation, server):
    """``retry_after`` reaches the client."""

    class TryLaterError(Exception):
        retry_after = 3.0

    def protect(_handler):
        async def handle(_request):
            raise TryLaterError

        return handle

    Guard(simulation, server, protect)
    task = simulation.spawn(server.serve(Request(0, 0, 0, 0, 1.0)))
    simulation.run(1)
    assert isinstance(task.exception(), ServerError)
    assert task.exception().retry_after == 3.0


def test_errors_of_the_server_are_its_clients_errors(simulation, server):
    """A guarded server that refuses still refuses."""
    Guard(simulation, server, Pipeline("guard", Timeout(0.5)))
    slow = simulation.spawn(server.serve(Request(0, 0, 0, 0, 1.0)))
    simulation.run(5)
    assert "AttemptTimeout" in str(slow.exception()) or "Timeout" in str(slow.exception())
    server.refuses = True
    refused = simulation.spawn(server.serve(Request(1, 0, 0, 0, 1.0)))
    simulation.run(6)
    assert isinstance(refused.exception(), Refused)


@pytest.mark.parametrize(
    "propagate, seen", [(True, ("critical", 2.0)), (False, ("default", float("inf")))]
)
def test_deadline_and_priority_travel_with_the_request(simulation, server, propagate, seen):
    """As headers would carry them, and only those."""
    found = []

    def protect(handler):
        async def handle(request):
            found.append((current_priority(), remaining()))
            await handler(request)

        return handle

    Guard(simulation, server, protect, propagate=propagate)

    async def call():
        with priority("critical"), deadline(2.0):
            await server.serve(Request(0, 0, 0, 0, 1.0))

    assert outcome(simulation, call()) == ("served", 1.0)
    assert found == [seen]


def test_a_handler_goes_on_when_its_caller_has_given_up(simulation, server):
    """Servers rarely notice."""
    Guard(simulation, server, Pipeline("guard", Bulkhead(1)))
    task = simulation.spawn(server.serve(Request(0, 0, 0, 0, 1.0)))
    simulation.at(0.5, task.cancel)
    simulation.run(5)
    assert task.cancelled()
    assert server.served == 1
