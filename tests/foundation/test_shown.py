"""How exceptions are shown: without what nobody wants in a log."""

import pytest

from holdfast import CircuitBreaker, Pipeline, Retry, backoff
from holdfast._shown import quoted, scrubbed, shown
from holdfast.events import CallCompleted, subscribe
from holdfast.outcome import Outcome

SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    "words",
    [
        f"Max retries exceeded with url: /v1/x?api_key={SECRET} (Caused by timeout)",
        f"GET https://api.example.org/x?{SECRET} failed",
        f"503 for url 'https://api.example.org/x?a=1&token={SECRET}#frag={SECRET}'",
        f"https://user:{SECRET}@example.org/ refused",
        f"Error code: 401 - {{'error': {{'message': 'bad key {SECRET}'}}}}",
        f'answer was {{"password": "{SECRET}"}}',
        f"no\n[SQL: SELECT 1]\n[parameters: ('{SECRET}',)]",
        f"no [SQL: INSERT INTO t VALUES ('{SECRET}')]",
        f"Authorization: Bearer {SECRET}",
        f"Set-Cookie: a=1; session={SECRET}",
        f"password={SECRET} is wrong",
        f"DefaultEndpointsProtocol=https;AccountKey={SECRET};EndpointSuffix=example.net",
        f"SERVER=db;UID=shop;PWD={SECRET}",
        f"https://example.org/cart;jsessionid={SECRET} refused",
        f"Incorrect API key provided: {SECRET}",
        f"sk-{SECRET}9999 is no key",
    ],
)
def test_secrets_are_cut(words):
    """Queries, names and passwords, headers, arguments of statements, bodies."""
    assert SECRET not in scrubbed(words)
    assert SECRET not in shown(ValueError(words))
    assert SECRET not in quoted(ValueError(words))


@pytest.mark.parametrize(
    "words",
    [
        "connection refused",
        "[Errno 111] Connect call failed ('127.0.0.1', 80)",
        "no answer within 2 s",
        "what? no such host",
        "FATAL: password authentication failed for user",
    ],
)
def test_other_words_stay(words):
    """They are what the reader needs."""
    assert shown(ValueError(words)) == f"ValueError: {words}"


def test_the_class_and_the_status_are_always_told():
    """Whatever the words are."""
    error = ValueError("no")
    error.status_code = 503

    assert shown(error) == "ValueError: no (status 503)"
    assert quoted(error) == "ValueError('no (status 503)')"
    assert shown(KeyError()) == "KeyError"
    assert len(shown(ValueError("x" * 1_000))) < 400


def test_a_class_that_forbids_its_words_is_shown_by_its_name():
    """It must not hurt the message."""

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    assert shown(Silent()) == "Silent"


def test_nothing_of_ours_tells_a_secret():
    """Messages, notes, snapshots, events, and the cause of a rejection."""
    told = []
    breaker = CircuitBreaker(failures=1)
    retry = Retry(2, on=lambda error: 1 / 0, backoff=lambda attempt: backoff.none)
    pipeline = Pipeline("shop", retry, breaker)

    def fails():
        raise ConnectionError(f"https://example.org/?key={SECRET}")

    with subscribe(lambda event: told.append(repr(event))):
        first = pipeline.try_call(fails)
        second = pipeline.try_call(fails)

    ours = [
        *told, *first.error.__notes__, str(second.error), repr(second.error.__cause__),
        repr(pipeline.snapshot()), pipeline.explain(), repr(first), repr(second),
    ]  # fmt: skip
    assert len(told) >= 3
    assert not [one for one in ours if SECRET in one]


def test_an_event_and_an_outcome_show_their_error():
    """By its class and its words."""
    event = CallCompleted(
        pipeline="shop",
        strategy="pipeline",
        at=0.0,
        duration=1.0,
        error=OSError(f"?a={SECRET} x/?b"),
    )

    assert "error=OSError(" in repr(event)
    assert repr(Outcome(error=OSError("down"))) == "<Outcome error=OSError('down')>"
