from dataclasses import replace

import pytest

from holdfast.demo.bars import judge, lateness
from holdfast.demo.measure import Summary, summarise
from holdfast.demo.settings import Settings


@pytest.fixture
def bare(make_run):
    return summarise(make_run(held=False))


@pytest.fixture
def held(make_run):
    return summarise(make_run(held=True))


def verdicts(settings, bare, held):
    return [bar.met for bar in judge(settings, bare, held)]


def test_all_bars_are_met(bare, held):
    """A collapse without Holdfast, and none with it: that is the promise."""
    bars = judge(Settings(), bare, held)

    assert all(bar.met for bar in bars)
    assert len(bars) == 8


@pytest.mark.parametrize(
    "place,change",
    [
        (2, {"notified": 0.9899}),
        (2, {"notified": None}),
        (3, {"fault_p99": 0.0601}),
        (3, {"calm_p99": None}),
        (4, {"rejected_p99": 0.0051}),
        (4, {"rejected_p99": None}),
        (7, {"recovery": 5.01}),
        (7, {"recovery": None}),
    ],
)
def test_each_bar_of_the_protected_run_can_be_missed(bare, held, place, change):
    """One figure too bad, or not measured at all, fails its own bar and no other."""
    expected = [position != place for position in range(8)]

    assert verdicts(Settings(), bare, replace(held, **change)) == expected


@pytest.mark.parametrize("place,change", [(0, {"collapse": 0.21}), (1, {"notified_late": 0.51})])
def test_a_story_without_a_collapse_is_told_so(bare, held, place, change):
    """Where the unprotected shop doesn't collapse, the demo doesn't claim that it does."""
    expected = [position != place for position in range(8)]

    assert verdicts(Settings(), replace(bare, **change), held) == expected


@pytest.mark.parametrize(
    "place,thing",
    [(5, "payments"), (5, "notifications"), (6, "payment_sockets"), (6, "notification_sockets")],
)
def test_one_more_than_the_bulkhead_is_too_many(bare, held, place, thing):
    """Each peak may reach the bulkhead's size, and not exceed it."""
    size = Settings().bulkhead
    full = replace(held, peaks=held.peaks | {thing: size})
    over = replace(held, peaks=held.peaks | {thing: size + 1})

    assert all(verdicts(Settings(), bare, full))
    assert verdicts(Settings(), bare, over) == [position != place for position in range(8)]


def test_the_recovery_is_due_in_seconds_of_the_story(bare, held):
    """Told twice as fast, the story leaves half the time."""
    slow = replace(held, recovery=4.0)

    assert verdicts(Settings(), bare, slow)[7]
    assert not verdicts(Settings(speed=2.0), bare, slow)[7]


def test_a_share_is_never_rounded_up(bare, held):
    """98.96 % is not shown as 99 %."""
    bar = judge(Settings(), bare, replace(held, notified=0.98999))[2]

    assert bar.holdfast == "98.9 %"
    assert not bar.met


def test_figures_are_readable(bare, held):
    """Both runs' figures stand beside the limit, with units."""
    figures = {
        bar.figure: (bar.unprotected, bar.holdfast, bar.limit)
        for bar in judge(Settings(), bare, held)
    }

    assert figures["Notifications' p99, fault / calm"] == (
        "40 x (50 → 2000 ms)",
        "1.02 x (50 → 51 ms)",
        "Holdfast ≤ 1.2 x",
    )
    assert figures["Tasks at payments / notifications"] == (
        "32 / 5",
        "10 / 5",
        "Holdfast ≤ 16 each",
    )
    assert figures["≥ 99 % done again after"] == ("not in this run", "0.0 s", "Holdfast ≤ 5 s")


def test_sync_shops_hold_threads(bare, held):
    """What a call holds is named after the world."""
    bars = judge(Settings(world="sync"), bare, held)

    assert bars[5].figure == "Threads at payments / notifications"


@pytest.mark.parametrize("late,busy", [(0.0005, False), (0.0021, True)])
def test_lateness_tells_of_a_busy_machine(bare, held, late, busy):
    """A generator that is late itself is mentioned, for it counts against the figures."""
    text = lateness([bare, replace(held, late_p99=late)])

    assert ("busy" in text) is busy
    assert f"{1000 * late:g} ms" in text


def test_lateness_without_requests():
    """A run without requests was late by nothing."""
    nothing = Summary(
        **dict.fromkeys(
            (
                "collapse",
                "notified_late",
                "notified",
                "calm_p99",
                "fault_p99",
                "rejected_p99",
                "recovery",
                "late_p99",
            )
        ),
        rejected=0,
        peaks={},
    )

    assert "0 ms" in lateness([nothing])
