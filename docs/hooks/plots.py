# ruff: noqa: INP001 - mkdocs loads this file by its path
"""Puts plots into the page while it is built, in the page's own colours: they are read in the dark, too.

A line that is nothing but an image of ``assets/simulator`` becomes that SVG itself, whose colours are
variables of ``assets/extra.css``.  GitHub shows the same line as an image.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from holdfast._report.figure import themed

DOCS = Path(__file__).resolve().parents[1]
IMAGE = re.compile(
    r"^!\[(?P<alt>[^\]]+)\]\((?:\.\./)*(?P<file>assets/simulator/[\w-]+\.svg)\)$", re.MULTILINE
)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the images; called by mkdocs for each page."""
    return IMAGE.sub(lambda found: inlined(DOCS / found["file"], found["alt"]), markdown)


def inlined(file: Path, alt: str) -> str:
    """Return the plot on one line: an empty one would end it in Markdown."""
    drawn = file.read_text(encoding="utf-8")
    drawn = re.sub(r"<text[^>]*>", lambda text: text[0].replace("#ffffff", "white"), drawn)
    svg = themed(drawn).replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
    return f'<figure class="plot">{" ".join(svg.split())}</figure>'
