"""Looks at threads whose calls are overdue, and cuts: first by the kernel, then by the frames."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any

from holdfast._cut import apart, under_cut
from holdfast._runtimes.cutting.chain import Link, forged
from holdfast._runtimes.cutting.frames import ELSEWHERE, IN_LOOP, codes, frame_of, owned, runs_loop
from holdfast._runtimes.cutting.waiting import UNTOLD, Waiting
from holdfast._runtimes.errands import in_worker
from holdfast._world import has_gil

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.overdue import Overdue

# Here, and not when the watcher begins: a child that is forked while it imports something could never
# import that, for nobody lets go of Python's own lock.
with suppress(ImportError):
    from holdfast._runtimes.cutting.by_frames import ByFrames
    from holdfast._runtimes.cutting.kernel import Kernel
    from holdfast._runtimes.cutting.sockets import Libc

DETACHED = "it is in a block of detached()"

AT_ONCE = 128
"""So many calls are cut in one go: it keeps the GIL for some milliseconds."""

Calls = Mapping[int, "list[Overdue]"]
"""Overdue calls, by the identity of their thread."""


class Eyes:
    """What the watcher sees with."""

    def __init__(self, overdue: dict[int, Overdue]) -> None:
        self._overdue = overdue
        self._kernel: Any = None
        self._by_frames: Any = None
        try:
            libc = Libc()
        except (NameError, OSError, AttributeError, TypeError):
            return  # Python without ctypes, or a system without these functions
        self._by_frames = ByFrames(libc)
        self._kernel = Kernel(libc)

    def close(self) -> None:
        """Let go of what belongs to this process."""
        if self._kernel is not None:
            self._kernel.close()

    def cut(self, threads: Calls, natives: Mapping[int, int]) -> None:
        """Shut down what these threads wait for in their overdue calls.

        ``natives`` are the system's numbers of threads of which `threading` has others.
        """
        known = {**_natives(), **natives}
        if self._kernel is not None:
            self._kernel.renew()
        seen = {thread: self._look(known.get(thread)) for thread in threads}
        reasons = _reasons(threads) if has_gil() else {}
        blind: list[Waiting] = []
        chains: list[list[Link]] = []
        for thread, calls in threads.items():
            waiting = seen[thread]
            if waiting.why_not == UNTOLD and thread not in reasons and self._can_read_frames():
                waiting = self._by_frames_of(thread)
                blind.append(waiting)
            reason = reasons.get(thread) or waiting.why_not
            for call in calls:
                call.why_not = reason or (DETACHED if apart(call.own, thread) else "")
            ready = [call for call in calls if not call.why_not]
            if ready:
                chains.append(self._chain(waiting, ready))
        self._forge(chains)
        for waiting in seen.values():
            waiting.close()
        del waiting, chains
        if blind:  # they hold frames: see `frames`
            in_worker(blind.clear, _whatever)

    def _forge(self, chains: list[list[Link]]) -> None:
        if not has_gil():
            os.sched_yield()  # a turn of its own, in which it is seldom stopped between look and cut
        for first in range(0, len(chains), AT_ONCE):
            forged(chains[first : first + AT_ONCE])

    def _look(self, native: int | None) -> Waiting:
        if self._kernel is None or native is None:
            return Waiting(why_not=UNTOLD)
        return self._kernel.look(native)  # type: ignore[no-any-return]

    def _can_read_frames(self) -> bool:
        return self._by_frames is not None and has_gil()

    def _by_frames_of(self, thread: int) -> Waiting:
        innermost = frame_of(thread)
        if innermost is None:
            return Waiting(why_not=UNTOLD)
        found: Waiting = self._by_frames.look(innermost)
        found.keeps(innermost)
        return found

    def _chain(self, waiting: Waiting, calls: list[Overdue]) -> list[Link]:
        there = self._overdue.__contains__
        alive = [partial(there, call.key) for call in calls]
        marked: list[Link] = [partial(call.marks.setdefault, "cut", "yes") for call in calls]
        own = [call for call in calls if not call.is_job]
        innermost = max(own or calls, key=lambda call: call.depth)
        marked.append(partial(under_cut.setdefault, innermost.thread, innermost))
        return [*alive, *waiting.links, *marked, *waiting.shut]


def _reasons(threads: Calls) -> dict[int, str]:
    """Return why threads are left alone, as far as their frames tell; nothing for the others."""
    asked = list(threads)
    stacks: dict[int, list[CodeType]] = dict(zip(asked, codes(asked), strict=True))
    found = {thread: IN_LOOP for thread, stack in stacks.items() if runs_loop(stack)}
    if "greenlet" in sys.modules:  # only there a thread may be in another stack of its own
        for thread, there in zip(asked, owned(asked), strict=True):
            calls = [call for call in threads[thread] if not call.is_job]
            if not all(any(one is call.own for one in there) for call in calls):
                found.setdefault(thread, ELSEWHERE)
    return found


def _natives() -> dict[int, int]:
    """Return the system's numbers of the threads that are surely the ones with these identities."""
    dummy = threading._DummyThread  # noqa: SLF001 - one of an earlier thread may still be there
    return {
        one.ident: one.native_id
        for one in threading.enumerate()
        if one.ident and one.native_id and not isinstance(one, dummy)
    }


def _whatever(_: BaseException | None) -> None:
    """Let whoever is there drop them."""
