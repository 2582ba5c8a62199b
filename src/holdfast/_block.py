"""``with pipeline:`` and ``async with pipeline:``, for code that is no function.

Only gates fit (and cooperative timeouts, which set the deadline): a block cannot be run again, nor
its answer replaced.  What a block holds is kept by its thread and task, not in a context variable,
so that a block may be entered and left in different contexts, as test fixtures and
dependency-injection frameworks do; one left by another thread gives back the oldest.
"""

from __future__ import annotations

import threading
from typing import Any

from holdfast._world import world
from holdfast.deadline import Ambient, ambient, restore
from holdfast.errors import ConfigurationError, Misuse
from holdfast.shapes import NO_RESULT, Gate, Instead, Site, Wait
from holdfast.strategies.timeout import Timeout


class Block:
    """What one entered block holds."""

    __slots__ = ("owner", "permits", "tokens")

    def __init__(self, owner: object) -> None:
        self.owner: object = owner
        self.permits: list[tuple[Gate, Any]] = []
        self.tokens: list[Any] = []

    def hold(self, gate: Gate, permit: Any) -> None:
        """Keep a permit that was waited for; an answer in place of the block can only be an error."""
        if type(permit) is Instead:
            permit.make(permit.subject)
        else:
            self.permits.append((gate, permit))

    def leave(self, error: BaseException | None, now: float) -> None:
        """Give everything back, the innermost first."""
        while self.tokens:
            restore(self.tokens.pop())
        self._settle(error, now)

    def _settle(self, error: BaseException | None, now: float) -> None:
        if not self.permits:
            return
        gate, permit = self.permits.pop()
        try:
            if error is None:
                gate.succeeded(permit, now, NO_RESULT)
            elif isinstance(error, Exception):
                gate.failed(permit, now, error)
            else:
                gate.abandoned(permit, now)
        finally:
            self._settle(error, now)  # the others get theirs back, whatever this one raised


class Blocks:
    """The blocks of one pipeline that are entered now."""

    def __init__(self, name: str, strategies: tuple[Any, ...]) -> None:
        for strategy in strategies:
            cooperative = isinstance(strategy, Timeout) and strategy.sync == "cooperative"
            if not cooperative and not isinstance(strategy, Gate):
                raise ConfigurationError(
                    f"pipeline {name!r} cannot be used as 'with': {strategy!r} would have to run the "
                    "block again, interrupt it or replace its answer; decorate a function instead"
                )
        self._site = Site(name)
        self._strategies = strategies
        self._lock = threading.Lock()
        self._entered: dict[object, list[Block]] = {}
        """By owner, the oldest first."""

    def enter(self) -> Block:
        """Take a permit of every gate, waiting where one says so."""
        runtime = world.runtime("blocking")
        block = Block(_owner())
        try:
            for strategy in self._asked():
                answer = self._ask(strategy, block, runtime.now())
                if isinstance(answer, Wait):
                    block.hold(strategy, runtime.wait(strategy, answer, self._site))
        except BaseException:
            self._undo(block, runtime.now())
            raise
        return self._kept(block)

    async def aenter(self) -> Block:
        """Take a permit of every gate, awaiting where one says so."""
        runtime = world.runtime("asyncio")
        block = Block(_owner())
        try:
            for strategy in self._asked():
                answer = self._ask(strategy, block, runtime.now())
                if isinstance(answer, Wait):
                    block.hold(strategy, await runtime.wait(strategy, answer, self._site))
        except BaseException as error:
            self._undo(block, runtime.now())
            if isinstance(error, Misuse):
                raise error.shown(str(error)) from None
            raise
        return self._kept(block)

    def exit(self, error: BaseException | None) -> None:
        """Give back what this thread's, or this task's, newest block holds."""
        owner = _owner()
        with self._lock:
            key = owner if owner in self._entered else next(iter(self._entered))
            own = self._entered[key]
            block = own.pop()
            if not own:
                del self._entered[key]
        block.leave(error, world.clock())

    def _asked(self) -> tuple[Any, ...]:
        refusal = None if world.stopping is None else world.stopping.refusal()
        if refusal is not None:
            raise self._site.refuse(refusal, world.clock())
        return () if world.bypass else self._strategies

    def _ask(self, strategy: Any, block: Block, now: float) -> Any:
        if isinstance(strategy, Timeout):
            outer = ambient.get()
            at = now + strategy.seconds
            if at < outer[0]:
                block.tokens.append(ambient.set(Ambient(at, strategy.seconds, outer[2])))
            return None
        permit = strategy.enter(now, (), {}, self._site)
        if not isinstance(permit, Wait):
            block.permits.append((strategy, permit))
        return permit

    def _undo(self, block: Block, now: float) -> None:
        block.leave(GeneratorExit(), now)  # nothing ran, so it is no outcome for any gate

    def _kept(self, block: Block) -> Block:
        with self._lock:
            self._entered.setdefault(block.owner, []).append(block)
        return block


def _owner() -> object:
    """Return what tells this thread or task from the others."""
    import sys

    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            return id(asyncio.current_task())
        except RuntimeError:  # no running loop in this thread
            pass
    return threading.get_ident()
