"""Policies that block, spin, hang or can't be called: each is named, and the process is as before."""

import asyncio
import gc
import pickle
import random
import signal
import sys
import threading
import time
from dataclasses import replace
from importlib import import_module

import pytest

from holdfast._world import world
from holdfast.simulation import (
    BadPolicy,
    Blocked,
    Clients,
    Closed,
    Constant,
    Endless,
    NoTimePasses,
    Poisson,
    Policy,
    Scenario,
    Servers,
    Simulation,
    SimulationError,
    play,
)
from holdfast.simulation.engine import loop as loops
from holdfast.simulation.engine.errors import TooMany

playing = import_module("holdfast.simulation.runs.play")
SMALL = Scenario(
    name="small",
    seconds=5,
    drain=1,
    load=Poisson(rate=20),
    servers=Servers(workers=2, service=Constant(value=0.05)),
    clients=Clients(count=2),
)
SEAMS = ("time", "monotonic", "perf_counter", "sleep", "time_ns", "monotonic_ns", "perf_counter_ns")


def policy(call):
    """Return the policy that makes every call by ``call(target, request)``."""

    def make(_scenario):
        def decorate(target):
            async def protected(request):
                return await call(target, request)

            return protected

        return decorate

    return Policy("mine", make)


def outside():
    """Return all that a simulation replaces."""
    clocks = [getattr(time, name) for name in SEAMS]
    seams = (world.clock, world.rng, world.bypass, dict(world.overrides))
    return clocks, seams, random.getstate(), threading.active_count()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(caplog):
    """Whatever happens, clock, randomness, seams and threads are as before, and nothing was logged."""
    before = outside()
    yield
    gc.collect()
    assert outside() == before
    assert caplog.records == []


async def sleeping(_target, _request):
    time.sleep(1)


async def spinning(_target, _request):
    while True:
        await asyncio.sleep(0)


async def clinging(_target, _request):
    while True:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            continue


async def retrying(target, request):
    while True:
        try:
            await target(request)
            raise ValueError
        except ValueError:
            continue


async def hanging(_target, _request):
    await asyncio.get_running_loop().create_future()


async def threading_away(_target, _request):
    try:
        await asyncio.to_thread(len, "abc")
    except Exception:
        pass


async def interrupted(_target, _request):
    raise KeyboardInterrupt


async def leaking(target, request):
    async def fail():
        raise ValueError("nobody looks")

    loop = asyncio.get_running_loop()
    loop.create_task(fail())  # noqa: RUF006 - left behind, on purpose
    loop.create_future().set_exception(ValueError("nobody looks"))
    loop.create_task(asyncio.sleep(1000))  # noqa: RUF006 - likewise
    await target(request)


async def cancelling(_target, _request):
    raise asyncio.CancelledError


def test_sleeping_for_real_is_refused_and_named():
    """The policy, the function, the file and the line are in the message, and what to write instead."""
    message = (
        r"policy 'mine': the event loop is blocked: time.sleep\(1\) was called in "
        r".*test_bad_ends:sleeping, .*test_bad_ends.py:\d+; .*await asyncio.sleep\(1\)"
    )
    with pytest.raises(Blocked, match=message):
        play(SMALL, policy(sleeping))


def test_sleeping_is_found_out_even_if_the_policy_swallows_the_error():
    """A retry might take it for a failed attempt."""

    async def swallowing(target, request):
        try:
            await sleeping(target, request)
        except Exception:
            await target(request)

    with pytest.raises(Blocked, match="test_bad_ends:sleeping"):
        play(SMALL, policy(swallowing))


@pytest.mark.real_time
@pytest.mark.parametrize("how", ["endless", "locked"])
def test_a_step_that_takes_for_ever_is_interrupted_and_named(how):
    """An endless loop, or a lock that nobody releases, whose line is named, not that of `threading`."""
    condition = threading.Condition()

    async def endless():
        while True:
            pass

    async def locked():
        with condition:
            condition.wait()

    with Simulation(patience=0.2) as simulation:
        simulation.spawn({"endless": endless, "locked": locked}[how]())
        with pytest.raises(Blocked, match=rf"over 0.2 s .*test_bad_ends:.*{how}, .*\.py:\d+"):
            simulation.run(1)


@pytest.mark.real_time
def test_a_step_that_takes_for_ever_is_interrupted_in_any_thread():
    """A simulation may run beside the main thread."""
    found = []

    async def endless():
        while True:
            pass

    def simulate():
        with Simulation(patience=0.2) as simulation:
            simulation.spawn(endless())
            try:
                simulation.run(1)
            except Blocked as error:
                found.append(str(error))

    thread = threading.Thread(target=simulate)
    thread.start()
    thread.join()
    assert "endless" in found[0]


@pytest.mark.real_time
def test_a_step_that_takes_for_ever_is_interrupted_in_the_background():
    """Scripts start what runs in the background with Ctrl-C ignored; afterwards it is ignored again."""

    async def endless():
        while True:
            pass

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Simulation(patience=0.1) as simulation:
            simulation.spawn(endless())
            with pytest.raises(Blocked, match="endless"):
                simulation.run(1)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_short_runs_share_one_watchdog():
    """A thread for each simulation, not for each second of it, and it ends at once."""
    with Simulation() as simulation:
        before = threading.active_count()
        for second in range(100):
            simulation.run(second)
        assert threading.active_count() == before + 1


@pytest.mark.parametrize("call", [spinning, clinging])
def test_time_that_stands_still_is_noticed(monkeypatch, call):
    """Even if the policy won't be cancelled."""
    monkeypatch.setattr(loops, "MOST_AT_ONCE", 10_000)
    with pytest.raises(NoTimePasses, match=rf"policy 'mine': .*busy in .*:{call.__name__}, "):
        play(SMALL, policy(call))


