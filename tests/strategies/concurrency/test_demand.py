"""`concurrency.demand`: samples in, limits out."""

from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import ConfigurationError
from holdfast.strategies.concurrency.demand import demand
from holdfast.strategies.concurrency.protocol import Algorithm, Search


class Line:
    """Calls that end at a steady rate, as one limiter sees them."""

    def __init__(self, algorithm=None, rate=10.0, **limits):
        self.search = (algorithm or demand()).search(**limits)
        self.now = 1000.0
        self.rate = rate

    def calls(self, number, rtt, *, in_flight=1, dropped=False):
        """Let so many calls end; return the limit after the last."""
        limit = self.search.limit
        for _ in range(number):
            self.now += 1 / self.rate
            limit = self.search.sample(self.now, rtt, in_flight, dropped)
        return limit


@pytest.fixture
def calm():
    """Sixty seconds of 10 calls a second that take 0.2 s: two in flight on average."""
    line = Line()
    line.calls(600, 0.2, in_flight=2)
    return line


def lose_one(line, usual):
    """Let a call hang, which is a sign of overload for a minute, and others follow as usual."""
    line.calls(1, 30.0, dropped=True)
    line.calls(60, usual)


def test_it_has_the_shape_of_an_algorithm():
    """A limiter can use it, and shows its options."""
    assert isinstance(demand(), Algorithm)
    assert isinstance(demand().search(), Search)
    assert repr(demand()) == "concurrency.demand()"
    assert repr(demand(samples=16)) == "concurrency.demand(samples=16)"


@pytest.mark.parametrize(
    "options", [{"tolerance": 0.9}, {"samples": 0}, {"memory": 0.0}, {"memory": float("inf")}]
)
def test_options_out_of_range_are_refused(options):
    """The error names the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        demand(**options)


def test_it_begins_at_twenty_or_where_it_is_told():
    """Within the range that the limiter allows."""
    assert demand().search().limit == 20
    assert demand().search(high=5).limit == 5
    assert demand().search(initial=7).limit == 7


def test_the_load_follows_littles_law(calm):
    """Ten a second that take 0.2 s each are two in flight."""
    assert calm.search.normal == pytest.approx(0.2)
    assert calm.search.load == pytest.approx(2.0, rel=0.01)


def test_nothing_but_the_ceiling_limits_calls_at_normal_latency(calm):
    """Where fewer than half of it are used, it stays."""
    assert calm.search.pressure == 1.0
    assert calm.search.limit == 20


def test_the_ceiling_rises_by_one_for_each_answer_while_half_of_it_is_used(calm):
    """As fast as TCP's slow start, up to the highest limit."""
    assert calm.calls(5, 0.2, in_flight=10) == 21  # of which ten are less than half
    assert calm.calls(500, 0.2, in_flight=200) == 200


def test_up_to_the_tolerance_a_higher_latency_changes_nothing(calm):
    """Twice the normal latency is well by default."""
    assert calm.calls(50, 0.39, in_flight=4) == 20


def test_under_overload_twice_the_normal_load_is_let_in(calm):
    """However high latency rises; it takes about as many calls as `samples`."""
    calm.calls(1, 3.0, dropped=True)
    limit = calm.calls(20, 3.0, in_flight=10)

    assert calm.search.pressure == pytest.approx(0.5, abs=0.02)
    assert limit == pytest.approx(2 * calm.search.load, rel=0.05)
    assert limit == pytest.approx(4.0, rel=0.15)


def test_between_them_the_limit_is_the_load_over_one_minus_the_pressure(calm):
    """Three times the normal latency: g = 2/3, so three times the load."""
    lose_one(calm, 0.2)
    limit = calm.calls(30, 0.6, in_flight=6)

    assert calm.search.pressure == pytest.approx(2 / 3, rel=0.05)
    assert limit == pytest.approx(3 * 2.0, rel=0.15)


def test_good_news_is_believed_twice_as_fast_as_bad_news(calm):
    """Nothing is limited any more after a few calls of normal latency."""
    lose_one(calm, 0.2)
    worse = next(count for count in range(1, 50) if calm.calls(1, 3.0) < 5)
    calm.calls(20, 3.0)
    better = next(count for count in range(1, 50) if calm.calls(1, 0.2) >= 18)

    assert better <= worse <= demand().samples


def test_one_slow_answer_is_no_overload(calm):
    """It counts as four times the normal latency at most."""
    assert calm.calls(1, 60.0) == 20


def test_lost_calls_are_slow_calls(calm):
    """Timeouts after a second, all of them: the load and no more than twice of it."""
    assert calm.calls(10, 1.0, in_flight=4, dropped=True) <= 4.1


