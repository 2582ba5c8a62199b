"""The tables of options in the reference say what the code says."""

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

import holdfast
from holdfast import backoff, events, transient

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
MARKED = re.compile(r"^<!-- defaults: (?P<name>[\w.]+) -->\n\n(?P<table>(?:\|.*\n)+)", re.MULTILINE)
WORDS = {"backoff": backoff, "transient": transient}


def cells(row):
    """Split a row of a table; an escaped bar belongs to its cell."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def code(cell):
    return re.fullmatch(r"`(.+)`", cell)[1]


def rows(table):
    return [cells(row) for row in table.splitlines()[2:]]


def tables():
    for page in sorted(REFERENCE.rglob("*.md")):
        for found in MARKED.finditer(page.read_text(encoding="utf-8")):
            yield pytest.param(found["name"], rows(found["table"]), id=found["name"])


def resolved(name):
    module, attributes = importlib.import_module("holdfast"), name.split(".")[1:]
    for attribute in attributes:
        if not hasattr(module, attribute):
            importlib.import_module(f"{module.__name__}.{attribute}")
        module = getattr(module, attribute)
    return module


def value_of(cell):
    """Return what the cell of a default means, as Python."""
    return eval(code(cell), {**WORDS, **vars(holdfast)})


@pytest.mark.parametrize("name, table", list(tables()))
def test_a_table_lists_every_option_in_order(name, table):
    """No option is missing, none is invented, and their order is that of the signature."""
    assert [code(row[0]) for row in table] == list(inspect.signature(resolved(name)).parameters)


@pytest.mark.parametrize("name, table", list(tables()))
def test_a_table_gives_the_defaults_of_the_code(name, table):
    """Each default is the one in the signature; an option without one is required."""
    for option, default, *_ in table:
        actual = inspect.signature(resolved(name)).parameters[code(option)].default
        if default == "required":
            assert actual is inspect.Parameter.empty, option
        elif repr(actual) == "...":  # stands for "ours", which the text next to it spells out
            assert code(default) == "...", option
        else:
            assert value_of(default) == actual, option


def test_every_strategy_has_a_table():
    """All that a pipeline is made of is documented with its defaults."""
    documented = {param.values[0] for param in tables()}
    wanted = {
        "Retry",
        "RetryBudget",
        "CircuitBreaker",
        "Timeout",
        "Bulkhead",
        "Fallback",
        "standard",
    }

    assert {f"holdfast.{name}" for name in wanted} <= documented


TEMPLATE = ["About", "Usage", "Defaults", "Events", "Diagram", "Anti-patterns"]


@pytest.mark.parametrize(
    "page", sorted((REFERENCE / "strategies").glob("*.md")), ids=lambda p: p.stem
)
def test_a_strategy_page_follows_the_template(page):
    """Every strategy is described under the same headings, in the same order."""
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert headings == TEMPLATE


def event_classes():
    return {
        name: kind
        for name, kind in vars(events).items()
        if inspect.isclass(kind) and issubclass(kind, events.Event)
    }


def test_the_page_of_events_lists_every_event_and_field():
    """The table of events is complete, and so are the fields it gives."""
    text = (REFERENCE / "events.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- events -->\n\n((?:\|.*\n)+)", text)[1]
    own = {field.name for field in dataclasses.fields(events.Event)}
    listed = {code(row[0]): set(re.findall(r"`(\w+)`", row[1])) for row in rows(table)}

    assert listed == {
        name: {field.name for field in dataclasses.fields(kind)} - own
        for name, kind in event_classes().items()
        if kind is not events.Event
    }


@pytest.mark.parametrize(
    "page", sorted((REFERENCE / "strategies").glob("*.md")), ids=lambda p: p.stem
)
def test_the_events_of_a_strategy_exist(page):
    """A strategy's page names no event that there isn't."""
    section = page.read_text(encoding="utf-8").split("## Events")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) <= set(event_classes())


def test_the_page_of_errors_draws_the_tree_of_the_code():
    """The tree on the page is the one at the top of `holdfast.errors`."""
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    drawn = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1]
    doc = ast.get_docstring(
        ast.parse(inspect.getsource(importlib.import_module("holdfast.errors")))
    )
    tree = re.search(r"::\n\n(.*?)\n\n", doc, re.DOTALL)[1]

    assert [line.strip() for line in drawn.splitlines()] == [
        line.strip() for line in tree.splitlines()
    ]
