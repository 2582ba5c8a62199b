"""Scenario files: TOML in, a `Scenario` out, or all that is wrong with it at once.

Needs pydantic, of the extra ``holdfast[simulation]``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigurationError
from holdfast.simulation.policies.imports import meant, policy
from holdfast.simulation.policies.policies import GUARDS
from holdfast.simulation.scenario.scenario import Scenario

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LIBRARY = Path(__file__).with_name("library")


class ScenarioError(ConfigurationError):
    """A scenario file can't be used; the message names the file, and each key that is wrong.

    Attributes:
        file: the file, or the scenario's name.
        problems: what is wrong with it, a sentence each.
    """

    def __init__(self, file: str, *problems: str) -> None:
        self.file: str = file
        self.problems: tuple[str, ...] = problems
        if len(problems) == 1:
            super().__init__(f"{file}: {problems[0]}")
        else:
            listed = "".join(f"\n  {problem}" for problem in problems)
            super().__init__(f"{file}: {len(problems)} problems{listed}")


def ready() -> list[str]:
    """Return the names of the ready scenarios."""
    return sorted(path.stem for path in LIBRARY.glob("*.toml"))


def titles() -> dict[str, str]:
    """Return the titles of the ready scenarios, by their names."""
    return {name: tomllib.loads(text(name))["title"] for name in ready()}


def text(name: str) -> str:
    """Return a ready scenario as TOML, to be copied and changed.

    Raises:
        ConfigurationError: for an unknown name.
    """
    if name not in ready():
        raise _unknown(name)
    return (LIBRARY / f"{name}.toml").read_text(encoding="utf-8")


def scenario(name: str) -> Scenario:
    """Return the ready scenario of this name, or the one in a file.

    Raises:
        ConfigurationError: for an unknown name.
        ScenarioError: as `load` does.
    """
    if name in ready():
        return load(LIBRARY / f"{name}.toml")
    if name.endswith(".toml") or Path(name).is_file():
        return load(name)
    raise _unknown(name)


def load(file: str | Path) -> Scenario:
    """Return the scenario in a TOML file.

    A file can begin with ``extends = "retry-storm"``: a ready scenario, or a file, of which it then
    says only what is different.  Paths in it are relative to the file.

    Raises:
        ScenarioError: for a file that can't be read or isn't TOML (with the line), and for each key
            that is unknown, missing or has a value that is not allowed.
        ModuleNotFoundError: without pydantic.
    """
    file = Path(file)
    tables = _tables(file, ())
    tables.setdefault("name", file.stem)
    servers = tables.get("servers")
    protect = servers.pop("protect", None) if isinstance(servers, dict) else None
    wrong = list(_misnamed("compare", tables.get("compare"), policy))
    make = None
    if protect is not None:
        try:
            make = policy(str(protect), GUARDS).make
        except ConfigurationError as error:
            wrong.append(f"servers.protect = {protect!r}: {error}")
    adapter = _adapter()
    from pydantic import ValidationError

    try:
        # as JSON, because strict validation of Python values takes no dict for a dataclass
        found = adapter.validate_json(json.dumps(tables, default=str), strict=True)
    except ValidationError as error:
        from holdfast.simulation.files.problems import problems

        raise ScenarioError(
            str(file), *problems(Scenario, tables, error.errors()), *wrong
        ) from None
    from holdfast.simulation.report.wording import column

    wrong += _misnamed("columns", found.columns, lambda name: column(name, found))
    if wrong:
        raise ScenarioError(str(file), *wrong)
    return replace(found, servers=replace(found.servers, protect=make)) if make else found


def _misnamed(key: str, names: object, look: Callable[[str], object]) -> Iterator[str]:
    """Yield which of the names in a list of the file are names of nothing."""
    for number, name in enumerate(names if isinstance(names, list | tuple) else ()):
        try:
            if isinstance(name, str):
                look(name)
        except ConfigurationError as error:
            yield f"{key}[{number}] = {name!r}: {error}"


@cache
def _adapter() -> TypeAdapter[Scenario]:
    try:
        from pydantic import TypeAdapter
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "scenario files need pydantic, which is not installed: pip install 'holdfast[simulation]'",
            name=error.name,
        ) from error
    return TypeAdapter(Scenario)


def _unknown(name: str) -> ConfigurationError:
    file = f"{name}.toml"
    hint = f" (did you mean {file!r}?)" if Path(file).is_file() else meant(name, ready())
    return ConfigurationError(
        f"there is no scenario {name!r}{hint}: give the path of a .toml file, or one of "
        "those that 'holdfast simulate --list' shows"
    )


def _tables(file: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    """Return what is in a file, on top of what it extends."""
    tables = _read(file)
    if not tables:
        raise ScenarioError(
            str(file), "it is empty; 'holdfast simulate --show NAME' prints one to copy"
        )
    _place(tables, file.parent)
    base = tables.pop("extends", None)
    if base is None:
        return tables
    if not isinstance(base, str):
        raise ScenarioError(str(file), f"extends = {base!r} is not allowed: it must be a string")
    parent = LIBRARY / f"{base}.toml" if base in ready() else file.parent / base
    if parent in (file, *heirs):
        raise ScenarioError(str(file), f"extends = {base!r} is not allowed: it extends itself")
    if not parent.is_file():
        raise ScenarioError(
            str(file),
            f"extends = {base!r}: there is no such scenario{meant(base, ready())}, nor file",
        )
    inherited = _tables(parent, (file, *heirs))
    inherited.pop("name", None)
    return _merged(inherited, tables)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except FileNotFoundError:
        raise ScenarioError(str(file), "there is no such file") from None
    except OSError as error:
        raise ScenarioError(str(file), f"it cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(str(file), f"it is not valid TOML: {error}") from None


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with changes; a table of another kind takes the place of the whole table."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and _kind(old, value):
            value = _merged(old, value)  # noqa: PLW2901 - the same value, completed
        merged[key] = value
    return merged


def _kind(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return new.get("kind", old.get("kind")) == old.get("kind")


def _place(thing: Any, folder: Path) -> None:
    """Make the paths of recordings relative to the scenario's folder."""
    if isinstance(thing, dict):
        if "kind" in thing and isinstance(thing.get("path"), str):
            thing["path"] = str(folder / thing["path"])
        for part in thing.values():
            _place(part, folder)
    elif isinstance(thing, list):
        for part in thing:
            _place(part, folder)
