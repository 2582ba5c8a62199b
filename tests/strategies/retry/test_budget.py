"""`RetryBudget`: tokens in, tokens out."""

import pytest

from holdfast import RetryBudget


def drained(**options):
    budget = RetryBudget(**options)
    while budget.withdraw():
        pass
    return budget


def test_a_budget_starts_full():
    """It allows its capacity of retries before anything has succeeded, and no more."""
    budget = RetryBudget(capacity=3.0)
    assert budget.full

    assert [budget.withdraw() for _ in range(5)] == [True, True, True, False, False]
    assert budget.tokens == 0.0


def test_successes_earn_a_share_of_a_retry():
    """With a ratio of a quarter four successes pay for one retry."""
    budget = drained(ratio=0.25, capacity=2.0)

    for _ in range(3):
        budget.deposit()
        assert not budget.withdraw()
    budget.deposit()

    assert budget.withdraw()
    assert not budget.withdraw()


def test_with_the_default_ratio_ten_successes_pay_for_a_retry():
    """A tenth of a token each: the tenth success earns a retry."""
    budget = drained()

    for _ in range(10):
        budget.deposit()

    assert budget.withdraw()


def test_it_never_holds_more_than_its_capacity():
    """A long time of health does not pay for a long storm."""
    budget = RetryBudget(ratio=0.5, capacity=2.0)
    budget.withdraw()
    assert not budget.full

    for _ in range(1_000):
        budget.deposit()

    assert budget.tokens == 2.0
    assert budget.full


def test_a_timeout_costs_double():
    """It took the dependency a whole timeout's work."""
    budget = RetryBudget(capacity=5.0)

    budget.withdraw(2.0)

    assert budget.tokens == 3.0


def test_the_last_token_pays_for_a_timeout_too():
    """A bucket of one token would never allow a retry after a timeout otherwise."""
    budget = RetryBudget(capacity=1.0)

    assert budget.withdraw(2.0)
    assert budget.tokens == 0.0


def test_less_than_one_token_allows_nothing_and_stays():
    """A refused retry takes nothing."""
    budget = RetryBudget(ratio=0.5, capacity=1.5)
    budget.withdraw()

    assert not budget.withdraw()
    assert budget.tokens == 0.5


@pytest.mark.parametrize("ratio", [0.125, 0.5, 1.0])
def test_in_the_long_run_retries_are_a_share_of_the_successes(ratio):
    """However often retries are asked for, they are at most ratio * successes + capacity."""
    budget = RetryBudget(ratio=ratio, capacity=10.0)
    successes = 10_000
    retries = 0
    for _ in range(successes):
        budget.deposit()
        retries += budget.withdraw() + budget.withdraw()

    assert ratio * successes <= retries <= ratio * successes + 10


def test_when_nothing_succeeds_retries_stop():
    """Without credit the whole outage gets the capacity, whatever its length."""
    budget = RetryBudget(capacity=10.0)

    assert sum(budget.withdraw() for _ in range(100_000)) == 10


def test_a_budget_shows_what_is_left():
    """Its `repr` is for people: tokens, capacity, ratio."""
    budget = RetryBudget(ratio=0.1, capacity=10)
    budget.withdraw()

    assert repr(budget) == "<RetryBudget 9 of 10 tokens, ratio 0.1>"
    assert (budget.ratio, budget.capacity) == (0.1, 10.0)


def test_a_budget_is_an_identity():
    """Two with the same options are two: a shared one must be shared on purpose."""
    one, other = RetryBudget(), RetryBudget()

    assert one != other
    assert len({one, other}) == 2


def test_after_a_fork_the_tokens_are_kept():
    """A child process goes on with what its parent had; only the lock is new."""
    budget = RetryBudget(capacity=3.0)
    budget.withdraw()

    budget._after_fork()

    assert budget.tokens == 2.0
    assert budget.withdraw()
