"""The breaker's diagram and its table of transitions are what the code does."""

import importlib.util
import itertools
import re
from pathlib import Path

import pytest

from holdfast import CircuitBreaker, Pipeline
from holdfast.testing import VirtualClock

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "strategies" / "circuit-breaker.md"
OPEN_FOR = 10.0


@pytest.fixture(scope="module")
def diagrams():
    """The hook that draws the diagrams."""
    spec = importlib.util.spec_from_file_location(
        "diagrams", ROOT / "docs" / "hooks" / "diagrams.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Explorer:
    """A breaker that trips on one failure and closes on one probe, and what can happen to it."""

    def __init__(self, clock, **options):
        self.clock = clock
        self.breaker = CircuitBreaker(
            failures=1, probes=1, open_for=OPEN_FOR, open_cap=OPEN_FOR, open_jitter=0.0, **options
        )
        self.pipeline = Pipeline("explored", self.breaker)

    def fail(self):
        self._call(fails=True)

    def succeed(self):
        self._call(fails=False)

    def wait(self):
        self.clock.advance(OPEN_FOR)

    def _call(self, *, fails):
        try:
            self.pipeline.call(self._answer, fails)
        except Exception:
            pass

    def _answer(self, fails):
        if fails:
            raise ConnectionError


class Admits:
    """A source of randomness with which every call passes along a ramp."""

    def uniform(self, low, high):
        return high


HAPPENINGS = {
    "fail": Explorer.fail,
    "succeed": Explorer.succeed,
    "wait": Explorer.wait,
    **{
        f"{name}()": lambda explorer, name=name: getattr(explorer.breaker, name)()
        for name in ("trip", "isolate", "disable", "reset")
    },
}


def observed(clock, first=(), repeat=4, **options):
    """Return every transition that some sequence of happenings leads to."""
    found = set()
    for sequence in itertools.product(HAPPENINGS, repeat=repeat):
        explorer = Explorer(clock, **options)
        for happening in (*first, *sequence):
            before = explorer.breaker.state
            HAPPENINGS[happening](explorer)
            after = explorer.breaker.state
            if before != after:
                found.add((before, happening, after))
    return found


TOLD = {
    "a condition is met": "fail",
    "`open_for` passes": "wait",
    "`ramp` passes": "wait",
    "open_for has passed": "wait",
    "a probe fails": "fail",
    "a probe fails; open_for grows": "fail",
    "all probes succeed": "succeed",
}


def from_the_table(name="transitions"):
    text = PAGE.read_text(encoding="utf-8")
    table = re.search(rf"<!-- {name} -->\n\n((?:\|.*\n)+)", text)[1]
    for row in table.splitlines()[2:]:
        before, what, after = (cell.strip() for cell in row.strip("|").split("|"))
        for state in before.split(", "):
            yield state, TOLD.get(what, what.strip("`")), after


def from_the_diagram(diagrams):
    source = diagrams.FENCE.search(PAGE.read_text(encoding="utf-8"))["source"]
    lines = [line.strip() for line in source.splitlines()[1:]]
    return {(a, TOLD.get(text, text), b) for a, b, text in diagrams.transitions(lines)}


def test_the_table_of_transitions_is_complete_and_true():
    """Trying everything out, in every order, finds the transitions of the table and no other."""
    with VirtualClock() as clock:
        assert set(from_the_table()) == observed(clock)


def test_the_table_of_the_ramp_is_complete_and_true():
    """From the ramp on, too: all transitions into and out of it."""
    with VirtualClock() as clock:
        found = observed(
            clock, ("trip()", "wait", "succeed"), repeat=2, ramp=OPEN_FOR, rng=Admits()
        )

    ramps = {one for one in found if "ramping" in one}
    assert set(from_the_table("transitions: ramp")) == ramps


def test_the_diagram_shows_what_happens_by_itself(diagrams):
    """The diagram has the start, and the transitions that nobody makes by hand."""
    by_itself = {one for one in from_the_table() if not one[1].endswith("()")}

    assert from_the_diagram(diagrams) == by_itself | {("[*]", "", "closed")}


PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_diagram_can_be_drawn(diagrams, page):
    """The hook understands all diagrams, and leaves no empty line, which would end the picture."""
    html = diagrams.on_page_markdown(page.read_text(encoding="utf-8"))

    assert "```mermaid" not in html
    for figure in re.findall(r"<figure.*?</figure>", html, re.DOTALL):
        assert "\n" not in figure
