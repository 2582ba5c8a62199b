"""Every ```python block of the README and of the documentation runs, and prints what it says.

The blocks of a page share one namespace.  They run on virtual time with seeded randomness and without
a network; a wait on a socket for what never comes is a sleep on the virtual clock.  An ```output block
holds what the block before it prints.  What depends on chance or on the clock stands in an ```output
varies block: any number in it stands for another one, and the page says so.
A function named ``test_*`` is called with the fixtures that it asks for.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import re
import select
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from holdfast.testing import VirtualClock, instant, off, record, run, seeded
from holdfast.testing.faults import FaultProxy, FaultServer

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"<!-- notest: .+ -->\n\n?\Z")
NOT_TESTED_AT_MOST = 4


@contextlib.contextmanager
def fault_proxies():
    """Stand in for the fixture of that name: a function that starts proxies."""
    with contextlib.ExitStack() as stack:
        yield lambda upstream, **options: stack.enter_context(FaultProxy(upstream, **options))


VARIES = "output varies"
HINT = (
    "(what depends on chance or the clock stands in an ```output varies block, with real numbers)"
)
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?(e-?\d+)?")
SAYS_SO = re.compile(r"\b(differ|differs|other numbers|another number|chance|random)\b")


def masked(text):
    """Return ``text`` without its numbers."""
    return NUMBER.sub("#", text)


FIXTURES = {
    "holdfast_clock": VirtualClock,
    "holdfast_events": record,
    "holdfast_fault_proxy": fault_proxies,
    "holdfast_fault_server": FaultServer,
    "holdfast_instant": instant,
    "holdfast_off": off,
    "holdfast_seed": seeded,
}


class Block(NamedTuple):
    """A fenced block of a page."""

    info: str
    code: str
    line: int
    before: str


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found["info"],
            found["code"],
            text.count("\n", 0, found.start()) + 1,
            text[: found.start()],
        )
        for found in FENCE.finditer(text)
    ]


def name_of(page):
    return str(page.relative_to(ROOT))


def runs(page):
    return any(block.info == "python" for block in blocks(page))


@pytest.fixture
def no_network(monkeypatch):
    """Answer every request of httpx with an empty JSON object, but for those to this machine."""
    really = httpx.HTTPTransport.handle_request
    really_later = httpx.AsyncHTTPTransport.handle_async_request

    def answer(transport, request):
        if request.url.host == "127.0.0.1":
            return really(transport, request)
        return httpx.Response(200, json={}, request=request)

    async def later(transport, request):
        if request.url.host == "127.0.0.1":
            return await really_later(transport, request)
        return httpx.Response(200, json={}, request=request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", later)


SILENT, HOUR = 0.2, 3600.0


def waiting_on(clock, receive):
    """Return ``receive``, a method of sockets, with its waits for silent peers on the virtual clock.

    Who is silent for a moment is taken to be so for ever: whatever limits the call must cut it.
    """
    ours = threading.get_ident()

    def receiving(sock, *args):
        blocks = sock.gettimeout() is None and threading.get_ident() == ours
        if blocks and not select.select([sock], [], [], SILENT)[0]:
            clock.sleep(HOUR)
            raise AssertionError("the page waits for a peer that is silent, and nothing cuts it")
        return receive(sock, *args)

    return receiving


def execute(code, namespace):
    """Run a block, which may await at its top level, and then the tests that it defines."""
    known = set(namespace)
    compiled = compile(code, namespace["__name__"], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(compiled, namespace)
    if inspect.iscoroutine(outcome):
        run(outcome)
    for name in namespace.keys() - known:
        if name.startswith("test_"):
            with contextlib.ExitStack() as stack:
                asked = inspect.signature(namespace[name]).parameters
                made = namespace[name](
                    **{one: stack.enter_context(FIXTURES[one]()) for one in asked}
                )
                if inspect.iscoroutine(made):
                    run(made)


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up <HTTPError")  # urllib's, from 3.14 on
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)], ids=name_of)
def test_the_blocks_of_a_page_run_and_print_what_they_say(page, monkeypatch, no_network):
    """Each block does what the page says, without waiting and without a network."""
    namespace = {"__name__": name_of(page)}
    printed = ""
    with VirtualClock() as clock, seeded(0):
        monkeypatch.setattr(time, "sleep", clock.sleep)
        monkeypatch.setattr(asyncio, "run", run)
        for name in ("recv", "recv_into"):
            receive = getattr(socket.socket, name)
            monkeypatch.setattr(socket.socket, name, waiting_on(clock, receive))
        for block in blocks(page):
            where = f"{name_of(page)}:{block.line}"
            if block.info == "python":
                with contextlib.redirect_stdout(io.StringIO()) as stdout:
                    try:
                        execute(block.code, namespace)
                    except BaseException as error:
                        error.add_note(f"in the block at {where}")
                        raise
                printed = stdout.getvalue()
            elif block.info.startswith("output"):
                told = (block.code, printed)
                said, done = map(masked, told) if block.info == VARIES else told
                assert said == done, (
                    f"{where} says\n{block.code}\nbut what is printed is\n{printed}\n{HINT}"
                )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_marks_its_blocks_in_the_ways_that_are_known(page):
    """No block escapes by an odd label, by being indented, or without a reason."""
    known = {"python", "python notest", "output", VARIES, "mermaid", "console", "text", "toml"}
    found = blocks(page)

    assert {block.info for block in found} <= known
    assert not re.search(r"^ +```", page.read_text(encoding="utf-8"), re.MULTILINE)
    for block in found:
        if block.info == "python notest":
            assert REASON.search(block.before), f"{name_of(page)}:{block.line} needs a reason"


def test_few_blocks_are_not_run():
    """A block is exempt only where it can't be helped."""
    exempt = [block for page in PAGES for block in blocks(page) if block.info == "python notest"]

    assert len(exempt) <= NOT_TESTED_AT_MOST


def test_every_printed_output_follows_a_block_that_prints_it():
    """An output block stands right after the python block that it belongs to."""
    for page in PAGES:
        before = ""
        for block in blocks(page):
            if block.info == "output":
                assert before == "python", f"{name_of(page)}:{block.line}"
            before = block.info


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_varies_is_said_to(page):
    """A reader who gets another number shall not look for a mistake."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["info"] == VARIES:
            around = text[max(0, found.start() - 400) : found.start()] + text[found.end() :][:300]
            assert SAYS_SO.search(around), found["code"]


FRONT = [ROOT / "README.md", ROOT / "docs" / "index.md"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_can_be_pasted_into_a_file_runs_there(page):
    """Without a top-level await, which only notebooks and ``python -m asyncio`` know."""
    for block in blocks(page):
        if block.info == "python":
            compile(block.code, f"{name_of(page)}:{block.line}", "exec")


@pytest.mark.parametrize("page", FRONT, ids=name_of)
def test_the_first_example_survives_the_mistakes_of_its_callers(page, monkeypatch):
    """From the field: five bad inputs of one client must not close the shop for all."""
    namespace = {"__name__": name_of(page)}
    first = next(block for block in blocks(page) if block.info == "python")
    monkeypatch.setattr(asyncio, "run", run)
    with VirtualClock(), seeded(0), contextlib.redirect_stdout(io.StringIO()):
        execute(first.code, namespace)
        pipeline = namespace["payments"]
        for _ in range(5):
            with pytest.raises(ValueError, match="invalid literal"):
                pipeline.call(int, "no such card")
        assert pipeline.call(int, "3") == 3
