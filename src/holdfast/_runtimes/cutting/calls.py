"""What a piece of code calls, and with what, as names: read off its bytecode.

The source's places would tell it, too, but not all code has them (``-X no_debug_ranges``), and a call
that is spread over lines doesn't begin where its name does.  So the stack is played with names instead
of values, instruction by instruction.  What has no name is unknown; a name is never a wrong one.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import NamedTuple

UNKNOWN, ITEM = "(...)", "[...]"
"""What has no name, such as what a call returns; and an item of something."""

NAMES = frozenset({
    *("LOAD_NAME", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF"),
    *("LOAD_CLASSDEREF", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"),
    *("STORE_FAST_LOAD_FAST", "LOAD_FROM_DICT_OR_DEREF", "LOAD_FROM_DICT_OR_GLOBALS"),
})  # fmt: skip
"""Instructions that put on the stack what has a name, or two."""
PUSHED = frozenset({
    *("LOAD_CONST", "LOAD_CONST_IMMORTAL", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT", "LOAD_LOCALS"),
    *("LOAD_CLOSURE", "LOAD_BUILD_CLASS", "LOAD_ASSERTION_ERROR", "LOAD_FAST_AND_CLEAR"),
})  # fmt: skip
"""Instructions that put one thing more on the stack, which has none."""
NOTHING = frozenset({
    *("CACHE", "EXTENDED_ARG", "KW_NAMES", "NOP", "NOT_TAKEN", "PRECALL", "RESUME"),
    *("COPY_FREE_VARS", "MAKE_CELL"),
})  # fmt: skip
"""Instructions that leave the stack as it is."""
ENDS = ("RETURN_", "RAISE_", "RERAISE")
POPS = ("STORE_", "POP_", "DELETE_", "JUMP", "END_FOR", *ENDS)
"""What takes from the stack, and leaves nothing on it, begins so."""
LEAVES = (*ENDS, "JUMP_FORWARD", "JUMP_BACKWARD")
"""After what begins so, the next instruction is reached by a jump only."""
GROWS = frozenset({
    *("LIST_APPEND", "SET_ADD", "MAP_ADD", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE"),
})  # fmt: skip
"""What takes something from the stack, and changes a thing that lies further down."""

METHODS_BY_BIT = sys.version_info >= (3, 12)
JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})


class Called(NamedTuple):
    """A call: what is called, and its arguments in their order; in dotted names, or unknown."""

    callee: str
    arguments: tuple[str, ...]


def calls(code: CodeType) -> dict[int, Called]:
    """Return all calls of a piece of code, by the offsets of their instructions."""
    play, ways = _Play(), dict[int, list[str]]()
    reached = True
    for one in dis.get_instructions(code):
        come = ways.pop(one.offset, None)
        if come is not None:
            play.stack = _either(play.stack, come) if reached else come
            reached = True
        if one.opcode in JUMPS:
            there = _Play(play.stack.copy())
            there.others(one, jump=True)
            before = ways.get(one.argval, there.stack)
            ways[one.argval] = _either(before, there.stack)
        play.instruction(one)
        if one.opname.startswith(LEAVES):
            play.stack, reached = [], False
    return play.calls


def call_at(code: CodeType, offset: int) -> Called | None:
    """Return the call that code is in at an offset, None if it calls nothing there."""
    last = None
    for one in dis.get_instructions(code):
        if one.offset > offset:
            break
        last = one
    if last is None or not last.opname.startswith(("CALL", "PRECALL")):
        return None
    found = calls(code)
    if last.opname == "PRECALL":  # Python 3.11 may do both in the first one
        return found.get(min((at for at in found if at > last.offset), default=0))
    return found.get(last.offset)


def is_passed(code: CodeType, first: int, then: int) -> bool:
    """Return whether who is at ``then`` has surely been at ``first`` before: no way leads around it."""
    ways = [one for one in dis.get_instructions(code) if one.opcode in JUMPS and one.offset < first]
    return first < then and not any(first < one.argval <= then for one in ways)


def _either(one: list[str], other: list[str]) -> list[str]:
    """Return what is known of a stack that may be either."""
    shared = min(len(one), len(other))
    pairs = zip(one[len(one) - shared :], other[len(other) - shared :], strict=True)
    return [mine if mine == theirs else UNKNOWN for mine, theirs in pairs]


class _Play:
    """The stack, with an expression for each value; ``""`` is a place that a call needs."""

    def __init__(self, stack: list[str] | None = None) -> None:
        self.stack = stack or []
        self.calls: dict[int, Called] = {}

    def take(self, number: int) -> list[str]:
        """Take so many from the top, the lowest first; of what lies below nothing is known."""
        missing = max(0, number - len(self.stack))
        kept = len(self.stack) - number + missing
        taken = [UNKNOWN] * missing + self.stack[kept:]
        del self.stack[kept:]
        return taken

    def instruction(self, one: dis.Instruction) -> None:
        """Play an instruction, as far as it doesn't jump."""
        name, number = one.opname, one.arg or 0
        if name in NAMES:
            self._names(one)
        elif name in PUSHED:
            self.stack.append(UNKNOWN)
        elif name == "PUSH_NULL":
            self.stack.append("")
        elif name == "COPY":
            self._copy(number)
        elif name == "SWAP":
            self._swap(number)
        elif name.startswith("LOAD_"):
            self._load(one)
        elif name in {"BUILD_LIST", "BUILD_TUPLE", "BUILD_SET"}:
            self.stack.append(f"[{', '.join(self.take(number))}]")
        elif name == "BINARY_SUBSCR" or one.argrepr == "[]":
            self.stack.append(self.take(2)[0] + ITEM)
        elif name in {"CALL", "CALL_KW", "CALL_FUNCTION_EX"}:
            self._call(one)
        else:
            self.others(one)

    def others(self, one: dis.Instruction, *, jump: bool = False) -> None:
        """Play what has no name: only what lies deeper than it has a hand in is known afterwards."""
        name = one.opname
        if name in NOTHING:
            return
        effect = dis.stack_effect(one.opcode, one.arg, jump=jump)
        if name in GROWS:
            self.take(-effect)
            self._forget(one.arg or 0)
        elif name.startswith(POPS) and effect <= 0:
            self.take(-effect)
        else:
            left = max(effect, 0)
            self.take(left - effect + 1)
            self.stack += [UNKNOWN] * (left + 1)

    def _names(self, one: dis.Instruction) -> None:
        names = one.argval if isinstance(one.argval, tuple) else (one.argval,)
        if one.opname.startswith("STORE_"):
            names = names[1:]
        self.take(len(names) - dis.stack_effect(one.opcode, one.arg))
        self.stack += map(str, names)

    def _load(self, one: dis.Instruction) -> None:
        name, bit = one.opname, (one.arg or 0) & 1
        if name == "LOAD_GLOBAL":
            self.stack += ["", str(one.argval)] if bit else [str(one.argval)]
        elif name == "LOAD_SUPER_ATTR":
            self.stack += [f"{self.take(3)[0]}{UNKNOWN}.{one.argval}", *[""] * bit]
        elif name in {"LOAD_ATTR", "LOAD_METHOD"}:
            method = bit if METHODS_BY_BIT else name == "LOAD_METHOD"
            self.stack += [f"{self.take(1)[0]}.{one.argval}", *[""] * method]
        else:
            self.others(one)

    def _call(self, one: dis.Instruction) -> None:
        """Play a call, and write it down.  Its place beside what is called is on either side."""
        spread = one.opname == "CALL_FUNCTION_EX"
        if one.opname == "CALL_KW":
            self.take(1)
        count = -dis.stack_effect(one.opcode, one.arg) - 1 if spread else one.arg or 0
        arguments = self.take(count)
        callee = next(filter(None, self.take(2)), UNKNOWN)
        self.calls[one.offset] = Called(callee, () if spread else tuple(arguments))
        self.stack.append(callee + UNKNOWN if callee != UNKNOWN else UNKNOWN)

    def _copy(self, number: int) -> None:
        known = 0 < number <= len(self.stack)
        self.stack.append(self.stack[-number] if known else UNKNOWN)

    def _swap(self, number: int) -> None:
        taken = self.take(number)
        self.stack += [taken[-1], *taken[1:-1], taken[0]]

    def _forget(self, number: int) -> None:
        if 0 < number <= len(self.stack):
            self.stack[-number] = UNKNOWN
