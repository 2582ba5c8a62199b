"""The bodies of responses, with scripted servers on virtual time: in time, closed, and not lost."""

import asyncio

import pytest

from holdfast import (
    AttemptTimeout,
    DeadlineExceeded,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    transient,
)
from holdfast.events import TimedOut
from holdfast.testing import VirtualLoop, record

BIG = b"x" * 100_000


class TestInTime:
    def test_a_body_that_trickles_past_the_total_is_cut(self, web, step, steady):
        """Each chunk comes in time, all of them do not."""
        web.script(step(chunks=((0.0, b"a"), *[(0.9, b"b")] * 60)))
        client = web.client(steady(total=5.0))

        with pytest.raises(web.module.ReadTimeout) as caught, record() as events:
            web.get(client)

        assert isinstance(caught.value, AttemptTimeout)
        assert caught.value.seconds == 5.0
        assert [one.seconds for one in events.of(TimedOut)] == [5.0]
        assert 5.0 <= web.world.elapsed() <= 5.0 + 0.9

    def test_one_that_stalls_is_cut_as_well(self, web, step, steady):
        """The async one in time, the blocking one when its socket's timeout runs out."""
        web.script(step(chunks=((1.0, b"a"), (60.0, b"b"))))

        with pytest.raises(AttemptTimeout):
            web.get(web.client(steady(total=5.0), timeout=None))

        assert 5.0 <= web.world.elapsed() <= (5.0 if web.is_async else 6.0) + 0.01

    def test_the_clients_own_read_timeout_stays_its_own(self, web, step, steady):
        """It was asked for by the user."""
        web.script(step(chunks=((0.0, b"a"), (60.0, b"b"))))

        with pytest.raises(web.module.ReadTimeout) as caught:
            web.get(web.client(steady(), timeout=1.0))

        assert not isinstance(caught.value, AttemptTimeout)
        assert web.world.elapsed() == pytest.approx(1.0)

    def test_the_limit_of_an_attempt_is_for_the_headers(self, web, step, steady):
        """A body may take longer, up to the total."""
        web.script(step(chunks=tuple([(1.0, b"a")] * 6), takes=1.0))
        client = web.client(steady(total=10.0, attempt=2.0))

        assert web.get(client).content == b"aaaaaa"
        assert web.world.elapsed() == pytest.approx(7.0)

    def test_without_a_total_a_body_may_take_any_time(self, web, step, steady):
        """For downloads and streams of events: the client's own read timeout is for each piece."""
        web.script(step(chunks=tuple([(4.0, b"a")] * 100)))
        client = web.client(steady(total=None))

        assert len(web.get(client).content) == 100
        assert web.world.elapsed() == pytest.approx(400.0)

    def test_the_callers_deadline_cuts_it(self, web, step):
        """Also where the pipeline has no limit."""
        web.script(step(chunks=tuple([(1.0, b"a")] * 100)))
        client = web.client(Pipeline("nothing"))

        with deadline(2.5), pytest.raises(DeadlineExceeded):
            web.get(client)
        assert 2.5 <= web.world.elapsed() <= 3.01

    def test_the_total_goes_on_while_the_caller_dawdles(self, web, step, steady):
        """It is the time from the call to the end of the body."""
        web.script(step(chunks=((0.0, b"a"), (0.0, b"b"))))
        response = web.open(web.client(steady(total=5.0)))

        web.world.advance(6.0)

        with pytest.raises(AttemptTimeout):
            web.read(response)


