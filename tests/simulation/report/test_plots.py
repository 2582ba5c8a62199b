import re
from dataclasses import replace

import pytest

from holdfast import ConfigurationError
from holdfast._report.figure import compact, drawn, themed
from holdfast.simulation.report import plots
from holdfast.simulation.report.captions import alternative, caption, legend

PANELS = {panel.kind: panel for panel in plots.PANELS}


def axes_of(comparison, kind, number):
    return plots.cell(comparison, PANELS[kind], number).axes[0]


def test_all_policies_have_the_same_axes(comparison):
    """What is to be compared by eye has the same scale, and the same place in its picture."""
    for kind in ("goodput", "latency", "queue"):
        first, second = (axes_of(comparison, kind, number) for number in (0, 1))

        assert first.get_ylim() == second.get_ylim()
        assert first.get_xlim() == second.get_xlim() == (0, 35)
        assert first.get_position().bounds == second.get_position().bounds


def test_panels_lie_one_under_the_other(comparison):
    """A frame begins at the same place in all panels, so that time can be followed downwards."""
    assert {axes_of(comparison, kind, 0).get_position().bounds for kind in PANELS} == {
        axes_of(comparison, "goodput", 0).get_position().bounds
    }


def test_the_fault_is_shaded(comparison):
    """From the second in which it begins to the one in which it ends."""
    shade = axes_of(comparison, "goodput", 0).patches[0]

    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (5, 8)


def test_a_gap_is_drawn_where_nobody_was_served(comparison):
    """There is no latency to tell of then, rather than a latency of zero."""
    series = replace(comparison.played[0].series, p50=(None,) * 35, p99=(None,) * 35)
    nobody = replace(comparison, played=(replace(comparison.played[0], series=series),))

    assert "nan" not in drawn(lambda: plots.cell(nobody, PANELS["latency"], 0)).lower()


def test_nothing_is_shown_of_what_never_happened(comparison):
    """Where no policy has a breaker that opened, no plot is wasted on them."""
    calm = tuple(
        replace(played, series=replace(played.series, open=(0,) * len(played.series.open)))
        for played in comparison.played
    )

    assert PANELS["breakers"] in plots.shown(comparison)
    assert PANELS["breakers"] not in plots.shown(replace(comparison, played=calm))


@pytest.mark.parametrize("kind, column", [("limits", "limit"), ("budgets", "tokens")])
def test_limits_and_budgets_are_shown_where_they_move(comparison, kind, column):
    """A level that stands still tells nothing, and neither do policies without one."""

    def with_level(*levels):
        played = comparison.played[0]
        length = len(played.series.open)
        series = replace(played.series, **{column: (levels * length)[:length]})
        return replace(comparison, played=(replace(played, series=series),))

    panel = PANELS[kind]

    assert panel in plots.shown(comparison)
    assert [plots.has(panel, played) for played in comparison.played] == [False, True]
    assert panel in plots.shown(with_level(10.0, 9.5))
    assert panel not in plots.shown(with_level(10.0))
    assert panel not in plots.shown(with_level(None))
    assert drawn(lambda: plots.cell(with_level(None), panel, 0)).startswith("<svg")


def test_a_limit_is_told_by_its_range(comparison):
    """In the caption and to those who can't see it; and that there is none."""
    bare, standard = comparison.played
    told = caption(PANELS["limits"], standard)

    assert re.fullmatch(r"between [\d.]+ and 100", told)
    assert told in alternative(PANELS["limits"], standard)
    assert re.fullmatch(r"between [\d.]+ and 10", caption(PANELS["budgets"], standard))
    assert caption(PANELS["budgets"], bare) == "none to show"


@pytest.mark.parametrize(
    "low, high, marks",
    [
        (0.05, 100, "0.1, 1, 10, 100"),
        (21, 34, "20, 50"),
        (0.4, 3, "0.5, 1, 2"),
        (1500, 90_000, "1,000, 10,000, 100,000"),
    ],
)
def test_logarithmic_axes_have_marks_wherever_they_lie(comparison, low, high, marks):
    """A limit that moves between 21 and 34 crosses no power of ten."""
    played = comparison.played[0]
    length = len(played.series.open)
    series = replace(played.series, limit=(low, high, *(None,) * (length - 2)))
    moved = replace(comparison, played=(replace(played, series=series),))
    axes = axes_of(moved, "limits", 0)
    bottom, top = axes.get_ylim()
    shown = [at for at in axes.yaxis.get_majorticklocs() if bottom <= at <= top]

    assert ", ".join(axes.yaxis.get_major_formatter()(at, 0) for at in shown) == marks


