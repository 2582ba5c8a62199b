"""What a dependency says about when to come back."""

import logging
import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from holdfast import CircuitOpenError
from holdfast.verdict import hint, hints, register


class Answer:
    def __init__(self, retry_after):
        self.retry_after = retry_after


@pytest.fixture
def extractors(monkeypatch):
    """Give the test a registry of its own."""
    monkeypatch.setattr(hints, "_extractors", [])


@pytest.mark.parametrize(
    "given, expected",
    [(3, 3.0), (0.5, 0.5), (0, 0.0), (-5, 0.0), (math.inf, math.inf), (math.nan, None)],
)
def test_a_number_of_seconds_is_taken_as_it_is(given, expected):
    """Negative ones mean now, and what is no number means nothing."""
    assert hint(Answer(given)) == expected


@pytest.mark.parametrize("given", [None, "soon", "", True, [3], object()])
def test_what_is_no_number_of_seconds_is_not_guessed_at(extractors, given):
    """A boolean is no duration, nor is any text."""
    assert hint(Answer(given)) is None


@pytest.mark.parametrize("outcome", [None, ValueError(), {"retry_after": 3}, 503])
def test_most_outcomes_say_nothing(extractors, outcome):
    """Without the attribute and without an extractor there is no hint."""
    assert hint(outcome) is None


def test_our_own_rejections_say_when_to_come_back():
    """An open breaker tells the seconds to its next probe."""
    assert hint(CircuitOpenError(retry_after=4.5)) == 4.5


def test_extractors_are_asked_in_turn(extractors):
    """The first one that knows is believed; the others are not asked."""
    asked = []

    def extractor(name, answer):
        def ask(outcome):
            asked.append(name)
            return answer

        return ask

    for name, answer in (("first", None), ("second", 7), ("third", 9)):
        register(extractor(name, answer))

    assert hint("503 Service Unavailable") == 7.0
    assert asked == ["first", "second"]


def test_an_outcome_that_says_it_itself_needs_no_extractor(extractors):
    """An attribute in seconds goes before what an extractor makes of the outcome."""
    register(lambda outcome: 99.0)

    assert hint(Answer(1.0)) == 1.0
    assert hint(Answer(None)) == 99.0


@pytest.mark.parametrize("answer, expected", [(-1.0, 0.0), (math.nan, None)])
def test_an_extractor_may_be_mistaken(extractors, answer, expected):
    """A negative answer means now, one that is no number means nothing."""
    register(lambda outcome: answer)

    assert hint(ValueError()) == expected


def test_registering_twice_asks_once(extractors):
    """An integration that is imported again changes nothing."""
    asked = []
    register(asked.append)
    register(asked.append)

    hint("anything")

    assert asked == ["anything"]


@pytest.mark.parametrize("given", [timedelta(seconds=1.5), Decimal("1.5"), Fraction(3, 2), "1.5"])
def test_a_duration_may_be_of_another_type(extractors, given):
    """A `timedelta` says what it is in; text is what an SDK has taken out of the header as it was."""
    assert hint(Answer(given)) == 1.5
    register(lambda outcome: given)
    assert hint(ValueError()) == 1.5


class Odd(ConnectionError):
    """The error of an SDK whose property looks for a header that isn't there."""

    @property
    def retry_after(self):
        return int({}["Retry-After"])


def test_a_property_that_raises_is_no_hint(extractors, monkeypatch, caplog):
    """It must not switch off the retries of an SDK (PyGithub 2113); it is logged once."""
    monkeypatch.setattr(hints, "_complained", set())
    with caplog.at_level(logging.WARNING, logger="holdfast"):
        assert [hint(Odd("busy")) for _ in range(3)] == [None] * 3

    assert [one.getMessage() for one in caplog.records] == [
        "Odd.retry_after raised KeyError, which counts as no hint; said once"
    ]


def test_an_extractor_that_raises_is_passed_over(extractors, monkeypatch, caplog):
    """One that forgets that it is asked about every outcome harms nobody (python-genai 1875)."""
    monkeypatch.setattr(hints, "_complained", set())

    def careless(outcome):
        return outcome.wait_ms / 1000

    register(careless)
    register(lambda outcome: 4.0)

    assert [hint(ValueError()) for _ in range(2)] == [4.0, 4.0]
    assert len(caplog.records) == 1


class Response:
    def __init__(self, **headers):
        self.headers = headers


class Pairs:
    """Headers that are no mapping, and tell names apart by their case."""

    def __init__(self, **headers):
        self._pairs = headers

    def get(self, name):
        return self._pairs.get(name)

    def items(self):
        return self._pairs.items()


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER", "Retry-after"])
@pytest.mark.parametrize("kind", [dict, Pairs])
def test_the_case_of_a_header_does_not_matter(extractors, name, kind):
    """Plain dicts of PyGithub, slack_sdk and HTTP/2 stacks (box-python-sdk 1582)."""
    response = Response()
    response.headers = kind(**{name: "7"})

    assert hint(response) == 7.0


def test_the_standard_librarys_error_is_read(extractors):
    """Its headers are an `email.message.Message`."""
    import urllib.error
    from email.message import Message

    headers = Message()
    headers["Retry-After"] = "9"
    with urllib.error.HTTPError("http://example.org", 503, "busy", headers, None) as error:
        assert hint(error) == 9.0


