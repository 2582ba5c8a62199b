"""Does what the tutorial says, and keeps what the command prints."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from shlex import split

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorials" / "watch-it-fail-in-the-simulator.md"
FENCE = re.compile(r"^```(?P<info>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {"python": "policies.py", "toml": "my_shop.toml"}
RUN = re.compile(r"^\$ holdfast (simulate (?!--list|--show).*)$", re.MULTILINE)
CAPTION = re.compile(r"^(medians of .*|one seed)$", re.MULTILINE)
OWN_TIME = re.compile(r"^\d+ runs, ", re.MULTILINE)


def commands(text: str) -> list[str]:
    """Return the commands of the page that play something, in their order."""
    blocks = (one["text"].replace("\\\n", " ") for one in FENCE.finditer(text))
    return RUN.findall("\n".join(blocks))


def printed() -> dict[str, str]:
    """Return what each command prints, but for the line that tells how long it took."""
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for kind, name in FILES.items():
            parts = [one["text"] for one in FENCE.finditer(text) if one["info"] == kind]
            (Path(folder) / name).write_text("\n\n".join(parts), encoding="utf-8")
        outputs = [run(command, folder) for command in commands(text)]
    return {f"tutorial-{number}": output for number, output in enumerate(outputs, 1)}


def run(command: str, folder: str) -> str:
    """Return what one of them prints: the table, or the heat maps."""
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", *split(command)],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    caption = CAPTION.search(done.stdout)  # after a table, the story follows
    told = done.stdout[: caption.end()] if caption else OWN_TIME.split(done.stdout)[0]
    return "\n".join(line.rstrip() for line in told.strip("\n").splitlines())
