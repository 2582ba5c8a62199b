"""``with pipeline:`` and ``async with pipeline:``, for code that is no function.

Only gates fit (and timeouts, which set the deadline and no more: a block may be left in another thread
than it was entered in, so nobody knows whose socket to cut): a block cannot be run again, nor its answer
replaced.  What a block holds is kept by its thread and task, not in a context variable,
so that a block may be entered and left in different contexts, as test fixtures and
dependency-injection frameworks do; one left by another thread gives back the oldest.

No lock is taken to keep them: the garbage collector may close a forgotten generator that is inside of a
block, and a signal handler may use one, at any point of this module, in whichever thread.  What counts
is who takes a block out of `Blocks._entered`, which ``dict.pop`` lets exactly one do.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from holdfast._held import Held
from holdfast._runtimes.own_permits import HELD_BY_BLOCKS, behind
from holdfast._world import owner, renew_after_fork, world
from holdfast.deadline import Scope, current, inside, iterated
from holdfast.errors import ConfigurationError, Misuse
from holdfast.shapes import NO_RESULT, Gate, Instead, Site, Wait
from holdfast.strategies.timeout import Timeout


class Block(Held):
    """What one entered block holds."""

    __slots__ = ("limits", "outer", "owner")

    def __init__(self, owner: object) -> None:
        super().__init__()
        self.owner: object = owner
        self.outer: Block | None = None
        """The one that the same owner had entered before."""
        self.limits: list[Scope] = []

    def hold(self, gate: Gate, permit: Any) -> None:
        """Keep a permit that was waited for; an answer in place of the block can only be an error."""
        if type(permit) is Instead:
            permit.make(permit.subject)
        else:
            self.permits.append((gate, permit))

    def leave(self, error: BaseException | None, now: float) -> None:
        """Give everything back, the innermost first."""
        fault: BaseException | None = None
        while self.limits:
            try:
                self.limits.pop().take_back()
            except BaseException as raised:  # noqa: BLE001 - raised when the gates have got theirs
                fault = raised
        self.give_back(error, now, NO_RESULT, fault)


class Blocks:
    """The blocks of one pipeline that are entered now."""

    def __init__(self, name: str, strategies: tuple[Any, ...]) -> None:
        for strategy in strategies:
            passive = isinstance(strategy, Timeout) and strategy.sync != "thread"
            if not passive and not isinstance(strategy, Gate):
                raise ConfigurationError(
                    f"pipeline {name!r} cannot be used as 'with': {strategy!r} would have to run the "
                    "block again, interrupt it or replace its answer; decorate a function instead"
                )
        self._site = Site(name)
        self._strategies = strategies
        self._entered: dict[Block, None] = {}
        """The oldest first."""
        self._newest: dict[object, Block] = {}
        """By owner; the others follow by `Block.outer`.  It may name one that has been left."""
        self._forked = False
        renew_after_fork(self)
        HELD_BY_BLOCKS.add(self)

    def held_by(self, who: object, gate: Any) -> int:
        """Return how many permits of ``gate`` the blocks of ``who`` hold."""
        held, block = 0, self._newest.get(who)
        while block is not None:  # one that has been left holds nothing
            held += sum(behind(*one) is gate for one in list(block.permits))
            block = block.outer
        return held

    def _after_fork(self) -> None:
        """Forget the blocks of threads that the child has not, and the permits of its own.

        It leaves them without giving back what only the parent has.
        """
        here = threading.get_ident()
        self._forked = True
        for block in list(self._entered):
            block.permits.clear()
            if block.owner != here:
                self._taken(block)

    def enter(self) -> Block:
        """Take a permit of every gate, waiting where one says so."""
        runtime = world.runtime("blocking")
        block = Block(owner())
        try:
            for strategy in self._asked():
                answer = self._ask(strategy, block, runtime.now())
                if isinstance(answer, Wait):
                    block.hold(strategy, runtime.wait(strategy, answer, self._site))
        except BaseException as error:
            self._undo(block, runtime.now())
            if isinstance(error, Misuse):
                raise error.shown(str(error)) from None
            raise
        return self._kept(block)

    async def aenter(self) -> Block:
        """Take a permit of every gate, awaiting where one says so."""
        runtime = world.runtime("asyncio")
        block = Block(owner())
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
        block = self._newest.get(owner())
        while block is not None and not self._taken(block):  # it has been left in another way
            block = block.outer
        if block is None:
            block = self._oldest()
        if block is not None:
            block.leave(error, world.clock())

    def _taken(self, block: Block) -> bool:
        """Take a block out; True for exactly one of all who try."""
        if self._entered.pop(block, self) is self:
            return False
        if self._newest.get(block.owner) is block:
            outer = block.outer
            while outer is not None and outer not in self._entered:
                outer = outer.outer
            if outer is None:
                self._newest.pop(block.owner, None)
            else:
                self._newest[block.owner] = outer
        return True

    def _oldest(self) -> Block | None:
        """Take out the oldest, for an owner who has none.  None in a child whose parent has it."""
        while self._entered:
            try:
                block = next(iter(self._entered))
            except (RuntimeError, StopIteration):  # others come and go
                continue
            if self._taken(block):
                return block
        if self._forked:
            return None
        raise RuntimeError(
            f"pipeline {self._site.pipeline!r}: a block was left that nobody has entered: "
            "leave each 'with' block exactly once"
        )

    def _asked(self) -> tuple[Any, ...]:
        refusal = None if world.stopping is None else world.stopping.refusal()
        if refusal is not None:
            raise self._site.refuse(refusal, world.clock())
        return () if world.bypass else self._strategies

    def _ask(self, strategy: Any, block: Block, now: float) -> Any:
        if isinstance(strategy, Timeout):
            at, body = now + strategy.seconds, iterated(sys._getframe())  # noqa: SLF001 - see `deadline`
            limit = Scope()
            limit.set(inside(current(), at, strategy.seconds, body=body))
            block.limits.append(limit)
            return None
        permit = strategy.enter(now, (), {}, self._site)
        if not isinstance(permit, Wait):
            block.permits.append((strategy, permit))
        return permit

    def _undo(self, block: Block, now: float) -> None:
        block.leave(GeneratorExit(), now)  # nothing ran, so it is no outcome for any gate

    def _kept(self, block: Block) -> Block:
        block.outer = self._newest.get(block.owner)
        self._entered[block] = None
        self._newest[block.owner] = block
        return block
