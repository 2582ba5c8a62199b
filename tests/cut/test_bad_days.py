"""Days that are worse than a slow server: reused descriptors, forks, signals, exits, busy machines."""

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from holdfast import AttemptTimeout, Pipeline, Timeout
from holdfast._runtimes.cutting.chain import forged
from holdfast._runtimes.cutting.kernel import Kernel
from holdfast._runtimes.cutting.sockets import Libc
from holdfast._world import has_gil
from tests.cut.conftest import LIMIT, SOON, Stopwatch, ended, in_thread, until

pytestmark = pytest.mark.real_time


def run(program, *, limit=30, **changes):
    """Run a program of its own; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PRELUDE) + textwrap.dedent(program)],
        capture_output=True, text=True, timeout=limit, check=False, **changes,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


PRELUDE = """
    import os, signal, socket, sys, threading, time
    from holdfast import AttemptTimeout, Pipeline, Timeout

    def say(word):
        os.write(1, f"{word}\\n".encode())  # at one go, whoever else says something

    def ask(seconds=0.2):
        here, there = socket.socketpair()
        with here, there:
            try:
                Pipeline("p", Timeout(seconds)).call(here.recv, 1)
            except AttemptTimeout:
                return "cut"
"""


# -- what was seen must still be so --------------------------------------------------------------


@pytest.fixture
def kernel():
    """Return what asks the kernel."""
    made = Kernel(Libc())
    yield made
    made.close()


def looked_at(kernel, thread):
    """Return what a thread waits for, once it waits."""
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        seen = kernel.look(thread.native_id)
        if not seen.why_not:
            return seen
        seen.close()
        time.sleep(0.001)
    raise AssertionError(seen.why_not)


def cut(seen):
    """Cut as the watcher does; return whether that came to the socket."""
    (held,) = forged([[*seen.links, *seen.shut]])
    seen.close()
    return held > len(seen.links)


def test_a_thread_that_still_waits_is_cut(kernel):
    """As far as the links go, which the other tests break."""
    here, there = socket.socketpair()
    with here, there:
        thread = in_thread(here.recv, 1)
        assert cut(looked_at(kernel, thread))
        assert ended(thread) == b""


def test_a_thread_that_has_got_its_answer_is_not_cut(kernel):
    """Its connection may be somebody else's by now."""
    here, there = socket.socketpair()
    with here, there:
        thread = in_thread(here.recv, 1)
        seen = looked_at(kernel, thread)
        there.send(b"!")
        assert ended(thread) == b"!"
        assert not cut(seen)
        there.send(b"whole")
        assert here.recv(5) == b"whole"


def test_a_thread_that_waits_for_another_socket_is_not_cut(kernel):
    """It has gone on to the next call, whose time isn't up."""
    (here, there), (next_here, next_there) = socket.socketpair(), socket.socketpair()
    got = []
    with here, there, next_here, next_there:
        thread = in_thread(lambda: (got.append(here.recv(1)) or b"!", next_here.recv(1)))
        seen = looked_at(kernel, thread)
        there.send(b"!")
        until(lambda: got)
        looked_at(kernel, thread).close()
        assert not cut(seen)
        next_there.send(b"!")
        assert ended(thread) == (b"!", b"!")


@pytest.mark.parametrize("timeout", [None, 30])
def test_another_socket_with_the_same_number_is_not_cut(kernel, timeout):
    """A thread in a loop reads with the same arguments, on the same stack, from what was opened anew."""
    here, there = socket.socketpair()
    number, spare = here.fileno(), []

    def read():
        for _ in range(2):
            with socket.socket(fileno=number) as one:
                one.settimeout(timeout)
                got = one.recv(1)
            if not spare:
                new, other = socket.socketpair()
                if new.fileno() != number:
                    os.dup2(new.fileno(), number)
                    new.close()
                new.detach()
                spare.append(other)
        return got

    here.detach()
    thread = in_thread(read)
    seen = looked_at(kernel, thread)
    there.send(b"1")
    until(lambda: spare)
    looked_at(kernel, thread).close()
    assert not cut(seen)
    spare[0].send(b"2")
    assert ended(thread) == b"2"
    there.close()
    spare[0].close()


def test_a_poll_for_something_else_is_not_cut(kernel):
    """The list of what is polled lies at the same place, with another content."""
    (here, there), (next_here, next_there) = socket.socketpair(), socket.socketpair()

    polled = []

    def poll():
        for one in here, next_here:
            poll = select.poll()
            poll.register(one, select.POLLIN)
            polled.append(poll.poll())
        return "done"

    with here, there, next_here, next_there:
        thread = in_thread(poll)
        seen = looked_at(kernel, thread)
        there.send(b"!")
        until(lambda: polled)
        looked_at(kernel, thread).close()
        assert not cut(seen)
        next_there.send(b"!")
        assert ended(thread) == "done"


