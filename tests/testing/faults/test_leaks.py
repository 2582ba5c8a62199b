"""What is left behind: nothing.  And what loading costs: nothing, until it is used."""

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdfast.testing.faults import BlackHole, FaultProxy, FaultServer, Reply, Stall, Vanish

pytestmark = pytest.mark.real_time

FDS = Path("/proc/self/fd")


def in_use():
    """Threads and open files; those of earlier tests may be among them, and go when they like."""
    gc.collect()
    found = set(threading.enumerate())
    for one in FDS.iterdir() if FDS.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # that of the folder, which has been read
            found.add(one.readlink())
    return found


def hang(server, proxy):
    """Make one connection of each kind that does not end by itself."""
    yield server.address
    yield proxy.address
    server.behave(Reply(takes=60.0))
    yield proxy.address
    server.behave(Vanish("accept"))
    yield server.address
    proxy.behave(Stall())
    yield proxy.address
    proxy.behave(BlackHole())
    yield proxy.address


@pytest.mark.parametrize("clients_first", [True, False])
def test_neither_threads_nor_sockets_are_left(clients_first, eventually):
    """Whether the clients go first or the servers; forgotten sockets would be ResourceWarnings."""
    before = in_use()

    for _ in range(3):
        clients = []
        with FaultServer(Vanish()) as server, FaultProxy(server) as proxy:
            for address in hang(server, proxy):
                clients.append(socket.create_connection(address))
                clients[-1].sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert eventually(lambda: proxy.connections == 4)
            if clients_first:
                for client in clients:
                    client.close()
        for client in clients:
            client.close()

    assert in_use() <= before


def test_an_error_in_the_block_stops_it_as_well(eventually):
    """It is a context manager."""
    with pytest.raises(ZeroDivisionError), FaultServer():
        raise ZeroDivisionError

    assert not [one for one in threading.enumerate() if one.name.startswith("holdfast Fault")]


def test_several_threads_may_stop_it_while_others_use_it():
    """Nobody is left hanging: who comes too late is told."""
    for _ in range(20):
        server = FaultServer()
        server.start()
        ended = []

        def use(server=server, ended=ended):
            try:
                while True:
                    server.refuse()
                    server.accept()
            except RuntimeError:
                ended.append("use")

        def stop(server=server, ended=ended):
            server.stop()
            ended.append("stop")

        threads = [threading.Thread(target=one, daemon=True) for one in (use, use, stop, stop)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5.0)
        assert sorted(ended) == ["stop", "stop", "use", "use"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_can_leave_the_block(raw):
    """It has no thread that would answer; and the server of its parent lives on."""
    with FaultServer() as server:
        child = os.fork()
        if not child:
            signal.alarm(5)
            server.stop()
            os._exit(0)

        assert os.waitpid(child, 0)[1] == 0
        assert raw(server).send().status() == 200


def test_starting_and_stopping_is_quick(stopwatch):
    """So each test can have a server of its own, and async tests may do it on their loop."""
    for _ in range(10):
        with FaultServer():
            pass

    assert stopwatch() / 10 < 0.05


def test_the_fixtures_load_neither_asyncio_nor_sockets():
    """Pytest loads them in every project where Holdfast is installed."""
    code = (
        "import sys, types\n"
        "sys.modules['pytest'] = types.SimpleNamespace(fixture=lambda function: function)\n"
        "import holdfast.testing.faults.fixtures\n"
        "print({'asyncio', 'socket', 'http'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def test_every_name_can_be_imported():
    """They are looked up when they are asked for."""
    from holdfast.testing import faults

    assert {getattr(faults, name).__name__ for name in faults.__all__} == set(faults.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Teapot'"):
        _ = faults.Teapot
