"""``holdfast simulate`` as a user meets it."""

import json
import sys

import pytest
from click.testing import CliRunner

from holdfast.cli._group import holdfast

TEA = """
title = "No tea for five seconds"
story = "Look at the cups."
seconds = 20
drain = 2
load = { kind = "poisson", rate = 20 }
servers = { workers = 5, service = { kind = "exponential", mean = 0.1 } }
faults = [{ at = 5, lasts = 5, refuses = true }]
"""
POLICIES = """
import time
from holdfast import Pipeline, Timeout
from holdfast.simulation import Policy

pipeline = Pipeline("shop", Timeout(1.0))
taken = Policy("none", lambda scenario: pipeline)

def blocks(fn):
    async def call(request):
        time.sleep(3)
    return call

def goes_on(fn):
    async def call(request):
        import asyncio
        for _ in range(200):
            await asyncio.sleep(0)
        await fn(request)
    return call
"""


DEAF = """
from holdfast import CircuitBreaker, Pipeline, Retry, Timeout

def deaf():
    return Pipeline("shop", Retry(2, on=LookupError), CircuitBreaker(on=LookupError), Timeout(1.0))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder with a scenario, and a module with policies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "tea_policies", raising=False)
    (tmp_path / "tea.toml").write_text(TEA)
    (tmp_path / "tea_policies.py").write_text(POLICIES)

    def run(*arguments):
        done = CliRunner().invoke(holdfast, ["simulate", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


# -- what is played --------------------------------------------------------------------------------


def test_a_scenario_is_played_with_policies(run):
    """A table of all policies, the story, and what it cost."""
    done = run("tea.toml", "--compare", "none,timeout", "--seeds", "2", "--report", "")

    assert done.exit_code == 0
    for text in ("No tea", "none", "timeout", "medians of 2 seeds", "Look at the cups.", "4 runs"):
        assert text in done.stdout


def test_the_report(run, tmp_path):
    """It is written by default, and the last line says where."""
    done = run("tea.toml", "--compare", "none", "--seeds", "1")

    report = tmp_path / "holdfast-simulate.html"
    assert done.stdout.endswith(f"Report: {report}\n")
    assert "No tea for five seconds" in report.read_text()


def test_a_policy_of_ones_own(run):
    """It is played besides the others, from the current directory."""
    done = run("tea.toml", "--compare", "none", "--policy", "tea_policies:pipeline", "--json", "-",
               "--seeds", "1", "--report", "")  # fmt: skip

    policies = [one["policy"] for one in json.loads(done.stdout)["policies"]]
    assert policies == ["none", "tea_policies:pipeline"]


def test_the_policies_that_a_scenario_names(run, tmp_path):
    """They are played, unless others are asked for; one's own come on top."""
    (tmp_path / "named.toml").write_text(f'compare = ["timeout", "hedge"]\n{TEA}')
    arguments = ("--seeds", "1", "--report", "", "--json", "-")

    for asked, played in (
        ((), ["timeout", "hedge"]),
        (("--policy", "tea_policies:pipeline"), ["timeout", "hedge", "tea_policies:pipeline"]),
        (("--compare", "none"), ["none"]),
        (("--compare", "", "--policy", "tea_policies:pipeline"), ["tea_policies:pipeline"]),
    ):
        done = run("named.toml", *asked, *arguments)
        assert [one["policy"] for one in json.loads(done.stdout)["policies"]] == played


def test_json_on_standard_output_is_alone_there(run, tmp_path):
    """What is for people goes to standard error; equal seeds give equal bytes."""
    arguments = ("tea.toml", "--compare", "none", "--seeds", "1", "--seed", "7", "--report", "")
    done = run(*arguments, "--json", "-")
    run(*arguments, "--json", "again.json")

    assert json.loads(done.stdout)["seeds"] == [7]
    assert "No tea" in done.stderr
    assert (tmp_path / "again.json").read_text() == done.stdout
    assert not list(tmp_path.glob("*.html"))


def test_a_sweep_with_its_axes_as_separate_words(run):
    """``--sweep load=0.3:0.98 stall=1:30``, as people write it."""
    done = run("tea.toml", "--sweep", "load=0.3,0.5", "clients.count=1,2", "--compare", "none",
               "--json", "-", "--report", "", "--workers", "1")  # fmt: skip

    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert [axis["name"] for axis in figures["axes"]] == ["load", "clients.count"]
    assert len(figures["cells"]) == 4


def test_a_sweep_has_a_report(run, tmp_path):
    """In the file that was asked for."""
    done = run("tea.toml", "--sweep", "load=0.5", "--compare", "none", "--report", "map.html")

    assert done.exit_code == 0, done.output
    assert "No tea for five seconds" in (tmp_path / "map.html").read_text()


# -- what there is ---------------------------------------------------------------------------------


def test_the_lists(run):
    """Names with titles; policies with what they are."""
    assert "retry-storm" in run("--list").stdout
    assert "retry+budget" in run("--list-policies").stdout


