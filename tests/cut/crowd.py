"""Threads that share one pool of connections, and answers that come right around the limit.

What would be seen here, and nowhere else: a socket that is shut down when its call is over already and
the connection is somebody else's, or when its answer has come in time.  ``python -m tests.cut.crowd
CALLS`` makes so many calls in each thread.
"""

import asyncio
import multiprocessing
import queue
import random
import resource
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from holdfast import AttemptTimeout, Pipeline, Timeout
from holdfast._runtimes.cutting import eyes

THREADS = 16
QUESTION = struct.Struct("=Qd")
"""A number, and after how many seconds it is to be sent back."""
ANSWER = struct.Struct("=Q")


def _serve(pipe):
    sent = {}

    async def answer(reader, writer):
        try:
            while True:
                number, delay = QUESTION.unpack(await reader.readexactly(QUESTION.size))
                await asyncio.sleep(delay)
                writer.write(ANSWER.pack(number))
                sent[number] = time.monotonic()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname())
        while await asyncio.to_thread(pipe.recv):
            pipe.send(sent.copy())

    asyncio.run(serve())


class Server:
    """Sends numbers back, each after the time that it asks for; in a process of its own."""

    def __enter__(self):
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        self.address = self._pipe.recv()
        return self

    def sent(self):
        """Return when each number was sent back, on the clock that all processes share."""
        self._pipe.send(True)
        return self._pipe.recv()

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()


class Pool:
    """Connections; one that was given back is taken next, as in the pools of HTTP clients.

    As they do, it looks whether the connection is still there: an answer may have come in the
    microsecond between the last look at its thread and the cut.
    """

    def __init__(self, address):
        self._address = address
        self._idle = queue.LifoQueue()

    def ask(self, number, delay):
        """Send a number, and return what comes back; a connection that fails is closed."""
        one = self._taken()
        try:
            one.sendall(QUESTION.pack(number, delay))
            answer = b""
            while len(answer) < ANSWER.size:
                got = one.recv(ANSWER.size - len(answer))
                if not got:
                    raise EOFError("the connection has ended")
                answer += got
        except BaseException:
            one.close()
            raise
        self._idle.put(one)
        return ANSWER.unpack(answer)[0]

    def close(self):
        """Close them all."""
        while not self._idle.empty():
            self._idle.get().close()

    def _taken(self):
        while True:
            try:
                one = self._idle.get_nowait()
            except queue.Empty:
                return socket.create_connection(self._address)
            look = select.poll()
            look.register(one, select.POLLIN)
            if not look.poll(0):
                return one
            one.close()


@dataclass
class Ends:
    """How the calls of a crowd ended."""

    answered: int = 0
    cut: int = 0
    wrongly_cut: int = 0
    """Though the answer had been sent in time."""
    early: int = 0
    """Before the limit."""
    mixed_up: int = 0
    """They got an answer to another question."""
    harmed: Counter = field(default_factory=Counter)
    """Errors of calls that nobody had cut."""

    @property
    def wrong(self):
        return self.wrongly_cut + self.early + self.mixed_up + self.harmed.total()


def crowd(server, calls, limit, delay, threads=THREADS):
    """Make so many calls in each thread, with ``delay()`` for each."""
    pool, ends, cut = Pool(server.address), Ends(), {}
    lock, numbers = threading.Lock(), iter(range(1, 1 << 40))
    ask = Pipeline("crowd", Timeout(limit))(pool.ask)

    def one_call(number):
        began = time.monotonic()
        try:
            answer = ask(number, delay())
        except AttemptTimeout:
            late = time.monotonic() - began >= limit
            with lock:
                ends.early += not late
                cut[number] = began + limit
        except Exception as error:
            with lock:
                ends.harmed[repr(error)] += 1
        else:
            with lock:
                ends.answered += answer == number
                ends.mixed_up += answer != number

    def work():
        for _ in range(calls):
            with lock:
                number = next(numbers)
            one_call(number)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    pool.close()
    sent = server.sent()
    ends.cut = len(cut)
    ends.wrongly_cut = sum(
        sent.get(number, limit_at) < limit_at for number, limit_at in cut.items()
    )
    return ends


def at_once(calls, limit=1.0):
    """Begin so many calls that are never answered; return how late each one ended, in seconds."""
    late, lock, go = [], threading.Lock(), threading.Event()
    ask = Pipeline("at once", Timeout(limit))(socket.socket.recv)

    def work():
        here, there = socket.socketpair()
        with here, there:
            go.wait()
            began = time.monotonic()
            try:
                ask(here, 1)
            except AttemptTimeout:
                ended = time.monotonic()
                with lock:
                    late.append(ended - began - limit)

    before = threading.stack_size(256 * 1024)
    workers = [threading.Thread(target=work) for _ in range(calls)]
    for one in workers:
        one.start()
    threading.stack_size(before)
    go.set()
    for one in workers:
        one.join()
    return sorted(late)


@contextmanager
def busy_interpreter():
    """Keep the interpreter busy, and have it switch threads all the time."""
    stop, before = threading.Event(), sys.getswitchinterval()

    def work():
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work, daemon=True)
    sys.setswitchinterval(1e-5)
    thread.start()
    yield
    stop.set()
    thread.join()
    sys.setswitchinterval(before)


def let_go(chains):
    """Do what `forged` does, and let other threads run between the links: for comparison."""
    for links in chains:
        for link in links:
            time.sleep(0)
            if not link():
                break


def main(calls):
    """Answers around the limit, answers one millisecond before it, and many that never come."""
    rng = random.Random(1)
    chain = eyes.forged
    around = lambda: rng.uniform(0.045, 0.056)  # noqa: E731
    for name, eyes.forged, limit, delay, busy in (
        ("around the limit", chain, 0.05, around, nullcontext),
        ("1 ms before the limit", chain, 0.02, lambda: 0.019, nullcontext),
        ("around the limit, busy", chain, 0.05, around, busy_interpreter),
        (
            "around the limit, the GIL let go between look and cut",
            let_go,
            0.05,
            around,
            nullcontext,
        ),
    ):
        with Server() as server, busy():
            began = time.monotonic()
            ends = crowd(server, calls, limit, delay)
        print(f"{name}, {time.monotonic() - began:.1f} s: {ends}", flush=True)
    eyes.forged = chain
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    late = at_once(1000)
    middle, last = late[len(late) // 2] * 1000, late[-1] * 1000
    print(f"1,000 at once: {len(late)} cut, {middle:.0f} ms late in the middle, {last:.0f} at last")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
