import re
from collections import Counter
from dataclasses import replace

import pytest

from holdfast import ConfigurationError, __version__
from holdfast.simulation.report.report import html, html_of_sweep
from holdfast.simulation.scenario.distributions import Constant
from holdfast.simulation.scenario.settings import changed, settings


@pytest.fixture(scope="module")
def report(comparison):
    return html(comparison, command="holdfast simulate mine.toml --compare 'none,<b>'")


@pytest.fixture(scope="module")
def sweep_report(swept):
    return html_of_sweep(swept)


@pytest.fixture(params=["report", "sweep_report"])
def page(request):
    return request.getfixturevalue(request.param)


def test_a_report_needs_no_network(page):
    """No script, no style sheet, no font, no picture from elsewhere: only names of XML dialects."""
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))

    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)", page)


def test_a_report_is_small(report):
    """It is to be sent around: a tenth of a megabyte for two policies."""
    assert len(report.encode()) < 200_000


def test_a_report_can_be_read_in_the_dark(page):
    """All colours but those of heat maps are the style sheet's, which has two sets of them."""
    assert "prefers-color-scheme: dark" in page
    body = page[page.index("<body>") :]
    plots = re.findall(r"<svg.*?</svg>", body, flags=re.DOTALL)

    assert not [svg for svg in plots if re.search(r"#[0-9a-f]{6}", svg)]


def test_each_id_is_used_once(report):
    """Many plots stand in one page, and none of them refers to a part of another."""
    ids = Counter(re.findall(r' id="([^"]*)"', report))

    assert set(ids.values()) == {1}
    assert set(re.findall(r"url\(#([^)]*)\)", report)) <= set(ids)


def test_what_people_wrote_is_escaped(page):
    """Titles, stories and commands are text, whatever is in them."""
    assert "<h1>A &lt;small&gt; storm</h1>" in page
    assert "First &amp; foremost.</p>" in page
    assert "<small> storm" not in page


def test_a_report_says_how_to_make_it_again(report, sweep_report, swept):
    """The command, the seeds and the version stand below; no date, so that bytes are equal."""
    assert "<code>holdfast simulate mine.toml --compare &#x27;none,&lt;b&gt;&#x27;</code>" in report
    assert f"Holdfast {__version__}" in report
    assert "seeds 1, 2." in report
    assert "holdfast simulate small-storm --sweep" in sweep_report


def test_equal_comparisons_give_equal_bytes(comparison, report):
    """Nothing in a report depends on when or where it was made."""
    again = html(comparison, command="holdfast simulate mine.toml --compare 'none,<b>'")

    assert again == report


def test_the_command_is_guessed_where_it_is_not_told(comparison):
    """The plain one is what most people typed."""
    alone = replace(comparison, played=comparison.played[:1])

    assert "<code>holdfast simulate small-storm --compare none --seeds 2</code>" in html(alone)


def test_every_plot_has_a_text_alternative(report):
    """Each picture is one of a policy and a thing to look at, and says so with its figures.

    Five of both policies, and limit and budget of the one that has them.
    """
    labels = re.findall(r'<div role="img" aria-label="([^"]*)">\s*<svg', report)

    assert len(labels) == len(set(labels)) == report.count("<figure>") == 12
    assert all(re.search(r"\d", label) for label in labels)
    assert any(label.startswith("Users served per second with standard: ") for label in labels)


def test_what_a_policy_does_not_have_is_no_plot_but_a_word(report):
    """Who has no limit and no budget leaves no empty axes, and keeps the place in its row."""
    nothing = '<figure class="none"><figcaption><b>none</b><span>none to show</span></figcaption>'

    assert report.count(nothing) == report.count('class="none"') == 2


def test_the_table_has_every_policy(report, comparison):
    """Medians, with their ranges below them, and a star for the best."""
    for played in comparison.played:
        assert f"<th scope=row>{played.policy}</th>" in report
    assert "recovers after" in report
    assert " ★</span>" in report
    assert "Medians of 2 seeds" in report
    assert re.search(r"For \d+ of the users who came in the fault no capacity was left", report)


