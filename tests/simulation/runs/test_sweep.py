import json
from dataclasses import replace
from itertools import pairwise

import pytest

from holdfast import ConfigurationError
from holdfast.simulation.report.heat import level, rows, scale, summary, word
from holdfast.simulation.report.table import grid
from holdfast.simulation.runs.axes import Axis, axis
from holdfast.simulation.runs.sweep import sweep
from holdfast.simulation.runs.tally import trouble
from holdfast.simulation.scenario.load import Closed, Ramp, Steps


@pytest.mark.parametrize(
    "text,values",
    [
        ("load=0.3:0.98", (0.3, 0.5, 0.66, 0.83, 0.93, 0.98)),
        ("load=0.4:0.7", (0.4, 0.5, 0.66, 0.7)),
        ("stall=1:30", (1, 3, 10, 30)),
        ("stall=1:100:3", (1, 10, 100)),
        ("clients.count=20,200,7", (20, 200, 7)),
        ("clients.count=20:60", (20, 30, 40, 50, 60)),
        ("clients.count=10:1000:3", (10, 100, 1000)),
        ("network.loss=0:0.1:3", (0, 0.05, 0.1)),
        ("clients.count=5", (5,)),
    ],
)
def test_an_axis_is_written_in_short(text, values):
    """Two ends are enough; a number of values, or the values themselves, may be given."""
    assert axis(text) == Axis(text.partition("=")[0], values)


@pytest.mark.parametrize(
    "text",
    ["load", "load=", "=1:2", "load=a:b", "load=2:1", "load=1:2:3:4", "load=nan", "load=0:inf"],
)
def test_what_is_no_axis_is_refused(text):
    """The message says how one is written."""
    with pytest.raises(ConfigurationError, match=r"NAME=LOW:HIGH|LOW must be below HIGH"):
        axis(text)


@pytest.mark.parametrize("number", ["1", "0", "1.5"])
def test_an_axis_has_at_least_its_two_ends(number):
    """One value between two ends is none."""
    with pytest.raises(ConfigurationError, match="number="):
        axis(f"load=0.1:0.9:{number}")


def test_an_axis_has_values():
    """A sweep over nothing is a mistake."""
    with pytest.raises(ConfigurationError, match="values="):
        Axis("load", ())


def test_load_is_a_share_of_the_capacity(storm):
    """Three workers of 0.1 s serve 30 a second: half of it is 15."""
    assert Axis("load", (0.5,)).place(storm, 0.5).load.rate == pytest.approx(15)


@pytest.mark.parametrize(
    "load,expected",
    [
        (Steps(steps=((0, 10), (5, 40))), ((0, 15), (5, 60))),
        (Ramp(start=10, end=20, begins=10, ends=20), (15, 30)),
    ],
)
def test_loads_that_vary_keep_their_shape(storm, load, expected):
    """What comes before the fault is the share; all else is multiplied with it."""
    placed = Axis("load", (0.5,)).place(replace(storm, load=load), 0.5).load
    rates = placed.steps if isinstance(placed, Steps) else (placed.start, placed.end)

    assert rates == tuple(pytest.approx(rate) for rate in expected)


@pytest.mark.parametrize(
    "load,message",
    [(Closed(users=3), "kind 'closed'"), (Steps(steps=((30, 5),)), "before the fault")],
)
def test_a_load_without_a_rate_has_no_share(storm, load, message):
    """Its users can't be multiplied."""
    with pytest.raises(ConfigurationError, match=message):
        Axis("load", (0.5,)).place(replace(storm, load=load), 0.5)


def test_a_stall_takes_the_place_of_the_faults(storm):
    """It begins where they began, and as much comes after it as came after them."""
    placed = Axis("stall", (10,)).place(storm, 10)

    assert trouble(placed) == (5, 15)
    assert placed.faults[0].speed == 0
    assert placed.seconds == storm.seconds + 7


def test_a_calm_scenario_may_stall_as_well(storm):
    """After a third of it; what it had in health comes after the stall."""
    placed = Axis("stall", (10,)).place(replace(storm, faults=(), seconds=30), 10)

    assert trouble(placed) == (10, 20)
    assert placed.seconds == 40


def test_a_longer_fault_makes_a_longer_run(storm):
    """By any name that makes it longer; other settings leave the run as long as it is."""
    assert Axis("faults.0.lasts", (10,)).place(storm, 10).seconds == storm.seconds + 7
    assert Axis("clients.count", (10,)).place(storm, 10).seconds == storm.seconds


def test_every_cell_is_played_with_every_policy(swept):
    """The first axis is the slowest, and each cell is followed for a minute after the fault."""
    values = [(0.3, 1), (0.3, 2), (0.9, 1), (0.9, 2)]

    assert [(cell.policy, cell.values) for cell in swept.cells] == [
        (policy, pair) for policy in ("none", "standard") for pair in values
    ]
    assert {round(cell.figures[0].after.seconds) for cell in swept.cells} == {60}
    assert swept.took > 0


