"""The permit of a trial call."""

from holdfast.strategies.breaker.probe import Probe


def test_a_probe_tells_its_epoch_its_start_and_its_lease():
    """A probe is a pair (epoch, start) that knows when its lease ends."""
    probe = Probe(7, 1.5, 61.5)

    assert (tuple(probe), probe.expires) == ((7, 1.5), 61.5)


def test_two_probes_of_the_same_instant_are_two():
    """Probes are compared by identity: giving one back must not give back another."""
    one, other = Probe(1, 0.0, 60.0), Probe(1, 0.0, 60.0)

    assert one == one  # noqa: PLR0124 - that is the point
    assert one != other
    assert not one != one  # noqa: PLR0124, SIM202 - both operators
    assert len({one: None, other: None}) == 2
