"""The README is short, and its commands exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def commands():
    """The commands of dev.py."""
    tree = ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"))
    return {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "COMMANDS"
        for name in node.value.elts
    }


def test_the_readme_is_short():
    """It has at most 150 lines."""
    assert len(README.splitlines()) <= 150


def test_the_two_commands_come_first():
    """The first block tells how to see it work and how to test it."""
    first = re.search(r"```console\n(.*?)```", README, re.DOTALL)[1]

    assert re.findall(r"^\$ make (\w+)", first, re.MULTILINE) == ["demo", "test"]


def test_every_command_that_is_named_exists(commands):
    """No page names a command that dev.py doesn't have."""
    pages = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))]
    named = {name for page in pages for name in re.findall(r"(?:`|\$ )make (\w+)", page)}
    named |= {name for page in pages for name in re.findall(r"dev\.py (\w+)`", page)}

    assert named <= commands


def test_the_links_of_the_readme_lead_to_files():
    """Links to files of the repository are right; mkdocs checks those of the documentation."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert (ROOT / target).exists(), target
