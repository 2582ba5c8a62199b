"""The page around a report: one HTML file that needs no network to be read, in light and in dark."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from string import Template


def page(title: str, body: str) -> str:
    """Return the HTML document; ``title`` is text, ``body`` is HTML."""
    return Template(_file("page.html")).substitute(
        title=escape(title), style=_file("page.css"), body=body
    )


@cache
def _file(name: str) -> str:
    return (files("holdfast._report") / name).read_text(encoding="utf-8")