def test_a_call_that_is_lost_quickly_is_no_good_news(calm):
    """Refused connections under overload do not open the limit."""
    calm.calls(16, 3.0)
    before = calm.search.limit

    assert calm.calls(20, 0.001, dropped=True) <= before


def test_quick_losses_lower_the_ceiling_by_a_tenth_each_down_to_the_load(calm):
    """Latency says nothing then, so this is all there is."""
    assert calm.calls(1, 0.001, dropped=True) == pytest.approx(18.0)
    assert calm.calls(100, 0.001, dropped=True) == pytest.approx(calm.search.load)


def test_errors_as_quick_as_answers_are_no_overload():
    """One call in ten fails by itself: one at a time may always be in flight, without rests."""
    line = Line(low=0.05, initial=100, high=100)
    for _ in range(100):
        line.calls(3, 0.01, dropped=True)
        line.calls(27, 0.01)

        assert line.search.pressure == 1.0
        assert line.search.limit >= 1.0


def test_neither_are_errors_before_anything_is_known():
    """The first calls of a client fail quickly; then the dependency answers as it always does."""
    line = Line()
    line.calls(3, 0.01, dropped=True)
    line.calls(60, 0.02)

    assert line.search.pressure == 1.0


def test_a_loss_that_took_a_little_longer_is_a_sign_only_with_others_like_it(calm):
    """Twice the usual time: where errors take as long as answers, every tenth of them does."""
    calm.calls(7, 0.5, dropped=True)
    calm.calls(30, 0.6)
    assert calm.search.pressure == 1.0

    calm.calls(1, 0.5, dropped=True)
    assert calm.search.pressure < 1.0


def test_a_quick_error_shows_that_the_slow_ones_were_errors_too(calm):
    """Nobody's patience had come to its end, so latency may be what it is."""
    calm.calls(8, 0.5, dropped=True)
    calm.calls(30, 0.6)
    assert calm.search.pressure < 1.0

    calm.calls(1, 0.2, dropped=True)
    calm.calls(1, 0.6)
    assert calm.search.pressure == 1.0


def test_what_was_lost_for_long_is_forgotten_as_soon_as_after_a_moment(calm):
    """A minute of timeouts: nothing is limited any more after two answers at normal latency."""
    calm.calls(600, 30.0, dropped=True)
    calm.calls(1, 0.2)
    assert calm.search.pressure < 1.0

    calm.calls(1, 0.2)
    assert calm.search.pressure == 1.0


def test_a_lost_call_teaches_nothing_about_normal_times(calm):
    """A minute of timeouts leaves the normal latency and load as they were."""
    calm.calls(600, 1.0, dropped=True)

    assert calm.search.normal == pytest.approx(0.2)
    assert calm.search.load == pytest.approx(2.0, rel=0.01)


def test_slowness_that_loses_nothing_is_no_overload(calm):
    """A deploy, a cold cache, heavier calls: a dependency that is ten times slower still serves all."""
    for _ in range(60):
        assert calm.calls(10, 2.0, in_flight=9) == 20
    assert calm.search.pressure == 1.0


def test_neither_is_slowness_with_the_losses_that_are_usual():
    """One call in two hundred hangs on every day, and some calls are heavy: nothing is limited."""
    line = Line()
    for _ in range(20):
        line.calls(199, 0.01)
        line.calls(1, 2.0, dropped=True)
    line.calls(600, 0.01)
    ceiling = line.search.limit
    line.calls(50, 0.2)
    line.calls(1, 2.0, dropped=True)

    assert line.calls(50, 0.2) == pytest.approx(0.9 * ceiling)


def test_a_lasting_overload_that_loses_calls_never_becomes_normal(calm):
    """Calls are lost after a second: latency is kept below a third of it for as long as that lasts."""
    for _ in range(600):
        calm.calls(9, 0.7, in_flight=7)
        limit = calm.calls(1, 1.0, in_flight=7, dropped=True)

    assert calm.search.normal < 1 / 3
    assert limit < 3 * calm.search.load


def test_what_was_normal_under_overload_from_the_start_is_no_excuse():
    """A client that has never seen anything but an overload is limited by its lost calls."""
    line = Line()
    for _ in range(30):
        line.calls(9, 0.8, in_flight=8)
        line.calls(1, 1.0, in_flight=8, dropped=True)

    assert line.search.pressure == 0.5


def test_a_pause_is_not_taken_for_a_low_load(calm):
    """An hour without a call, as in a batch job: the load is a little lower, the latency the same."""
    calm.now += 3600.0
    calm.calls(1, 0.2)

    assert calm.search.normal == pytest.approx(0.2)
    assert calm.search.load > 1.7


