"""The page about blocking code says of the clients what the tests of the clients show."""

import re
from pathlib import Path

from tests.clients.cut.table import rendered

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "time-out-blocking-code.md"
MARKED = re.compile(r"<!-- clients -->\n\n(.*)\n<!-- /clients -->", re.DOTALL)


def test_the_table_of_clients_is_the_one_that_the_tests_go_by():
    """``python -m tests.clients.cut.table`` prints what has to stand there."""
    assert MARKED.search(PAGE.read_text(encoding="utf-8"))[1] == rendered()
