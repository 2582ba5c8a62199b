"""The ready scenarios: each can be read, tells its story, and is played in seconds."""

import math
import re
from pathlib import Path

import pytest

from holdfast.simulation import files
from holdfast.simulation.policies.imports import policy
from holdfast.simulation.report.wording import columns
from holdfast.simulation.runs.compare import compare

NAMES = files.ready()
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "scenario-files.md"
MOST_USERS = 20_000  # with three policies and three seeds, what a minute is too long for


def test_the_incidents_that_readers_know():
    """One for each class of incident."""
    assert set(NAMES) >= {
        "black-hole",
        "brownout",
        "cache-stampede",
        "cold-start",
        "contention",
        "criticality",
        "dead-shard",
        "diurnal-peak",
        "error-burst",
        "flash-crowd",
        "grey-failure",
        "layered-retries",
        "lossy-network",
        "overload",
        "retry-storm",
        "slow-dependency",
        "stragglers",
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
    assert [policy(name).name for name in scenario.compare] == list(scenario.compare)
    assert len(columns(scenario)) >= len(scenario.columns)


def test_policies_differ():
    """When a dependency becomes slow, users without protection wait; with it they are told at once."""
    comparison = compare(files.scenario("slow-dependency"), ("none", "standard"))

    none, standard = (played.figures[0] for played in comparison.played)
    assert none.after.success < 0.1
    assert standard.after.success > 0.5
    assert standard.peak_queue < none.peak_queue / 10


def test_the_reference_has_all_of_them_and_one_for_each_experiment():
    """13 and 15 need a store that a fleet shares."""
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) [^|]*\| ([^|]*) \|$", page, flags=re.MULTILINE))

    assert set(NAMES) <= set(re.findall(r"`([\w-]+)`", page))
    assert [int(number) for number in rows] == list(range(1, 16))
    for number, row in rows.items():
        named = re.findall(r"`([\w-]+)`", row)
        assert set(named) <= set(NAMES)
        assert bool(named) == (number not in ("13", "15"))


def test_a_shedder_at_the_server():
    """A scenario file can name the policy of its servers."""
    scenario = files.scenario("shed-overload")

    assert scenario.servers.protect(scenario).strategies[0].kind == "load shedder"
    assert scenario.load == files.scenario("overload").load


def test_a_limiter_at_the_server():
    """The other one; it reads priorities, which the scenario has."""
    scenario = files.scenario("criticality")

    assert scenario.servers.protect(scenario).strategies[0].kind == "concurrency limiter"
    assert scenario.clients.critical + scenario.clients.sheddable == 1
