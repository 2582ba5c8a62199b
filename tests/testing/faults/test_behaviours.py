"""Behaviours and impairments as values: what they say, equal, refuse, and put on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from holdfast import ConfigurationError
from holdfast.testing.faults import (
    Bandwidth,
    Close,
    Cut,
    Endless,
    Garbage,
    Latency,
    Reply,
    Reset,
    Slice,
    Trickle,
    Vanish,
    WrongLength,
)
from holdfast.testing.faults._plan import End, plan
from tests.ids import spelt

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
TEA = Reply(body="teas")


def actions(behaviour, **options):
    return list(plan(behaviour, **options))


def header(reply):
    """Return the lines of the head but the first one."""
    head, _, _ = actions(reply)[0].partition(b"\r\n\r\n")
    return head.decode().split("\r\n")[1:]


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            Reply(),
            Reply(429, retry_after=2, times=3),
            Reply(body=b"ok", headers=(("X-Tea", "green"),), takes=0.3, jitter=0.1),
            Reset(),
            Close("body", half=True),
            Vanish(3, of=TEA),
            Trickle(TEA, size=2, every=0.1, part="headers"),
            WrongLength(-3),
            Garbage(b"?"),
            Endless(limit=5),
            Latency(0.1, jitter=0.05),
            Bandwidth(1000.0),
            Slice(3, every=0.1),
            Cut(10, reset=True),
        ],
        ids=spelt,
    )
    def test_a_repr_is_what_one_would_write(self, value):
        """Without what is by default, and it makes an equal value."""
        assert eval(repr(value)) == value

    def test_a_repr_is_short(self):
        """It stands in the messages of failed tests."""
        assert repr(Reply(503, times=2)) == "Reply(503, times=2)"
        assert repr(Reset("headers")) == "Reset('headers')"
        assert repr(Latency(0.2)) == "Latency(0.2)"

    def test_they_are_frozen_and_hashable(self):
        """One value may stand in many scripts."""
        with pytest.raises(AttributeError):
            Reply().status = 503

        assert len({Reply(503), Reply(503), Reset(), Reset("headers")}) == 3

    def test_headers_may_be_a_mapping(self):
        """Which is what most people have at hand."""
        assert Reply(headers={"A": "1"}) == Reply(headers=[("A", "1")])

    @pytest.mark.parametrize(
        "make, message",
        [
            (lambda: Reply(99), "status=99 is not allowed: .* at least 200 and at most 999"),
            (lambda: Reply(takes=-1), "takes=-1 is not allowed"),
            (lambda: Reply(times=0), "times=0 is not allowed"),
            (lambda: Reply(retry_after=-1), "retry_after=-1 is not allowed"),
            (lambda: Reply(retry_after=datetime(2026, 1, 1)), "must have a time zone"),  # noqa: DTZ001 - the mistake
            (lambda: Reply(headers={"A": "1\r\nB: 2"}), "must be free of line breaks"),
            (lambda: Reply(headers={"Tea": "茶"}), "must be in Latin-1"),
            (lambda: Reset("middle"), "after='middle' is not allowed: .* one of 'accept'"),
            (lambda: Close(5, of=TEA), "after=5 is not allowed: .* at most 4"),
            (lambda: WrongLength(0), "by=0 is not allowed: with 0 the length would be right"),
            (lambda: WrongLength(-5, of=TEA), "by=-5 is not allowed: .* at least -4"),
            (lambda: Trickle(part="head"), "part='head' is not allowed"),
            (lambda: Endless(limit=0), "limit=0 is not allowed"),
            (lambda: Bandwidth(0), "rate=0 is not allowed"),
            (lambda: Latency("1 s"), "seconds='1 s' is not allowed"),
            (lambda: Slice(0), "size=0 is not allowed"),
            (lambda: Cut(-1), "after=-1 is not allowed"),
        ],
    )
    def test_nonsense_is_refused_where_it_is_written(self, make, message):
        """With the option, the value and what is allowed."""
        with pytest.raises(ConfigurationError, match=message):
            make()


class TestReply:
    def test_it_has_its_length_and_nothing_else(self):
        """So each byte can be foretold."""
        assert actions(TEA) == [OK + b"teas", End.KEEP]

    def test_the_client_may_ask_for_the_end(self):
        """Then the reply says so, too."""
        sent, end = actions(TEA, closes=True)

        assert b"\r\nConnection: close\r\n" in sent
        assert end is End.CLOSE

    def test_an_answer_to_head_has_the_length_but_no_body(self):
        """As RFC 9110, 9.3.2, has it."""
        assert actions(TEA, method="HEAD") == [OK, End.KEEP]

    def test_204_has_neither(self):
        """As RFC 9110, 8.6, has it."""
        assert actions(Reply(204)) == [b"HTTP/1.1 204 No Content\r\n\r\n", End.KEEP]

    def test_a_status_that_nobody_knows_has_no_phrase(self):
        """The space before it belongs to the status line all the same."""
        assert actions(Reply(529))[0].startswith(b"HTTP/1.1 529 \r\n")

    def test_a_length_of_ones_own_is_left_alone(self):
        """Also one that is wrong."""
        assert header(Reply(body="teas", headers={"content-length": "9"})) == ["content-length: 9"]

    @pytest.mark.parametrize(
        "given, sent",
        [
            (2, "2"),
            (0.5, "0.5"),
            (datetime(2026, 11, 23, 15, 0, tzinfo=UTC), "Mon, 23 Nov 2026 15:00:00 GMT"),
            (
                datetime(2026, 11, 23, 15, 0, tzinfo=timezone(timedelta(hours=1))),
                "Mon, 23 Nov 2026 14:00:00 GMT",
            ),
            ("soon", "soon"),
        ],
    )
    def test_retry_after_is_seconds_or_a_date(self, given, sent):
        """Text goes out as it is, for clients must cope with that, too."""
        assert header(Reply(429, retry_after=given))[0] == f"Retry-After: {sent}"


class TestPlans:
    @pytest.mark.parametrize(
        "after, sent",
        [
            ("accept", []),
            ("request", []),
            ("headers", [OK]),
            ("body", [OK + b"te"]),
            (3, [OK + b"tea"]),
            ("reply", [OK + b"teas"]),
        ],
    )
    @pytest.mark.parametrize(
        "kind, end", [(Reset, End.RESET), (Close, End.CLOSE), (Vanish, End.VANISH)]
    )
    def test_an_end_comes_after_that_part_of_the_reply(self, kind, end, after, sent):
        """Not a byte more is sent."""
        assert actions(kind(after, of=TEA)) == [*sent, end]

    def test_a_trickle_pauses_between_its_drops(self):
        """Neither before the first one nor after the last."""
        trickle = Trickle(TEA, size=3, every=0.1)

        assert actions(trickle) == [OK, b"tea", 0.1, b"s", End.KEEP]

    def test_headers_can_trickle_as_well(self):
        """The body comes at once, then."""
        drops = actions(Trickle(TEA, size=20, every=0.1, part="headers"))

        assert drops == [OK[:20], 0.1, OK[20:], b"teas", End.KEEP]

    def test_or_everything(self):
        """In pieces of one size."""
        drops = actions(Trickle(TEA, size=10, every=0.0, part="all"))

        assert b"".join(one for one in drops if isinstance(one, bytes)) == OK + b"teas"
        assert {len(one) for one in drops[:-2] if isinstance(one, bytes)} == {10}

    @pytest.mark.parametrize("by, length", [(10, b"14"), (-3, b"1")])
    def test_a_wrong_length_is_wrong_by_so_much(self, by, length):
        """The body is whole."""
        sent, end = actions(WrongLength(by, of=TEA))

        assert sent == OK.replace(b"4", length) + b"teas"
        assert end is End.KEEP

    def test_an_endless_body_is_bounded_and_lacks_its_last_chunk(self):
        """So no client can take it for complete."""
        head, *chunks, end = actions(Endless(limit=5, size=3))

        assert head == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert chunks == [b"3\r\nxxx\r\n", b"2\r\nxx\r\n"]
        assert end is End.CLOSE
        assert list(plan(Endless(), method="HEAD")) == [head, End.CLOSE]

    def test_garbage_is_what_was_given(self):
        """Then the connection ends."""
        assert actions(Garbage(b"\x00?")) == [b"\x00?", End.CLOSE]
