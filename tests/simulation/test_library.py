"""The ready scenarios: each can be read, tells its story, and is played in seconds."""

import math

import pytest

from holdfast.simulation import files
from holdfast.simulation.compare import compare

NAMES = files.ready()
MOST_USERS = 20_000  # with three policies and three seeds, what a minute is too long for


def test_the_incidents_that_readers_know():
    """One for each class of incident."""
    assert set(NAMES) >= {
        "black-hole",
        "brownout",
        "cache-stampede",
        "cold-start",
        "dead-shard",
        "diurnal-peak",
        "error-burst",
        "flash-crowd",
        "layered-retries",
        "lossy-network",
        "overload",
        "retry-storm",
        "slow-dependency",
        "thundering-herd",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_scenario_tells_what_to_look_at(name):
    """Its name is its file's, it has a title and a story, and it is small enough."""
    scenario = files.scenario(name)
    users = math.fsum(
        scenario.load.rate_at(second + 0.5) for second in range(int(scenario.seconds))
    )

    assert scenario.name == name
    assert scenario.title
    assert not scenario.title.endswith(".")
    assert scenario.story.endswith(".")
    assert "  " not in scenario.story
    assert users <= MOST_USERS


def test_policies_differ():
    """When a dependency becomes slow, users without protection wait; with it they are told at once."""
    comparison = compare(files.scenario("slow-dependency"), ("none", "standard"))

    none, standard = (played.figures[0] for played in comparison.played)
    assert none.after.success < 0.1
    assert standard.after.success > 0.5
    assert standard.peak_queue < none.peak_queue / 10


def test_a_shedder_at_the_server():
    """A scenario file can name the policy of its servers."""
    scenario = files.scenario("shed-overload")

    assert scenario.servers.protect(scenario).strategies[0].kind == "load shedder"
    assert scenario.load == files.scenario("overload").load
