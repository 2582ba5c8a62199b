"""What a dependency says about when to come back."""

import math

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


@pytest.mark.parametrize("given", [None, "3", True, [3], object()])
def test_what_is_no_number_of_seconds_is_not_guessed_at(extractors, given):
    """A boolean is no duration, and strings are for extractors."""
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
