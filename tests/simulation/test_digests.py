"""Equal seeds give equal runs, to the byte, in every version of Python."""

from tests.simulation.digests import FOUR, RECORDED, SCENARIOS, digest, digests


def test_runs_are_what_they_were_when_they_were_recorded():
    """Every count of every bucket, in whichever Python; see `digests` for how to renew them."""
    assert digests() == RECORDED.read_text(encoding="utf-8")


def test_another_seed_is_another_run():
    """The digest would tell."""
    scenario = SCENARIOS[0]
    assert digest(scenario, FOUR, seed=1) != digest(scenario, FOUR, seed=2)
