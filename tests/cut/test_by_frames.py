"""Where the kernel doesn't tell: what a blocked thread waits for is read off its frames, or told.

All on real sockets, with a watcher whose view of the kernel is taken away.
"""

import contextlib
import ctypes
import functools
import http.client
import imaplib
import os
import select
import selectors
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from holdfast import AttemptTimeout, Pipeline, Timeout
from holdfast._runtimes.cutting import names
from holdfast._runtimes.cutting.by_frames import ByFrames
from holdfast._runtimes.cutting.chain import forged
from holdfast._runtimes.cutting.sockets import Libc
from holdfast._world import has_gil
from holdfast.events import Overrun, subscribe
from tests.cut.blind import LIMIT, SOON, Blocked, blind
from tests.cut.conftest import full_backlog, until

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(not has_gil(), reason="frames are read under the GIL only"),
    pytest.mark.filterwarnings("ignore::holdfast.errors.OverrunWarning"),
]


@pytest.fixture(scope="module")
def watcher():
    """The watcher in force for blocking calls; it has no kernel to ask."""
    with blind() as one:
        yield one


@pytest.fixture
def pipeline(watcher, request):
    """A pipeline with nothing but a limit, and a name of its own."""
    return Pipeline(request.node.name, Timeout(LIMIT))


@pytest.fixture
def pair():
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = socket.create_connection(server.getsockname())
        there, _ = server.accept()
    with here, there:
        yield here, there


