"""The windows against lists of all that was ever added."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from reference_models import CountWindowModel, TimeWindowModel

from holdfast.strategies.breaker.window import CountWindow, TimeWindow


class WindowMachine(RuleBasedStateMachine):
    """Outcomes are added, singly and many at a time; time goes on, leaps, and goes back."""

    kinds = None
    length = None

    def __init__(self):
        super().__init__()
        real, model = self.kinds
        self.real, self.model = real(self.length), model(self.length)
        self.now = 0.0

    @rule(failed=st.booleans(), slow=st.booleans(), times=st.integers(1, 30))
    def add(self, failed, slow, times):
        for _ in range(times):
            self.real.add(self.now, failed=failed, slow=slow)
            self.model.add(self.now, failed, slow)

    @rule(
        gaps=st.lists(st.sampled_from([-1.0, 0.0, 0.0, 0.125, 0.5, 3.0]), max_size=20),
        pad=st.integers(0, 120),
    )
    def add_good(self, gaps, pad):
        """Add successes in one go, with the instants at which they came."""
        instants = [self.now] * pad
        for gap in gaps:
            self.now += gap
            instants.append(self.now)
        self.real.add_good(instants)
        for instant in instants:
            self.model.add(instant, failed=False, slow=False)

    @rule(eighths=st.integers(1, 200))
    def wait(self, eighths):
        self.now += eighths / 8

    @rule(seconds=st.integers(50, 10_000))
    def leap(self, seconds):
        self.now += seconds

    @rule(eighths=st.integers(1, 100))
    def step_back(self, eighths):
        self.now -= eighths / 8

    @rule()
    def advance(self):
        self.real.advance(self.now)
        self.model.advance(self.now)

    @rule()
    def clear(self):
        self.real.clear()
        self.model = type(self.model)(self.length)

    @invariant()
    def agrees_with_its_model(self):
        assert (self.real.calls, self.real.failures, self.real.slow) == self.model.totals()


@pytest.mark.parametrize(
    "kinds, length",
    [
        ((CountWindow, CountWindowModel), 1),
        ((CountWindow, CountWindowModel), 30),
        ((TimeWindow, TimeWindowModel), 2.5),
        ((TimeWindow, TimeWindowModel), 20.0),
    ],
    ids=["1 call", "30 calls", "2.5 s", "20 s"],
)
def test_a_window_counts_what_its_model_counts(kinds, length):
    """Calls, failures and slow calls agree after every step."""

    class Configured(WindowMachine):
        pass

    Configured.kinds, Configured.length = kinds, length

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))


@settings(settings.get_profile("machines"))
@given(
    st.floats(0.001, 1e6),
    st.lists(st.tuples(st.floats(0, 1e9), st.booleans(), st.booleans()), max_size=60),
)
def test_no_instant_breaks_a_window_of_time(seconds, calls):
    """Whatever its length and whatever the instants, its counts stay within what was added."""
    window = TimeWindow(seconds)
    for number, (now, failed, slow) in enumerate(calls, 1):
        window.add(now, failed=failed, slow=slow)
        assert 1 <= window.calls <= number
        assert 0 <= window.failures <= window.calls
        assert 0 <= window.slow <= window.calls

    window.advance(2e9 + seconds)
    assert (window.calls, window.failures, window.slow) == (0, 0, 0)


@settings(settings.get_profile("machines"))
@given(st.floats(0.01, 1e4), st.lists(st.floats(0, 100.0), min_size=1, max_size=60))
def test_a_window_of_time_is_exact_to_a_tenth(seconds, gaps):
    """A call is forgotten no later than its length, and no more than a tenth of it earlier."""
    window, now, instants = TimeWindow(seconds), 0.0, []
    for gap in gaps:
        now += gap * seconds / 50
        window.add(now)
        instants.append(now)
        slack = 1e-6 * seconds + 1e-9 * now
        surely = sum(instant > now - 0.9 * seconds + slack for instant in instants)
        possibly = sum(instant > now - seconds - slack for instant in instants)
        assert surely <= window.calls <= possibly
