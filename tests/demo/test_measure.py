import pytest

from holdfast.demo.measure import (
    Record,
    during,
    percentile,
    recovery,
    success,
    summarise,
    throughput,
)


def record(at, outcome="ok", seconds=0.1, page="/pay", why=""):
    return Record(at, page, outcome, why, seconds)


@pytest.mark.parametrize(
    "q,expected", [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.0, 1), (0.995, 100)]
)
def test_percentile_is_the_nearest_rank(q, expected):
    """A percentile is a value that was measured, never one in between."""
    assert percentile(range(100, 0, -1), q) == expected


def test_nothing_has_no_percentile_and_no_success():
    """Where nothing was measured there is no figure, instead of a good one."""
    assert percentile([], 0.99) is None
    assert success([]) is None


def test_a_fallback_is_no_success():
    """Only what was done for real counts."""
    records = [record(0, "ok"), record(1, "fallback"), record(2, "failed"), record(3, "ok")]

    assert success(records) == 0.5


def test_during_goes_by_the_instant_that_was_meant():
    """The start belongs to the interval, the end doesn't, and a page can be picked out."""
    records = [record(0.9), record(1.0), record(1.5, page="/notify"), record(2.0)]

    assert [r.at for r in during(records, 1.0, 2.0)] == [1.0, 1.5]
    assert [r.at for r in during(records, 1.0, 2.0, "/notify")] == [1.5]


def test_throughput_goes_by_the_instant_of_the_answer():
    """An answer counts when it arrives, and only with the outcome that is asked for."""
    records = [record(0.0, seconds=1.5), record(1.0, seconds=1.5), record(1.2, "failed")]

    assert throughput(records, 1.0, 2.0) == 1.0
    assert throughput(records, 2.0, 4.0) == 0.5
    assert throughput(records, 1.0, 2.0, "failed") == 1.0


def at_every_tenth(outcome_of):
    return [record(tenth / 10, outcome_of(tenth / 10)) for tenth in range(200)]


def test_recovery_is_the_first_instant_after_which_nearly_all_is_done():
    """What comes before the recovery doesn't count, and what comes after it counts until the end."""
    records = at_every_tenth(lambda at: "fallback" if at < 12.95 else "ok")

    assert recovery(records, 10.0, 20.0) == pytest.approx(3.0, abs=0.01)


def test_recovery_within_one_percent_of_failures():
    """One failure in a hundred requests doesn't undo a recovery."""
    records = at_every_tenth(lambda at: "failed" if at == 15.0 else "ok")

    assert recovery(records, 10.0, 20.0) == 0.0


def test_a_relapse_postpones_the_recovery():
    """Success that doesn't last is no recovery."""
    records = at_every_tenth(lambda at: "failed" if 15.95 < at < 16.55 else "ok")

    assert recovery(records, 10.0, 20.0) == pytest.approx(6.6, abs=0.01)


@pytest.mark.parametrize("from_when", [19.5, 100.0])
def test_no_recovery(from_when):
    """Never, or only in the last moments, is no recovery."""
    assert (
        recovery(at_every_tenth(lambda at: "ok" if at > from_when else "failed"), 10.0, 20.0)
        is None
    )


def test_no_requests_no_recovery():
    """An empty phase proves nothing."""
    assert recovery([], 10.0, 20.0) is None


def test_summary_of_a_run_without_protection(make_run):
    """The made-up collapse shows in each figure."""
    summary = summarise(make_run(held=False))

    assert summary.collapse == 0.0
    assert summary.notified == summary.notified_late == 0.0
    assert summary.calm_p99 == 0.05
    assert summary.fault_p99 == 2.0
    assert summary.rejected == 0
    assert summary.rejected_p99 is None
    assert summary.recovery is None


def test_summary_of_a_protected_run(make_run):
    """The made-up protection shows in each figure."""
    summary = summarise(make_run(held=True))

    assert summary.notified == 1.0
    assert summary.fault_p99 == 0.051
    assert summary.rejected > 50
    assert summary.rejected_p99 == 0.002
    assert summary.recovery == 0.0
    assert summary.late_p99 == 0.0002
    assert summary.peaks["payments"] == 10