@pytest.mark.parametrize(
    "seconds,labels",
    [
        (4, "0 s, 1 s, 2 s, 3 s, 4 s"),
        (260, "0 s, 50 s, 100 s, 150 s, 200 s, 250 s"),
        (3600, "0 min, 10 min, 20 min, 30 min, 40 min, 50 min, 60 min"),
        (86_400, "0 h, 5 h, 10 h, 15 h, 20 h"),
        (864_000, "0 d, 2 d, 4 d, 6 d, 8 d, 10 d"),
    ],
)
def test_long_runs_are_told_in_minutes_hours_and_days(comparison, seconds, labels):
    """Nobody reads 72,000 s."""
    long = replace(comparison, scenario=replace(comparison.scenario, seconds=seconds, faults=()))
    axis = axes_of(long, "queue", 0).xaxis
    shown = [at for at in axis.get_majorticklocs() if 0 <= at <= seconds]

    assert ", ".join(axis.get_major_formatter()(at, 0) for at in shown) == labels


@pytest.mark.parametrize("name,kind", [("a.svg", "goodput"), ("a.png", "queue")])
def test_plots_are_saved_with_equal_bytes(comparison, tmp_path, name, kind):
    """Neither date nor version of a tool nor chance is in a file."""
    first, second = tmp_path / f"1{name}", tmp_path / f"2{name}"
    plots.save(comparison, first, kind=kind)
    plots.save(comparison, second, kind=kind)

    assert first.read_bytes() == second.read_bytes()


def test_a_saved_figure_names_policies_and_lines(comparison, tmp_path):
    """It stands alone in a page of documentation."""
    plots.save(comparison, tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")

    for text in ("none", "standard", "Attempts per second", "attempts", "users who came"):
        assert f">{text}</text>" in svg


def test_heat_maps_are_saved(swept, tmp_path):
    """One for each policy, with what stands in the cells."""
    plots.save(swept, tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")

    for text in ("none", "standard", "load (share of capacity)", "stall (seconds)", "up to 4 s"):
        assert f">{text}</text>" in svg


def test_an_unknown_kind_is_refused(comparison, tmp_path):
    """The message has the kinds that there are."""
    with pytest.raises(ConfigurationError, match=r"'pie'.*'goodput'"):
        plots.save(comparison, tmp_path / "a.svg", kind="pie")


def test_what_a_plot_shows_is_told_in_words(comparison):
    """Those who can't see it get its figures, and everybody one to remember."""
    played = comparison.played[1]

    assert caption(PANELS["goodput"], played).endswith(" % of users served")
    assert "before the fault" in alternative(PANELS["latency"], played)
    assert "p99" in alternative(PANELS["latency"], played)
    assert re.search(r"at most \d+", alternative(PANELS["queue"], played))


def test_lines_differ_in_more_than_colour(comparison):
    """Each legend tells its lines by dashes and filling, too."""
    dashes = re.findall(r'stroke-dasharray="([^"]*)"', legend(PANELS["latency"]))

    assert len(dashes) == len(set(dashes)) == 2
    assert legend(PANELS["attempts"]).count("opacity") == 1


def test_a_compact_svg_shows_the_same():
    """Digits beyond a tenth of a point, ids that nobody refers to and fonts are left out."""
    svg = (
        '<svg width="10pt" height="5.5pt"><g id="a"/>'
        '<path id="b" d="M 1.234567 -2.999\nL 5.01 -2.999\nL 5.01 7\nQ 1 2 3 4\nz\n"/>'
        '<use xlink:href="#b"/><g clip-path="url(#c)" style="fill: #333333"/><clipPath id="c"/>'
        '<text style="font-family: A, B; fill: #0072b2">1.25 s</text></svg>'
    )

    assert themed(compact(svg, "x-")) == (
        '<svg><g/><path id="x-b" d="M1.2 -3H5V7Q1 2 3 4z"/>'
        '<use xlink:href="#x-b"/><g clip-path="url(#x-c)" style="fill: var(--ink)"/>'
        '<clipPath id="x-c"/><text style="fill: var(--blue)">1.25 s</text></svg>'
    )
