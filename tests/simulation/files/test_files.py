"""Scenario files: what is read, and what is said about those that can't be used."""

import dataclasses
import re
import sys
import typing
from pathlib import Path

import pytest

from holdfast.simulation import files
from holdfast.simulation.files import files as reading
from holdfast.simulation.scenario.distributions import (
    Constant,
    Distribution,
    Exponential,
    Recorded,
    Stragglers,
)
from holdfast.simulation.scenario.load import Load, Poisson, Steps
from holdfast.simulation.scenario.scenario import Cache, Clients, Fault, Network, Scenario, Servers

STORM = """
seconds = 60

[load]
kind = "poisson"
rate = 280

[servers]
workers = 27
service = { kind = "exponential", mean = 0.09 }

[[faults]]
at = 20
lasts = 10
speed = 0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, text, name="storm.toml"):
    (folder / name).write_text(text, encoding="utf-8")
    return name


def problems(folder, text):
    with pytest.raises(files.ScenarioError) as caught:
        files.load(written(folder, text))
    return caught.value.problems


def test_a_file_becomes_a_scenario(folder):
    """Tables become models by their kind, whole numbers become floats, the file's name is the name."""
    scenario = files.load(written(folder, STORM))

    assert scenario.name == "storm"
    assert scenario.load == Poisson(rate=280.0)
    assert scenario.servers.service == Exponential(mean=0.09)
    assert scenario.faults == (Fault(at=20.0, lasts=10.0, speed=0.0),)


def test_models_can_hold_models(folder):
    """A distribution in a distribution is told by its kind, too, and an array of pairs is read."""
    text = STORM.replace(
        '{ kind = "exponential", mean = 0.09 }',
        '{ kind = "stragglers", usual = { kind = "constant", value = 0.1 }, share = 0.1 }',
    ).replace('kind = "poisson"\nrate = 280', 'kind = "steps"\nsteps = [[0, 10], [5, 20]]')

    scenario = files.load(written(folder, text))

    assert scenario.servers.service == Stragglers(usual=Constant(value=0.1), share=0.1)
    assert scenario.load == Steps(steps=((0.0, 10.0), (5.0, 20.0)))


def test_all_problems_at_once(folder):
    """Whoever mends a file is told of everything, each with its key's path."""
    text = STORM.replace("seconds = 60", "").replace("280", "-280").replace("workers", "wrokers")

    assert problems(folder, text + "lasst = 3\n") == (
        "seconds is missing",
        "load.rate = -280.0 is not allowed: it must be a number greater than 0",
        "servers.workers is missing",
        "servers.wrokers is unknown (did you mean 'workers'?)",
        "faults[0].lasst is unknown (did you mean 'lasts'?)",
    )


def test_the_message_names_the_file_and_hides_pydantic(folder):
    """People read what is wrong with their file, not how it was found."""
    with pytest.raises(files.ScenarioError) as caught:
        files.load(written(folder, STORM.replace("280", "-280")))

    message = str(caught.value)
    assert message.startswith("storm.toml: load.rate = -280.0 is not allowed")
    assert "pydantic" not in message.lower()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "before, after, problem",
    [
        ('"poisson"', '"posson"', "load.kind = 'posson' is not allowed (did you mean 'poisson'?)"),
        ('kind = "poisson"', "", "load.kind is missing: one of poisson, bursty, ramp"),
        ("rate = 280", "", "load.rate is missing"),
        ("mean = 0.09", "men = 0.09", "servers.service.mean is missing"),
        ("workers = 27", "workers = 2.5", "servers.workers = 2.5 is not allowed: it must be a whole"),
        ("workers = 27", "workers = true", "servers.workers = true is not allowed: it must be a whole"),
        ("rate = 280", 'rate = "280"', 'load.rate = "280" is not allowed: it must be a number'),
        ("workers = 27", 'workers = 1\nqueue = "x"', 'servers.queue = "x" is not allowed: it must'),
        ("seconds = 60", "seconds = 1979-05-27", 'seconds = "1979-05-27" is not allowed: it must be'),
        ("seconds = 60", "seconds = nan", "seconds = nan is not allowed: it must be a finite duration"),
        ("seconds = 60", "seconds = 60\nzzz = 1", "zzz is unknown: there are name, title"),
        ("seconds = 60", "seconds = 60\nclients = 3", "clients = 3 is not allowed: it must be a table"),
        ("lasts = 10", "lasts = 10\nshard = 7", "faults[0]: shard=7 is not allowed: there are 1 shards"),
    ],
)  # fmt: skip
def test_each_kind_of_problem(folder, before, after, problem):
    """The key, its value, and what it should be."""
    found = problems(folder, STORM.replace(before, after))

    assert found[0].startswith(problem)