# -- descriptors ---------------------------------------------------------------------------------


def test_a_duplicate_of_a_socket_is_cut(limited):
    """It is the same connection, by another number."""
    here, there = socket.socketpair()
    with here, there, here.dup() as other, pytest.raises(AttemptTimeout):
        limited.call(other.recv, 1)


def test_a_lookup_of_a_name_that_hangs_is_cut():
    """The resolver asks a server that is silent, and asks again; it would go on for ten seconds."""
    told = run("""
    import ctypes, struct

    silent = socket.socket(type=socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "__res_state"):
        print("cut", "gaierror", True)  # not glibc
        sys.exit()
    libc.__res_init()
    libc.__res_state.restype = ctypes.c_void_p
    state = libc.__res_state()
    ctypes.c_int.from_address(state + 16).value = 1
    server = struct.pack("=H", socket.AF_INET) + struct.pack("!H", silent.getsockname()[1])
    ctypes.memmove(state + 20, server + socket.inet_aton("127.0.0.1") + bytes(8), 16)
    began = time.monotonic()
    try:
        Pipeline("p", Timeout(0.3)).call(socket.getaddrinfo, "shop.example", 80)
    except AttemptTimeout as error:
        print("cut", type(error.__cause__).__name__, time.monotonic() - began < 2.0)
    """)
    assert told == ["cut", "gaierror", "True"]


def test_a_connection_that_another_process_has_too_ends_there_as_well():
    """A stream that was left in the middle is of no use to anybody."""
    told = run("""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        say("child"), say(here.recv(1))
        os._exit(0)
    time.sleep(0.1)
    try:
        Pipeline("p", Timeout(0.2)).call(here.recv, 1)
    except AttemptTimeout:
        os.waitpid(child, 0)
        print("parent")
    """)
    assert told == ["child", "b''", "parent"]


# -- signals, forks, exits -----------------------------------------------------------------------


def test_an_interrupted_call_is_forgotten(silent):
    """Ctrl-C ends the call, and what its thread does next is nobody's business."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    pipeline = Pipeline("interrupted", Timeout(0.3))
    here, there = socket.socketpair()
    with silent.connection() as one, here, there:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            pipeline.call(one.recv, 1)
        timer = threading.Timer(0.5, there.send, [b"!"])
        timer.start()
        assert here.recv(1) == b"!"
        assert one.getpeername()


def test_a_signal_handler_may_make_a_call_in_the_middle_of_another(silent):
    """Each is ended at its own limit."""
    ends = []

    def handle(_number, _frame):
        with silent.connection() as another, pytest.raises(AttemptTimeout):
            Pipeline("inner", Timeout(0.1)).call(another.recv, 1)
        ends.append("inner")

    signal.signal(signal.SIGALRM, handle)
    with silent.connection() as one:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with Stopwatch() as took, pytest.raises(AttemptTimeout):
            Pipeline("outer", Timeout(0.6)).call(one.recv, 1)
    assert ends == ["inner"]
    assert took.seconds >= 0.6


def test_a_child_has_a_watcher_of_its_own():
    """Forked while calls are watched: they stay the parent's, and its own are cut."""
    told = run("""
    others = [threading.Thread(target=ask, args=(0.6,)) for _ in range(3)]
    for one in others:
        one.start()
    ask()
    child = os.fork()
    if child == 0:
        print(ask(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    for one in others:
        one.join()
    print(ask())
    """)
    assert told == ["cut", "cut"]


def test_a_call_that_forks_is_ended_in_both_processes():
    """Each of them is in the call, with the same limit."""
    told = run("""
    def both():
        child = os.fork()
        here, there = socket.socketpair()
        try:
            here.recv(1)
        finally:
            if child:
                os.waitpid(child, 0)

    try:
        Pipeline("p", Timeout(0.3)).call(both)
    except AttemptTimeout:
        say("cut")
    """)
    assert told == ["cut", "cut"]


@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "os._exit(0)"])
def test_the_interpreter_ends_while_calls_are_watched(ending):
    """Daemon threads that hang hold nobody up."""
    told = run(f"""
    ask()
    for _ in range(5):
        threading.Thread(target=ask, args=(60,), daemon=True).start()
    time.sleep(0.1)
    print("ends", flush=True)
    {ending}
    """)
    assert told == ["ends"]


