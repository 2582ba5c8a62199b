"""The bench itself: figures, bars, reports, plots, and the clock that peers go by."""

import json
import math
import re
from datetime import UTC

import pytest

from benchmarks.scenarios import cli, e04_steady
from benchmarks.scenarios.experiment import (
    NEVER,
    OURS,
    Bar,
    Case,
    Experiment,
    Figure,
    Outcome,
    found,
    load,
)
from benchmarks.scenarios.peers import VirtualDatetime
from benchmarks.scenarios.plots import Bars, Heat, Lines, svg
from benchmarks.scenarios.report import Played, document, missed, page, table, text
from benchmarks.scenarios.runner import Runner, played, tasks
from benchmarks.scenarios.verdicts import judged
from holdfast.simulation import Simulation


def outcomes(*figures):
    return [Outcome({"ttr": ttr, "served": served}) for ttr, served in figures]


def play(_setting, policy, seed):
    return Outcome({"ttr": float(seed), "served": 1.0 if policy == OURS else 0.5})


def experiment(*bars):
    return Experiment(
        number="99",
        title="Example",
        story="A story.",
        cases=(Case("calm", OURS), Case("calm", "peer", 2)),
        play=play,
        figures=(Figure("ttr", "TTR", unit="s"), Figure("served", "served", ".0%", least=True)),
        bars=bars,
        plots=lambda _results: [
            Bars("served", "%", ("calm",), {OURS: (1.0,), "peer": (math.inf,)})
        ],
        notes=("A note.",),
    )


RESULTS = {
    ("calm", OURS): outcomes((2.0, 0.9), (3.0, 1.0), (9.0, 0.8)),
    ("calm", "peer"): outcomes((4.0, 0.95), (NEVER, 0.99), (6.0, 0.97)),
}


@pytest.mark.parametrize(
    "bar, met, ours, best",
    [
        (Bar("calm", "ttr", 3), True, 3.0, 6.0),
        (Bar("calm", "ttr", 3, "worst"), False, 9.0, NEVER),
        (Bar("calm", "served", 0.9), True, 0.9, 0.97),
        (Bar("calm", "served", 0.9, "worst"), False, 0.8, 0.95),
    ],
)
def test_a_bar_is_about_the_median_or_the_worst_seed(bar, met, ours, best):
    """Less is better but where a figure says otherwise; the best peer is judged in the same way."""
    (verdict,) = judged(experiment(bar), RESULTS)

    assert (verdict.met, verdict.ours, verdict.best_peer, verdict.best) == (met, ours, "peer", best)


def test_a_missed_bar_is_printed_as_missed():
    """With the figure that misses it, in the row of ours."""
    one = Played(experiment(Bar("calm", "ttr", 2), Bar("calm", "served", 0.9)), RESULTS)

    assert "NO: TTR" in table(one, lambda _header, rows, _right: str(rows))
    assert "3 s (2 s to 9 s)" in text(one)
    assert "6 s (4 s to never)" in text(one)


def test_the_page_shows_bars_policies_figures_and_notes():
    """What a reader needs, in sections that another page takes; what is missed once more by itself."""
    bars = (Bar("calm", "ttr", 3), Bar("calm", "served", 0.95))
    shown = page([Played(experiment(*bars), RESULTS)], seeds=3)
    sections = dict(re.findall(r"\[start:([\w-]+)\] -->\n(.*?)\n<!--", shown, re.DOTALL))

    for section, part in {
        "bars": "| 99. Example | 1 of 2 | NO |",
        "missed": "| 99. Example | calm | served | 90% (80% to 100%) | ≥ 95% | NO | peer: 97% |",
        "configuration": "worst case:",
        "policies": "| holdfast |",
        "story-99": "A story.",
        "figures-99": "A note.",
    }.items():
        assert part in sections[section]


def test_where_no_bar_is_missed_the_page_says_so():
    """In place of an empty table."""
    assert missed([Played(experiment(Bar("calm", "ttr", 3)), RESULTS)]) == "None is missed."


