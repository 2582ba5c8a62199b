"""The page about what the protection achieves shows all of it, as the last full run has written it."""

import json
import re
from math import inf
from pathlib import Path
from statistics import median

import pytest

from benchmarks.scenarios import ours
from benchmarks.scenarios.experiment import found, load

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "what-it-achieves.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"
EXPERIMENTS = {number: load(module) for number, module in found().items()}
AGAIN = "`make scenarios` writes the figures anew"


def results():
    return json.loads((RESULTS / "scenarios.json").read_text(encoding="utf-8"))["experiments"]


def written():
    return (RESULTS / "scenarios.md").read_text(encoding="utf-8")


def one(number, setting, policy, figure):
    """Return the median of a figure; None for never."""
    rows = results()[number]["rows"]
    (row,) = (row for row in rows if (row["setting"], row["policy"]) == (setting, policy))
    values = [seed[figure] for seed in row["figures"]]
    middle = median(inf if value is None else value for value in values)
    return None if middle == inf else middle


def test_the_figures_are_those_of_todays_configuration():
    """The one configuration in the results is that of `standard()` as it is now."""
    assert ours.described() in written(), AGAIN


def test_the_page_takes_every_section_of_the_results():
    """No table is missing on it, and none is made for nobody."""
    taken = re.findall(r'--8<-- "benchmarks/results/scenarios\.md:([\w-]+)"', PAGE)

    assert sorted(taken) == sorted(re.findall(r"\[start:([\w-]+)\]", written())), AGAIN


@pytest.mark.parametrize("number", EXPERIMENTS)
def test_each_experiment_has_a_chapter_with_a_plot_that_words_describe(number):
    """In the same order and under the same title as in the bench."""
    chapter = re.search(
        rf"^## {int(number)}\. (.+?)$(.+?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    alt, image = re.search(r"!\[(.+?)\]\(\.\./(assets/.+?)\)", chapter[2]).groups()

    assert chapter[1] == EXPERIMENTS[number].title
    assert len(alt) > 40
    assert (ROOT / "docs" / image).exists(), AGAIN


def test_each_bar_of_the_bench_is_in_the_results():
    """The same settings and the same limits: nothing was left out of the full run."""
    for number, experiment in EXPERIMENTS.items():
        bars = [(bar.setting, bar.policy, bar.figure, bar.limit) for bar in experiment.bars]
        told = results()[number]["bars"]
        assert bars == [
            (bar["setting"], bar["policy"], bar["figure"], bar["limit"]) for bar in told
        ], AGAIN


@pytest.mark.parametrize(
    "sentence, holds",
    [
        (
            "Retries never come back, and bare calls not within the time that is played",
            lambda: all(
                one("01", "20 clients", policy, "ttr") is None
                for policy in ("none", "tenacity", "stamina")
            ),
        ),
        (
            "after most of a minute with the usual 60 seconds",
            lambda: 40 <= one("01", "20 clients", "tenacity + pybreaker", "ttr") <= 60,
        ),
        (
            "Three attempts in each of five layers are 243 calls at the bottom",
            lambda: one("05", "5 layers, leaf dead", "tenacity", "attempts") == 243,
        ),
        (
            "leaves 40 % of it idle",
            lambda: 0.55 <= one("03", "1.5 times", "Vegas", "goodput") <= 0.65,
        ),
        (
            "at 3 times the capacity two thirds of the critical users lose",
            lambda: 0.3 <= one("09", "3 times", "static limit", "critical") <= 0.37,
        ),
        (
            "gives up on 5 % of the answers",
            lambda: 0.04 <= one("12", "50/s", "RFC 6298", "healthy") <= 0.06,
        ),
        (
            "misses the bars",
            lambda: (
                not any(
                    bar["met"] for bar in results()["10"]["bars"] if bar["setting"] == "whole stack"
                )
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_page_says_in_words_holds_in_the_results(sentence, holds):
    """The sentence stands on the page, and the figures bear it out."""
    assert sentence in re.sub(r"\s+", " ", PAGE)
    assert holds(), f"the sentence is no longer true: {sentence}"


def test_everybody_is_played_with_five_seeds():
    """But in 11, where one run is many trials, as the page says."""
    few = {
        number
        for number, told in results().items()
        if any(len(row["figures"]) < 5 for row in told["rows"])
    }

    assert few == {"11"}
    assert "the same five seeds; in 11 one run is a hundred trials" in PAGE