def test_a_call_at_the_interpreters_end_is_made_all_the_same():
    """There are no new threads by then, so a watcher that isn't there yet can't come."""
    told = run("""
    import atexit

    def last():
        print(Pipeline("p", Timeout(5.0)).call(lambda: "made"), flush=True)

    threading._register_atexit(last) if hasattr(threading, "_register_atexit") else None
    atexit.register(last)
    """)
    assert set(told) == {"made"}


# -- what belongs to others ----------------------------------------------------------------------


OBJECTS = """
    import traceback

    ends = []

    class Thing:
        def __del__(self):
            names = {one.name for one in traceback.extract_stack()}
            ends.append("watcher" if "_turn" in names else "its own thread")

    def crowd(size, seconds=0.3):
        def use():
            thing, (here, there) = Thing(), socket.socketpair()
            with here, there:
                here.recv(1)

        def call():
            go.wait()
            try:
                limited(use)
            except AttemptTimeout:
                pass

        go, limited = threading.Barrier(size), Pipeline("p", Timeout(seconds)).call
        threads = [threading.Thread(target=call) for _ in range(size)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
"""


def test_what_a_call_held_ends_in_its_own_thread():
    """However many are looked at together: a finaliser that blocks would be the end of all cuts."""
    told = run(
        textwrap.dedent(OBJECTS)
        + textwrap.dedent("""
    crowd(100)
    print(set(ends), len(ends))
    """)
    )
    assert told == ["{'its", "own", "thread'}", "100"]


def test_garbage_is_not_collected_in_the_watcher():
    """What the collector finds may take its time to end."""
    told = run(
        textwrap.dedent(OBJECTS)
        + textwrap.dedent("""
    import gc

    ask()
    gc.collect()
    thing = Thing()
    thing.itself = thing
    del thing
    print(ask(), ends)
    """)
    )
    assert told == ["cut", "[]"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="they have other names there")
def test_a_subinterpreter_ends_as_it_began():
    """One that shares the GIL, as mod_wsgi's do, may not end while a thread of its own is left."""
    told = run("""
    try:
        import _xxsubinterpreters as subinterpreters
    except ImportError:
        import _interpreters as subinterpreters

    old = sys.version_info < (3, 13)
    one = subinterpreters.create(isolated=False) if old else subinterpreters.create("legacy")
    subinterpreters.run_string(one, f"import sys; sys.path[:0] = {sys.path!r}" + '''
    from holdfast import Pipeline, Timeout
    Pipeline("p", Timeout(5.0)).call(int)
    '''.replace("    ", ""))
    subinterpreters.destroy(one)
    print("ended")
    """)
    assert told == ["ended"]


def test_a_crowd_collects_nothing_in_the_watcher():
    """A finaliser that waits for ever, there, would be the end of all cuts."""
    told = run("""
    import gc

    stuck = threading.Event()

    class Thing:
        def __init__(self):
            self.itself = self
        def __del__(self):
            where.append(threading.current_thread().name)
            if where[-1].startswith("Dummy"):
                stuck.wait()

    def crowd():
        threads = [threading.Thread(target=lambda: told.append(ask()), daemon=True) for _ in range(40)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 3
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))

    told, where = [], []
    crowd()
    gc.collect()
    gc.set_threshold(100)
    Thing()
    crowd()
    crowd()
    say(any(name.startswith("Dummy") for name in where))
    say(len(told))
    os._exit(0)
    """)
    assert told == ["False", "120"]


def test_a_program_that_switches_its_collector_off_has_it_off():
    """And on again when it says so, whatever the watcher does meanwhile."""
    told = run("""
    import gc

    def asking():
        while True:
            ask(0.01)

    for _ in range(8):
        threading.Thread(target=asking, daemon=True).start()
    wrong, until = 0, time.monotonic() + 1
    while time.monotonic() < until:
        for switch, on in (gc.disable, False), (gc.enable, True):
            switch()
            time.sleep(0.001)
            wrong += gc.isenabled() is not on
    say(wrong)
    os._exit(0)
    """)
    assert told == ["0"]


@pytest.mark.skipif(
    not has_gil(), reason="a child may wait for the lock of a dict that a thread had"
)
@pytest.mark.parametrize("blind", [False, True])
def test_a_child_has_its_collector(blind):
    """Nothing starts it while the watcher looks; a child that is forked meanwhile gets it back."""
    told = run(f"""
    import gc

    if {blind}:
        from holdfast._runtimes.cutting.kernel import Kernel
        from holdfast._runtimes.cutting.waiting import UNTOLD, Waiting
        Kernel.look = lambda self, native: Waiting(why_not=UNTOLD)

    def asking():
        while True:
            ask(0.01)

    for _ in range(8):
        threading.Thread(target=asking, daemon=True).start()
    without = 0
    for _ in range(100):
        child = os.fork()
        if not child:
            os._exit(not (gc.isenabled() and gc.get_threshold()[0]))
        without += os.waitpid(child, 0)[1] != 0
    say(without)
    os._exit(0)
    """)
    assert told == ["0"]