@pytest.fixture
def silent():
    """The port of a server that accepts, as the kernel does for all that listen, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def alive(there):
    """Tell whether the other end of a connection has not been shut down."""
    there.settimeout(0.05)
    try:
        return there.recv(1) != b""
    except TimeoutError:
        return True


# -- what is cut -----------------------------------------------------------------------------------


class Client:
    """A client as there are many: its socket is an attribute, of one attribute or of several."""

    __slots__ = ("inner", "sock")

    def __init__(self, sock):
        self.sock, self.inner = sock, self

    def read(self):
        return self.inner.inner.sock.recv(10)

    def read_by_a_name_of_its_own(self):
        receive = self.sock.recv
        return receive(10)

    def read_beside_others(self):
        with socket.socket() as other:
            return other, self.sock.recv_into(bytearray(1))

    def read_as_often(self):
        for timeout in (*[0] * 100, 30):  # by then the interpreter has its own instructions for it
            self.sock.settimeout(timeout)
            with contextlib.suppress(BlockingIOError):
                self.sock.recv(1)

    def wait_by_select(self):
        return select.select([self.sock], [], [self.sock], 30)

    def wait_by_poll(self):
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        for timeout in (*[0] * 100, 30_000):
            ready = poll.poll(timeout)
        return ready

    def wait_by_selector(self, kind=selectors.DefaultSelector):
        with kind() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return selector.select(30)


def with_a_timeout(one):
    one.settimeout(30)
    return one.recv(1)


def with_dots_on_lines_of_their_own(one):
    return (
        one
        .recv(
            10
        )
    )  # fmt: skip


def by_a_full_buffer(one):
    while True:
        one.sendall(b"x" * 65536)


def after_an_assignment(one):
    while chunk := (same := one).recv(1):
        del chunk, same


def with_arguments_given_before(one):
    receive = functools.partial(one.recv, 1)
    return receive()


WAYS = {
    "recv": lambda one: one.recv(1),
    "recv with a timeout": with_a_timeout,
    "recvmsg": lambda one: one.recvmsg(1),
    "recvfrom": lambda one: one.recvfrom(1),
    "lines": with_dots_on_lines_of_their_own,
    "a name for it": after_an_assignment,
    "sendall": by_a_full_buffer,
    "makefile": lambda one: one.makefile("rb").readline(),
    "makefile of text": lambda one: next(one.makefile("r")),
    "partial": with_arguments_given_before,
    "attributes": lambda one: Client(one).read(),
    "its own name": lambda one: Client(one).read_by_a_name_of_its_own(),
    "others beside it": lambda one: Client(one).read_beside_others(),
    "often": lambda one: Client(one).read_as_often(),
    "select": lambda one: Client(one).wait_by_select(),
    "poll": lambda one: Client(one).wait_by_poll(),
    "selector": lambda one: Client(one).wait_by_selector(),
    "PollSelector": lambda one: Client(one).wait_by_selector(selectors.PollSelector),
    "SelectSelector": lambda one: Client(one).wait_by_selector(selectors.SelectSelector),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_socket_with_a_name_is_cut(watcher, pipeline, pair, way):
    """However the thread waits for it, and however often it has done so before."""
    here, there = pair
    began = time.monotonic()
    with pytest.raises(AttemptTimeout, match=r"no answer within 0\.1 s"):
        pipeline.call(WAYS[way], here)
    assert LIMIT <= time.monotonic() - began < SOON
    assert watcher.cut.total(pipeline.name) == 1
    there.settimeout(SOON)
    while there.recv(1 << 20):  # what was sent, and then the end
        pass


def test_a_function_of_the_socket_itself_is_cut(pipeline, pair):
    """Then the innermost frame is one of ours, and calls what it was given."""
    with pytest.raises(AttemptTimeout):
        pipeline.call(pair[0].recv, 1)


def test_a_connection_that_is_not_made_is_cut(pipeline):
    """The backlog is full, and the kernel tries again for minutes."""
    with full_backlog() as address, pytest.raises(AttemptTimeout):
        pipeline.call(socket.create_connection, address)


# -- clients -----------------------------------------------------------------------------------------


def anonymous(protocol):
    """Return a context for TLS without certificates, as nobody uses it, but for tests."""
    context = ssl.SSLContext(protocol)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers("aNULL:@SECLEVEL=0")
    except ssl.SSLError:
        pytest.skip("this OpenSSL has no TLS without certificates")
    return context


@pytest.fixture
def silent_tls():
    """The port of a server that shakes hands, and never says anything else."""
    context, taken = anonymous(ssl.PROTOCOL_TLS_SERVER), []

    def serve():
        try:
            while True:
                taken.append(context.wrap_socket(server.accept()[0], server_side=True))
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for one in taken:
        one.close()


def by_http_client(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/")
        return connection.getresponse()
    finally:
        connection.close()


def by_https_client(port):
    context = anonymous(ssl.PROTOCOL_TLS_CLIENT)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    try:
        connection.request("GET", "/")
        return connection.getresponse()
    finally:
        connection.close()


def by_urllib(port, scheme="http", *handlers):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    return opener.open(f"{scheme}://127.0.0.1:{port}/", timeout=30)


def by_urllib_with_tls(port):
    context = anonymous(ssl.PROTOCOL_TLS_CLIENT)
    return by_urllib(port, "https", urllib.request.HTTPSHandler(context=context))


def wrapped(port):
    plain = socket.create_connection(("127.0.0.1", port))
    context = anonymous(ssl.PROTOCOL_TLS_CLIENT)
    return context.wrap_socket(plain, do_handshake_on_connect=False)


def by_recv_with_tls(port):
    with wrapped(port) as one:
        one.do_handshake()
        return one.recv(1)


def by_unwrapping(port):
    with wrapped(port) as one:
        one.do_handshake()
        return one.unwrap()


PLAIN = {
    "http.client": by_http_client,
    "urllib": by_urllib,
    "smtplib": lambda port: smtplib.SMTP("127.0.0.1", port),
    "imaplib": lambda port: imaplib.IMAP4("127.0.0.1", port),
    "a TLS handshake": by_recv_with_tls,
}
WITH_TLS = {
    "http.client": by_https_client,
    "urllib": by_urllib_with_tls,
    "recv": by_recv_with_tls,
    "unwrap": by_unwrapping,
}


@pytest.mark.parametrize("client", PLAIN)
def test_a_client_is_cut(pipeline, silent, client):
    """Its error is the cause, and it has cleaned up behind itself."""
    with pytest.raises(AttemptTimeout) as caught:
        pipeline.call(PLAIN[client], silent)
    assert isinstance(
        caught.value.__cause__, (OSError, http.client.HTTPException, imaplib.IMAP4.error)
    )


@pytest.mark.parametrize("client", WITH_TLS)
def test_a_client_with_tls_is_cut(pipeline, silent_tls, client):
    """The socket is the one that the encrypted connection belongs to."""
    with pytest.raises(AttemptTimeout) as caught:
        pipeline.call(WITH_TLS[client], silent_tls)
    assert caught.value.__cause__ is None or isinstance(
        caught.value.__cause__, (OSError, http.client.HTTPException)
    )


# -- what is told ------------------------------------------------------------------------------------


class Idle:
    """Something that has a connection, and waits for something else."""

    def __init__(self, sock):
        self.sock = sock
        self.lock = threading.Lock()
        self.lock.acquire()
        self.ends = os.pipe()
        self.others = ()

    def sleep(self, _released):
        time.sleep(LIMIT + 0.3)

    def sleep_by_select(self, _released):
        select.select([], [], [], LIMIT + 0.3)

    def wait_for_an_event(self, released):
        released.wait(10)

    def wait_for_a_lock(self, released):
        sock = self.sock
        threading.Thread(target=lambda: released.wait(10) and self.lock.release()).start()
        return self.lock.acquire(), sock

    def compute(self, released):
        sock = self.sock
        while not released.is_set():
            sum(range(1000))
        return sock

    def read_a_pipe(self, released):
        self._send_then(released)
        return os.read(self.ends[0], 1)

    def read_a_file(self, released):
        self._send_then(released)
        with open(self.ends[0], "rb", buffering=0, closefd=False) as file:
            return file.read(1)

    def select_a_pipe(self, released):
        self._send_then(released)
        with selectors.DefaultSelector() as selector:
            selector.register(self.ends[0], selectors.EVENT_READ)
            return selector.select(10)

    def poll_a_pipe(self, released):
        self._send_then(released)
        poll = select.poll()
        poll.register(self.ends[0], select.POLLIN)
        return poll.poll(10_000)

    def poll_what_others_have_registered(self, released):
        self._send_then(released)
        return self._poll_of(self.ends[0]).poll(10_000)

    def _poll_of(self, fd):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return poll

    def run_a_program(self, released):
        self._send_then(released)
        command = [sys.executable, "-c", "input()"]
        return subprocess.run(command, stdin=self.ends[0], capture_output=True, check=True)

    def accept(self, released):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._then(released, lambda: socket.create_connection(server.getsockname()).close())
            taken, _ = server.accept()
            taken.close()

    def read_a_bare_temporary(self, released):
        return self._new_connection(released).recv(1)

    def read_what_code_returns(self, released):
        self._new_connection(released)
        return self.asked.recv(1)

    @property
    def asked(self):
        return self.others[0]

    def _new_connection(self, released):
        here, there = self.others = socket.socketpair()
        self._then(released, lambda: there.send(b"!"))
        return here

    def _send_then(self, released):
        self._then(released, lambda: os.write(self.ends[1], b"!\n"))

    def _then(self, released, do):
        threading.Thread(target=lambda: released.wait(10) and do()).start()

    def close(self):
        for end in self.ends:
            os.close(end)
        for one in self.others:
            one.close()


TOLD = [
    name for name, one in vars(Idle).items() if callable(one) and name[0] != "_" and name != "close"
]


@pytest.mark.parametrize("does", TOLD)
def test_a_socket_that_nobody_waits_for_is_left_alone(watcher, pipeline, pair, does):
    """However near it lies: it is told instead, and what comes late is handed over."""
    here, there = pair
    idle, released, told = Idle(here), threading.Event(), []

    def heard(event):
        if isinstance(event, Overrun):
            told.append(event)
            released.set()

    with subscribe(heard):
        pipeline.call(getattr(idle, does), released)
        until(lambda: told)
    idle.close()
    assert alive(there)
    assert pipeline.name not in watcher.cut
    assert watcher.overran.total(pipeline.name) == 1


def test_objects_that_lie_about_themselves_do_no_harm(pipeline, pair):
    """A proxy that raises where it is asked for its class, as those of web frameworks do."""

    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("working outside of request context")

        __dict__ = __class__

    def wait(request, one):
        return one.recv(1), request

    with pytest.raises(AttemptTimeout):
        pipeline.call(wait, Proxy(), pair[0])


# -- the links -----------------------------------------------------------------------------------------


class Threads:
    """A thread that goes through several waits, each ended from outside."""

    def __init__(self):
        self.first, self.ends_first = self._connection()
        self.second, self.ends_second = self._connection()
        self.sock = self.first

    @staticmethod
    def _connection():
        with socket.create_server(("127.0.0.1", 0)) as server:
            here = socket.create_connection(server.getsockname())
            return here, server.accept()[0]

    def goes_on_in_its_frame(self):
        self.sock.recv(1)
        return self.second.recv(1)

    def goes_on_after_an_error(self):
        try:
            self.receive()
        except OSError:
            return self.second.recv(1)

    def receive(self):
        return self.sock.recv(1)

    def goes_on_in_the_same_place(self):
        for one in (self.first, self.second):
            one.recv(1)

    def goes_on_by_another_attribute(self):
        for one in (self.first, self.second):
            self.sock = one
            self.sock.recv(1)

    def goes_on_in_its_caller(self):
        self.receive()
        return self.second.recv(1)

    def close(self):
        for one in (self.first, self.ends_first, self.second, self.ends_second):
            one.close()


@pytest.fixture
def waits():
    """Connections to wait for, one after the other."""
    one = Threads()
    yield one
    one.close()


MOVES = [name for name in vars(Threads) if name.startswith("goes_on")]


def blocked_in(thread, sock):
    """Wait until a thread is in a call of that socket's; return what is known of it."""
    eyes, seen = ByFrames(Libc()), []

    def there():
        frame = thread.frame()
        found = eyes.look(frame) if frame is not None else None
        if found is not None and not found.why_not:
            seen[:] = [found]
        return seen and found.shut[0].args[0] == sock.fileno()

    until(there)
    return seen[0]


