"""Real faults on real sockets: an HTTP server that misbehaves as told, and a proxy for anything else.

>>> from holdfast.testing.faults import FaultServer, Reply, Reset
>>> with FaultServer([Reply(503, times=2), Reset(), Reply(body=b"ok", takes=0.3)]) as server:
...     server.url
'http://127.0.0.1:...'

Both run in a thread of their own, on loopback and in real time, whatever clock is in force; they are as
good for blocking tests as for async ones.  Where virtual time will do, use `holdfast.testing.Scripted`.

=================  ====================================================================================
`behaviours`       what the server does with a request: `Reply`, `Reset`, `Close`, `Vanish`, ...
`_rules`           which behaviour is next: a script, and routes
`_plan`            a behaviour as bytes, pauses and an end: no I/O
`_request`         what a client sent
`server`           `FaultServer`
`impairments`      what the proxy does to traffic: `Latency`, `Bandwidth`, `Stall`, `Cut`, ...
`_pipe`            one direction of one connection
`proxy`            `FaultProxy`
`_backlog`         an address at which connecting hangs
`_background`      an event loop in a thread; `_listener` and `_stream`: its sockets
`fixtures`         the same for pytest
=================  ====================================================================================
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.testing.faults._backlog import unconnectable
    from holdfast.testing.faults._request import Request
    from holdfast.testing.faults.behaviours import (
        Behaviour,
        Close,
        Endless,
        Garbage,
        Reply,
        Reset,
        Trickle,
        Vanish,
        WrongLength,
    )
    from holdfast.testing.faults.impairments import (
        Bandwidth,
        BlackHole,
        Cut,
        Impairment,
        Latency,
        Slice,
        Stall,
    )
    from holdfast.testing.faults.proxy import FaultProxy
    from holdfast.testing.faults.server import FaultServer

__all__ = [
    "Bandwidth",
    "Behaviour",
    "BlackHole",
    "Close",
    "Cut",
    "Endless",
    "FaultProxy",
    "FaultServer",
    "Garbage",
    "Impairment",
    "Latency",
    "Reply",
    "Request",
    "Reset",
    "Slice",
    "Stall",
    "Trickle",
    "Vanish",
    "WrongLength",
    "unconnectable",
]

_HOMES = {
    "_request": ("Request",),
    "impairments": ("Bandwidth", "BlackHole", "Cut", "Impairment", "Latency", "Slice", "Stall"),
    "proxy": ("FaultProxy",),
    "server": ("FaultServer",),
    "_backlog": ("unconnectable",),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: pytest loads `fixtures`, and this package with it, in every project."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "behaviours")
    return getattr(import_module(f"{__name__}.{home}"), name)