class TestClosed:
    def test_a_bad_response_is_read_at_once_if_it_is_small(self, web, step, steady):
        """Its connection is free before the pause, not after it."""
        web.script(step(503, chunks=((0.0, b"no"), (0.5, b", no"))), step(200))

        assert web.get(web.client(steady(delay=3.0))).status_code == 200

        assert web.times == [0.0, 3.5]
        assert [one.closed for one in web.bodies] == [1]

    def test_what_was_read_of_the_last_one_is_not_lost(self, web, step, steady):
        """The caller gets all of it, in order."""
        web.script(step(503, chunks=((0.0, b"no"), (0.5, b", no"))))

        response = web.get(web.client(steady()))

        assert response.content == b"no, no"
        assert [one.closed for one in web.bodies] == [1, 1, 1]

    def test_a_large_one_is_read_in_part_and_closed_before_the_next_attempt(
        self, web, step, steady
    ):
        """Nobody knows how large it is."""
        web.script(step(503, chunks=tuple([(0.0, BIG)] * 50)), step(200))

        assert web.get(web.client(steady())).status_code == 200
        assert [one.closed for one in web.bodies] == [1]

    def test_of_a_large_one_that_is_the_last_nothing_is_lost(self, web, step, steady):
        """What was read comes first, then the rest."""
        web.script(step(503, chunks=((0.0, BIG), (0.0, b"y"), (0.0, b"z"))))

        response = web.open(web.client(steady(attempts=2)))

        assert [one.closed for one in web.bodies] == [1, 0]
        assert web.read(response) == BIG + b"yz"
        assert [one.closed for one in web.bodies] == [1, 1]

    def test_a_bad_answer_to_an_unsafe_request_is_left_to_the_caller(self, web, step, steady):
        """There is no retry to make room for."""
        web.script(step(503, chunks=((9.0, b"slow"),)))

        response = web.open(web.client(steady(), timeout=None), "POST")

        assert web.world.elapsed() == 0.0
        assert web.read(response) == b"slow"

    def test_a_bad_body_that_stalls_ends_its_attempt(self, web, step, steady):
        """It holds up the retry for a second at most, whatever the limit of the attempt."""
        web.script(step(503, chunks=((60.0, b"never"),)), step(200))

        assert web.get(web.client(steady())).status_code == 200

        assert web.times == [0.0, 2.0]
        assert [one.closed for one in web.bodies] == [1]

    def test_when_the_call_ends_otherwise_the_open_response_is_closed(self, web, step):
        """Here it is answered 503, and then the total is over while it waits."""
        web.script(step(503, chunks=((0.0, BIG), (0.0, BIG))), step(raises="ConnectError"))
        retry = Retry(2, on=transient, backoff=backoff.constant(1.0))

        with pytest.raises(web.module.ConnectError):
            web.get(web.client(Pipeline("shop", Timeout(5.0), retry)))

        assert [one.closed for one in web.bodies] == [1]

    def test_a_body_is_closed_once(self, web, step, steady):
        """However often its response is."""
        web.script(step(chunks=((0.0, b"a"),)))
        response = web.open(web.client(steady()))

        web.close(response)
        web.close(response)
        web.close(response.stream)

        assert web.bodies[0].closed == 1

    def test_a_body_can_be_streamed_in_pieces(self, web, step, steady):
        """As it comes."""
        web.script(step(chunks=((1.0, b"a"), (1.0, b"b"))))
        response = web.open(web.client(steady()))
        elapsed = web.world.elapsed

        async def pieces():
            if web.is_async:
                return [(elapsed(), one) async for one in response.aiter_raw()]
            return [(elapsed(), one) for one in response.iter_raw()]

        assert web.world.run(pieces) == [(1.0, b"a"), (2.0, b"b")]


@pytest.mark.parametrize("world", ["asyncio"], indirect=True)
class TestCancellation:
    def cancelled_after(self, web, client, seconds):
        async def main():
            task = asyncio.create_task(client.get("http://shop/"))
            await asyncio.sleep(seconds)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            web.world.run(main)

    @pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5])
    def test_it_gives_everything_back(self, web, step, steady, seconds):
        """While it waits for headers, for the body of a bad response, or between two attempts."""
        web.script(step(503, takes=1.0, chunks=((1.0, BIG), (0.0, BIG))), step(200))
        pipeline = steady(delay=5.0, attempt=3.0)
        client = web.client(pipeline)

        self.cancelled_after(web, client, seconds)

        assert [one.closed for one in web.bodies] == ([] if seconds < 1 else [1])
        assert pipeline.strategies[1].in_flight == 0
        assert client._transport.snapshot()["http://shop"]["in_use"] == 0

    def test_while_the_body_is_read(self, web, step, steady):
        """The body is closed, and the permit comes back."""
        web.script(step(chunks=((0.0, b"a"), (60.0, b"b"))))
        pipeline = steady()

        self.cancelled_after(web, web.client(pipeline), 1.0)

        assert web.bodies[0].closed == 1
        assert pipeline.strategies[1].in_flight == 0

    def test_an_outer_timeout_is_told_from_ours(self, web, step, steady):
        """`asyncio.timeout` around the call ends in a plain `TimeoutError`."""
        web.script(step(chunks=((0.0, b"a"), (60.0, b"b"))))
        client = web.client(steady())

        async def main():
            async with asyncio.timeout(1.0):
                await client.get("http://shop/")

        with pytest.raises(TimeoutError) as caught:
            web.world.run(main)
        assert type(caught.value) is TimeoutError


def test_tasks_share_one_transport(library, steady, step):
    """A hundred requests at once, on virtual time, each with its own answer."""
    module = pytest.importorskip(library)
    integration = pytest.importorskip(f"holdfast.integrations.{library}")

    async def answer(request):
        await asyncio.sleep(1.0)
        return module.Response(200, text=request.url.path)

    async def main():
        transport = integration.AsyncTransport(
            steady(size=100), transport=module.MockTransport(answer)
        )
        async with module.AsyncClient(transport=transport) as client:
            return await asyncio.gather(*(client.get(f"http://shop/{i}") for i in range(100)))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        responses = runner.run(main())

    assert [one.text for one in responses] == [f"/{i}" for i in range(100)]
