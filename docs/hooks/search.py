# ruff: noqa: INP001 - mkdocs loads this file by its path
"""Gives the pages their weight in the search: what to do comes before why it was decided so."""

from __future__ import annotations

from typing import Any

WEIGHTS = {"explanation/decisions/": 0.1, "how-to/": 2.0}


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Note the weight where the search looks for it; called by mkdocs for each page."""
    for folder, weight in WEIGHTS.items():
        if page.file.src_uri.startswith(folder):
            page.meta.setdefault("search", {}).setdefault("boost", weight)
    return markdown
