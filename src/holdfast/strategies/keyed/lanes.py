"""How `Keyed` serves strategies that are no gates: a compiled step for each key and protected function.

An adaptive timeout or a hedge makes a step of its own around what is inside, once.  So each key's
strategy is asked for one when the key is first met in this place, and the step is dropped with the key.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from holdfast.shapes import Arguments, Keywords, Site
from holdfast.strategies.keyed.keys import Keys
from holdfast.strategies.keyed.table import Entry

Step = Callable[[Arguments, Keywords], Any]
Find = Callable[[Arguments, Keywords, float], Entry]


class Lanes:
    """The steps of one place in a pipeline, by the entries of the keys."""

    __slots__ = (
        "__weakref__", "_driver", "_find", "_inner", "_keys", "_runtime", "_site", "_steps",
    )  # fmt: skip

    def __init__(
        self, find: Find, keys: Keys, driver: ModuleType, inner: Step, runtime: Any, site: Site
    ) -> None:
        self._find = find
        self._keys = keys
        self._driver = driver
        self._inner = inner
        self._runtime = runtime
        self._site = site
        self._steps: dict[Entry, Step] = {}
        keys.serve(self)

    def step(self, args: Arguments, kwargs: Keywords, gated: Step) -> Any:
        """Run one call through the step of its key; through ``gated`` if they turn out to be gates."""
        mine = args[self._site.skip :]
        entry = self._find(mine, kwargs, self._runtime.now())
        if not self._keys.make.attaches:
            return gated(args, kwargs)
        step = self._steps.get(entry)
        if step is None:
            step = entry.child.attach(self._driver, self._inner, self._runtime, self._site)
            step = self._steps.setdefault(entry, step)
            if not self._keys.keeps(entry):
                self.forget(entry)
        return step(args, kwargs)

    def forget(self, entry: Entry) -> None:
        """Drop the step of an entry that has been dropped."""
        self._steps.pop(entry, None)
