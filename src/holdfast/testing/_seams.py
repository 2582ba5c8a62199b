"""What the test kit puts in place of the process's clock, randomness and runtimes.

Kept as layers, of which the last one wins: however they are entered and left, in whatever order and
in whatever thread, taking one off brings back what is below it.  A wrapper changes the runtime that is
in force, wherever its layer lies.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from holdfast._world import Clock, world


@dataclass(slots=True, eq=False)
class Layer:
    """One replacement; what it leaves out shows through from below."""

    clock: Clock | None = None
    rng: random.Random | None = None
    bypass: bool = False
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    wrappers: dict[str, Callable[[Any], Any]] = field(default_factory=dict[str, Any])
    """By colour, what to make of the runtime in force."""


_layers: list[Layer] = []


def put_on(layer: Layer) -> None:
    """Put ``layer`` on top of all others."""
    with world.changing:
        if not _layers:
            _layers.append(Layer(world.clock, world.rng, world.bypass, dict(world.overrides)))
        _layers.append(layer)
        _apply_locked()


def take_off(layer: Layer) -> None:
    """Take ``layer`` away from wherever it lies."""
    with world.changing:
        _layers.remove(layer)
        _apply_locked()
        if len(_layers) == 1:
            _layers.clear()


def _apply_locked() -> None:
    overrides: dict[str, Any] = {}
    for layer in _layers:
        world.clock = layer.clock or world.clock
        world.rng = layer.rng or world.rng
        overrides.update(layer.overrides)
    for layer in _layers:
        for colour, wrapper in layer.wrappers.items():
            overrides[colour] = wrapper(overrides.get(colour) or world.runtimes[colour]())
    world.bypass = any(layer.bypass for layer in _layers)
    world.overrides = overrides
    world.refresh()
