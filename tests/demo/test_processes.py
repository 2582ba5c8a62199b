"""Real processes on real pipes; each test takes a fraction of a second."""

import asyncio
import os
import signal
import socket
import time

import pytest

from holdfast.demo.load import ask
from holdfast.demo.processes import Child, ChildFailed, running

pytestmark = pytest.mark.real_time


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def post(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    began = time.monotonic()
    try:
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    return answer, time.monotonic() - began


def test_a_service_answers_hangs_and_heals():
    """In time at first; a hung call goes on hanging after the service has healed, a new one doesn't."""

    async def story():
        async with running("service", "0.02", "0.6") as service:
            answer, calm = await post(service.port)
            service.send(hang=True)
            await asyncio.sleep(0.1)
            hung = asyncio.create_task(post(service.port))
            await asyncio.sleep(0.1)
            service.send(hang=False)
            await asyncio.sleep(0.1)
            _, healed = await post(service.port)
            overtaken = not hung.done()
            return answer, calm, healed, overtaken, (await hung)[1]

    answer, calm, healed, overtaken, hung = asyncio.run(story())

    assert answer.startswith(b"HTTP/1.1 200")
    assert overtaken
    assert hung > 0.55
    assert 0.02 <= healed < 0.5
    assert calm < 2.0  # the first answer waits for the server's start


def test_a_service_counts_its_sockets():
    """What the story hears has the sockets that are open now, and the most that ever were."""
    heard = []

    async def story():
        async with running("service", "0.2", "30", hear=heard.append) as service:
            await asyncio.gather(*(post(service.port) for _ in range(3)))
            await asyncio.sleep(0.2)

    asyncio.run(story())
    figures = [message["figures"] for message in heard]

    assert max(figure["calls"] for figure in figures) == 3
    assert figures[-1]["sockets"] == 0
    assert figures[-1]["sockets_peak"] == 3


def test_nothing_is_left_behind():
    """After the block neither the process nor its port is there."""

    async def story():
        async with running("service", "0.02", "30") as service:
            assert is_alive(service.pid)
            assert accepts(service.port)
            return service

    service = asyncio.run(story())

    assert not is_alive(service.pid)
    assert not accepts(service.port)


def test_an_error_inside_leaves_nothing_behind_either():
    """The block ends its process however it is left."""
    children = []

    async def story():
        async with running("service", "0.02", "30") as service:
            children.append(service)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(story())

    assert not is_alive(children[0].pid)


def test_a_cancellation_during_the_start_leaves_nothing_behind(monkeypatch):
    """A process that hasn't said anything yet is ended as well."""
    children = []
    monkeypatch.setattr(
        Child, "started", lambda child: (children.append(child), asyncio.sleep(30))[1]
    )

    async def start():
        async with running("service", "0.02", "30"):
            pass

    async def story():
        starting = asyncio.create_task(start())
        while not children:
            await asyncio.sleep(0.01)
        starting.cancel()
        await starting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())

    assert not is_alive(children[0].pid)


def test_a_child_that_cannot_start_says_why():
    """Its last lines are in the error."""

    async def story():
        async with running("service", "no number", "30"):
            pass

    with pytest.raises(ChildFailed, match=r"service ended with code 1(.|\n)*could not convert"):
        asyncio.run(story())


def test_a_child_that_dies_is_noticed():
    """`check` raises once the process is gone."""

    async def story():
        async with running("service", "0.02", "30") as service:
            service.check()
            os.kill(service.pid, signal.SIGKILL)
            await asyncio.sleep(0.2)
            service.check()

    with pytest.raises(ChildFailed, match="service ended with code -9"):
        asyncio.run(story())


def test_a_child_that_does_not_end_is_killed(monkeypatch):
    """One that ignores the end of its input gets two seconds, here less."""
    monkeypatch.setattr("holdfast.demo.processes.STOP_WITHIN", 0.1)

    async def story():
        async with running("service", "0.02", "30") as service:
            os.kill(service.pid, signal.SIGSTOP)
            return service

    service = asyncio.run(story())

    assert not is_alive(service.pid)


@pytest.mark.parametrize(
    "answer,expected",
    [
        (b"HTTP/1.1 200 OK\r\nX-Outcome: ok\r\nx-why: \r\n\r\n", ("ok", "")),
        (
            b"HTTP/1.1 202 A\r\nx-outcome: fallback\r\nX-Why: CircuitOpenError\r\n\r\n",
            ("fallback", "CircuitOpenError"),
        ),
        (b"HTTP/1.1 500 Oh\r\n\r\n", ("failed", "")),
    ],
)
def test_ask_reads_the_outcome(answer, expected):
    """A user learns from the headers how it went; without them it failed."""

    async def story():
        async def reply(_reader, writer):
            writer.write(answer)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
            return await ask(server.sockets[0].getsockname()[1], "/pay")

    assert asyncio.run(story()) == expected
