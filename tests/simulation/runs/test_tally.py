import pytest

from holdfast import CircuitOpenError
from holdfast.simulation.runs.series import Series
from holdfast.simulation.runs.tally import MOST_BUCKETS, Tally, edges, trouble
from holdfast.simulation.scenario.distributions import Constant
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.scenario.scenario import Fault, Scenario, Servers


def scenario(*faults):
    return Scenario(
        name="s",
        seconds=100,
        load=Poisson(rate=1),
        servers=Servers(workers=1, service=Constant(value=0.1)),
        faults=faults,
    )


@pytest.mark.parametrize(
    "seconds,width", [(5, 1), (300, 1), (301, 2), (3600, 15), (86_400, 300), (604_800, 2040)]
)
def test_however_long_a_run_is_its_buckets_are_few(seconds, width):
    """An hour is counted in steps of 15 seconds, a day in steps of five minutes."""
    tally = Tally(seconds)

    assert tally.width == width
    assert len(tally.buckets) <= MOST_BUCKETS


def test_a_year_is_counted_in_bounded_memory():
    """What is counted second by second gets coarser, too, when there are too many seconds."""
    tally = Tally(365 * 86_400)

    assert len(tally.buckets) <= MOST_BUCKETS
    assert len(tally.offered) == len(tally.good) <= 100_000


def test_buckets_follow_each_other_without_gaps():
    """Together the buckets are the whole run, whatever the edges are."""
    tally = Tally(10, edges=[2.5, 7.0, 99.0])
    starts, ends = [b.start for b in tally.buckets], [b.end for b in tally.buckets]

    assert starts == [0, 1, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]
    assert ends == [*starts[1:], 10]


def test_no_bucket_lies_across_an_edge():
    """What comes just before a fault begins is not counted as coming in it, even in a long run."""
    tally = Tally(3600, edges=[1234.5])

    assert tally.at(1234.4).end == 1234.5
    assert tally.at(1234.5).start == 1234.5


def test_faults_have_edges():
    """Counting begins anew where faults begin and end, and when the aftermath is over."""
    faults = Fault(at=10, lasts=5, speed=0), Fault(at=12, lasts=20, speed=0)

    assert sorted(edges(scenario(*faults))) == [10, 12, 15, 32, 92]
    assert trouble(scenario(*faults)) == (10, 32)
    assert edges(scenario()) == []
    assert trouble(scenario()) is None


def test_users_count_when_they_came_and_goodput_when_it_is_served():
    """A user of second 1 who is served in second 3 is a good one of 1, and an answer of 3."""
    tally = Tally(5)
    tally.came(1.5)
    tally.served(1.5, 3.5)

    assert [bucket.good for bucket in tally.buckets] == [0, 1, 0, 0, 0]
    assert [bucket.answered for bucket in tally.buckets] == [0, 0, 0, 1, 0]
    assert list(tally.offered) == list(tally.good) == [0, 1, 0, 0, 0]
    assert tally.at(1).latencies.quantile(0.5) == pytest.approx(2.0, rel=0.01)


def test_what_happens_after_the_last_user_came_is_counted_apart():
    """The last bucket is no higher for all that is answered while the run drains."""
    tally = Tally(5)
    tally.came(4.5)
    tally.served(4.5, 7.0)
    tally.came(6.0)
    tally.served(6.0, 6.5)

    assert tally.buckets[-1].answered == 0
    assert tally.buckets[-1].good == 1
    assert (tally.rest.offered, tally.rest.answered) == (1, 2)


def test_users_who_are_turned_away_are_told_from_those_who_failed():
    """Rejections, which cost the service nothing, and failures are counted by their names."""
    tally = Tally(5)
    tally.lost(0.5, CircuitOpenError("open"))
    tally.lost(0.5, TimeoutError())
    tally.lost(1.5, TimeoutError())

    assert [(b.rejected, b.failed) for b in tally.buckets[:2]] == [(1, 1), (0, 1)]
    assert tally.errors == {"CircuitOpenError": 1, "TimeoutError": 2}


def test_the_most_that_was_seen_counts():
    """A look at second 3 belongs to what came before it; the highest of several looks is kept."""
    tally = Tally(1200)
    for second, queued in ((1, 7), (2, 3)):
        tally.saw(second, queued=queued, open=queued + 1)

    assert (tally.buckets[0].queued, tally.buckets[0].open) == (7, 8)
    assert tally.buckets[1].queued == 0


def test_a_hundred_thousand_users_take_no_more_memory_than_a_thousand():
    """Latencies are kept in histograms whose size depends on their spread only."""
    tally = Tally(10)
    for number in range(100_000):
        arrived = number / 10_000
        tally.served(arrived, arrived + 0.001 * (1 + number % 1000))

    assert max(len(bucket.latencies.counts) for bucket in tally.buckets) < 400


def test_a_series_has_rates_whatever_the_widths_are():
    """Half a bucket with half of the users shows the same rate."""
    tally = Tally(3, edges=[0.5])
    for instant in (0.1, 0.2, 0.6, 0.7, 1.1, 1.2, 1.3, 1.4):
        tally.came(instant)
        tally.at(instant).attempts += 2
    tally.served(1.1, 2.5)
    series = Series.of(tally)

    assert series.starts == (0, 0.5, 1, 2, 3)
    assert series.offered == (4, 4, 4, 0)
    assert series.attempts == (8, 8, 8, 0)
    assert series.goodput == (0, 0, 0, 1)
    assert series.p99[0] is None
    assert series.p50[2] == pytest.approx(1.4, rel=0.01)
