"""The command line as a user meets it, in processes of its own."""

import subprocess
import sys

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
