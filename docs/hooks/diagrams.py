# ruff: noqa: INP001 - mkdocs loads this file by its path
"""Draws the diagrams of the documentation while it is built, so that no page loads a script for it.

The sources are ```mermaid fences, which GitHub draws too.  Of Mermaid's language this knows what the
pages use: sequence diagrams (participants, messages, notes) and state diagrams (transitions).  The
result is inline SVG in the colours of the page; a line that is not understood ends the build.
"""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise
from typing import NamedTuple

FENCE = re.compile(r"^```mermaid\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
MESSAGE = re.compile(r"(\w+)(-->>|->>|--x|-x)(\w+): (.+)")
NOTE = re.compile(r"Note over ([\w, ]+): (.+)")
PARTICIPANT = re.compile(r"participant (\w+)(?: as (.+))?")
TRANSITION = re.compile(r"([\w-]+|\[\*\]) --> ([\w-]+)(?:: (.+))?")

CHARACTER = 6.7  # the mean width of one, at 13 px
LINE, PAD = 17.0, 14.0
ARROWS = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7.2" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0,0.6 L7.4,4 L0,7.4" class="head"/></marker></defs>'
)


class UnknownDiagramError(ValueError):
    """A line that these few rules don't understand."""


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the fences; called by mkdocs for each page."""
    for marked, plain in (("python notest", "python"), ("output varies", "output")):
        markdown = re.sub(rf"^```{marked}$", f"```{plain}", markdown, flags=re.MULTILINE)
    return FENCE.sub(lambda found: drawn(found["source"]), markdown)


def drawn(source: str) -> str:
    """Return the figure for one diagram."""
    first, *lines = [line.strip() for line in source.splitlines() if line.strip()]
    kinds = {"sequenceDiagram": sequence, "stateDiagram-v2": states}
    if first not in kinds:
        raise UnknownDiagramError(f"a diagram of the kind {first!r} cannot be drawn")
    return f'<figure class="diagram">{kinds[first](lines)}</figure>'


# -- pieces ------------------------------------------------------------------------------------------


def width_of(text: str) -> float:
    """Return about how wide ``text`` is, in pixels."""
    return max(map(len, text.split("<br>"))) * CHARACTER


def extra(text: str) -> float:
    """Return the height of all lines but the first."""
    return LINE * text.count("<br>")


def svg(width: float, height: float, parts: list[str]) -> str:
    """Return the picture on one line: an empty one would end it in Markdown."""
    frame = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg role="img" {frame}>{ARROWS}{"".join(parts)}</svg>'


def words(x: float, y: float, text: str, *, kind: str = "", anchor: str = "middle") -> str:
    """Return ``text``, its lines centred on ``y``."""
    top = y - extra(text) / 2 + 4.5
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{top + row * LINE:.1f}">{escape(line)}</tspan>'
        for row, line in enumerate(text.split("<br>"))
    )
    return f'<text class="{kind}" text-anchor="{anchor}">{spans}</text>'


def box(x: float, y: float, size: tuple[float, float], kind: str, corner: int = 4) -> str:
    """Return a rectangle whose centre is (x, y)."""
    width, height = size
    return (
        f'<rect class="{kind}" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}" rx="{corner}"/>'
    )


def path(data: str, *, dashed: bool = False, head: bool = True) -> str:
    """Return a line, with an arrow's head at its end."""
    kind = "message dashed" if dashed else "message"
    end = ' marker-end="url(#head)"' if head else ""
    return f'<path class="{kind}"{end} d="{data}"/>'


# -- sequence diagrams -------------------------------------------------------------------------------


class Row(NamedTuple):
    """A message from ``a`` to ``b``, or a note over them."""

    arrow: str
    a: str
    b: str
    text: str

    @property
    def height(self) -> float:
        """How much room it takes, in pixels."""
        itself = 12.0 if self.a == self.b and self.arrow != "note" else 0.0
        return 30.0 + extra(self.text) + itself


def sequence(lines: list[str]) -> str:
    """Draw participants side by side, and what they tell each other from top to bottom."""
    people: dict[str, str] = {}
    rows: list[Row] = []
    for line in lines:
        if found := PARTICIPANT.fullmatch(line):
            people[found[1]] = found[2] or found[1]
        elif found := MESSAGE.fullmatch(line):
            rows.append(Row(found[2], found[1], found[3], found[4]))
        elif found := NOTE.fullmatch(line):
            ends = [name.strip() for name in found[1].split(",")]
            rows.append(Row("note", ends[0], ends[-1], found[2]))
        else:
            raise UnknownDiagramError(f"not understood in a sequence diagram: {line!r}")
    at, width = columns(people, rows)
    y, parts = 58.0, []
    for row in rows:
        parts.append(drawn_row(row, at[row.a], at[row.b], y + row.height / 2))
        y += row.height + 6
    lives = [f'<path class="life" d="M{x:.1f},40 V{y + 4:.1f}"/>' for x in at.values()]
    heads = [
        box(at[who], 24, (width_of(label) + 2 * PAD, 32), "box")
        + words(at[who], 24, label, kind="strong")
        for who, label in people.items()
    ]
    return svg(width, y + 8, [*lives, *parts, *heads])


