"""The load generator against shops that misbehave."""

import asyncio
import time

import pytest

from holdfast.demo.load import Users
from holdfast.demo.settings import Settings

pytestmark = pytest.mark.real_time

SPEED = 20.0  # a run of 0.8 s, and 0.1 s of patience


async def play(port):
    users = Users(Settings(rate=100.0, speed=SPEED), port, time.monotonic() + 0.1)
    await users.play()
    return sorted(users.take())


async def with_shop(reply):
    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        return await play(server.sockets[0].getsockname()[1])


async def prompt(_reader, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nx-outcome: ok\r\n\r\n")
    writer.close()
    await writer.wait_closed()


async def silent(reader, writer):
    await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.fixture(scope="module")
def served():
    return asyncio.run(with_shop(prompt))


def test_a_prompt_shop(served):
    """Every user is served, within milliseconds of the intended start."""
    assert len(served) > 40
    assert {record.outcome for record in served} == {"ok"}
    assert sorted(record.seconds for record in served)[len(served) // 2] < 0.02


def test_users_of_a_silent_shop_arrive_all_the_same(served):
    """An open loop: nobody waits for those before them, and each gives up after the patience."""
    left_alone = asyncio.run(with_shop(silent))

    assert [record.at for record in left_alone] == [record.at for record in served]
    assert {(record.outcome, record.why) for record in left_alone} == {("failed", "user gave up")}
    assert all(0.1 <= record.seconds < 0.3 for record in left_alone)


def test_latency_counts_from_the_intended_start():
    """A generator that is held up for 80 ms shows it in its latencies: no coordinated omission."""

    async def held_up():
        asyncio.get_running_loop().call_later(0.4, time.sleep, 0.08)
        return await with_shop(prompt)

    records = asyncio.run(held_up())
    late = [record for record in records if record.late > 0.02]

    assert late
    assert all(record.seconds >= record.late for record in records)


def test_a_shop_that_is_not_there():
    """A refused connection is a failure, and has a name."""
    records = asyncio.run(play(1))

    assert {(record.outcome, record.why) for record in records} == {
        ("failed", "ConnectionRefusedError")
    }