@pytest.mark.parametrize("does", MOVES)
def test_the_chain_breaks_when_the_thread_has_gone_on(waits, does):
    """What it waited for is nobody's, or somebody else's, by the time of the cut."""
    thread = Blocked(getattr(waits, does))
    seen = blocked_in(thread, waits.first)
    if does == "goes_on_after_an_error":
        waits.ends_first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        waits.ends_first.close()
    else:
        waits.ends_first.send(b"!")
    blocked_in(thread, waits.second)

    assert forged([[*seen.links, *seen.shut]])[0] < len(seen.links)
    waits.ends_second.send(b"!")
    thread.ended()
    if does != "goes_on_after_an_error":
        assert alive(waits.ends_first)


def test_the_chain_holds_as_long_as_the_thread_waits(waits):
    """Then the connection is shut down, and the call ends."""
    thread = Blocked(waits.receive)
    seen = blocked_in(thread, waits.first)

    assert forged([[*seen.links, *seen.shut]]) == [len(seen.links) + 1]
    assert thread.ended() == b""


def test_an_answer_that_is_there_is_not_thrown_away(waits, monkeypatch):
    """A thread that has it, and lacks the GIL only, looks as if it waited: it may go on first."""
    monkeypatch.setattr(names, "PAUSE", 0.2)  # on a busy machine, too
    send = ctypes.PyDLL(None).send
    thread = Blocked(waits.goes_on_in_its_caller)
    seen = blocked_in(thread, waits.first)
    before = sys.getswitchinterval()
    sys.setswitchinterval(10)  # from here on nobody gets the GIL who isn't given it
    try:
        send(waits.ends_first.fileno(), b"!", 1, 0)
        until_it_has_come = time.monotonic() + 0.02
        while time.monotonic() < until_it_has_come:
            pass
        held = forged([[*seen.links, *seen.shut]])
    finally:
        sys.setswitchinterval(before)
    assert held[0] < len(seen.links)
    blocked_in(thread, waits.second)
    waits.ends_second.send(b"!")
    thread.ended()
    assert alive(waits.ends_first)


def test_the_chain_breaks_when_the_number_is_another_sockets(waits):
    """A socket was closed under the thread that waits for it, and the number is given anew."""
    thread = Blocked(waits.receive)
    seen = blocked_in(thread, waits.first)
    fd = waits.first.detach()
    before = os.dup(fd)
    os.dup2(waits.second.fileno(), fd)

    assert forged([[*seen.links, *seen.shut]])[0] < len(seen.links)
    waits.ends_first.send(b"!")
    thread.ended()
    assert alive(waits.ends_second)
    os.close(before)
    os.close(fd)


def test_the_chain_breaks_when_a_selector_has_got_more(waits):
    """Somebody has registered another socket meanwhile: the look is old."""
    with selectors.DefaultSelector() as selector:
        selector.register(waits.first, selectors.EVENT_READ)
        thread = Blocked(selector.select)
        seen = blocked_in(thread, waits.first)
        selector.register(waits.second, selectors.EVENT_READ)

        assert forged([[*seen.links, *seen.shut]])[0] < len(seen.links)
        waits.ends_second.send(b"!")
        thread.ended()
    assert alive(waits.ends_first)