@pytest.mark.parametrize("load", [Poisson(rate=1e9), Closed(users=2 * 10**8 + 1)])
def test_a_load_that_would_take_for_ever_is_refused_at_once(load):
    """More users than steps that are allowed."""
    with pytest.raises(Endless, match=r"users would come .* for 200,000,000 steps"):
        play(replace(SMALL, load=load), policy(hanging))


@pytest.mark.parametrize("load", [Poisson(rate=100), Closed(users=60)])
def test_users_who_pile_up_without_end_are_too_many(monkeypatch, load):
    """Before the memory is full."""
    monkeypatch.setattr(playing, "MOST_WAITING", 50)
    with pytest.raises(TooMany, match=r"policy 'mine': .* \d\d users waited at once, at 0.\d+ "):
        play(replace(SMALL, load=load), policy(hanging))


@pytest.mark.parametrize("call", [retrying, hanging])
def test_a_policy_that_never_returns_ends_with_the_run(call):
    """Its users are unfinished, all of them."""
    run = play(SMALL, policy(call))
    assert run.unfinished == run.calls > 50


def test_threads_are_refused():
    """What they do takes real time; swallowing the error doesn't help."""
    with pytest.raises(SimulationError, match=r"policy 'mine': .*called in .*:threading_away, "):
        play(SMALL, policy(threading_away))


def test_an_interrupt_ends_it_at_once():
    """Ctrl-C is what it is."""
    with pytest.raises(KeyboardInterrupt):
        play(SMALL, policy(interrupted))


async def exiting(_target, _request):
    raise SystemExit(3)


async def stopping(target, request):
    asyncio.get_running_loop().stop()
    await target(request)


@pytest.mark.parametrize(
    "call, message",
    [
        (exiting, r"policy 'mine': it ends the whole process, by SystemExit\(3\)"),
        (stopping, r"policy 'mine': it stopped the event loop, after \d\.\d+ simulated seconds"),
    ],
)
def test_a_policy_that_ends_it_all_is_named(call, message):
    """It would end the program without a word, or the run with half of its users."""
    with pytest.raises(BadPolicy, match=message):
        play(SMALL, policy(call))


def test_an_interrupt_from_outside_ends_it_at_once():
    """The signal itself, in the midst of a run."""
    with Simulation() as simulation:
        simulation.at(3, signal.raise_signal, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            simulation.run(5)
        assert simulation.now == 3


def test_what_a_policy_leaves_behind_is_not_talked_about():
    """Errors that nobody looked at, and tasks that nobody waits for, are gone with the simulation."""
    run = play(SMALL, policy(leaking))
    assert run.unfinished == 0
    assert run.tally.errors == {}


def test_a_policy_that_lets_cancelling_out_has_failed():
    """Its users were not served."""
    run = play(SMALL, policy(cancelling))
    assert run.tally.errors == {"TimeoutError": run.calls}


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda _scenario: 1 / 0, "it can't be made: ZeroDivisionError: division by zero"),
        (lambda _scenario: lambda _target: None, "it makes None of an async function"),
        (
            lambda _scenario: lambda _target: lambda _request: 5,
            "calling it gives 5, which can't be awaited",
        ),
        (lambda _scenario: None, "it can't be made: TypeError"),
        (lambda _scenario: sys.exit(4), "it can't be made: SystemExit: 4"),
    ],
)
def test_a_policy_that_is_none_is_refused(make, message):
    """It can't be made, can't be called, or can't be awaited."""
    with pytest.raises(BadPolicy, match=f"policy 'mine': {message}"):
        play(SMALL, Policy("mine", make))


def test_a_policy_that_sleeps_when_it_is_made_is_named():
    """Making it is watched, too."""

    def make(_scenario):
        time.sleep(3)

    with pytest.raises(Blocked, match=r"test_bad_ends:.*make, "):
        play(SMALL, Policy("mine", make))


def test_a_type_error_of_the_service_is_an_error_like_others():
    """Only what isn't awaitable is the policy's fault."""

    async def confused(_target, _request):
        raise TypeError("sorry")

    run = play(SMALL, policy(confused))
    assert run.tally.errors == {"TypeError": run.calls}


def test_simulations_are_not_nested():
    """There is one clock in a process."""
    refused = pytest.raises(RuntimeError, match="another simulation is running")
    with Simulation(), refused, Simulation():
        pass


def test_a_simulation_runs_once_and_inside_with_only():
    """Afterwards its loop is closed."""
    simulation = Simulation()
    with pytest.raises(RuntimeError, match="inside 'with Simulation"):
        simulation.run(1)
    with simulation:
        simulation.run(1)
    with pytest.raises(RuntimeError, match="runs once"), simulation:
        pass


def test_the_clock_is_the_simulations_in_its_thread_only():
    """Other threads see real time, and sleep for real."""
    found = []
    with Simulation(seed=3) as simulation:
        simulation.run(50)
        assert time.monotonic() == time.time() == time.perf_counter() == 1050
        assert time.monotonic_ns() == 1050 * 10**9
        thread = threading.Thread(target=lambda: found.extend((time.time(), time.sleep(0))))
        thread.start()
        thread.join()
    assert found[0] > 1e9


def test_errors_can_be_sent_from_process_to_process():
    """With the policy's name."""
    error = Blocked("it sleeps")
    error.policy = "mine"
    assert str(pickle.loads(pickle.dumps(error))) == "policy 'mine': it sleeps"
