"""Where no watcher can be: its thread would be none, or would outlive its interpreter."""

from __future__ import annotations

import _thread
import sys


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
    return "the interpreter is ending" if sys.is_finalizing() else ""