def test_cells_have_their_own_load(swept):
    """Three times as many users come where the load is three times as high."""
    cells = swept.of("none")

    assert 2.5 < cells[0.9, 1].figures[0].whole.users / cells[0.3, 1].figures[0].whole.users < 3.5


def test_equal_seeds_give_equal_sweeps(storm):
    """However many processes play."""
    one, two = (
        sweep(storm, ["clients.count=2,3"], ["none"], [1, 2], workers=workers) for workers in (1, 2)
    )

    assert json.dumps(one.as_dict()) == json.dumps(two.as_dict())
    assert "took" not in json.dumps(one.as_dict())


def test_progress_is_told_cell_by_cell(storm):
    """Who watches sees which cell is played."""
    told = []
    sweep(storm, ["clients.count=2,3"], ["none"], progress=lambda *now: told.append(now))

    assert (told[0][0], told[-1][0]) == (0, 2)
    assert told[0][1:] == (2, "none, clients.count 2")


@pytest.mark.parametrize("axes", [[], ["load=0.1", "stall=1", "clients.count=1"]])
def test_a_sweep_has_one_or_two_axes(storm, axes):
    """More can't be drawn."""
    with pytest.raises(ConfigurationError, match="one or two"):
        sweep(storm, axes, ["none"])


@pytest.mark.parametrize(
    "figure,value,text,place",
    [
        ("ttr", 0.0, "0 s", 0),
        ("ttr", 4.0, "4 s", 0),
        ("ttr", 5.0, "5 s", 1),
        ("ttr", 61.0, "61 s", 3),
        ("ttr", None, "✗ never", 4),
        ("success", 0.999, "99.9 %", 0),
        ("success", 0.99, "99 %", 1),
        ("success", 0.6, "60 %", 3),
        ("success", 0.1, "✗ 10 %", 4),
        ("success", None, "✗ never", 4),
    ],
)
def test_a_cell_has_a_word_and_a_colour(figure, value, text, place):
    """What is worst has a sign, too, for those who see no colours."""
    assert word(figure, value) == text
    assert level(figure, value) is scale(figure)[place]


@pytest.mark.parametrize("figure", ["ttr", "success"])
def test_colours_get_darker(figure):
    """Each is darker than the one before it, which any eye and any printer can see."""
    light = [
        sum(int(look.background[at : at + 2], 16) * w for at, w in ((1, 0.3), (3, 0.59), (5, 0.11)))
        for look in scale(figure)
    ]

    assert all(before - after > 20 for before, after in pairwise(light))


def test_the_second_axis_goes_upward(swept):
    """The longest stall is on top, as in any plot."""
    assert [upward for upward, _ in rows(swept, "none")] == [2, 1]
    assert [cell.values for cell in next(rows(swept, "none"))[1]] == [(0.3, 2), (0.9, 2)]


def with_times(swept, *times):
    """The sweep with other times to recover, cell by cell."""
    cells = tuple(
        replace(cell, figures=(replace(cell.figures[0], ttr=time),))
        for cell, time in zip(swept.cells, times * 2, strict=True)
    )
    return replace(swept, cells=cells)


@pytest.mark.parametrize(
    "times,text",
    [
        ((0.0, 1.0, 2.0, 3.0), "recovers in all 4 cells, after 3 s at most"),
        ((0.0, None, 2.0, None), "✗ never in 2 of 4 cells; elsewhere after 2 s at most"),
        ((None,) * 4, "✗ never in 4 of 4 cells"),
    ],
)
def test_a_map_is_summed_up(swept, times, text):
    """In one line for each policy: how large the metastable region is."""
    assert summary(with_times(swept, *times), "none") == text


def test_the_terminal_shows_the_map(swept, printed):
    """Figures stand in its cells, so that it can be read without colours."""
    text = printed(grid(with_times(swept, 0.0, 7.0, 2.0, None)))

    assert "none: ✗ never in 1 of 4 cells; elsewhere after 7 s at most" in text
    assert text.index("7 s  ") < text.index("0 s  ")
    assert "↑ stall (seconds)" in text
    assert "→ load (share of capacity)" in text


def test_a_calm_sweep_shows_who_was_served(storm):
    """Where nothing goes wrong there is nothing to recover from."""
    calm = sweep(replace(storm, faults=(), seconds=5), ["load=0.1,0.2"], ["none"])

    assert calm.figure == "success"
    assert summary(calm, "none") == "at least 100 % in every cell"
    assert [upward for upward, _ in rows(calm, "none")] == [None]