def columns(people: dict[str, str], rows: list[Row]) -> tuple[dict[str, float], float]:
    """Return where each participant stands, and the width of all; with room for what is said."""
    names = list(people)
    gaps = [
        (width_of(people[left]) + width_of(people[right])) / 2 + 2 * PAD + 24
        for left, right in pairwise(names)
    ]
    for row in rows:
        low, high = sorted((names.index(row.a), names.index(row.b)))
        needed = width_of(row.text) + (10 if row.arrow == "note" else 34)
        if low == high and row.arrow != "note":
            high, needed = low + 1, needed + 30
        here = sum(gaps[low:high])
        if 0 < here < needed:
            gaps[low:high] = [gap * needed / here for gap in gaps[low:high]]
    x = reach(names[0], people, rows, left=True)
    at = {names[0]: x}
    for name, gap in zip(names[1:], gaps, strict=True):
        x += gap
        at[name] = x
    return at, x + reach(names[-1], people, rows)


def reach(name: str, people: dict[str, str], rows: list[Row], *, left: bool = False) -> float:
    """Return the room that the first or last participant needs on its outer side."""
    needed = [width_of(people[name]) / 2 + PAD]
    for row in rows:
        if row.a == row.b == name and row.arrow == "note":
            needed.append(width_of(row.text) / 2 + PAD)
        elif row.a == row.b == name and not left:
            needed.append(width_of(row.text) + 44)
    return max(needed) + 4


def drawn_row(row: Row, a: float, b: float, y: float) -> str:
    """Return one message or note, centred on ``y``."""
    if row.arrow == "note":
        middle, wide = (a + b) / 2, max(abs(b - a) + 24, width_of(row.text) + 20)
        return box(middle, y, (wide, 26 + extra(row.text)), "note") + words(middle, y, row.text)
    dashed = row.arrow.startswith("--")
    if a == b:
        loop = path(f"M{a:.1f},{y - 8:.1f} h26 v18 h-25", dashed=dashed)
        return loop + words(a + 34, y + 1, row.text, anchor="start")
    low = y + 7 + extra(row.text) / 2
    text = words((a + b) / 2, low - 13 - extra(row.text) / 2, row.text)
    if row.arrow.endswith("x"):
        cross = path(
            f"M{b - 5:.1f},{low - 5:.1f} l10,10 M{b - 5:.1f},{low + 5:.1f} l10,-10", head=False
        )
        return path(f"M{a:.1f},{low:.1f} H{b:.1f}", dashed=dashed, head=False) + cross + text
    inset = -1.5 if b > a else 1.5
    return path(f"M{a:.1f},{low:.1f} H{b + inset:.1f}", dashed=dashed) + text


# -- state diagrams ----------------------------------------------------------------------------------


class Step(NamedTuple):
    """A transition."""

    a: str
    b: str
    text: str


def transitions(lines: list[str]) -> list[Step]:
    """Return what a state diagram says."""
    steps = []
    for line in lines:
        found = TRANSITION.fullmatch(line)
        if found is None:
            raise UnknownDiagramError(f"not understood in a state diagram: {line!r}")
        steps.append(Step(found[1], found[2], found[3] or ""))
    return steps


def states(lines: list[str]) -> str:
    """Draw the states in a row, in the order of their first mention.

    A step to the next state is a straight arrow; steps back, and over others, are arcs below.
    """
    steps = transitions(lines)
    names = list(dict.fromkeys(name for step in steps for name in (step.a, step.b)))
    onward = [step for step in steps if names.index(step.b) == names.index(step.a) + 1]
    back = [step for step in steps if step not in onward]
    wide = {name: 16.0 if name == "[*]" else width_of(name) + 2 * PAD for name in names}
    centre = places(names, wide, steps)
    y = 36.0 + max((extra(step.text) for step in onward), default=0.0)
    parts = []
    for step in onward:
        start, end = centre[step.a] + wide[step.a] / 2, centre[step.b] - wide[step.b] / 2
        parts.append(path(f"M{start:.1f},{y} H{end - 1.5:.1f}"))
        parts.append(words((start + end) / 2, y - 13 - extra(step.text) / 2, step.text))
    arcs, depth = arcs_below(back, centre, y)
    shapes = [shape(name, centre[name], y, wide[name]) for name in names]
    return svg(centre[names[-1]] + wide[names[-1]] / 2 + 6, depth + 8, [*parts, *arcs, *shapes])


def places(names: list[str], wide: dict[str, float], steps: list[Step]) -> dict[str, float]:
    """Return the middle of each state, with room for what stands between two neighbours."""
    centre, x = {}, 6.0
    for left, right in pairwise([*names, ""]):
        centre[left] = x + wide[left] / 2
        between = [width_of(step.text) for step in steps if {step.a, step.b} == {left, right}]
        x += wide[left] + max([0.0, *between]) + 40
    return centre


def shape(name: str, x: float, y: float, width: float) -> str:
    """Return one state, or the dot where all begins."""
    if name == "[*]":
        return f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="6"/>'
    return box(x, y, (width, 36), "box", 18) + words(x, y, name, kind="strong")


def arcs_below(back: list[Step], centre: dict[str, float], y: float) -> tuple[list[str], float]:
    """Return the arcs, the shortest nearest to the states, and how far down they reach."""
    parts, depth = [], y + 22.0
    by_length = sorted(back, key=lambda step: abs(centre[step.a] - centre[step.b]))
    for level, (a, b, text) in enumerate(by_length):
        depth += 34.0 + extra(text)
        away = 1 if centre[b] < centre[a] else -1
        start, end = centre[a] + away * (8 * level - 4), centre[b] - away * (8 * level - 4)
        bend = -12 * away
        parts.append(
            path(
                f"M{start:.1f},{y + 18} V{depth - 12:.1f} q0,12 {bend},12 H{end - bend:.1f} "
                f"q{bend},0 {bend},-12 V{y + 20}"
            )
        )
        parts.append(words((start + end) / 2, depth - 12 - extra(text) / 2, text))
    return parts, depth