def test_a_ready_scenario_to_copy(run, tmp_path):
    """What --show prints is a scenario that can be played."""
    (tmp_path / "mine.toml").write_text(run("--show", "retry-storm").stdout)

    from holdfast.simulation import files

    assert files.load("mine.toml").servers == files.scenario("retry-storm").servers


def test_help(run):
    """The examples stand on lines of their own."""
    done = run("--help")

    assert "\n  holdfast simulate --sweep load=0.3:0.98 stall=1:30\n" in done.stdout
    assert "none,retry,standard" in done.stdout


def test_help_loads_nothing_heavy():
    """It starts at once: no pydantic, no plots, no asyncio."""
    import subprocess

    probe = "import sys; import holdfast.cli.simulate; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    heavy = {"asyncio", "pydantic", "matplotlib", "rich", "holdfast.simulation"}
    assert not heavy & set(done.stdout.split())


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "which scenario?"),
        (["nowhere.toml"], "nowhere.toml: there is no such file"),
        (["retry-strom"], "did you mean 'retry-storm'?"),
        (["tea"], "did you mean 'tea.toml'?"),
        (["tea.toml", "--policy", "tea_policies:taken"], "several policies are called 'none'"),
        (["tea.toml", "brownout"], "one scenario at a time, please, not tea.toml and brownout"),
        (["tea.toml", "stall=3"], "did you forget --sweep?"),
        (["tea.toml", "--compare", "retyr"], "did you mean 'retry'?"),
        (["tea.toml", "--compare", ","], "--compare"),
        (["tea.toml", "--policy", "tea_policie:x"], "did you mean 'tea_policies'?"),
        (["tea.toml", "--policy", "tea_policies:pipe"], "has no attribute 'pipe'"),
        (["tea.toml", "--seeds", "0"], "0 is not in the range"),
        (["tea.toml", "--workers", "0"], "0 is not in the range"),
        (["tea.toml", "--report", "no/such/report.html"], "there is no folder"),
        (["tea.toml", "--json", "."], "is a directory"),
        (["--show", "zzz"], "there is no scenario 'zzz'"),
        (["tea.toml", "--sweep", "lod=1:2"], "lod"),
        (["tea.toml", "--sweep", "load"], "load"),
    ],
)
def test_bad_input_is_told_and_nothing_is_played(run, arguments, message):
    """Exit code 2, one message, no traceback."""
    done = run(*arguments)

    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert not done.stdout


def test_a_bad_scenario_is_told_whole(run, tmp_path):
    """File, keys, and all of them."""
    (tmp_path / "bad.toml").write_text(
        TEA.replace("rate = 20", "rate = -20").replace("seco", "scn")
    )

    done = run("bad.toml")

    assert done.exit_code == 2
    assert "bad.toml: 3 problems\n" in done.stderr
    assert "load.rate = -20.0 is not allowed" in done.stderr


def test_a_policy_that_blocks_ends_it(run):
    """Exit code 1, and who it was."""
    done = run("tea.toml", "--policy", "tea_policies:blocks")

    assert done.exit_code == 1
    assert "time.sleep(3) was called" in done.stderr
    assert "tea_policies:blocks" in done.stderr


def test_a_simulation_that_takes_too_long_is_ended(run):
    """It says so, and what would let it go on."""
    done = run(
        "tea.toml", "--compare", "tea_policies:goes_on", "--max-steps", "5000", "--seeds", "1"
    )

    assert done.exit_code == 1
    assert "ended after 5,00" in done.stderr
    assert "max-steps" in done.stderr


def test_without_the_extra(run, monkeypatch):
    """It says what to install."""
    from holdfast.cli import simulate

    monkeypatch.setattr(simulate, "NEEDED", ("a_module_that_nobody_has",))

    done = run("tea.toml")

    assert done.exit_code == 2
    assert "pip install 'holdfast[simulation]'" in done.stderr


# -- what was meant otherwise ----------------------------------------------------------------------


def test_a_policy_that_hears_of_no_failure_is_told(run, tmp_path):
    """It plays as if it had no protection, which nobody would notice in the table."""
    (tmp_path / "tea_policies.py").write_text(DEAF)
    done = run("tea.toml", "--policy", "tea_policies:deaf", "--compare", "retry", "--seeds", "1",
               "--report", "")  # fmt: skip

    told = " ".join(done.output.split())
    assert (
        "policy tea_policies:deaf: Retry(on=LookupError) and CircuitBreaker(on=LookupError) hear"
        in told
    )
    assert "on=transient" in told
    assert "policy retry" not in told


@pytest.mark.parametrize("axis, says", [
    ("load=1:0.5", "LOW must be below HIGH, as in load=0.5:1"),
    ("load=1:2:3:4", "it must be NAME=LOW:HIGH"),
    ("cups=1:2", "sweep='cups' is not allowed: scenario has name"),
])  # fmt: skip
def test_a_sweep_says_what_is_wrong_with_it(run, axis, says):
    """In the words of the option."""
    done = run("tea.toml", "--sweep", axis, "--report", "")
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