def test_a_child_keeps_no_cut_of_a_thread_that_it_has_not():
    """A new thread may have the same identity; who forks in a clean-up leaves as it would have."""
    told = run("""
    from holdfast._cut import under_cut

    pipeline = Pipeline("p", Timeout(0.1))

    def recv(here):
        try:
            return here.recv(1)
        finally:
            reached.set()
            if forks:
                children.append(os.fork())
            else:
                go.wait(5)

    def call():
        here, there = socket.socketpair()
        try:
            pipeline.call(recv, here)
        except Exception as error:
            ends.append(type(error).__name__)

    reached, go, forks, children, ends = threading.Event(), threading.Event(), False, [], []
    thread = threading.Thread(target=call)
    thread.start()
    reached.wait()
    time.sleep(0.01)
    child = os.fork()
    if not child:
        os._exit(len(under_cut))
    say(os.waitpid(child, 0)[1])
    go.set()
    thread.join()
    forks = True
    call()
    if children == [0]:
        os._exit(ends[-1] != "AttemptTimeout")
    say(os.waitpid(children[0], 0)[1])
    """)
    assert told == ["0", "0"]


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="Linux has them")
@pytest.mark.parametrize("kind", [socket.SOCK_RAW, socket.SOCK_DGRAM])
def test_a_socket_that_nothing_shuts_down_is_told(kernel, kind):
    """Shutting it down would do nothing, and its answer would be refused."""
    with socket.socket(socket.AF_NETLINK, kind, 0) as one:
        one.bind((0, 0))
        one.settimeout(1.0)
        thread = in_thread(one.recv, 1)

        def seen():
            waiting = kernel.look(thread.native_id)
            waiting.close()
            return "family" in waiting.why_not

        until(seen)
        with pytest.raises(TimeoutError):
            raise ended(thread)


def test_collections_that_free_thread_locals_freeze_no_process():
    """CPython 3.11 takes a lock of the runtime's twice where one starts in the middle of a look."""
    told = run("""
    import gc

    class Knot:
        def __init__(self):
            self.local, self.itself = threading.local(), self

    def deep(frames):
        if frames:
            return deep(frames - 1)
        time.sleep(0.05)

    def calls():
        limited = Pipeline("p", Timeout(0.01))
        while time.monotonic() < end:
            limited.try_call(deep, 5)

    def litter():
        while time.monotonic() < end:
            Knot()
            time.sleep(0.0005)

    gc.set_threshold(20, 1, 1)
    end = time.monotonic() + 1.5
    threads = [threading.Thread(target=one) for one in [calls] * 12 + [litter] * 2]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    print("ended")
    """)
    assert told == ["ended"]


def test_the_outputs_of_a_process_are_never_cut():
    """A journal that is slow for a moment must not lose the process; it is a socket, under systemd."""
    told = run("""
    here, there = socket.socketpair()
    os.dup2(here.fileno(), 2)

    def chatter():
        for _ in range(64):
            os.write(2, b"x" * 65536)
        return "said"

    def journal():
        time.sleep(0.5)
        while there.recv(1 << 20):
            pass

    threading.Thread(target=journal, daemon=True).start()
    print(Pipeline("p", Timeout(0.2)).call(chatter))
    """)
    assert told == ["said"]


def test_an_epoll_with_a_number_that_is_reused_cuts_nothing(silent):
    """The number that was registered is another connection's by now."""
    if not hasattr(select, "epoll"):
        pytest.skip("Linux's")
    here, innocent = silent.connection(), silent.connection()
    with select.epoll() as epoll:
        kept, number, another = here.dup(), here.detach(), innocent.detach()
        epoll.register(number, select.EPOLLIN)
        os.dup2(another, number)
        os.close(another)
        with socket.socket(fileno=number) as reused, kept:
            thread = in_thread(Pipeline("p", Timeout(0.1)).call, epoll.poll, 0.4)
            assert ended(thread) == []
            silent.taken[1].send(b"whole")
            assert reused.recv(5) == b"whole"


