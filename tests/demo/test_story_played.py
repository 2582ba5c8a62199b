"""The course of one run, with children that only pretend: when what is commanded, and how it ends."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from holdfast.demo import story
from holdfast.demo.processes import ChildFailed
from holdfast.demo.settings import Settings

pytestmark = pytest.mark.real_time

SETTINGS = Settings(speed=30.0)  # half a second


class Pretender:
    """A child that notes its commands, and may be gone after a while."""

    def __init__(self, gone_after=99.0):
        self.commands = []
        self.gone_at = time.monotonic() + gone_after

    def send(self, **command):
        self.commands.append((time.monotonic(), command))

    def check(self):
        if time.monotonic() > self.gone_at:
            raise ChildFailed("gone")


class View:
    """Notes what it is shown."""

    def __init__(self):
        self.seen = []
        self.runs = []

    def update(self, progress):
        self.seen.append(progress.at)

    def ended(self, run):
        self.runs.append(run)


@pytest.fixture
def cast(monkeypatch):
    """Four pretenders; the users are done 0.2 s after the last phase."""
    children = [Pretender() for _ in range(4)]

    @asynccontextmanager
    async def pretend(progress):
        def end():
            progress.hear("users", {"at": 0.0, "records": [[0.1, "/pay", "ok", "", 0.2, 0.0]]})
            progress.hear("users", {"at": 0.0, "finished": True})

        lasts = story.LEAD + SETTINGS.real(story.WARM_UP) + SETTINGS.phases[-1].end
        asyncio.get_running_loop().call_later(lasts + 0.2, end)
        yield children

    monkeypatch.setattr(story, "_cast", pretend)
    monkeypatch.setattr(story, "TICK", 0.02)
    return children


def test_the_payment_service_hangs_for_the_fault(cast):
    """It is told to hang when the fault begins, and to heal when it ends; the users get their start."""
    asyncio.run(story.play_run(SETTINGS, View(), protected=True))
    payments, notifications, shop, users = cast
    _, fault, _ = SETTINGS.phases
    ((_, started),) = users.commands
    (hung, hang), (healed, heal) = payments.commands

    assert (hang, heal) == ({"hang": True}, {"hang": False})
    assert hung - started["start"] == pytest.approx(fault.start, abs=0.1)
    assert healed - hung == pytest.approx(fault.end - fault.start, abs=0.1)
    assert not notifications.commands
    assert not shop.commands


def test_the_view_sees_the_whole_run(cast):
    """From before the start to after the end, in order, and then the result."""
    view = View()
    run = asyncio.run(story.play_run(SETTINGS, view, protected=False))

    assert view.seen[1:] == sorted(view.seen[1:])
    assert view.seen[0] < 0
    assert view.seen[-1] > SETTINGS.phases[-1].end
    assert view.runs == [run]
    assert not run.protected
    assert len(run.records) == 1


def test_a_child_that_is_gone_ends_the_story(cast):
    """There is nothing to measure any more."""
    cast[2].gone_at = time.monotonic()

    with pytest.raises(ChildFailed):
        asyncio.run(story.play_run(SETTINGS, View(), protected=False))


def test_both_runs_are_played_in_order(monkeypatch):
    """First without, then with Holdfast."""
    played = []

    async def play_run(settings, view, *, protected):
        played.append(protected)
        return protected

    monkeypatch.setattr(story, "play_run", play_run)

    assert asyncio.run(story.play(SETTINGS, View())) == (False, True)
    assert played == [False, True]


def test_a_shop_that_never_answers_is_told(monkeypatch):
    """The start is given up after a while, with the page that failed."""
    monkeypatch.setattr(story, "START_WITHIN", 0.1)
    shop = Pretender()
    shop.port = 1  # nobody listens there

    with pytest.raises(ChildFailed, match="/pay gave no answer"):
        asyncio.run(story._ready(shop, SETTINGS))
