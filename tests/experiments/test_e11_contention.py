"""A short run of experiment 11; the full one: ``python -m tests.experiments 11``."""

import pytest

from tests.experiments.e11_contention import BACKOFFS, PUBLISHED, contend, worst

SMALL = (10, 20, 50)


@pytest.fixture(scope="module")
def measured():
    return {n: {kind: contend(n, kind, trials=40) for kind in BACKOFFS} for n in SMALL}


@pytest.mark.parametrize("n", SMALL)
def test_our_backoffs_reproduce_the_published_figures(measured, n):
    """Bar: within 5 %.  With 40 trials of our own, chance is worth another 5 %."""
    assert worst(measured[n], n) <= 0.10


def test_the_ordering_is_the_published_one(measured):
    """No jitter loses in time, no backoff in calls; of the jittered ones equal is slowest."""
    ms = {kind: sample.mean for kind, (sample, _) in measured[50].items()}
    writes = {kind: sample.mean for kind, (_, sample) in measured[50].items()}

    assert ms["none"] < ms["decorrelated"] < ms["full"] < ms["equal"] < ms["exponential"]
    assert max(writes, key=writes.get) == "none"
    assert writes["exponential"] > 1.5 * max(
        writes[one] for one in ("full", "equal", "decorrelated")
    )


def test_jitter_below_the_cap_costs_no_more_than_the_published_one_that_is_clamped_onto_it():
    """Ours needs as many writes as AWS's formula, and is done sooner."""
    ours, ours_writes = contend(100, "decorrelated", trials=10)
    theirs, theirs_writes = contend(100, "clamped", trials=10)

    assert ours.mean < theirs.mean
    assert ours_writes.mean == pytest.approx(theirs_writes.mean, rel=0.05)


def test_one_permit_for_all_clients_of_a_process_beats_every_jitter():
    """Bar at N = 100: 4,000 ms, which is 100 times 4 ways of 10 ms each, and 110 writes."""
    ms, writes = contend(100, "full", trials=30, permits=1)
    error = ms.deviation / 30**0.5

    assert writes.mean == 100
    assert ms.mean - 2 * error <= 4000
    assert ms.mean < PUBLISHED[100]["full"][0] * 0.85
