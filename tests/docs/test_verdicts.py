"""The page "What is transient" shows what the code does."""

from tools import verdicts


def test_the_tables_are_those_of_the_code():
    """`.venv/bin/python -m tools.verdicts` makes them anew."""
    page = verdicts.PAGE.read_text(encoding="utf-8")

    assert verdicts.rendered(page) == page
    assert all(f"<!-- table: {name} -->" in page for name in verdicts.TABLES)