def test_phases_are_told_apart(report):
    """Before, in and after the fault, for each of the policies."""
    for phase in ("before", "in it", "after"):
        assert report.count(f"<td>{phase}</td>") == 2


def test_errors_are_told_by_name(comparison):
    """A policy that fails by itself is found out so; the most frequent error stands first."""
    errors = {"A<b>": 2, "TimeoutError": 1234, "ZError": 2}
    failing = replace(comparison.played[0].figures[0], errors=errors)
    played = replace(comparison.played[0], figures=(failing,))

    assert "<td>TimeoutError 1,234, A&lt;b&gt; 2, ZError 2</td>" in html(
        replace(comparison, played=(played,))
    )


def test_without_a_fault_there_are_no_phases(comparison):
    """A calm run has nothing before and after."""
    scenario = replace(comparison.scenario, faults=(), title="", story="")
    text = html(replace(comparison, scenario=scenario, played=comparison.played[:1]))

    assert "after the fault</h2>" not in text
    assert "<h1>small-storm</h1>" in text
    assert "shaded" not in text
    assert "★ marks" not in text


def test_a_heat_map_has_a_cell_for_each_pair_of_values(sweep_report):
    """Two loads, two stalls, two policies; each cell has its figure, not only its colour."""
    cells = re.findall(r'<td style="background: #\w+; color: #\w+">([^<]+)', sweep_report)

    assert len(cells) == 8
    assert all(re.fullmatch(r"\d+ s|✗ never", cell) for cell in cells)


def test_settings_are_those_that_were_made(storm):
    """Each by the name that it has in a scenario file; what is as by default is left out."""
    told = dict(settings(storm))

    assert told["load.kind"] == "poisson"
    assert told["load.rate"] == "20"
    assert told["servers.service.mean"] == "0.1"
    assert told["faults.0.lasts"] == "3"
    assert not {"title", "servers.queue", "clients.shared", "network.loss"} & set(told)


def test_long_settings_are_counted(storm):
    """Nobody reads a thousand steps; functions have their names, and truth is spelt."""
    steps = replace(storm.servers, cold_start=((5, 0.5),) * 9, protect=settings, propagate=False)
    told = dict(settings(replace(storm, servers=steps)))

    assert told["servers.cold_start"] == "9 values"
    assert told["servers.protect"] == "settings"
    assert told["servers.propagate"] == "no"


@pytest.mark.parametrize(
    "name,value,read",
    [
        ("clients.count", 7.0, lambda s: s.clients.count),
        ("servers.service.mean", 0.25, lambda s: s.servers.service.mean),
        ("faults.0.lasts", 4.0, lambda s: s.faults[0].lasts),
        ("seconds", 50.0, lambda s: s.seconds),
        ("servers.queue_limit", 9.0, lambda s: s.servers.queue_limit),
    ],
)
def test_a_setting_is_changed_by_its_name(storm, name, value, read):
    """The rest of the scenario stays as it is, and whole numbers stay whole."""
    after = changed(storm, name, value)
    differing = {
        key
        for key in dict(settings(after))
        if (key, dict(settings(after))[key]) not in settings(storm)
    }

    assert read(after) == value
    assert type(read(after)) is type(read(storm)) or read(storm) is None
    assert differing == {name}


@pytest.mark.parametrize(
    "name,message",
    [
        ("client.count", "name.*seconds"),
        ("clients.number", "clients has count"),
        ("faults.1.lasts", "there are 1 of them"),
        ("faults.first.lasts", "counted from 0"),
        ("clients.shared", "a number"),
        ("load.kind", "a number"),
        ("seconds.long", "no settings"),
    ],
)
def test_an_unknown_setting_is_named(storm, name, message):
    """With those that there are."""
    with pytest.raises(ConfigurationError, match=rf"sweep='.*{message}"):
        changed(storm, name, 1)


def test_a_value_that_is_not_allowed_is_refused(storm):
    """By the check of the scenario itself."""
    with pytest.raises(ConfigurationError, match="rate"):
        changed(
            replace(storm, servers=replace(storm.servers, service=Constant(value=1))),
            "load.rate",
            -1,
        )