def test_the_document_has_every_figure_of_every_seed():
    """What never happened is null."""
    told = json.loads(document([Played(experiment(Bar("calm", "ttr", 3)), RESULTS)], seeds=3))
    of = told["experiments"]["99"]

    assert [one["ttr"] for one in of["rows"][1]["figures"]] == [4.0, None, 6.0]
    assert of["bars"][0]["met"] is True


def test_a_case_can_be_played_with_fewer_seeds_than_others():
    """Dear ones are; the runner keeps the order of the cases."""
    made = tasks("module", experiment(), seeds=3)

    assert [(task.case.policy, task.seed) for task in made] == [
        (OURS, 1), (OURS, 2), (OURS, 3), ("peer", 1), ("peer", 2),
    ]  # fmt: skip


def test_equal_seeds_give_equal_figures_and_other_seeds_others():
    """To the last digit; the users' arrivals come from streams of their own."""
    name = e04_steady.setting(20, 10)
    first, again = (e04_steady.play(name, OURS, 1, 10.0) for _ in range(2))

    assert first == again
    assert first != e04_steady.play(name, OURS, 2, 10.0)


def test_a_run_is_rounded_to_what_means_something(monkeypatch):
    """Seven digits, so that a last bit of difference is none."""
    third = Outcome({"ttr": 1 / 3}, (2 / 3,))
    monkeypatch.setattr(
        "benchmarks.scenarios.runner.load", lambda _module: experiment_that_returns(third)
    )

    (task,) = tasks("module", experiment_that_returns(third), seeds=1)
    assert played(task) == Outcome({"ttr": 0.3333333}, (0.6666667,))
    assert Runner(workers=1).run("one", [task]) == {("calm", OURS): [played(task)]}


def experiment_that_returns(outcome):
    made = experiment()
    return Experiment(
        number=made.number, title=made.title, story=made.story, cases=made.cases[:1],
        play=lambda *_case: outcome, figures=made.figures,
    )  # fmt: skip


def test_plots_are_the_same_bytes_each_time():
    """And without a date, so that they change only if the results do."""
    drawn = [
        Lines(
            "over time", "s", "served/s", {OURS: ((0, 1), (2.0, 3.0))}, shaded=(0.2, 0.4), limit=2
        ),
        Bars("TTR", "s", ("a", "b"), {OURS: (1.0, 2.0), "peer": (math.inf, 3.0)}, (1.5, None)),
        Heat("region", "load", "stall", ("1", "2"), ("3",), ((1.0, math.inf),), worst=60.0),
    ]

    first = svg(drawn)
    assert svg(drawn) == first
    assert "<dc:date>" not in first
    assert "never" in first


def test_the_peers_present_is_that_of_the_simulation():
    """The breakers of pybreaker and hyx read ``datetime``, which no simulation replaces by itself."""
    seen = []
    with Simulation(1) as simulation:
        for second in (0, 60):
            simulation.at(
                second, lambda: seen.append((VirtualDatetime.now(UTC), VirtualDatetime.utcnow()))
            )
        simulation.run(61)

    assert [(seen[1][which] - seen[0][which]).total_seconds() for which in (0, 1)] == [60.0, 60.0]


def test_every_experiment_can_be_loaded_and_its_bars_are_about_what_is_played():
    """In an environment without peers, too: they are imported when they are played."""
    for number, module in found().items():
        one = load(module)
        played_here = {(case.setting, case.policy) for case in one.cases}
        assert one.number == number
        for bar in one.bars:
            assert (bar.setting, bar.policy) in played_here
            assert one.figure(bar.figure)


def test_an_unknown_experiment_is_an_error_that_names_those_there_are(capsys):
    """With exit status 2, as for any wrong argument."""
    assert cli.main(["77"]) == 2
    assert "There is no experiment 77; there are 01, 02" in capsys.readouterr().err