def test_files_of_the_watchers_that_somebody_closes_are_opened_anew():
    """As `os.closerange` does in a process that makes itself a daemon."""
    told = run("""
    import select
    from holdfast._runtimes.cutting.watcher import watcher

    def polled():
        here, there = socket.socketpair()
        with here, there:
            try:
                Pipeline("p", Timeout(0.2)).call(select.select, [here], [], [], 3.0)
            except AttemptTimeout:
                return "cut"

    def datagrams():
        one, two = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
        with one, two:
            two.bind(("127.0.0.1", 0))
            one.connect(two.getsockname())
            try:
                Pipeline("p", Timeout(0.2)).call(one.recv, 1)
            except AttemptTimeout:
                return os.readlink(f"/proc/self/fd/{one.fileno()}")

    polled()
    for file in watcher._eyes._kernel._files.values():
        os.close(file.number)
    others = [socket.socketpair() for _ in range(3)]
    print(polled(), datagrams())
    """)
    assert told == ["cut", "/dev/null"]


def test_a_coroutine_that_somebody_drives_by_hand_is_no_event_loop():
    """As IPython runs what is typed: nothing else waits for its thread."""
    told = run("""
    async def typed():
        return ask()

    try:
        typed().send(None)
    except StopIteration as end:
        print(end.value)
    """)
    assert told == ["cut"]


@pytest.mark.parametrize("first", ["before", "after"])
def test_threads_that_outlive_the_main_one_are_watched(first):
    """Whether the first call of all comes before the main thread has ended, or after it."""
    if first == "after" and sys.version_info[:2] == (3, 12):
        pytest.skip("3.12 starts no thread any more when the main one has ended")
    told = run(f"""
    if {first == "before"}:
        ask(0.01)

    def late():
        threading.main_thread().join()
        say(ask())

    threading.Thread(target=late).start()
    """)
    assert told == ["cut"]


def test_a_signals_exception_leaves_no_limit_behind():
    """It comes between any two steps; a deadline that nobody takes back would refuse all later calls."""
    told = run("""
    from holdfast import deadline, remaining
    import random

    class Bang(Exception):
        pass

    def bang(*_):
        raise Bang

    def plain():
        for _ in range(400):
            cut(), cooperative()

    signal.signal(signal.SIGALRM, bang)
    cut = Pipeline("cut", Timeout(0.5))(lambda: 1)
    cooperative = Pipeline("own", Timeout(0.5, sync="cooperative"))(lambda: 1)
    rng, left, seen, end = random.Random(1), set(), 0, time.monotonic() + 1.5
    while time.monotonic() < end:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 6e-5))
            plain()
        except Bang:
            seen += 1
            left.add(remaining())
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(left, seen > 100)
    """)
    assert told == ["{inf}", "True"]


# -- load ----------------------------------------------------------------------------------------


def test_a_busy_interpreter_delays_a_cut_and_no_more(silent, limited):
    """The watcher gets its turn as every thread does."""
    stop = threading.Event()

    def work():
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for one in threads:
        one.start()
    with silent.connection() as one, Stopwatch() as took, pytest.raises(AttemptTimeout):
        limited.call(one.recv, 1)
    stop.set()
    assert took.seconds < LIMIT + SOON


def test_a_process_that_was_stopped_ends_what_has_run_out_meanwhile():
    """All limits have passed at once when it goes on; an answer that came meanwhile is none too late."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PRELUDE) + textwrap.dedent("""
    def answered():
        here, there = socket.socketpair()
        threading.Timer(0.3, there.send, [b"!"]).start()
        say(Pipeline("p", Timeout(5.0)).call(here.recv, 1))

    threads = [threading.Thread(target=lambda: say(ask(0.5))) for _ in range(5)]
    threads.append(threading.Thread(target=answered))
    for one in threads:
        one.start()
    say("begun")
    for one in threads:
        one.join()
    """)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.8)
        os.kill(process.pid, signal.SIGCONT)
        told, _ = process.communicate(timeout=20)
    assert sorted(told.split()) == ["b'!'", *["cut"] * 5]


@pytest.mark.alone
def test_two_thousand_threads_are_watched():
    """All of them wait, a half of them in vain; each ends as it should."""
    told = run(
        """
    threading.stack_size(256 * 1024)
    ends, lock, go = [], threading.Lock(), threading.Event()
    answers = []

    def work(number):
        here, there = socket.socketpair()
        if number % 2:
            answers.append(there)
        go.wait()
        with here:
            try:
                ended = Pipeline("p", Timeout(2.0))(here.recv)(1)
            except AttemptTimeout:
                ended = "cut"
            with lock:
                ends.append(ended)
        there.close()

    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(2000)]
    for one in threads:
        one.start()
    go.set()
    for one in answers:
        one.send(b"!")
    for one in threads:
        one.join()
    print(ends.count("cut"), ends.count(b"!"))
    """,
        limit=60,
    )
    assert told == ["1000", "1000"]
