import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from holdfast import ConfigurationError
from holdfast.simulation.engine.errors import Endless, SimulationError
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.report.table import _is_far, table
from holdfast.simulation.report.wording import columns, duration, rate, share, winners
from holdfast.simulation.runs.compare import Comparison, Played, Spread, compare, spread


def with_figures(comparison, *of_policies):
    """The same comparison with other figures: a dict for each seed of each policy."""
    played = tuple(
        replace(
            comparison.played[0],
            policy=f"policy {number}",
            figures=tuple(replace(comparison.played[0].figures[0], **each) for each in changes),
        )
        for number, changes in enumerate(of_policies)
    )
    return replace(comparison, played=played)


def test_every_policy_meets_the_same_users(comparison):
    """With equal seeds, as many users come to each policy; with others, others do."""
    users = [[each.whole.users for each in played.figures] for played in comparison.played]

    assert users[0] == users[1]
    assert users[0][0] != users[0][1]


def test_runs_are_told_by_policy_and_seed(comparison):
    """Policies stand in the order in which they were asked for, figures in that of the seeds."""
    assert [played.policy for played in comparison.played] == ["none", "standard"]
    assert all(len(played.figures) == 2 for played in comparison.played)
    assert comparison.took > 0


def test_equal_seeds_give_equal_bytes(storm, comparison):
    """Nothing in the results depends on the clock, or on how many processes play."""
    again = compare(storm, ["none", "standard"], [1, 2], workers=2)

    assert json.dumps(again.as_dict()) == json.dumps(comparison.as_dict())
    assert again.played[1].series == comparison.played[1].series
    assert "took" not in json.dumps(comparison.as_dict())


def test_a_policy_of_your_own_need_not_be_picklable(storm):
    """Where processes are forked, any function will do, in parallel, too."""
    mine = Policy("mine", lambda scenario: lambda target: target)
    played = compare(storm, [mine, "none"], workers=2).played

    assert played[0].policy == "mine"
    assert played[0].figures == played[1].figures


def test_progress_is_told_from_nothing_to_all(storm):
    """Who watches is told shares of runs that are under way, and which they are."""
    told = []
    compare(storm, ["none"], [1, 2], progress=lambda *now: told.append(now))

    done = [done for done, _, _ in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 2)
    assert any(0 < share < 1 for share in done)
    assert {(total, label) for _, total, label in told} == {
        (2, "none, seed 1"),
        (2, "none, seed 2"),
    }


def test_progress_of_processes_is_told_run_by_run(storm):
    """Runs side by side are told when they are done."""
    told = []
    compare(storm, ["none"], [1, 2], workers=2, progress=lambda *now: told.append(now))

    assert [done for done, _, _ in told] == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_must_be_ended_ends_all(storm, workers):
    """Its error comes out as it is, from another process, too, and what has not begun never does."""
    told = []
    with pytest.raises(Endless, match="was ended after"):
        compare(
            storm,
            ["none"],
            range(50),
            workers=workers,
            most_steps=1000,
            progress=lambda *now: told.append(now),
        )

    assert len(told) < 50


class Ends:
    """A policy that ends its process without a word, as the system does when memory runs out."""

    def __call__(self, _scenario):
        os._exit(9)


@pytest.mark.real_time
def test_a_process_that_is_killed_ends_all(storm):
    """Nobody waits for its figures for ever."""
    with pytest.raises(SimulationError, match="was killed: out of memory"):
        compare(storm, [Policy("ends", Ends())], [1, 2], workers=2)


ORPHANS = """
import os, time
from holdfast.simulation.engine.parallel import each
# one write for the whole line: print() makes two of it, between which the other may come
line = b"playing" + os.linesep.encode()
each([("job", lambda tell: os.write(1, line) and time.sleep(60))] * 2, workers=2)
"""


@pytest.mark.real_time
def test_nobody_plays_on_when_the_parent_is_killed():
    """A process that is ended by a time limit takes its workers along."""
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE)
    with parent:
        workers = [parent.stdout.readline().strip() for _ in range(2)]
        parent.kill()
        assert workers == [b"playing", b"playing"]
        assert parent.stdout.read() == b""  # ends when the last of them does


