"""Makes a pipeline anew: the same strategies with the same options, and a state of its own.

Each simulated process of clients needs that, as each real process has its own breakers and budgets.
"""

from __future__ import annotations

import types
import warnings
from random import Random
from typing import Any

from holdfast._value import Value
from holdfast.errors import CompositionWarning, ConfigurationError
from holdfast.pipeline import Pipeline
from holdfast.strategies.identity import Identity
from holdfast.strategies.retry import RetryBudget

REMEDY = (
    "give a function that makes the pipeline instead, which is called once for each simulated process: "
    "def make(): return Pipeline(...)"
)


def renewed(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline as ``pipeline`` was when it was made, which shares no state with it.

    Strategies that are shared within the pipeline, such as one breaker in two layers, are shared
    within the copy too.  What was changed since, such as a breaker that was opened by hand, isn't
    copied.

    Raises:
        ConfigurationError: for a strategy that can't be made anew, or a function that uses a
            strategy from outside.
    """
    return _Renewal(pipeline.name).pipeline(pipeline)


class _Renewal:
    """One pipeline being made anew; ``_made`` knows what has been made already."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: dict[int, Any] = {}

    def pipeline(self, old: Pipeline) -> Pipeline:
        layers = [self._layer(layer) for layer in old.strategies]
        with warnings.catch_warnings():  # the original has warned already
            warnings.simplefilter("ignore", CompositionWarning)
            return Pipeline(old.name, *layers)

    def _layer(self, layer: Any) -> Any:
        if not isinstance(layer, Identity | Value):
            raise ConfigurationError(
                f"pipeline {self._name!r} cannot be copied for each simulated process: nobody knows how "
                f"{layer!r} was made; {REMEDY}"
            )
        return self._anew(layer)

    def _anew(self, thing: Any) -> Any:
        if id(thing) not in self._made:
            self._made[id(thing)] = self._make(thing)
        return self._made[id(thing)]

    def _make(self, thing: Any) -> Any:
        new: Any
        match thing:
            case Identity():
                new = self._identity(thing)
            case Value():
                new = self._value(thing)
            case RetryBudget():
                new = RetryBudget(thing.ratio, thing.capacity)
            case Pipeline():
                new = self.pipeline(thing)
            case Random():
                new = None  # the simulation's own source, by its seed
            case tuple() | list():
                new = self._sequence(thing)
            case _:
                self._check(thing)
                new = thing
        return new

    def _sequence(self, old: Any) -> Any:
        parts = [self._anew(part) for part in old]
        same = all(new is part for new, part in zip(parts, old, strict=True))
        return old if same or type(old) not in (tuple, list) else type(old)(parts)

    def _identity(self, old: Identity) -> Identity:
        given = [(name, self._anew(value)) for name, value in old._given]  # noqa: SLF001 - ours
        make: Any = type(old)
        new: Identity = make(
            *(value for name, value in given if not name),
            **{name: value for name, value in given if name},
        )
        return new

    def _value(self, old: Value) -> Value:
        options = {name: getattr(old, name) for name in old._options}  # noqa: SLF001 - ours
        new = {name: self._anew(value) for name, value in options.items()}
        changed = {name: value for name, value in new.items() if value is not options[name]}
        return old.replace(**changed) if changed else old

    def _check(self, thing: Any) -> None:
        """Refuse a function that holds one of the strategies: its copies would share it."""
        for used in _used_by(thing):
            if isinstance(used, Identity | RetryBudget):
                raise ConfigurationError(
                    f"pipeline {self._name!r} cannot be copied for each simulated process: "
                    f"{getattr(thing, '__qualname__', thing)} uses {used!r} of outside; {REMEDY}"
                )


def _used_by(thing: Any) -> list[Any]:
    """Return what a function refers to: its object, its closure, and its module's variables."""
    used = []
    if isinstance(thing, types.MethodType):
        used.append(thing.__self__)
        thing = thing.__func__
    if isinstance(thing, types.FunctionType):
        for cell in thing.__closure__ or ():
            try:
                used.append(cell.cell_contents)
            except ValueError:  # not filled yet
                continue
        known = thing.__globals__
        used += [known[name] for name in thing.__code__.co_names if name in known]
    return used
