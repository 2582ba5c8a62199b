import pytest

from holdfast.demo.settings import FAULT, HANG, Settings
from holdfast.demo.shop import Setup


def test_sizes_at_normal_speed():
    """30 payments/s of 0.2 s are 6 in flight; four deviations more are 16; httpx's pool is its own."""
    settings = Settings()

    assert (settings.bulkhead, settings.threads, settings.connections) == (16, 32, 100)


def test_the_story_takes_half_a_minute():
    """Both runs, without the start of their processes, take about half a minute."""
    assert 2 * Settings().phases[-1].end == pytest.approx(29, abs=1)


def test_speed_divides_durations_and_what_follows_from_them():
    """Twice as fast: half the phases and hangs, half the connection pool, the same rate."""
    settings = Settings(speed=2.0)
    _, fault, _ = settings.phases

    assert fault.end - fault.start == pytest.approx(FAULT / 2)
    assert settings.real(HANG) == 15.0
    assert settings.connections == 50
    assert settings.bulkhead < Settings().bulkhead
    assert settings.rate == Settings().rate


def test_phases_follow_each_other():
    """Each phase starts where the one before ends, the first at nought."""
    calm, fault, healed = Settings(speed=3.0).phases

    assert calm.start == 0.0
    assert calm.end == fault.start
    assert fault.end == healed.start


def test_the_pool_that_runs_out_has_a_name():
    """Threads in the sync shop, connections in the async one."""
    assert Settings(world="sync").pool == "a pool of 32 threads"
    assert Settings(world="async").pool == "a pool of 100 connections"


def test_what_children_are_told_survives_the_command_line():
    """Settings and a shop's set-up are the same on both ends."""
    settings = Settings(world="sync", rate=33.0, speed=1.5, seed=9)
    setup = Setup(
        settings=settings, protected=True, payments="http://a/", notifications="http://b/"
    )

    assert Settings.from_json(settings.to_json()) == settings
    assert Setup.from_json(setup.to_json()) == setup
