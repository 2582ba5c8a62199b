"""Where no watcher can be: its thread would be none, or would outlive its interpreter."""

from __future__ import annotations

import _thread
import sys
from importlib import import_module


def hindrance() -> str:
    """Return why no watcher can run here now, nothing if one can."""
    gevent = getattr(sys.modules.get("gevent.monkey"), "is_module_patched", None)
    if gevent is not None and (gevent("threading") or gevent("socket")):
        return "gevent has patched the threads and sockets of this process"
    eventlet = getattr(sys.modules.get("eventlet.patcher"), "is_monkey_patched", None)
    if eventlet is not None and (eventlet("thread") or eventlet("socket")):
        return "eventlet has patched the threads and sockets of this process"
    if not getattr(_thread, "daemon_threads_allowed", lambda: True)():
        return "this interpreter allows no daemon threads"
    number = subinterpreter()
    if number:  # it may not end while a thread of its own is left, and no atexit comes before that
        return f"this is the subinterpreter {number}"
    return "the interpreter is ending" if sys.is_finalizing() else ""


def subinterpreter() -> int:
    """Return the number of the subinterpreter that this is; 0 in the main one."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            known = import_module(name)
        except ImportError:
            continue
        mine, main = known.get_current(), known.get_main()
        return 0 if mine == main else int(mine[0] if isinstance(mine, tuple) else mine)
    return 0
