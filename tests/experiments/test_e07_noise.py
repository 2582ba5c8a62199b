"""Experiment 7, short: a quarter of an hour at each error rate."""

from itertools import product

from tests.experiments.e07_noise import DESIGNS, RATES, hours, play


def test_noise_opens_nothing_and_a_hard_stop_opens_at_once():
    """Bars: no false opening, and open at most 1 s after the stop; today none, and 0.15 s."""
    told = hours("growing run", seconds=900.0, seeds=2)

    assert (told.opened, told.blocked) == (0, 0)
    assert told.opened_after <= 0.2


def test_five_in_a_row_alone_open_by_chance():
    """What the plain rule blocks of a dependency of which 30 % fails."""
    told = play(DESIGNS["five in a row"](), 0.30, rate=100.0, seconds=300.0, seed=1)

    assert told.opened >= 10
    assert told.blocked / told.calls >= 0.5


def test_a_short_window_with_wilsons_bound_is_sound_but_slower():
    """The other designs: no false opening either, but later than a run."""
    short = hours("Wilson, 1 s", seconds=60.0, seeds=1)
    long = hours("Wilson, 10 s", seconds=60.0, seeds=1)

    assert (short.opened, long.opened) == (0, 0)
    assert 0.2 < short.opened_after <= 1.0 < long.opened_after


def test_a_sequential_test_is_as_good_as_a_run():
    """CUSUM needs no more time, but it has to hear of every success."""
    told = hours("CUSUM", seconds=60.0, seeds=1)

    assert told.opened == 0
    assert told.opened_after <= 0.2


def test_at_low_traffic_openings_by_chance_are_rare_too():
    """At 10 calls a minute of which 30 % fail: 68 openings a day by the plain rule, hardly one now."""
    days = {
        design: sum(
            play(DESIGNS[design](), 0.3, rate=1 / 6, seconds=86_400.0, seed=seed).opened
            for seed in range(3)
        )
        for design in ("five in a row", "growing run")
    }

    assert days["five in a row"] >= 150
    assert days["growing run"] <= 3


def test_a_hard_stop_is_found_at_low_traffic():
    """Within 5 calls where failures are rare, and 8 to 10 where a third of the calls fails."""
    for error_rate, per_minute in product((0.01, 0.30), (1, 10)):
        told = play(
            DESIGNS["growing run"](), error_rate, rate=per_minute / 60, seconds=86_400.0, seed=1
        )
        calls = told.opened_after * per_minute / 60
        assert calls <= (5.1 if error_rate == RATES[0] else 10.1)
