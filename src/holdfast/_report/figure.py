"""The style of plots, and how one becomes SVG whose bytes depend on nothing but what it shows.

Drawn by matplotlib without pyplot, so nothing global is touched; imported only when something is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

BLUE, GREEN, ORANGE, RED = "#0072b2", "#009e73", "#e69f00", "#b5302a"
VERMILION, PURPLE = "#d55e00", "#9c4a7c"  # all of them told apart without red or green, too
INK, GREY, FAINT, GRID, SHADE = "#333333", "#8a8a8a", "#d9d9d9", "#ececec", "#fbeae6"
NAMES: Final = {
    BLUE: "blue",
    GREEN: "green",
    ORANGE: "orange",
    RED: "red",
    VERMILION: "vermilion",
    PURPLE: "purple",
    INK: "ink",
    GREY: "grey",
    FAINT: "faint",
    GRID: "grid",
    SHADE: "shade",
    "#ffffff": "paper",
}
"""What `page.css` calls these colours."""
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, sharp, and to be found by a search
    "svg.hashsalt": "holdfast",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.borderaxespad": 0.0,
}
UNDATED: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def drawn(draw: Callable[[], Figure]) -> str:
    """Return the figure that ``draw`` makes as an ``<svg>`` element."""
    svg = io.StringIO()
    with mpl.rc_context(dict(STYLE)):
        draw().savefig(svg, format="svg", metadata=UNDATED)
    # Without the XML prologue, which names a DTD on the web, it can stand inside an HTML page.
    text = svg.getvalue()
    return text[text.index("<svg") :]


def themed(svg: str) -> str:
    """Return ``svg`` with the colours of the page's style sheet, which has them for the dark, too."""
    for colour, name in NAMES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def compact(svg: str, prefix: str) -> str:
    """Return ``svg`` without what it need not have inside a page.

    Short numbers, the page's own font, and no ids but those that it needs, after ``prefix``: many of
    them can stand in one page, where an id may be used once.
    """
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r'(id="|url\(#|href="#)([^)"]+)', rf"\g<1>{prefix}\g<2>", svg)
    svg = re.sub(r' (?:d|x|y|transform)="[^"]*"', _short, svg)
    svg = re.sub(
        r"font-family: [^;\"]*; |<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL
    )
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"| width="[\d.]+pt" height="[\d.]+pt"', "", svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _short(attribute: re.Match[str]) -> str:
    """Return an attribute with numbers rounded to a tenth of a point, and a path's steps in short."""
    text = re.sub(r"-?\d+\.\d{2,}", lambda n: f"{float(n[0]):.1f}".removesuffix(".0"), attribute[0])
    if not text.startswith(' d="'):
        return text
    parts, x, y = [], "", ""
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z\"]*)", text[4:]):
        before, (x, y) = (x, y), (numbers.split()[-2:] or ("", ""))
        if letter == "L" and y == before[1]:
            parts.append(f"H{x}")
        elif letter == "L" and x == before[0]:
            parts.append(f"V{y}")
        else:
            parts.append(letter + " ".join(numbers.split()))
    return f' d="{"".join(parts)}"'
