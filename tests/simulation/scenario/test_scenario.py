"""A scenario that makes no sense is refused where it is written."""

import pytest

from holdfast import ConfigurationError
from holdfast.simulation import (
    Cache,
    Clients,
    Closed,
    Constant,
    Fault,
    Network,
    Poisson,
    Scenario,
    Servers,
)

WORK = Constant(value=0.1)


def scenario(**options):
    return Scenario(
        **{
            "name": "small",
            "seconds": 60,
            "load": Poisson(rate=10),
            "servers": Servers(workers=2, service=WORK),
            **options,
        }
    )


def test_scenarios_are_values():
    """Equal ones are equal, and none can be changed."""
    assert scenario() == scenario()
    with pytest.raises(AttributeError):
        scenario().seconds = 5


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: scenario(name=""), "name=''"),
        (lambda: scenario(seconds=0), "seconds=0"),
        (lambda: scenario(drain=-1), "drain=-1"),
        (lambda: scenario(compare="none"), "compare='none'"),
        (lambda: scenario(columns=["p99"]), r"columns=\['p99'\]"),
        (lambda: Servers(workers=0, service=WORK), "workers=0"),
        (lambda: Servers(workers=1, service=WORK, shards=0), "shards=0"),
        (lambda: Servers(workers=1, service=WORK, queue="random"), "queue='random'"),
        (lambda: Servers(workers=1, service=WORK, queue_limit=-1), "queue_limit=-1"),
        (lambda: Servers(workers=1, service=WORK, queue_target=0), "queue_target=0"),
        (lambda: Servers(workers=1, service=WORK, queue_interval=0), "queue_interval=0"),
        (lambda: Servers(workers=1, service=WORK, error_rate=2), "error_rate=2"),
        (lambda: Servers(workers=1, service=WORK, cold_start=((0, 1),)), "cold_start=0"),
        (lambda: Servers(workers=1, service=WORK, cold_start=((1, -1),)), "cold_start=-1"),
        (lambda: Servers(workers=1, service=WORK, cold=True), "cold=True"),
        (lambda: Servers(workers=1, service=WORK, protect="shedder"), "protect='shedder'"),
        (lambda: Cache(items=0, hit=WORK), "items=0"),
        (lambda: Cache(items=1, hit=WORK, hit_rate=0), "hit_rate=0"),
        (lambda: Network(loss=1.1), "loss=1.1"),
        (lambda: Network(reply_loss=-1), "reply_loss=-1"),
        (lambda: Clients(count=0), "count=0"),
        (lambda: Clients(attempt_timeout=0), "attempt_timeout=0"),
        (lambda: Clients(patience=0), "patience=0"),
        (lambda: Clients(layers=0), "layers=0"),
        (lambda: Clients(keys=0), "keys=0"),
        (lambda: Clients(zipf=-1), "zipf=-1"),
        (lambda: Clients(critical=1.2), "critical=1.2"),
        (lambda: Clients(critical=0.7, sheddable=0.4), "sheddable=0.4"),
    ],
)
def test_values_outside_their_range_are_refused(make, message):
    """The message names the option and its value."""
    with pytest.raises(ConfigurationError, match=f"^{message} is not allowed"):
        make()


@pytest.mark.parametrize(
    "fault, options, message",
    [
        (
            Fault(at=60, lasts=1),
            {},
            r"faults\[1\]: at=60 is not allowed: users come for seconds=60",
        ),
        (Fault(at=5, lasts=1, shard=1), {}, r"faults\[1\]: shard=1 .*there are 1 shards"),
        (
            Fault(at=5, lasts=1, load=2),
            {"load": Closed(users=1)},
            r"faults\[1\]: load=2 is not allowed with a closed load",
        ),
        (Fault(at=5, lasts=1, restart=True), {}, r"faults\[1\]: restart=True .*cold_start"),
    ],
)
def test_a_fault_that_would_do_nothing_is_refused(fault, options, message):
    """After the end, on a shard that isn't there, or of users that are counted."""
    with pytest.raises(ConfigurationError, match=message):
        scenario(faults=(Fault(at=1, lasts=1), fault), **options)
