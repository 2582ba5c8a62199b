"""What a thread waits for decides whether it is cut: its own connected socket, and nothing else."""

import os
import select
import selectors
import socket
import ssl
import subprocess
import threading
import time

import pytest

from holdfast import AttemptTimeout, Pipeline, Timeout
from holdfast._runtimes.cutting.frames import IN_LOOP
from holdfast._world import has_gil
from holdfast.events import Overrun
from holdfast.testing import record
from tests.cut.conftest import LIMIT, SOON, Stopwatch, full_backlog, until

pytestmark = pytest.mark.real_time


def by_select(one):
    select.select([one], [], [])
    return one.recv(1)


def by_selector(one):
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        selector.select()
    return one.recv(1)


def by_poll(one):
    poll = select.poll()
    poll.register(one, select.POLLIN)
    poll.poll()
    return one.recv(1)


def with_a_timeout(one):
    one.settimeout(30)
    return one.recv(1)


def by_a_full_buffer(one):
    while True:
        one.sendall(b"x" * 65536)


def by_a_file(one):
    return one.makefile("rb").readline()


def by_tls(one):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(one)


WAYS = {
    "recv": lambda one: one.recv(1),
    "recv with a timeout": with_a_timeout,
    "recv_into": lambda one: one.recv_into(bytearray(1)),
    "recvmsg": lambda one: one.recvmsg(1),
    "os.read": lambda one: os.read(one.fileno(), 1),
    "makefile": by_a_file,
    "send": by_a_full_buffer,
    "select": by_select,
    "poll": by_poll,
    "selector": by_selector,
    "a TLS handshake": by_tls,
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_waits_for_a_connection_is_cut(silent, limited, way):
    """In the caller's own thread, at the limit; the client's error is the cause, if it raised one."""
    threads = []

    def wait():
        threads.append(threading.get_ident())
        return WAYS[way](one)

    with (
        silent.connection() as one,
        Stopwatch() as took,
        pytest.raises(AttemptTimeout, match=r"no answer within 0\.2 s") as caught,
    ):
        limited.call(wait)
    assert LIMIT <= took.seconds < SOON
    assert threads == [threading.get_ident()]
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, OSError)


def test_a_connection_that_is_not_made_is_cut(limited):
    """Nobody takes the connections of a full backlog; the kernel tries again for minutes."""
    with full_backlog() as address, Stopwatch() as took, pytest.raises(AttemptTimeout):
        limited.call(socket.create_connection, address)
    assert LIMIT <= took.seconds < SOON


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_a_unix_socket_is_cut(limited, kind):
    """Databases and daemons of the same machine listen there."""
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    with here, there, pytest.raises(AttemptTimeout):
        limited.call(here.recv, 1)


def test_a_connected_datagram_socket_is_cut(limited):
    """So ends a lookup of a name, too: the resolver connects its sockets."""
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        two.bind(("127.0.0.1", 0))
        one.connect(two.getsockname())
        with pytest.raises(AttemptTimeout):
            limited.call(one.recv, 1)


# -- what is left alone --------------------------------------------------------------------------


def left_alone(function, *args, reason):
    """Call a function that returns after its limit; check that it was told, and why."""
    with record() as told:
        result = Pipeline("left", Timeout(0.05)).call(function, *args)
        until(lambda: any(isinstance(one, Overrun) for one in told))
    (overrun,) = [one for one in told if isinstance(one, Overrun)]
    assert overrun.reason == reason
    return result, overrun


def after(seconds, function, *args):
    timer = threading.Timer(seconds, function, args)
    timer.daemon = True
    timer.start()


NOTHING = "it waits for no socket"


def a_lock():
    lock = threading.Lock()
    lock.acquire()
    after(0.4, lock.release)
    return lock.acquire()


def a_pipe():
    read, write = os.pipe()
    after(0.4, os.write, write, b"!")
    return os.read(read, 1)


def an_unconnected_socket():
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        after(0.4, one.sendto, b"!", one.getsockname())
        return one.recv(1)


def a_process():
    return subprocess.run(["sleep", "0.4"], check=True).returncode


@pytest.mark.parametrize(
    "function, result, reason",
    [
        (lambda: time.sleep(0.4), None, NOTHING),
        (a_lock, True, NOTHING),
        (a_pipe, b"!", NOTHING),
        (a_process, 0, NOTHING),
        (an_unconnected_socket, b"!", "its socket is not connected"),
    ],
)
@pytest.mark.filterwarnings("ignore::holdfast.OverrunWarning")
def test_what_waits_for_no_connection_is_told_and_handed_over(function, result, reason):
    """Nobody can end it, and what it returns is an answer all the same."""
    assert left_alone(function, reason=reason)[0] == result


@pytest.mark.parametrize("timeout", [None, 30])
def test_a_socket_that_listens_goes_on_listening(timeout):
    """To shut it down would end the service."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(timeout)
        later = []
        after(0.4, lambda: later.append(socket.create_connection(server.getsockname())))
        (taken, _), _ = left_alone(
            server.accept, reason="it waits for others to connect" if timeout else NOTHING
        )
        taken.close()
        with socket.create_connection(server.getsockname()):
            server.accept()[0].close()
        until(lambda: later)
        later[0].close()


def test_a_thread_with_an_event_loop_is_left_alone(silent):
    """Its selector serves others, and so does the thread, even where it blocks in a call of its own."""
    import asyncio

    async def main():
        await asyncio.sleep(0.4)
        return "still whole"

    reason = IN_LOOP if has_gil() else "it serves an event loop"
    result, _ = left_alone(asyncio.run, main(), reason=reason)
    assert result == "still whole"


def test_a_call_that_blocks_an_event_loop_is_left_alone():
    """Whose socket it is doesn't matter: the thread is a loop's."""
    import asyncio

    pipeline = Pipeline("left", Timeout(0.05))

    async def blocking():
        here, there = socket.socketpair()
        after(0.4, there.send, b"!")
        with here, there:
            if has_gil():
                return left_alone(here.recv, 1, reason=IN_LOOP)[0]
            return pipeline.call(here.recv, 1)  # no more than a deadline

    assert asyncio.run(blocking()) == b"!"


def test_a_thread_that_serves_many_is_left_alone():
    """An epoll of more than a few sockets is a loop's, whoever has written it."""
    pairs = [socket.socketpair() for _ in range(6)]
    with selectors.DefaultSelector() as selector:
        for here, _ in pairs:
            selector.register(here, selectors.EVENT_READ)
        after(0.4, pairs[0][1].send, b"!")
        left_alone(selector.select, reason="it waits for many sockets, as an event loop does")
    for here, there in pairs:
        there.send(b"whole")
        assert here.recv(9)[-5:] == b"whole"
        here.close()
        there.close()


def test_the_bell_of_a_loop_is_left_alone():
    """One end of a pair among others is what wakes a loop of somebody's own."""
    (bell, ringer), (here, there) = socket.socketpair(), socket.socketpair()
    with bell, ringer, here, there:
        after(0.4, ringer.send, b"!")
        left_alone(select.select, [bell, here], [], [], reason="it serves an event loop")
        there.send(b"whole")
        assert here.recv(9) == b"whole"
