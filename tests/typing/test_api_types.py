"""Type checkers see what the library promises: protected functions keep their types."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "tests" / "typing" / "api.py"

CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-error-summary"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}

pytestmark = pytest.mark.slow


def check(checker: str, path: Path) -> str:
    """Return what a type checker says about a file; nothing if it has no objection."""
    command = [sys.executable, "-m", *CHECKERS[checker], str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_public_types(checker):
    """Every `assert_type` holds, and every line that must be refused is refused."""
    assert check(checker, API) == ""


WRONG = {
    "assert_type(pay(1, 2.0), list[str])": "assert_type(pay(1, 2.0), list[int])",
    "assert_type(await apay(1, 2.0), list[str])": "assert_type(await apay(1, 2.0), str)",
    "assert_type(pipeline.call(divmod, 7, 2), tuple[int, int])": "pipeline.call(divmod, '7', 2)",
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_check_notices_other_types(checker, tmp_path):
    """A promise that does not hold is reported, so the check above is worth something."""
    text = API.read_text(encoding="utf-8")
    for right, wrong in WRONG.items():
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    path = tmp_path / "wrong.py"
    path.write_text(text, encoding="utf-8")
    assert check(checker, path).count("error") >= len(WRONG)


def test_the_package_is_typed():
    """``py.typed`` tells the checkers of users that the annotations are there to be read."""
    assert (ROOT / "src" / "holdfast" / "py.typed").exists()