def test_botocores_headers_are_read(extractors):
    """They are deep within a dictionary."""
    error = ValueError()
    error.response = {"ResponseMetadata": {"HTTPHeaders": {"retry-after": "3"}}}

    assert hint(error) == 3.0


def test_what_was_being_handled_is_not_asked(extractors):
    """A backup that fails by itself, while its caller handles the primary's rejection, said nothing."""
    error = ConnectionError("the backup is down")
    error.__context__ = CircuitOpenError(retry_after=60.0)

    assert hint(error) is None


def test_a_wrapper_asks_what_it_wraps(extractors):
    """Code that raises an error of its own keeps the hint."""
    error = ValueError()
    error.__cause__ = Answer429()

    assert hint(error) == 6.0


class Answer429(Exception):
    retry_after = 6


def test_the_longest_of_a_group_is_meant(extractors):
    """The tasks of a group are repeated together, so the most patient one says when (tenacity 501)."""
    wrapper = ValueError("no hint")
    wrapper.__cause__ = Answer429()
    group = ExceptionGroup("page", [ValueError(), ExceptionGroup("prices", [wrapper])])
    outside = RuntimeError("the page failed")
    outside.__cause__ = group

    assert hint(ExceptionGroup("page", [ValueError()])) is None
    assert hint(group) == hint(outside) == 6.0
    assert hint(ExceptionGroup("both", [Answer429(), Late()])) == 6.0


class Late(Exception):
    retry_after = 4.0


@pytest.mark.parametrize("held", ["argument", "attribute"])
def test_what_an_error_holds_is_asked(extractors, held):
    """As for the verdict itself: some libraries say neither ``from`` nor ``raise``."""
    error = ValueError(Answer429()) if held == "argument" else ValueError()
    if held == "attribute":
        error.original_error = Answer429()

    assert hint(error) == 6.0


@pytest.mark.parametrize(
    "headers",
    [
        [("Retry-After", "3")],
        ((b"retry-after", b"3"),),
        {b"Retry-After": b"3"},
        {"Retry-After": ["1", "3"]},
        [("Retry-After", "1"), ("retry-after", "3"), ("x", object())],
    ],
)
def test_headers_may_be_kept_in_any_form(extractors, headers):
    """Pairs, bytes, lists of values: slack-sdk 1143 and Shopify 17 had one of many (WSGI, ASGI)."""
    error = ValueError()
    error.headers = headers

    assert hint(error) == 3.0


def test_headers_of_httplib2_are_the_response_itself(extractors):
    """Google's API client keeps one in ``resp``: a dict of headers in lower case."""
    error = ValueError()
    error.resp = {"status": "429", "retry-after": "3"}

    assert hint(error) == 3.0


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"retry-after": "2", "retry-after-ms": "1200"}, 1.2),
        ({"retry-after": "0", "retry-after-ms": "300"}, 0.3),
        ({"x-ms-retry-after-ms": "50"}, 0.05),
        ({"retry-after-ms": "nan", "retry-after": "2"}, 2.0),
        ({"retry-after-ms": "inf"}, None),
    ],
)
def test_milliseconds_are_exact(extractors, headers, seconds):
    """OpenAI and Azure send both; their own clients believe the finer one."""
    assert hint(Response(**headers)) == seconds


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("5, 10", 10.0),
        ("120, 120", 120.0),
        ("9999999999", 9_999_999_999.0),
        ("+5", 5.0),
        ("5s", 5.0),
        ("5 seconds", 5.0),
        ('"5"', 5.0),
        ("2026-11-06T12:00:30Z", 30.0),
        ("Fri, 06 Nov 2026 12:00:30 GMT, Fri, 06 Nov 2026 12:00:40 GMT", 40.0),
        ("12 13", None),
        ("5, soon", None),
    ],
)
def test_what_can_be_understood_is_taken(value, seconds):
    """urllib3 1338 and 5010, retryhttp 11: servers and proxies have spellings of their own."""
    assert hints.seconds_until(value, NOON) == seconds


NOON = 1_793_966_400.0
"""2026-11-06 12:00:00 UTC."""


def test_the_age_of_a_cached_answer_counts(extractors):
    """A cache gives out an old ``Date``, and says how old it is."""
    response = Response(
        **{
            "Date": "Fri, 06 Nov 2026 11:00:00 GMT",
            "Age": "3600",
            "Retry-After": "Fri, 06 Nov 2026 12:00:10 GMT",
        }
    )

    assert hint(response) == 10.0


@pytest.mark.parametrize("pushed, seconds", [("250", 0.25), ("-1", None), ("soon", None)])
def test_grpcs_pushback_is_read(extractors, pushed, seconds):
    """It is in the trailing metadata, in milliseconds; a negative one is no delay."""
    error = ValueError()
    error.trailing_metadata = lambda: (("other", "x"), ("grpc-retry-pushback-ms", pushed))

    assert hint(error) == seconds


def test_googles_retry_info_is_read(extractors):
    """In the body of a REST answer, and as a message."""
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    rest, message, delay = ValueError(), ValueError(), Answer(None)
    rest.details = {
        "error": {"details": [{"@type": "other"}, {"@type": kind, "retryDelay": "12s"}]}
    }
    delay.seconds, delay.nanos = 3, 500_000_000
    message.details = [type("RetryInfo", (), {"retry_delay": delay})()]

    assert hint(rest) == 12.0
    assert hint(message) == 3.5
