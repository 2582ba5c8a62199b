import json
from dataclasses import replace

import pytest

from holdfast import CircuitOpenError
from holdfast.simulation.runs.play import Run
from holdfast.simulation.runs.results import figures, plain
from holdfast.simulation.runs.tally import Tally, edges
from holdfast.simulation.scenario.distributions import Constant
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.scenario.scenario import Cache, Fault, Scenario, Servers

STALL = Fault(at=10, lasts=10, speed=0)
CALM = Scenario(
    name="calm",
    seconds=100,
    load=Poisson(rate=10),
    servers=Servers(workers=2, service=Constant(value=0.1)),
)
STALLED = replace(CALM, faults=(STALL,))


def run(scenario=STALLED, *, users=10, well=lambda second: True, error=TimeoutError, attempts=1):
    """``users`` come in each second; they are served within 0.1 s in each that is ``well``."""
    tally = Tally(scenario.seconds, edges(scenario))
    for second in range(int(scenario.seconds)):
        for number in range(users):
            arrived = second + number / users
            tally.came(arrived)
            tally.at(arrived).attempts += attempts
            if well(second) is True or number < well(second) * users:
                tally.served(arrived, arrived + 0.1)
            else:
                tally.lost(arrived, error())
    return Run(scenario, "policy", 1, tally, 1000, 5000, took=1.0)


def test_a_run_without_a_fault_has_the_figures_of_the_whole():
    """Nothing to recover from, nothing that had to fail; the fault's figures are the run's."""
    told = figures(run(CALM, attempts=2))

    assert told.success == 1
    assert told.goodput == pytest.approx(10, abs=0.1)
    assert told.amplification == 2
    assert told.failed == told.excess == 0
    assert told.ttr is None
    assert told.health is told.fault is told.after is None
    assert told.whole.users == 1000


def test_phases_lie_before_in_and_after_the_fault():
    """Each phase has its own users."""
    told = figures(run(well=lambda second: not 10 <= second < 20))

    assert [phase.users for phase in (told.health, told.fault, told.after)] == [100, 100, 800]
    assert [phase.success for phase in (told.health, told.fault, told.after)] == [1, 0, 1]
    assert told.after.goodput == pytest.approx(10, abs=0.1)
    assert told.fault.p50 is None
    assert told.after.p99 == pytest.approx(0.1, rel=0.01)


def test_who_is_well_at_once_needs_no_time_to_recover():
    """The first second after the fault counts as zero."""
    assert figures(run(well=lambda second: not 10 <= second < 20)).ttr == 0


@pytest.mark.parametrize("late", [1, 3, 12])
def test_the_time_to_recover_ends_with_the_first_good_second(late):
    """Seconds that fail after the fault are waited for, one by one."""
    assert figures(run(well=lambda second: not 10 <= second < 20 + late)).ttr == late


def test_a_relapse_within_twenty_seconds_is_no_recovery():
    """Well means well for 20 s: one bad second after 15 good ones begins the count anew."""
    well = lambda second: not (10 <= second < 22 or second == 37)  # noqa: E731

    assert figures(run(well=well)).ttr == 18


def test_a_later_relapse_is_another_story():
    """What no window of those 20 s holds does not count against the recovery."""
    assert figures(run(well=lambda second: not (10 <= second < 22 or second == 46))).ttr == 2


@pytest.mark.parametrize("share,ttr", [(0.995, 0), (0.9, None)])
def test_ninety_nine_of_a_hundred_are_well_enough(share, ttr):
    """A service that always fails some counts as well as long as it serves 99 % in every window."""
    told = figures(run(users=200, well=lambda second: 0.0 if 10 <= second < 20 else share))

    assert told.ttr == ttr


def test_a_run_that_ends_too_early_has_no_recovery():
    """Twenty windows of five seconds must follow the fault for anything to be known."""
    assert figures(run(replace(STALLED, seconds=43))).ttr is None
    assert figures(run(replace(STALLED, seconds=44))).ttr == 0


def test_a_fault_may_end_between_two_seconds():
    """Recovery is looked for from the next full second on."""
    fault = Fault(at=10, lasts=9.5, speed=0)

    assert figures(run(replace(CALM, faults=(fault,)))).ttr == 0.5


def test_failed_users_are_those_since_the_fault_began():
    """Users turned away count, and so do those whose call has not ended: they were not served."""
    played = run(well=lambda second: second >= 20, error=lambda: CircuitOpenError("open"))
    played.tally.came(50.5)  # and waits for ever
    told = figures(played)

    assert told.failed == 101
    assert told.rejected == 200
    assert told.false_rejections == 1
    assert told.errors == {"CircuitOpenError": 200}


@pytest.mark.parametrize(
    "fault,excess",
    [
        (STALL, 100),
        (replace(STALL, speed=0.25), 50),
        (replace(STALL, speed=None, workers=1), 0),
        (replace(STALL, speed=None, hangs=True), 100),
        (replace(STALL, speed=None, refuses=True), 100),
        (replace(STALL, speed=None, error_rate=0.5), 0),
    ],
)
def test_some_users_are_more_than_the_capacity(fault, excess):
    """Those for whom no capacity is left: 10 users a second, and 20 that could be served in health."""
    assert figures(run(replace(CALM, faults=(fault,)))).excess == excess


def test_what_lies_behind_the_end_serves_nobody():
    """A fault that outlasts the run by 900 s: half of the capacity of its 10 s is 100 of 200 users."""
    fault = Fault(at=90, lasts=910, speed=0.5)
    told = figures(run(replace(CALM, faults=(fault,)), users=20))

    assert told.excess == 100


def test_a_cache_leaves_no_excess_to_reckon():
    """What it spares the servers is no part of their capacity."""
    cache = Cache(items=10, hit=Constant(value=0.001))
    servers = replace(CALM.servers, cache=cache)

    assert figures(run(replace(STALLED, servers=servers))).excess is None


def test_a_shard_takes_only_its_own_users_down():
    """With one of two shards hanging, half of the users must fail."""
    servers = replace(CALM.servers, shards=2)
    fault = Fault(at=10, lasts=10, hangs=True, shard=1)

    assert figures(run(replace(CALM, servers=servers, faults=(fault,)))).excess == 50


def test_faults_that_overlap_have_no_excess():
    """Rather no figure than a wrong one."""
    faults = STALL, Fault(at=15, lasts=10, speed=0.5)

    assert figures(run(replace(CALM, faults=faults))).excess is None


def test_the_aftermath_is_a_minute():
    """Attempts of the minute after the fault are told apart from those of later."""
    played = run(replace(STALLED, seconds=200))
    for bucket in played.tally.buckets:
        bucket.attempts *= 3 if 20 <= bucket.start < 80 else 1
    told = figures(played)

    assert told.aftermath == 3
    assert told.amplification == 1


def test_figures_survive_json_with_six_digits():
    """The order of keys is that of the definition, and floats have no noise in their last digits."""
    told = figures(run(well=lambda second: 2 / 3)).as_dict()

    assert json.loads(json.dumps(told)) == told
    assert list(told)[:3] == ["success", "goodput", "ttr"]
    assert told["success"] == 0.7
    assert told["p99"] == float(f"{told['p99']:.6g}")


def test_what_json_does_not_know_is_named():
    """A scenario may hold a function, as protection of its servers."""
    assert plain({"protect": run, 1: (0.1234567, True)}) == {
        "protect": "run",
        "1": [0.123457, True],
    }
