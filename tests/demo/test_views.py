import io
from dataclasses import replace

import pytest

from holdfast.demo.bars import judge
from holdfast.demo.live import Terminal
from holdfast.demo.measure import Record, summarise
from holdfast.demo.plain import Plain
from holdfast.demo.settings import Settings
from holdfast.demo.story import Progress


@pytest.fixture(params=[Plain, Terminal])
def view_type(request):
    return request.param


@pytest.fixture(autouse=True)
def columns(monkeypatch):
    """Make the terminal as wide as a test wants it."""
    monkeypatch.setenv("COLUMNS", "110")
    return lambda number: monkeypatch.setenv("COLUMNS", str(number))


def played(view_type, make_run, **changes):
    """All that the view wrote of a made-up story."""
    out, settings = io.StringIO(), Settings(world="sync")
    runs = [make_run(held=held, settings=settings) for held in (False, True)]
    with view_type(settings, out) as view:
        for run in runs:
            for at in (-0.5, 0.6, 1.6, 5.0, 10.0, 15.0):
                records = [record for record in run.records if record.at < at]
                view.update(Progress(settings, run.protected, at=at, start=1.0, records=records))
            view.ended(run)
    bare, held = (summarise(run) for run in runs)
    view.verdicts(judge(settings, bare, replace(held, **changes)))
    view.note("a remark")
    return out.getvalue()


def test_each_bar_is_told(view_type, make_run):
    """The end of each view has all bars with their verdicts, and remarks."""
    text = played(view_type, make_run)

    assert text.count("met") >= 8
    assert "not met" not in text.lower()
    assert "unprotected" in text
    assert "a remark" in text


def test_a_bar_that_is_not_met_is_told_as_such(view_type, make_run):
    """Nothing is glossed over."""
    text = played(view_type, make_run, notified=0.5)

    assert text.lower().count("not met") == 1
    assert "50 %" in text


def test_plain_lines_follow_the_story(make_run):
    """Without a terminal each phase has a line when it begins, and so has each second."""
    lines = played(Plain, make_run).splitlines()

    assert [line for line in lines if line.startswith("with Holdfast")] == [
        "with Holdfast: warm-up",
        "with Holdfast: calm",
        "with Holdfast: payments hang",
        "with Holdfast: payments recovered",
        "with Holdfast: last answers",
    ]
    assert any("p99 payments 200 ms, notifications 50 ms" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_the_terminal_keeps_the_course_of_both_runs(make_run):
    """Beside the table, what stays is how both runs went."""
    text = played(Terminal, make_run)

    assert "notifications, unprotected" in text
    assert "payments, with Holdfast" in text
    assert "▁▁▁▁▁▁▁▁▁▁" in text


def test_the_terminal_shows_the_moment(make_run):
    """While a run is played: which one, which phase, and the breaker's state."""
    out = io.StringIO()
    settings = Settings()
    view = Terminal(settings, out)
    progress = Progress(settings, protected=True, at=5.0, start=1.0)
    progress.latest = {
        "shop": {"workers": 2, "breakers": {"payments": "open", "notifications": "closed"}}
    }
    with view:
        view.update(progress)
        view._live.transient = False

    text = out.getvalue()
    assert "run 2 of 2, with Holdfast" in text
    assert "payments hang, 30 s per call" in text
    assert "open" in text


def test_a_terminal_of_80_columns_is_enough(make_run, columns):
    """Nothing is cut off in the usual small window."""
    columns(80)
    text = played(Terminal, make_run)

    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "notifications, with Holdfast" in text


def test_the_services_fit_into_80_columns(columns):
    """Names, figures and states are whole in the usual small window."""
    columns(80)
    out, settings = io.StringIO(), Settings(world="sync")
    breakers = {"payments": "half-open", "notifications": "closed"}
    progress = Progress(settings, protected=True, at=5.0, start=1.0)
    progress.latest = {"shop": {"workers": 32, "breakers": breakers}, "payments": {"sockets": 32}}
    progress.records = [Record(3.5, "/notify", "failed", "user gave up", 1.4)] * 60
    view = Terminal(settings, out)
    with view:
        view.update(progress)
        view._live.transient = False

    text = out.getvalue()
    for whole in ("notifications", "half-open", "32/32 threads", "32 sockets", "1400"):
        assert whole in text
    assert "…" not in text


def test_a_narrow_terminal_shows_fewer_columns_and_whole_words(columns):
    """From the field: at 60 columns it was "Notifica…"."""
    columns(60)
    out, settings = io.StringIO(), Settings(world="sync")
    progress = Progress(settings, protected=True, at=5.0, start=1.0)
    progress.latest = {"shop": {"breakers": {"payments": "half-open", "notifications": "closed"}}}
    with Terminal(settings, out) as view:
        view.update(progress)
        view._live.transient = False

    text = out.getvalue()
    for whole in ("notifications", "half-open", "failed/s", "p99 ms"):
        assert whole in text
    assert "in use" not in text