@pytest.mark.parametrize("policies,seeds,option", [([], [1], "policies"), (["none"], [], "seeds")])
def test_there_must_be_something_to_play(storm, policies, seeds, option):
    """No policies or no seeds is a mistake that is named."""
    with pytest.raises(ConfigurationError, match=f"^{option}="):
        compare(storm, policies, seeds)


def test_an_unknown_policy_is_named(storm):
    """So that a slip of the pen is found."""
    with pytest.raises(ConfigurationError, match="nonsense"):
        compare(storm, ["nonsense"])


@pytest.mark.parametrize(
    "values,spread",
    [
        ([3.0], (3, 3, 3)),
        ([5, 1, 2], (2, 1, 5)),
        ([1, 2], (1.5, 1, 2)),
        ([1, None, 2], (2, 1, None)),
        ([None, None, 2], (None, 2, None)),
        ([None], (None, None, None)),
    ],
)
def test_never_is_later_than_any_time(values, spread):
    """A median over runs that never recover is "never" where most of them don't."""
    told = Spread.of(values)

    assert (told.median, told.low, told.high) == spread


def test_figures_of_phases_are_reached_by_dots(comparison):
    """What the report needs of a phase has a median, too; without a fault there is none."""
    played = comparison.played[0]
    calm = replace(played, figures=tuple(replace(each, fault=None) for each in played.figures))

    assert played.spread("fault.users").low == min(each.fault.users for each in played.figures)
    assert calm.spread("fault.users").median is None


def test_a_seed_with_nothing_to_measure_does_not_count(comparison):
    """But for the time to recover, where None is never."""
    figures = comparison.played[0].figures[0]
    seeds = [replace(figures, wasted=wasted, ttr=wasted) for wasted in (1.0, None, 3.0)]

    assert spread(seeds, "wasted") == Spread(median=2.0, low=1.0, high=3.0)
    assert spread(seeds, "ttr") == Spread(median=3.0, low=1.0, high=None)
    assert spread(seeds[1:2], "wasted") == Spread(median=None, low=None, high=None)


def test_the_table_has_medians_and_ranges(comparison, printed):
    """A terminal of 80 columns has room for all of it."""
    told = with_figures(
        comparison,
        [
            {"success": 0.91, "ttr": 2.0, "failed": 3177},
            {"success": 0.93, "ttr": 11.0, "failed": 9},
        ],
        [{"success": 1.0, "ttr": None}, {"success": 1.0, "ttr": None}],
    )
    text = printed(table(told))

    assert "A <small> storm" in text
    assert "[91–93]" in text
    assert "[2–11]" in text
    assert "[9–3,177]" in text
    assert "not seen" in text
    assert "medians of 2 seeds" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.fixture
def wide(comparison):
    """A comparison with figures that need much room, of which one alone has a range to look at."""
    near = {"success": 0.815, "goodput": 2.7, "failed": 15_431, "amplification": 2.66, "p99": 0.463}
    far = near | {"success": 0.823, "goodput": 2.71, "failed": 15_241, "amplification": 2.68}
    policies = [
        [near | {"ttr": 21.0}, far | {"ttr": None}],
        [near | {"ttr": 2.0}, far | {"ttr": 2.0}],
    ]
    return with_figures(comparison, *policies)


def test_a_wide_terminal_has_room_for_all_ranges(wide, printed):
    """Nothing is left out where it need not be."""
    text = printed(table(wide), 120)

    for between in ("[81.5–82.3]", "[15,241–15,431]", "[21 s–not seen]", "[2.66–2.68]"):
        assert between in text
    assert text.rstrip().endswith("medians of 2 seeds, [lowest–highest]")


def test_narrow_ranges_are_left_out_first(wide, printed):
    """On 80 columns those are told that are another story than the median, and that the rest isn't."""
    text = printed(table(wide))

    assert "[21 s–not seen]" in text
    assert text.count("[") == 2
    assert "more than a tenth away" in text
    assert text.count("policy ") == 3  # one heading, two policies