def test_nothing_is_concluded_from_the_first_few_calls():
    """Before 4 * samples calls only the ceiling counts."""
    line = Line()
    line.calls(1, 0.01)

    assert line.calls(31, 0.1) == 20
    assert line.search.pressure == 1.0


def test_latencies_that_vary_by_nature_are_given_more_room():
    """One call in fifty takes 20 times as long: two of those in a row may be chance."""
    varying, steady = Line(), Line()
    for _ in range(60):
        varying.calls(49, 0.05)
        varying.calls(1, 1.0)
        steady.calls(50, varying.search.normal)

    for line in (varying, steady):
        lose_one(line, 0.05)

    assert varying.search.normal == pytest.approx(steady.search.normal, rel=0.1)
    varying.calls(2, 1.0)
    steady.calls(2, 1.0)
    assert steady.search.pressure < varying.search.pressure == 1.0


def test_a_client_with_few_calls_may_be_limited_to_less_than_one():
    """One call a second of 0.1 s: a few tenths in flight under overload, if the limiter can rest."""
    line = Line(rate=1.0, low=0.05)
    line.calls(200, 0.1)

    line.calls(1, 1.0, dropped=True)
    assert 0.1 < line.calls(15, 0.5) < 0.4


def test_holding_calls_back_in_vain_is_given_up():
    """Ten times slower, one call lost: those that are let in are no faster, and none of them is lost."""
    line = Line()
    line.calls(600, 0.1)
    line.calls(10, 1.0)

    assert line.calls(1, 3.0, dropped=True) < 3
    line.calls(10, 1.0)  # they had begun before, so they say nothing about it
    assert line.search.pressure < 0.6
    assert line.calls(5, 1.0) > 15
    assert line.search.pressure == 1.0


def test_it_goes_on_where_those_that_are_let_in_are_lost():
    """Two of five: what is left of the dependency is not enough for them, let alone for more."""
    line = Line()
    line.calls(600, 0.1)
    line.calls(1, 3.0, dropped=True)
    line.calls(30, 1.0)
    assert line.search.pressure == 1.0

    line.calls(1, 3.0, dropped=True)
    for _ in range(20):
        line.calls(3, 1.0)
        line.calls(2, 3.0, dropped=True)
    assert line.search.pressure < 0.6


def test_it_goes_on_where_it_helps():
    """Five times slower is what a limit of twice the load comes to when there is too much to do."""
    line = Line()
    line.calls(600, 0.1)
    line.calls(1, 3.0, dropped=True)
    line.calls(100, 0.5)

    assert line.search.pressure < 0.6


def test_after_it_was_in_vain_it_takes_losses_that_are_worth_it():
    """Two close to each other are no chance, but no reason to hold back two calls of three."""
    line = Line()
    line.calls(6000, 0.1)
    line.calls(1, 3.0, dropped=True)
    line.calls(30, 1.0, in_flight=8)
    line.calls(2, 3.0, in_flight=8, dropped=True)
    assert line.search.pressure == 1.0

    line.calls(200, 0.1)  # all is well again
    line.calls(5, 1.0)
    line.calls(2, 3.0, in_flight=8, dropped=True)
    assert line.search.pressure < 0.6


def test_the_lowest_limit_holds():
    """Without rests one call may always be in flight."""
    line = Line(rate=1.0)
    line.calls(200, 0.1)

    line.calls(1, 1.0, dropped=True)
    assert line.calls(15, 0.5) == 1


@settings(derandomize=True, database=None, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6), st.floats(0, 1e4), st.integers(0, 500), st.booleans(),
        ), max_size=80,
    ),
    st.sampled_from([0.05, 1, 3]),
)  # fmt: skip
def test_the_limit_stays_in_its_range_whatever_comes(samples, low):
    """Zero durations, jumps of the clock and long pauses included."""
    search = demand().search(low, 50)
    for now, rtt, in_flight, dropped in samples:
        limit = search.sample(now, rtt, in_flight, dropped)

        assert low <= limit <= 50
        assert limit == search.limit
        assert 0.5 <= search.pressure <= 1.0
        assert isfinite(search.load)
        assert isfinite(search.normal)


def test_a_clock_that_is_set_back_shows_no_negative_latency():
    """What seems to have ended before it began took no time; nothing is divided by it."""
    line = Line(demand(samples=1))
    line.calls(40, -5.0)
    line.calls(1, 1.0, in_flight=0, dropped=True)

    assert line.calls(20, 0.0) >= 18
    assert line.search.normal == 0.0
