"""When a bar of the overhead benchmark counts as reached."""

import json

import pytest

from benchmarks.overhead.bars import bars
from benchmarks.overhead.report import Report
from benchmarks.overhead.rows import Findings, Row, Skip
from benchmarks.overhead.settings import Options
from benchmarks.overhead.verdicts import Bar, best_peer, judge, ratio, row, summary

OURS = ("sync retry", "holdfast")


@pytest.fixture
def found():
    return Findings(
        rows=[
            Row("sync retry", "by hand", "floor", 10.0, "ns"),
            Row("sync retry", "slow peer", "peer", 400.0, "ns"),
            Row("sync retry", "quick peer", "peer", 200.0, "ns"),
            Row("sync retry", "holdfast", "holdfast", 100.0, "ns"),
        ],
        skips=[Skip("sync retry", "absent peer", "ModuleNotFoundError")],
    )


@pytest.mark.parametrize(
    "limit, least, outcome",
    [
        (101.0, False, "met"),
        (100.0, False, "met"),
        (99.0, False, "NOT met"),
        (99.0, True, "met"),
        (101.0, True, "NOT met"),
    ],
)
def test_an_absolute_bar_compares_our_own_figure(found, limit, least, outcome):
    """At most the limit meets a cost, at least the limit a throughput."""
    verdict = judge(Bar("cost", OURS, limit, least=least), found)

    assert (verdict.figure, verdict.outcome) == (100.0, outcome)


@pytest.mark.parametrize("limit, outcome", [(0.5, "met"), (0.49, "NOT met")])
def test_a_ratio_is_to_the_best_peer_of_the_same_run(found, limit, outcome):
    """The cheapest peer counts; hand-written floors are no peers."""
    verdict = judge(ratio("share", OURS, limit, best_peer("sync retry")), found)

    assert verdict.reference.name == "quick peer"
    assert (verdict.figure, verdict.outcome) == (0.5, outcome)


def test_a_ratio_may_be_to_a_named_row(found):
    """A bar can name what it is measured against."""
    verdict = judge(ratio("share", OURS, 0.25, row("sync retry", "slow peer")), found)

    assert (verdict.figure, verdict.outcome) == (0.25, "met")


@pytest.mark.parametrize(
    "bar",
    [
        Bar("ours is missing", ("sync retry", "absent"), 1.0),
        ratio("the other is missing", OURS, 1.0, row("sync retry", "absent peer")),
        ratio("no peers", OURS, 1.0, best_peer("sync breaker")),
    ],
    ids=lambda bar: bar.what,
)
def test_what_was_not_measured_is_not_met(found, bar):
    """A missing row is told as such, never as a success."""
    verdict = judge(bar, found)

    assert (verdict.figure, verdict.outcome) == (None, "not measured")


def test_the_summary_counts_every_bar(found):
    """Missed and unmeasured bars stand beside those that were met."""
    judged = [
        judge(Bar("met", OURS, 100.0), found),
        judge(Bar("missed", OURS, 1.0), found),
        judge(Bar("unknown", ("sync retry", "absent"), 1.0), found),
    ]

    assert summary(judged) == "3 bars: 1 met, 1 NOT met, 1 not measured."


def test_a_report_shows_missed_bars_and_skipped_rows(found):
    """The text, the markdown and the JSON all tell what went wrong."""
    report = Report({"python": "3.11"}, found, [judge(Bar("cost", OURS, 99.0), found)])

    for text in (report.text(), report.markdown(), report.json()):
        assert "NOT met" in text
        assert "absent peer" in text
    assert json.loads(report.json())["bars"][0]["ours"] == 100.0


def test_a_report_compares_each_row_with_ours(found):
    """A peer at 400 ns is shown as four times our 100 ns."""
    report = Report({}, found, [])

    assert "| slow peer | 0.400 µs | 4 x |" in report.markdown()


def test_a_partial_report_leaves_out_bars_it_knows_nothing_about(found):
    """A run of one section doesn't print the bars of all others."""
    unknown = judge(Bar("unknown bar", ("elsewhere", "holdfast"), 1.0), found)

    assert "unknown bar" not in Report({}, found, [unknown], partial=True).text()
    assert "unknown bar" in Report({}, found, [unknown]).text()


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
def test_every_bar_has_a_limit_for_each_python(version):
    """All bars stand, on whatever interpreter, and no two are called the same."""
    names = [(bar.what, bar.limit) for bar in bars(version)]

    assert len(names) >= 30
    assert all(limit >= 0 for _, limit in names)


def test_only_selects_by_section_or_name():
    """``--only`` looks into the section's name and the candidate's, whatever the case."""
    options = Options(only="HYX")

    assert options.wants("async retry", "hyx")
    assert not options.wants("async retry", "stamina")
    assert Options(only="async retry").wants("async retry", "stamina")


def test_a_reason_names_no_folder():
    """An import error's path is of no use to the readers of a table."""
    error = ImportError("cannot import name 'Gone' from 'peer' (/home/somebody/peer.py)")
    found = Findings()

    found.skip("sync retry", "peer", error)

    assert found.skips[0].reason == "ImportError: cannot import name 'Gone' from 'peer'"
