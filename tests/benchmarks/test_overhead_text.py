"""The tables of the overhead benchmark."""

import pytest

from benchmarks.overhead.text import aligned, amount, markdown

HEADER = ("name", "figure")
ROWS = [("retry", "1"), ("a|b", "1,000")]


@pytest.mark.parametrize(
    "value, unit, expected",
    [
        (95.2, "ns", "0.095 µs"),
        (100.0, "ns", "0.100 µs"),
        (681.3, "ns", "0.681 µs"),
        (12_262.0, "ns", "12.3 µs"),
        (114_456.0, "ns", "114 µs"),
        (1228.8, "B", "1,229 B"),
        (319.96, "calls/s", "320.0/s"),
        (0.0588, "x", "0.059 x"),
        (0.9996, "x", "1.00 x"),
        (1.3, "x", "1.30 x"),
        (15, "ms", "15 ms"),
        (0, "", "0"),
        (-12.0, "ns", "-0.012 µs"),
    ],
)
def test_an_amount_has_about_three_digits_in_its_unit(value, unit, expected):
    """Figures are as long as the noise allows, and show their unit."""
    assert amount(value, unit) == expected


def test_a_terminal_table_is_aligned():
    """Columns are as wide as their widest cell, numbers end below each other."""
    assert aligned(HEADER, ROWS, "figure").splitlines() == [
        "name   figure",
        "-----  ------",
        "retry       1",
        "a|b     1,000",
    ]


def test_a_markdown_table_survives_bars_in_its_cells():
    """A bar within a cell doesn't start another cell."""
    assert markdown(HEADER, ROWS, "figure").splitlines() == [
        "| name | figure |",
        "| --- | ---: |",
        "| retry | 1 |",
        "| a/b | 1,000 |",
    ]


def test_a_table_without_rows_is_its_header():
    """Nothing measured is no reason to fail."""
    assert aligned(HEADER, []).splitlines() == ["name  figure", "----  ------"]
