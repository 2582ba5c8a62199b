"""``python -m benchmarks cut``: a recv that hangs for 3 s under a limit of 0.5 s, and one that doesn't.

Each way is tried in the main thread and in another one.  *back* is when its caller goes on, *ended* when
the function has, *own thread* whether it ran where thread-locals and transactions are.
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.cut.peers import WAYS, Limited

LIMIT, HANGS, CALLS = 0.5, 3.0, 2000


@dataclass
class Tried:
    """What became of one call that hangs; times in seconds."""

    back: float
    ended: float
    own_thread: bool
    error: str


def hanging(limited: Limited) -> Tried:
    """Limit a recv whose answer comes after `HANGS` seconds."""
    here, there = socket.socketpair()
    began, ended, ran = time.monotonic(), threading.Event(), [0]
    when = [0.0]

    def ask() -> bytes:
        ran[0] = threading.get_ident()
        try:
            return here.recv(1)
        finally:
            when[0] = time.monotonic() - began
            ended.set()

    answer = threading.Timer(HANGS, there.send, [b"!"])
    answer.start()
    error = "no error: the late answer"
    try:
        limited(ask, LIMIT)()
    except BaseException as raised:  # noqa: BLE001 - some of the peers' are no `Exception`
        error = type(raised).__name__
    back = time.monotonic() - began
    ended.wait(HANGS + 1)
    answer.cancel()
    return Tried(back, when[0], ran[0] == threading.get_ident(), error)


def in_thread(function: Callable[[], Any]) -> Any:
    """Call a function in a thread of its own."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001 - it is shown
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


def cost(limited: Limited) -> float:
    """Return what the limit adds to a call that returns at once, in microseconds."""
    function = limited(int, 30.0)
    function()
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(CALLS):
            function()
        best = min(best, time.perf_counter() - began)
    return best / CALLS * 1e6


def main(_arguments: list[str]) -> int:
    """Try each way, and print a table."""
    print(f"{'':38}{'back':>7}{'ended':>8}  own thread  in another thread{'':11}cost")
    for name, limited in WAYS.items():
        try:
            one = hanging(limited)
        except ImportError as missing:
            print(f"{name:38}{missing}")
            continue
        two = in_thread(lambda limited=limited: hanging(limited))
        elsewhere = f"{two.back:.2f} s, {two.error}" if isinstance(two, Tried) else repr(two)[:24]
        own = "yes" if one.own_thread else "no"
        print(
            f"{name:38}{one.back:5.2f} s{one.ended:6.2f} s  {own:12}{elsewhere:28}"
            f"{cost(limited):6.1f} us"
        )
    return 0
