"""Policies by their names: a ready one's, or ``module:attribute`` for one of the user's own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast.errors import ConfigurationError
from holdfast.simulation.policies.own import about, check, made
from holdfast.simulation.policies.policies import READY, Policy
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Decorator

EXAMPLE = "module:attribute, as in my_service:pipeline"


def meant(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"``, or nothing where nothing is similar."""
    similar = get_close_matches(word, list(known), n=1)
    return f" (did you mean {similar[0]!r}?)" if similar else ""


def policy(name: str, known: Mapping[str, Policy] = READY) -> Policy:
    """Return the policy of this name, or the one at ``module:attribute``.

    Args:
        name: the name, or the place.
        known: the policies that have names.

    Raises:
        ConfigurationError: for an unknown name, or a policy that can't be imported.
    """
    if name in known:
        return known[name]
    if ":" in name:
        return imported(name)
    raise ConfigurationError(
        f"there is no policy {name!r}{meant(name, known)}: it must be one of "
        f"{', '.join(known)}, or one of your own as module:attribute"
    )


def imported(spec: str) -> Policy:
    """Return the policy at ``module:attribute``; the current directory is looked into first.

    It may be all that `Policy.of` takes, or a `Policy`.

    Raises:
        ConfigurationError: where there is no such thing, naming the module, the attribute and the
            reason.
    """
    found = _found(spec)
    if isinstance(found, Policy):
        return found
    check(found, spec)
    return Policy(spec, Imported(spec), about(found))


@dataclass(frozen=True, slots=True)
class Imported:
    """Makes the protection of a process by what is at ``spec``; known by name, so it can be pickled."""

    spec: str

    def __call__(self, scenario: Scenario) -> Decorator:
        """Make it."""
        return made(_found(self.spec), scenario, self.spec)


def _found(spec: str) -> Any:
    module_name, _, path = spec.partition(":")
    if not module_name or not path:
        raise ConfigurationError(f"policy {spec!r} is not understood: write {EXAMPLE}")
    if module_name.endswith(".py") or "/" in module_name:
        better = f"{Path(module_name).stem}:{path}"
        raise ConfigurationError(
            f"policy {spec!r} is not understood: write the module, not its file: {better}"
        )
    thing: Any = _module(spec, module_name)
    for attribute in path.split("."):
        try:
            thing = getattr(thing, attribute)
        except AttributeError:
            where = f"module {module_name}" if isinstance(thing, ModuleType) else f"{thing!r}"
            raise ConfigurationError(
                f"policy {spec}: {where} has no attribute {attribute!r}{meant(attribute, dir(thing))}"
            ) from None
    return thing


def _module(spec: str, name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and _is_missing(name, error.name):
            known = sorted(path.stem for path in Path(here).glob("*.py"))
            raise ConfigurationError(
                f"policy {spec}: there is no module {error.name!r}, neither in {here} nor installed"
                + meant(name, known)
            ) from None
        raise ConfigurationError(
            f"policy {spec}: module {name} cannot be imported: {type(error).__name__}: {error}"
            f"{_where(error)}"
        ) from error


def _where(error: BaseException) -> str:
    """Return the line of the module that raised ``error``; a syntax error names it by itself."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "" if isinstance(error, SyntaxError) else f" ({last.filename}, line {last.lineno})"


def _is_missing(name: str, missing: str | None) -> bool:
    """Return whether it is the module itself, or its package, that is missing."""
    return missing is not None and (name == missing or name.startswith(f"{missing}."))