def test_without_room_for_ranges_all_figures_stay_in_one_table(wide, printed):
    """And it says that ranges are missing."""
    text = printed(table(wide), 68)

    assert "[" not in text
    assert text.rstrip().endswith("medians of 2 seeds; there is no room for their ranges")
    assert text.count("───\n") == 1


@pytest.mark.parametrize("width", [60, 40, 25])
def test_a_table_is_split_before_its_cells_are_folded(wide, printed, width):
    """Several tables with all policies each, one below the other; no figure is lost or broken."""
    text = printed(table(wide), width)
    lines = text.splitlines()

    assert max(map(len, lines)) <= width
    assert text.count("policy 0") == text.count("policy 1") == text.count("───\n") > 1
    for figure in ("81.9 %", "2.7/s", "[21 s–not seen]", "15,336", "2.67", "463 ms", "2 s"):
        assert figure in text


@pytest.mark.parametrize(
    "low, median, high, told",
    [(90, 100, 110, False), (89, 100, 101, True), (99, 100, 111, True), (0, 0, 0, False),
     (0, 0, 1, True), (1, 2, None, True), (None, None, None, False)],
)  # fmt: skip
def test_which_ranges_are_another_story(low, median, high, told):
    """Those that go further from the median than a tenth of it, or have no end."""
    assert _is_far(Spread(median=median, low=low, high=high)) == told


@pytest.mark.parametrize("seconds, word", [(51.5, "not seen"), (52, "never")])
def test_never_needs_a_run_that_is_long_enough(storm, seconds, word):
    """Who has not recovered within 44 s of the fault's end at second 8 may never do so."""
    words = [column.none for column in columns(replace(storm, seconds=seconds))]

    assert word in words


def test_without_a_fault_nothing_is_said_of_recovery(comparison, printed):
    """The columns are those of a calm run, and one seed has no ranges."""
    calm = replace(comparison, scenario=replace(comparison.scenario, faults=()), seeds=(1,))
    text = printed(table(calm))

    assert "served" in text
    assert "recovers" not in text
    assert "one seed" in text


def test_a_title_is_text(comparison, printed):
    """Brackets in it are no markup."""
    scenario = replace(comparison.scenario, title="p99 [bold] of 1 shard")

    assert "p99 [bold] of 1 shard" in printed(table(replace(comparison, scenario=scenario)))


def test_the_best_of_each_column_are_marked(comparison):
    """Where all are alike nobody wins, and nobody does for being fast: it may have served few."""
    told = with_figures(
        comparison,
        [{"success": 0.9, "ttr": 2.0, "failed": 1, "p99": 0.1}],
        [{"success": 1.0, "ttr": None, "failed": 1}],
    )
    best = {column.figure: winners(told, column) for column in columns(told.scenario)}

    assert best["success"] == {"policy 1"}
    assert best["ttr"] == {"policy 0"}
    assert best["failed"] == frozenset()
    assert best["p99"] == frozenset()


@pytest.mark.parametrize(
    "how,value,text",
    [
        (share, 1.0, "100 %"),
        (share, 0.999964, "99.996 %"),
        (share, 0.9999999, "99.999 %"),
        (share, 0.123, "12.3 %"),
        (share, 0.0, "0 %"),
        (rate, 280.4, "280/s"),
        (rate, 2.74, "2.7/s"),
        (rate, 0.0, "0/s"),
        (duration, 0.0123, "12.3 ms"),
        (duration, 2.0, "2 s"),
        (duration, 0.0, "0 s"),
        (duration, 3600.0, "3,600 s"),
    ],
)
def test_figures_are_written_with_the_digits_that_matter(how, value, text):
    """What is not all of it is never rounded up to 100 %."""
    assert how(value) == text


def test_time_is_added_exactly(comparison):
    """Sums of floats are the same on every version of Python."""
    played = tuple(replace(comparison.played[0], took=took) for took in (0.1, 0.2, 0.3))

    assert isinstance(played[0], Played)
    assert Comparison(scenario=comparison.scenario, seeds=(1,), played=played).took == math.fsum(
        (0.1, 0.2, 0.3)
    )
