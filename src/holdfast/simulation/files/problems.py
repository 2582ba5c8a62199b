"""What is wrong with a scenario file, in words: pydantic's errors, for people."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from holdfast.simulation.policies.imports import meant

NOT_ALLOWED: Final = re.compile(r"(\w+)=(.*) (is not allowed: .*)", re.DOTALL)
"""Messages of `holdfast._validate`."""

WANTED: Final = {
    "bool_type": "true or false",
    "dataclass_type": "a table",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "string_type": "a string",
    "dict_type": "a table",
    "tuple_type": "an array",
}


def problems(model: Any, tables: Mapping[str, Any], errors: Sequence[Any]) -> list[str]:
    """Return a sentence for each of pydantic's errors about ``tables``, read as a ``model``."""
    return [_Problem(model, tables, error).told() for error in errors]


class _Problem:
    """One error, and the place in the file that it is about."""

    def __init__(self, model: Any, tables: Any, error: Any) -> None:
        self.model: Any = model
        self.value: Any = tables
        self.path: str = ""
        self.error: Any = error
        place = list(error["loc"])
        self.last: Any = place.pop() if error["type"] in UNMET else ""
        for step in place:
            self._step(step)

    def _step(self, step: str | int) -> None:
        """Go one step down; a union's member is a step too, which isn't in the file."""
        if isinstance(step, int):
            self.value = self.value[step]
            self.path += f"[{step}]"
            self.model = _item(self.model)
            return
        chosen = _chosen(self.model, step)
        if chosen is not None:
            self.model = chosen
            return
        self.path = self._key(step)
        self.value = self.value[step]
        self.model = _hints(self.model).get(step)

    def _key(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def told(self) -> str:
        """Return the sentence."""
        tell = UNMET.get(self.error["type"]) or TELL.get(self.error["type"])
        return tell(self) if tell else self._refused()

    def _missing(self) -> str:
        if isinstance(self.last, int):
            return f"{self.path} is too short: it must have {self.last + 1} values"
        return f"{self._key(self.last)} is missing"

    def _unknown(self) -> str:
        known = list(_hints(self.model))
        similar = meant(self.last, known)
        return f"{self._key(self.last)} is unknown" + (similar or f": there are {', '.join(known)}")

    def _no_kind(self) -> str:
        return f"{self._key('kind')} is missing: one of {', '.join(_kinds(self.model))}"

    def _bad_kind(self) -> str:
        kinds, given = _kinds(self.model), self.error["ctx"]["tag"]
        return (
            f"{self._key('kind')} = {given!r} is not allowed{meant(given, kinds)}: it must be one of "
            f"{', '.join(kinds)}"
        )

    def _invalid(self) -> str:
        """Tell what a model itself found out about its values."""
        message = str(self.error["ctx"]["error"])
        refusal = NOT_ALLOWED.fullmatch(message)
        if refusal is None:
            return f"{self.path}: {message}" if self.path else message
        option, value, why = refusal.groups()
        return f"{self._key(option)} = {value} {why}"

    def _refused(self) -> str:
        kind = self.error["type"]
        if kind == "literal_error":
            wanted = f"one of {self.error['ctx']['expected']}"
        else:
            wanted = WANTED.get(kind, self.error["msg"])
        value = json.dumps(self.value, default=str)
        return f"{self.path} = {value} is not allowed: it must be {wanted}"


UNMET: Final = {
    "missing": _Problem._missing,  # noqa: SLF001 - methods by the type of error
    "unexpected_keyword_argument": _Problem._unknown,  # noqa: SLF001 - as above
}
"""Errors whose last step is a key that isn't there, or shouldn't be."""

TELL: Final = {
    "union_tag_not_found": _Problem._no_kind,  # noqa: SLF001 - as above
    "union_tag_invalid": _Problem._bad_kind,  # noqa: SLF001 - as above
    "value_error": _Problem._invalid,  # noqa: SLF001 - as above
}


def _members(hint: Any) -> list[Any]:
    """Return the models that a hint allows."""
    if is_dataclass(hint):
        return [hint]
    return [member for part in typing.get_args(hint) for member in _members(part)]


def _hints(model: Any) -> dict[str, Any]:
    """Return the keys of a table, with what each may be."""
    found = [one for one in _members(model) if is_dataclass(one)]
    if len(found) != 1 or not isinstance(found[0], type):
        return {}
    hints = typing.get_type_hints(found[0])
    return {one.name: hints[one.name] for one in fields(found[0]) if one.init}


def _kind(model: Any) -> str:
    [kind] = typing.get_args(typing.get_type_hints(model)["kind"])
    return str(kind)


def _kinds(hint: Any) -> list[str]:
    return [_kind(member) for member in _members(hint)]


def _chosen(hint: Any, kind: str) -> Any:
    """Return the member of a union that is of this kind; None if it is no union."""
    members = _members(hint)
    if len(members) < 2:  # noqa: PLR2004 - a union has two
        return None
    return next((member for member in members if _kind(member) == kind), None)


def _item(hint: Any) -> Any:
    """Return what an array holds."""
    arguments = [one for one in typing.get_args(hint) if one not in (Ellipsis, type(None))]
    return arguments[0] if arguments else None
