"""What the pages tell of the simulator is what `make plots` has written, and what today's code plays."""

import importlib.util
import json
import re
from pathlib import Path
from statistics import median

import pytest

from holdfast.simulation import files
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.runs.play import play
from holdfast.simulation.runs.results import figures, plain
from tools.plots.defaults import INCIDENTS, VARIANTS, changed
from tools.plots.tables import configuration
from tools.plots.tutorial import PAGE, commands

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
WRITTEN = (RESULTS / "simulated.md").read_text(encoding="utf-8")
FIGURES = json.loads((RESULTS / "simulated.json").read_text(encoding="utf-8"))
PLAYED = FIGURES["comparisons"]
REGION = FIGURES["region"]
LOADS = (0.3, 0.5, 0.66, 0.83, 0.93, 0.98)
STORM = files.scenario("retry-storm")
PAGES = {page: page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")}
ASSETS = ROOT / "docs" / "assets" / "simulator"
TAKEN = re.compile(r'^--8<-- "benchmarks/results/simulated\.md:([\w-]+)"$', re.MULTILINE)
AGAIN = "`make plots` writes the figures anew"


def of(incident, policy, figure):
    """Return the median over the seeds; infinity where one is never well again."""
    values = [one[figure] for one in PLAYED[incident][policy]]
    return median(float("inf") if value is None else value for value in values)


def taken():
    return [name for text in PAGES.values() for name in TAKEN.findall(text)]


def test_the_figures_are_those_of_todays_defaults():
    """The configuration in the results is that of `standard()` as it is now."""
    assert FIGURES["configuration"] == configuration(), AGAIN
    assert configuration() in WRITTEN, AGAIN


def test_a_run_of_the_results_comes_out_the_same_again():
    """Equal code and an equal seed give the figures that were written down."""
    told = PLAYED["brownout"]["as shipped"][0]
    policy = Policy("as shipped", lambda scenario: changed(VARIANTS["as shipped"], scenario))
    run = figures(play(INCIDENTS["brownout"](), policy, 1))

    assert plain({name: getattr(run, name) for name in ("failed", "goodput", "ttr")}) == {
        name: told[name] for name in ("failed", "goodput", "ttr")
    }, AGAIN


def test_every_section_that_a_page_takes_is_written_and_every_one_is_taken():
    """No page has a hole where a table should be, and no table is made for nobody."""
    written = re.findall(r"\[start:([\w-]+)\]", WRITTEN)

    assert sorted(taken()) == sorted(written)


def test_the_tutorial_shows_the_output_of_each_command_after_it():
    """The outputs stand in the order of the commands, one for each."""
    text = PAGE.read_text(encoding="utf-8")
    steps = re.findall(
        r"^(\$ holdfast simulate (?!--list|--show)|--8<-- )", text, flags=re.MULTILINE
    )

    assert [step[0] for step in steps] == ["$", "-"] * len(commands(text))
    assert TAKEN.findall(text) == [f"tutorial-{n + 1}" for n in range(len(commands(text)))]


@pytest.mark.parametrize(
    "page, sentence, holds",
    [
        (
            "retry-storms",
            "about 2,800 came during the stall",
            lambda: STORM.load.rate * STORM.faults[0].lasts == 2800,
        ),
        (
            "retry-storms",
            "the 52 seconds of its row",
            lambda: of("storm", "retry + breaker, 60 s", "ttr") == 52,
        ),
        (
            "retry-storms",
            "Open for 5 seconds it is 3.",
            lambda: of("storm", "retry + breaker, 5 s", "ttr") == 3,
        ),
        (
            "retry-storms",
            'the row "timeout": two minutes and more',
            lambda: 120 <= of("storm", "timeout", "ttr") < 150,
        ),
        (
            "retry-storms",
            "`standard` makes the fewest attempts, and turns more users away",
            lambda: (
                of("nested", "standard", "amplification")
                == min(of("nested", name, "amplification") for name in PLAYED["nested"])
                and of("nested", "standard", "failed") > of("nested", "none", "failed")
            ),
        ),
        (
            "why-these-defaults",
            "more than twice the answers that they get without",
            lambda: (
                of("brownout", "as shipped", "goodput")
                > 2 * of("brownout", "no adaptive limit", "goodput")
            ),
        ),
        (
            "why-these-defaults",
            "Without one, more are served in both columns of errors",
            lambda: (
                of("error-burst", "no budget", "goodput")
                > of("error-burst", "as shipped", "goodput")
                and of("background-noise", "no budget", "health")
                > of("background-noise", "as shipped", "health")
            ),
        ),
        (
            "why-these-defaults",
            "more are served with a fifth than with a tenth",
            lambda: (
                of("background-noise", "as shipped", "health")
                > of("background-noise", "budget of 10 %", "health")
            ),
        ),
        (
            "why-these-defaults",
            "With three, more users fail in the storm.",
            lambda: (
                of("retry-storm", "3 probes", "failed") > of("retry-storm", "as shipped", "failed")
            ),
        ),
        (
            "metastability",
            "140 for 280 of 300 and ten seconds",
            lambda: 280 * 10 / (300 - 280) == 140,
        ),
        (
            "metastability",
            "standard recovers everywhere",
            lambda: None not in REGION["standard"].values(),
        ),
        (
            "metastability",
            "Bare calls come through a stall of three seconds at any load",
            lambda: all(REGION["none"][f"{load}, 3"] == 0 for load in LOADS),
        ),
        (
            "metastability",
            "with retries it is too much from half of the capacity on",
            lambda: (
                [REGION["retry"][f"{load}, 3"] is None for load in LOADS] == [False, *[True] * 5]
            ),
        ),
        (
            "metastability",
            "10 seconds at half load and a stall of 10",
            lambda: REGION["retry+budget"]["0.5, 10"] == 10,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_page_says_in_words_holds_in_the_results(page, sentence, holds):
    """The sentence stands on the page, and the figures bear it out."""
    text = PAGES[ROOT / "docs" / "explanation" / f"{page}.md"]

    assert sentence in re.sub(r"\s+", " ", text)
    assert holds(), f"{AGAIN}; the sentence is no longer true"


def test_every_plot_is_shown_with_words_for_those_who_cannot_see_it():
    """Each file is on a page, in a form that the hook knows, and each page's file is there."""
    hook = hooked()
    shown = [found for text in PAGES.values() for found in hook.IMAGE.finditer(text)]

    assert {one["file"] for one in shown} == {
        f"assets/simulator/{file.name}" for file in ASSETS.glob("*.svg")
    }
    assert all(len(one["alt"]) > 40 for one in shown)


@pytest.mark.parametrize("file", sorted(ASSETS.glob("*.svg")), ids=lambda file: file.stem)
def test_a_plot_takes_the_colours_of_the_page_and_bears_no_date(file):
    """It is read in the light and in the dark, and the same figures are the same bytes."""
    text = file.read_text(encoding="utf-8")
    put = hooked().inlined(file, "what is seen")

    assert not re.search(r"<dc:|\b20\d\d-\d\d-\d\d", text)
    assert "#333333" not in put
    assert "var(--ink)" in put
    assert "\n" not in put
    assert 'aria-label="what is seen"' in put


def hooked():
    """Return the hook, which mkdocs loads by its path as well."""
    spec = importlib.util.spec_from_file_location(
        "plots_hook", ROOT / "docs" / "hooks" / "plots.py"
    )
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook
