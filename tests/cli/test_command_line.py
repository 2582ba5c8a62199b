"""The command line as a user meets it, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def holdfast(*arguments, **options):
    command = [sys.executable, "-m", "holdfast.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=30, **options
    )


def loaded_by(code):
    """The modules that are loaded after `code`."""
    probe = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_lists_the_commands():
    """Each command has its line."""
    done = holdfast("--help")

    assert done.returncode == 0
    assert "demo" in done.stdout


def test_help_of_the_demo():
    """Options with their defaults, and what the exit code says."""
    done = holdfast("demo", "--help")

    assert done.returncode == 0
    for text in ("--sync", "--rate", "--speed", "--seed", "--report", "--json", "exit code"):
        assert text in done.stdout


def test_help_loads_nothing_heavy():
    """`holdfast --help` starts at once: no command, no asyncio, no third party but click."""
    loaded = loaded_by("import holdfast.cli._group")

    assert not loaded & {
        "asyncio",
        "rich",
        "httpx",
        "matplotlib",
        "holdfast.cli.demo",
        "holdfast.demo",
    }


def test_help_of_the_demo_loads_nothing_heavy():
    """Servers, clients and plots are imported when the story is played."""
    loaded = loaded_by("import holdfast.cli.demo")

    assert not loaded & {
        "asyncio",
        "rich",
        "httpx",
        "matplotlib",
        "uvicorn",
        "waitress",
        "starlette",
    }


def test_version():
    """The version of the package."""
    from holdfast import __version__

    assert holdfast("--version").stdout.strip() == f"holdfast {__version__}"


def test_an_unknown_command():
    """A usage error has click's exit code."""
    done = holdfast("dmeo")

    assert done.returncode == 2
    assert "dmeo" in done.stderr


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_a_folder_that_is_not_there_is_told_at_once(option, tmp_path):
    """Not after half a minute, when the file is to be written."""
    done = holdfast("demo", option, str(tmp_path / "nowhere" / "file"))

    assert done.returncode == 2
    assert "there is no folder" in done.stderr


@pytest.mark.parametrize("arguments", [("--speed", "0"), ("--rate", "1"), ("--speed", "fast")])
def test_values_out_of_range(arguments):
    """Refused with the option's name."""
    done = holdfast("demo", *arguments)

    assert done.returncode == 2
    assert arguments[0] in done.stderr


def test_without_click_the_remedy_is_told():
    """A sentence instead of a traceback."""
    code = "import sys; sys.modules['click'] = None; import holdfast.cli; holdfast.cli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "pip install 'holdfast[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_what_the_demo_needs_the_remedy_is_told():
    """All that is missing is named at once."""
    code = (
        "import sys, importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name in ('rich', 'uvicorn') else real(name, *rest);"
        "sys.argv = ['holdfast', 'demo']; import holdfast.cli; holdfast.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "rich, uvicorn" in done.stderr
    assert "pip install 'holdfast[cli]'" in done.stderr


# -- a reader that leaves --------------------------------------------------------------------------


def unread(*arguments, code=None, stderr=subprocess.STDOUT, **options):
    """Run what writes into a pipe that nobody reads, as before ``| head -1``."""
    command = [sys.executable, *(("-c", code) if code else ("-m", "holdfast.cli")), *arguments]
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        return subprocess.run(
            command, stdout=theirs, stderr=stderr, check=False, timeout=30, **options
        )
    finally:
        os.close(theirs)


TEA = """
seconds = 3
load = { kind = "poisson", rate = 5 }
servers = { workers = 5, service = { kind = "exponential", mean = 0.1 } }
"""


def test_what_nobody_reads_is_no_error_of_a_simulation(tmp_path):
    """All files are written, nothing is said, and the exit code is that of a closed pipe."""
    (tmp_path / "tea.toml").write_text(TEA)
    played = unread("simulate", "tea.toml", "--compare", "none", "--json", "tea.json",
                    cwd=tmp_path, stderr=subprocess.PIPE)  # fmt: skip

    assert (played.returncode, played.stderr) == (141, b"")
    assert (tmp_path / "tea.json").exists()
    assert "</svg>" in (tmp_path / "holdfast-simulate.html").read_text(encoding="utf-8")


def test_what_nobody_reads_is_no_error_of_the_demo():
    """Nor of any command: it is the same for all."""
    assert unread("demo", "--help").returncode == 141


SAYS = "import sys; from holdfast.cli._pipes import run; run(lambda: [{}, sys.exit({})])"


@pytest.mark.parametrize("code", [1, 2, 130])
def test_a_failure_keeps_its_exit_code(code):
    """What went wrong matters more than who read it."""
    assert unread(code=SAYS.format("print(1)", code)).returncode == code


@pytest.mark.parametrize(
    "says", ["print('a', flush=True)", "sys.stdout.buffer.write(b'a' * 99_999)", "print('a' * 99)"]
)
def test_no_way_to_write_misses_it(says):
    """As text or bytes, at once or at the end."""
    assert unread(code=SAYS.format(says, 0)).returncode == 141


def test_all_that_is_read_arrives():
    """Text and bytes, of both streams, in their order."""
    says = (
        "print('ä'), sys.stdout.flush(), sys.stdout.buffer.write(b'b'), print('c', file=sys.stderr)"
    )
    code = SAYS.format(says, 0)
    utf8 = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=utf8)

    assert done.stdout == f"ä{os.linesep}b".encode()
    assert done.stderr == f"c{os.linesep}".encode()


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
@pytest.mark.parametrize("says", ["print('a')", "print('a', flush=True)"])
def test_a_full_disk_is_told_in_a_line(says):
    """Without a traceback: the command has done nothing wrong."""
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", SAYS.format(says, 0)],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == b"holdfast: cannot write: No space left on device\n"


def test_streams_that_are_closed_from_the_start():
    """As by ``>&-``: there is nobody to tell, and it goes on all the same."""
    code = f"import sys; sys.stdout = None; {SAYS.format('print(1)', 0)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_command_that_is_nearly_one_is_named():
    """A letter that is missing is found; what is like nothing is not guessed at."""
    assert "did you mean 'simulate'?" in holdfast("simulat").stderr
    assert "did you mean" not in holdfast("xyz").stderr
