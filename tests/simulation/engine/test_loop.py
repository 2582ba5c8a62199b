"""The loop on which simulations run: time jumps, order is kept, and a loop that goes nowhere ends."""

import asyncio

import pytest

from holdfast.simulation import Endless, NoTimePasses, Simulation, Stuck
from holdfast.simulation.engine import loop as loops


@pytest.fixture
def simulation():
    with Simulation(seed=1) as simulation:
        yield simulation


def test_time_jumps_to_the_next_timer(simulation):
    """A day of waiting takes no time, and ends at the instant that was asked for."""
    seen = []

    async def user():
        await asyncio.sleep(86_400)
        seen.append(simulation.now)

    simulation.spawn(user())
    simulation.run(100_000)
    assert seen == [86_400]
    assert simulation.now == 100_000


def test_what_is_due_at_one_instant_happens_in_the_order_in_which_it_was_asked_for(simulation):
    """Equal instants are no cause for disorder."""
    seen = []
    for number in range(50):
        simulation.at(1.0, seen.append, number)
    simulation.run(2)
    assert seen == list(range(50))


def test_runs_can_be_continued(simulation):
    """A simulation goes on where it was left."""
    seen = []
    for second in range(1, 5):
        simulation.at(second, seen.append, second)
    simulation.run(2)
    assert seen == [1, 2]
    simulation.run(4)
    assert seen == [1, 2, 3, 4]


def test_a_cancelled_timer_does_nothing(simulation):
    """Timers can be taken back."""
    seen = []
    timer = simulation.after(1.0, seen.append, "late")
    timer.cancel()
    simulation.run(2)
    assert seen == []
    assert timer.cancelled()


def test_asyncio_finds_what_it_needs(simulation):
    """Timeouts, tasks, events and gathering are those of asyncio."""
    seen = []

    async def user():
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(2, event.set)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await event.wait()
        await asyncio.gather(event.wait(), asyncio.create_task(asyncio.sleep(3)))
        seen.append(simulation.now)

    simulation.spawn(user())
    simulation.run(10)
    assert seen == [4.0]


def test_a_loop_that_waits_for_nothing_is_stuck():
    """Where no timer is set, waiting is for ever, and an error."""
    loop = loops.SimulatedLoop()
    with pytest.raises(Stuck, match="no task is ready and no timer is set"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_a_simulation_that_never_ends_is_bounded():
    """After so many steps it is over, and says where it was busy."""

    async def ticking():
        while True:
            await asyncio.sleep(1)

    with Simulation(most_steps=1000) as simulation:
        simulation.spawn(ticking())
        with pytest.raises(Endless, match=r"1,001 steps, at \d+\.000 simulated seconds"):
            simulation.run(1e9)


def test_time_that_stands_still_is_noticed(monkeypatch):
    """A task that only gives way to others would go on for ever; it is named."""
    monkeypatch.setattr(loops, "MOST_AT_ONCE", 1000)

    async def spinning():
        await asyncio.sleep(7)
        while True:
            await asyncio.sleep(0)

    with Simulation() as simulation:
        simulation.spawn(spinning())
        where = r"1,000 steps at one instant, at 7\.000 .*busy in .*test_loop:.*spinning, .*:\d+"
        with pytest.raises(NoTimePasses, match=where):
            simulation.run(10)


def test_a_callback_that_fails_is_reported_and_the_rest_goes_on(simulation, caplog):
    """As in asyncio, its error is logged."""
    seen = []
    simulation.at(1, lambda: 1 / 0)
    simulation.at(2, seen.append, "on")
    simulation.run(3)
    assert seen == ["on"]
    assert "a callback failed" in caplog.text
