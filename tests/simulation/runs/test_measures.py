"""How the critical fare, how long failures take, and which figures a table shows."""

from dataclasses import replace

import pytest

from holdfast import ConfigurationError
from holdfast.simulation.report.report import html
from holdfast.simulation.report.table import table
from holdfast.simulation.report.wording import columns, duration
from holdfast.simulation.runs.play import Run
from holdfast.simulation.runs.results import figures
from holdfast.simulation.runs.tally import Tally, edges
from holdfast.simulation.scenario.distributions import Constant
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.scenario.scenario import Clients, Fault, Scenario, Servers

CALM = Scenario(
    name="calm",
    seconds=30,
    load=Poisson(rate=2),
    servers=Servers(workers=2, service=Constant(value=0.1)),
)
TROUBLED = replace(CALM, faults=(Fault(at=10, lasts=10, speed=0),))


def told(scenario, *users):
    """Figures of ``users``: instant, whether critical, seconds to the end, whether served."""
    tally = Tally(scenario.seconds, edges(scenario))
    for arrived, critical, seconds, served in users:
        tally.came(arrived, critical=critical)
        if served:
            tally.served(arrived, arrived + seconds, critical=critical)
        else:
            tally.lost(arrived, TimeoutError(), after=seconds)
    return figures(Run(scenario, "policy", 1, tally, len(users), 100, took=1.0))


def test_critical_users_are_counted_by_themselves():
    """In each phase, and in all."""
    run = told(
        TROUBLED,
        *((1, True, 0.1, True), (2, False, 0.1, False)),
        *((11, True, 0.1, True), (12, True, 1.0, False), (13, False, 1.0, True)),
    )

    assert run.critical == pytest.approx(2 / 3)
    assert (run.health.critical, run.fault.critical, run.after.critical) == (1, 0.5, None)


def test_where_nobody_is_critical_there_is_no_share():
    """None isn't zero."""
    assert told(CALM, (1, False, 0.1, True)).critical is None


def test_the_time_until_a_failure_is_told():
    """The mean of those who failed; None where nobody did."""
    run = told(TROUBLED, (1, False, 5.0, True), (11, False, 1.0, False), (12, False, 3.0, False))

    assert run.wasted == run.fault.wasted == 2.0
    assert run.health.wasted is None


def test_a_table_has_the_columns_that_a_scenario_asks_for(comparison, printed):
    """Titles tell the phase, and are broken where they become narrowest."""
    scenario = replace(
        comparison.scenario, columns=("success", "health.p99", "fault.amplification", "wasted")
    )

    titles = [column.title for column in columns(scenario)]
    assert titles == ["served", "p99 before", "attempts per user in fault", "failed after"]
    asked = replace(comparison, scenario=scenario)
    head = [line.split() for line in printed(table(asked)).splitlines()[1:3]]
    assert head[0] == ["p99", "attempts", "per", "failed"]
    assert head[1] == ["policy", "served", "before", "user", "in", "fault", "after"]
    assert "<th scope=col>p99 before</th>" in html(asked)


def test_critical_users_have_a_column_where_there_are_any(comparison):
    """In the table, and in that of the phases."""
    scenario = replace(TROUBLED, clients=Clients(critical=0.2))
    page = html(replace(comparison, scenario=scenario))

    assert "critical" in [column.figure for column in columns(scenario)]
    assert "critical" not in [column.figure for column in columns(TROUBLED)]
    assert page.count("<th scope=col>critical served</th>") == 2
    assert "critical served" not in html(comparison)


@pytest.mark.parametrize(
    "scenario, name, message",
    [
        (TROUBLED, "health.p9", r"no figure 'health.p9' here \(did you mean 'health.p99'\?\)"),
        (CALM, "fault.p99", "no figure 'fault.p99' here"),
        (CALM, "ttr", "no figure 'ttr' here.*: there are success, "),
    ],
)
def test_an_unknown_figure(scenario, name, message):
    """Without a fault there are no phases, and nothing to recover from."""
    with pytest.raises(ConfigurationError, match=message):
        columns(replace(scenario, columns=(name,)))


def test_what_rounds_up_to_a_second_is_a_second():
    """And not 1e+03 ms."""
    assert (duration(0.99999), duration(0.9994)) == ("1 s", "999 ms")