def test_a_pair_that_is_too_short(folder):
    """Places in arrays are told, too."""
    text = STORM.replace('kind = "poisson"\nrate = 280', 'kind = "steps"\nsteps = [[0, 10], [5]]')

    assert problems(folder, text) == ("load.steps[1] is too short: it must have 2 values",)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("a = [\n1,\n]]\n", "it is not valid TOML: .* line 3"),
        ("", "it is empty; 'holdfast simulate --show NAME' prints one"),
        ("# nothing\n", "it is empty"),
        ("load = 3\n", "load = 3 is not allowed: it must be a table"),
    ],
)
def test_what_is_no_scenario_at_all(folder, text, problem):
    """A syntax error has its line; an empty file says where to get one."""
    with pytest.raises(files.ScenarioError, match=problem):
        files.load(written(folder, text))


def test_files_that_cannot_be_read(folder):
    """Missing, a folder, or not text."""
    (folder / "bytes.toml").write_bytes(b"\xff\xfe")

    for file, problem in (
        ("nowhere.toml", "nowhere.toml: there is no such file"),
        (".", "it cannot be read: Is a directory"),
        ("bytes.toml", "it is not valid TOML: 'utf-8' codec"),
    ):
        with pytest.raises(files.ScenarioError, match=problem):
            files.load(file)


def test_policies_and_figures_that_do_not_exist(folder):
    """All names are looked up when a file is read, not when all is played; and all are told."""
    text = f'compare = ["none", "hegde"]\ncolumns = ["p99", "falt.p99"]\n{STORM}'
    found = problems(folder, text.replace("workers", 'protect = "sheder"\nworkers'))

    assert [problem.partition(":")[0] for problem in found] == [
        "compare[1] = 'hegde'",
        "servers.protect = 'sheder'",
        "columns[1] = 'falt.p99'",
    ]
    for problem, name in zip(found, ("hedge", "shedder", "fault.p99"), strict=True):
        assert f"(did you mean {name!r}?)" in problem


def test_misspelt_names_are_told_with_all_other_problems(folder):
    """But for figures: which there are depends on the rest."""
    text = STORM.replace("workers", 'protect = "sheder"\nworkers')
    found = problems(folder, f'compare = ["hegde"]\nspeed = 3\n{text}')

    assert [problem.partition(" ")[0] for problem in found] == [
        "speed",
        "compare[0]",
        "servers.protect",
    ]


@pytest.mark.parametrize("key", ["compare", "columns"])
def test_names_are_an_array_of_strings(folder, key):
    """One name alone is none, and neither is a number."""
    assert problems(folder, f'{key} = "none"\n{STORM}') == (
        f'{key} = "none" is not allowed: it must be an array',
    )
    assert problems(folder, f"{key} = [3]\n{STORM}") == (
        f"{key}[0] = 3 is not allowed: it must be a string",
    )


# -- recordings ------------------------------------------------------------------------------------

RECORDED = STORM.replace(
    '{ kind = "exponential", mean = 0.09 }', '{ kind = "recorded", path = "took.csv" }'
)


def test_paths_are_relative_to_the_file(folder, monkeypatch):
    """A scenario and its recordings can lie anywhere, and be used from everywhere."""
    (folder / "there").mkdir()
    (folder / "there" / "took.csv").write_text("seconds\n0.1\n0.3\n")
    written(folder / "there", RECORDED)

    scenario = files.load("there/storm.toml")

    assert isinstance(scenario.servers.service, Recorded)
    assert scenario.servers.service.values == (0.1, 0.3)


