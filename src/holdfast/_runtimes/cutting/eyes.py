"""Looks at threads whose calls are overdue, and cuts: first by the kernel, then by the frames."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast._cut import under_cut
from holdfast._runtimes.cutting.chain import Link, forged
from holdfast._runtimes.cutting.frames import Frames, all_frames, why_not
from holdfast._runtimes.cutting.waiting import UNTOLD, Waiting
from holdfast._world import has_gil

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.overdue import Overdue

# Here, and not when the watcher begins: a child that is forked while it imports something could never
# import that, for nobody lets go of Python's own lock.
with suppress(ImportError):
    from holdfast._runtimes.cutting.by_frames import ByFrames
    from holdfast._runtimes.cutting.kernel import Kernel
    from holdfast._runtimes.cutting.sockets import Libc

AT_ONCE = 128
"""So many calls are cut in one go: it keeps the GIL for some milliseconds."""


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

    def cut(self, threads: Mapping[int, list[Overdue]], natives: Mapping[int, int]) -> None:
        """Shut down what these threads, by their identity, wait for in their overdue calls.

        ``natives`` are the system's numbers of threads of which `threading` has others.
        """
        known = {**_natives(), **natives}
        seen = {thread: self._look(known.get(thread)) for thread in threads}
        frames = all_frames()
        chains: list[list[Link]] = []
        for thread, calls in threads.items():
            reason = self._examined(seen, thread, calls, frames)
            for call in calls:
                call.why_not = reason
            if not reason:
                chains.append(self._chain(seen[thread], calls))
        if not has_gil():
            os.sched_yield()  # a turn of its own, in which it is seldom stopped between look and cut
        for first in range(0, len(chains), AT_ONCE):
            forged(chains[first : first + AT_ONCE])
        for waiting in seen.values():
            waiting.close()

    def _look(self, native: int | None) -> Waiting:
        if self._kernel is None or native is None:
            return Waiting(why_not=UNTOLD)
        return self._kernel.look(native)  # type: ignore[no-any-return]

    def _examined(
        self, seen: dict[int, Waiting], thread: int, calls: list[Overdue], frames: Frames
    ) -> str:
        """Return why a thread is left alone, nothing if it is not."""
        innermost = frames.get(thread)
        if innermost is None:
            return seen[thread].why_not or ("" if not has_gil() else UNTOLD)
        reason = next(filter(None, (why_not(innermost, call.owner) for call in calls)), "")
        if not reason and seen[thread].why_not == UNTOLD and self._by_frames is not None:
            seen[thread] = self._by_frames.look(innermost)
        return reason or seen[thread].why_not

    def _chain(self, waiting: Waiting, calls: list[Overdue]) -> list[Link]:
        there = self._overdue.__contains__
        alive = [partial(there, call.key) for call in calls]
        marked: list[Link] = [partial(call.marks.setdefault, "cut", "yes") for call in calls]
        own = [call for call in calls if call.job is None]
        if own:
            innermost = max(own, key=lambda call: call.depth)
            marked.append(partial(under_cut.setdefault, innermost.thread, innermost))
        return [*alive, *waiting.links, *marked, *waiting.shut]


def _natives() -> dict[int, int]:
    """Return the system's numbers of the threads that are surely the ones with these identities."""
    dummy = threading._DummyThread  # noqa: SLF001 - one of an earlier thread may still be there
    return {
        one.ident: one.native_id
        for one in threading.enumerate()
        if one.ident and one.native_id and not isinstance(one, dummy)
    }
