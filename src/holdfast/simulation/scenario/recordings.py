"""Reads a column of numbers out of a CSV file: what was measured in production, to be played again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from holdfast._validate import refuse
from holdfast.errors import ConfigurationError


def column(path: str, name: str | None = None) -> tuple[float, ...]:
    """Return the numbers of one column, in the order of the file.

    Args:
        path: a CSV file, with or without a line of headings.
        name: the column's heading; the first column by default.

    Raises:
        ConfigurationError: where the file can't be read, has no such column, or holds something that
            is no number of at least 0; with the file and the line.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            numbers = tuple(_numbers(csv.reader(file), path, name))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refuse("path", path, f"it must be a CSV file that can be read ({error})") from error
    if not numbers:
        raise refuse("path", path, "it must hold at least one number")
    return numbers


def _numbers(rows: Iterator[list[str]], path: str, name: str | None) -> Iterator[float]:
    place = 0
    for line, row in enumerate(rows, 1):
        if line == 1 and (name is not None or (row and not _is_number(row[0]))):
            place = _place(row, name)
        elif row:
            yield _number(row, place, f"{path}:{line}")


def _place(headings: list[str], name: str | None) -> int:
    words = [heading.strip() for heading in headings]
    if name is None:
        return 0
    if name not in words:
        raise refuse("column", name, "it must be one of " + ", ".join(map(repr, words)))
    return words.index(name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(row: list[str], place: int, where: str) -> float:
    text = row[place] if place < len(row) else ""
    if not _is_number(text) or not isfinite(float(text)) or float(text) < 0:
        raise ConfigurationError(
            f"{where}: {text!r} is not allowed: it must be a number of at least 0"
        )
    return float(text)