@pytest.mark.parametrize(
    "recording, problem",
    [
        (
            None,
            "servers.service.path = .*took.csv' is not allowed: it must be a CSV file that can be",
        ),
        ("", "servers.service.path = .*took.csv' is not allowed: it must hold at least one number"),
        ("seconds\n0.1\nsoon\n", "servers.service: took.csv:3: 'soon' is not allowed"),
    ],
)
def test_recordings_that_cannot_be_used(folder, recording, problem):
    """The key of the scenario, and the recording's line."""
    if recording is not None:
        (folder / "took.csv").write_text(recording)

    with pytest.raises(files.ScenarioError, match=problem):
        files.load(written(folder, RECORDED))


# -- one scenario on top of another ----------------------------------------------------------------


def test_a_file_can_say_only_what_is_different(folder):
    """Tables are completed, a table of another kind is replaced, and so are arrays."""
    written(folder, STORM, "base.toml")
    heir = files.load(
        written(
            folder,
            'extends = "base.toml"\nfaults = []\n[load]\nrate = 5\n'
            '[servers]\nservice = { kind = "constant", value = 1 }\n',
        )
    )

    assert heir.name == "storm"
    assert (heir.seconds, heir.load, heir.faults) == (60.0, Poisson(rate=5.0), ())
    assert (heir.servers.workers, heir.servers.service) == (27, Constant(value=1.0))


def test_a_ready_scenario_can_be_extended(folder):
    """By its name, without a file."""
    heir = files.load(written(folder, 'extends = "retry-storm"\nseconds = 7000\n'))

    assert heir.seconds == 7000.0
    assert heir.load == files.scenario("retry-storm").load


@pytest.mark.parametrize(
    "base, problem",
    [
        ('"storm.toml"', "it extends itself"),
        ('"other.toml"', "it extends itself"),
        ('"retry-strom"', "there is no such scenario (did you mean 'retry-storm'?), nor file"),
        ("3", "it must be a string"),
    ],
)
def test_extending_what_is_not_there(folder, base, problem):
    """A circle, an unknown name, and what is no name."""
    written(folder, 'extends = "storm.toml"\n', "other.toml")

    assert problem in problems_of_any(folder, f"extends = {base}\n")


def problems_of_any(folder, text):
    with pytest.raises(files.ScenarioError) as caught:
        files.load(written(folder, text))
    return str(caught.value)


# -- names -----------------------------------------------------------------------------------------


def test_a_scenario_by_name_or_file(folder):
    """One function for what is written on the command line."""
    assert files.scenario("brownout").name == "brownout"
    assert files.scenario(written(folder, STORM)).name == "storm"


def test_unknown_names():
    """A similar name is suggested, and where to look."""
    with pytest.raises(
        ValueError, match=r"no scenario 'retry-strm' \(did you mean 'retry-storm'\?\)"
    ):
        files.scenario("retry-strm")
    with pytest.raises(ValueError, match="holdfast simulate --list"):
        files.text("zzz")


def test_without_pydantic(folder, monkeypatch):
    """It says what to install."""
    reading._adapter.cache_clear()
    monkeypatch.setitem(sys.modules, "pydantic", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'holdfast\[simulation\]'"):
        files.load(written(folder, STORM))


# -- the reference ---------------------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "scenario-files.md"


def test_the_reference_names_every_key():
    """Of every table, and every kind of load and distribution."""
    models = (
        Scenario,
        Servers,
        Cache,
        Clients,
        Network,
        Fault,
        *members(Load),
        *members(Distribution),
    )
    words = set(re.findall(r"\w+", PAGE.read_text(encoding="utf-8")))

    for model in models:
        keys = {field.name for field in dataclasses.fields(model) if field.init}
        assert keys <= words, f"{model.__name__}: {keys - words}"


def members(union):
    """The classes of a union, each with its kind."""
    return typing.get_args(typing.get_args(union)[0])


def test_the_scenarios_of_the_reference_can_be_played(folder):
    """What the page shows as TOML is a scenario."""
    for text in re.findall(
        r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        assert files.load(written(folder, text)).story
