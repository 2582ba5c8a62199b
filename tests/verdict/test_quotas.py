"""What servers say of a quota: four dialects, and nonsense."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from holdfast.verdict.quotas import Quota, of_headers, quotas

WALL = 1_750_000_000.0


def said(**fields):
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return of_headers(headers, lambda: WALL)


def test_the_draft_of_the_ietf():
    """What is left and until when, and what the policy of the same name allows."""
    found = said(RateLimit='"default";r=50;t=30', RateLimit_Policy='"default";q=100;w=60')
    assert found == (Quota(50, 30, 100, 60),)


def test_several_policies():
    """Each is one quota; parameters that nobody knows are passed over."""
    found = said(
        RateLimit='"burst";r=5;t=1, "day";r=4000;t=80000;pk=:cGs=:',
        RateLimit_Policy='"burst";q=10;w=1;qu="requests", "day";q=5000;w=86400',
    )
    assert found == (Quota(5, 1, 10, 1), Quota(4000, 80000, 5000, 86400))


def test_without_a_reset_the_window_is_the_time():
    """The draft lets the server leave it out."""
    assert said(RateLimit='"a";r=5', RateLimit_Policy='"a";q=10;w=9') == (Quota(5, 9, 10, 9),)
    assert said(RateLimit='"a";r=5') == ()


def test_the_three_fields_of_earlier_drafts():
    """Seconds, and a limit that may have policies behind it."""
    found = said(RateLimit_Limit="100, 100;w=60", RateLimit_Remaining="40", RateLimit_Reset="50")
    assert found == (Quota(40, 50, 100),)


@pytest.mark.parametrize(
    "reset, seconds",
    [("6m0s", 360), ("20ms", 0.02), ("1h2m3s", 3723), ("1.5s", 1.5), ("0s", 0), ("1d1s", 86401)],
)
def test_openai(reset, seconds):
    """Durations until the bucket is full again; what is said of tokens is another unit."""
    found = said(
        x_ratelimit_limit_requests="60", x_ratelimit_remaining_requests="59",
        x_ratelimit_reset_requests=reset, x_ratelimit_remaining_tokens="3",
    )  # fmt: skip
    assert found == (Quota(59, pytest.approx(seconds), 60, None, refills=True),)


def test_anthropic():
    """An instant of RFC 3339 at which it is full again."""
    found = said(
        anthropic_ratelimit_requests_limit="50", anthropic_ratelimit_requests_remaining="49",
        anthropic_ratelimit_requests_reset="2025-06-15T15:07:20Z",
    )  # fmt: skip
    assert found == (Quota(49, 40, 50, None, refills=True),)


@pytest.mark.parametrize("reset, seconds", [("1750000090", 90), ("1749999990", 0), ("30", 30)])
def test_github(reset, seconds):
    """Seconds since 1970; others write seconds from now into the same field."""
    found = said(x_ratelimit_limit="5000", x_ratelimit_remaining="4999", x_ratelimit_reset=reset)
    assert found == (Quota(4999, seconds, 5000),)


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"RateLimit": ""}, {"RateLimit": "many"}, {"RateLimit": '"a";r=x;t=3'},
        {"x_ratelimit_remaining": "5"}, {"x_ratelimit_reset": "5"},
        {"x_ratelimit_remaining": "-5", "x_ratelimit_reset": "5"},
        {"x_ratelimit_remaining": "5", "x_ratelimit_reset": "soon"},
        {"x_ratelimit_remaining": "nan", "x_ratelimit_reset": "5"},
    ],
)  # fmt: skip
def test_nonsense_is_nothing(fields):
    """What can't be understood is as if it weren't there."""
    assert said(**fields) == ()


@given(some.text(max_size=60), some.text(max_size=60))
def test_no_field_breaks_anything(one, other):
    """Servers send what they like."""
    for found in (
        *said(RateLimit=one, RateLimit_Policy=other),
        *said(x_ratelimit_remaining=one, x_ratelimit_reset=other),
    ):
        assert found.remaining >= 0
        assert found.reset >= 0


def test_results_and_errors_have_headers():
    """A response, an error that carries one, and one that wraps such an error."""
    fields = {"RateLimit": '"a";r=5;t=3'}
    response = SimpleNamespace(headers=fields)
    error = RuntimeError("429")
    error.response = response
    wrapped = ValueError("wrapped")
    wrapped.__cause__ = error
    for outcome in (response, error, wrapped):
        assert quotas(outcome) == (Quota(5, 3),)
    for outcome in ("text", 3, None, ValueError("none")):
        assert quotas(outcome) == ()
