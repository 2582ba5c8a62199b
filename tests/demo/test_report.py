import json
import re

import pytest

from holdfast.demo.bars import judge
from holdfast.demo.measure import summarise
from holdfast.demo.report import page, write
from holdfast.demo.results import results
from holdfast.demo.settings import Settings


@pytest.fixture(params=["sync", "async"], scope="module")
def settings(request):
    return Settings(world=request.param)


@pytest.fixture(scope="module")
def runs(make_run):
    return [make_run(held=held) for held in (False, True)]


@pytest.fixture(scope="module")
def bars(settings, runs):
    return judge(settings, *map(summarise, runs))


@pytest.fixture(scope="module")
def report(settings, runs, bars, tmp_path_factory):
    """The report's file, written once: drawing takes longer than all that is asked of it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(path, settings, runs, bars, "<a remark>")
    return path


@pytest.fixture
def html(report):
    return report.read_text(encoding="utf-8")


def test_the_report_needs_no_network(html):
    """No script, no style sheet, no font, no picture from elsewhere: only names of XML dialects."""
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", html))

    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)", html)


def test_the_report_is_small(report):
    """It is to be sent around: far below a megabyte."""
    assert report.stat().st_size < 1_000_000


def test_the_report_tells_what_the_shops_differ_by(html, settings):
    """In the sync world by decorators alone."""
    told = {"sync": "The two shops differ by decorators", "async": "the client’s transport"}

    assert told[settings.world] in html


def test_the_report_tells_each_bar(html, bars):
    """Each bar stands in the table, with its verdict."""
    assert html.count("✓ met") == len(bars)
    assert "8 of 8 bars are met" in html
    assert "&lt;a remark&gt;" in html


def test_the_report_tells_a_bar_that_is_not_met(settings, runs):
    """A bar that is not met is shown as not met."""
    bare = [runs[0]] * 2
    html = page(settings, bare, judge(settings, *map(summarise, bare)), "")

    assert "✗ not met" in html


def test_both_runs_share_their_axes(html):
    """The figure has both runs' names and one title per row, with units where there are any."""
    for text in (
        "unprotected",
        "with Holdfast",
        "Answers per second",
        "(ms, logarithmic)",
        "circuit breaker",
    ):
        assert text in html


def test_results_are_json_with_everything(settings, runs, bars):
    """Settings, bars, summaries, each request and each sample; and it survives JSON."""
    document = json.loads(json.dumps(results(settings, runs, list(map(summarise, runs)), bars)))

    assert document["settings"]["world"] == settings.world
    assert document["all_met"] is True
    assert len(document["bars"]) == len(bars)
    held = document["runs"]["with_holdfast"]
    assert held["requests"]["columns"][:3] == ["at", "page", "outcome"]
    assert len(held["requests"]["rows"]) == len(runs[1].records)
    assert held["in_use"]["columns"][-1] == "breaker"
    assert document["runs"]["unprotected"]["summary"]["recovery"] is None
