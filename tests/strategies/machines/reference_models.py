"""Reference models: each strategy once more, as its documentation tells it, and as simple as can be.

Lists instead of counters, one step after the other instead of fast paths.  A pair drives the real thing
and its model through the same operations and compares all that can be seen from outside.
"""

import math
from fractions import Fraction
from random import Random

from holdfast import Bulkhead, BulkheadFullError, CircuitBreaker, CircuitOpenError, IsolatedError
from holdfast.shapes import Site, Wait
from holdfast.strategies.breaker.probe import Probe

DOWN = ConnectionError("down")
IGNORED = KeyError("ignored")
BUCKETS = 10


# -- windows ----------------------------------------------------------------------------------


class CountWindowModel:
    """The last `size` calls, in a list."""

    def __init__(self, size):
        self.size = size
        self.seen = []

    def add(self, now, failed, slow):
        self.seen.append((failed, slow))

    def advance(self, now):
        pass

    def totals(self):
        last = self.seen[-self.size :]
        return len(last), sum(failed for failed, _ in last), sum(slow for _, slow in last)


class TimeWindowModel:
    """Every call with the number of its tenth of the window; the last ten tenths count."""

    def __init__(self, seconds):
        self.width = seconds / BUCKETS
        self.newest = -math.inf
        self.seen = []

    def advance(self, now):
        newest = max(self.newest, math.floor(now / self.width))
        if newest > self.newest:
            self.newest = newest
            self.seen = [call for call in self.seen if call[0] > newest - BUCKETS]

    def add(self, now, failed, slow):
        self.advance(now)
        self.seen.append((self.newest, failed, slow))

    def totals(self):
        return (
            len(self.seen),
            sum(failed for _, failed, _ in self.seen),
            sum(slow for _, _, slow in self.seen),
        )


# -- the breaker ------------------------------------------------------------------------------


class BreakerModel:
    """A breaker by its documentation.  A permit is a dict with the era in which it was given out."""

    def __init__(
        self, *, failures, open_for, open_cap, probes, failure_rate=None, window=10.0,
        window_calls=None, min_calls=20, slow=None, slow_rate=None, open_growth=2.0,
        probe_timeout=None, ramp=None, checked=False,
    ):  # fmt: skip
        self.ramp, self.checked, self.random = ramp, checked, Random(0)
        self.failures, self.failure_rate, self.slow_rate = failures, failure_rate, slow_rate
        self.window, self.window_calls, self.min_calls, self.slow = (
            window,
            window_calls,
            min_calls,
            slow,
        )
        self.open_for, self.open_cap, self.open_growth = open_for, open_cap, open_growth
        self.probes = probes
        self.lease = open_cap if probe_timeout is None else probe_timeout
        self.era = self.failed_trials = 0
        self.manual = None
        self.until = self.opened = 0.0
        self.begin("closed")

    def begin(self, state):
        self.state = state
        self.era += 1
        self.passed = 0
        self.trials = []
        self.unheard = False
        if state in {"closed", "ramping"}:  # else the counts show what has opened it
            self.count_anew()

    def count_anew(self):
        self.row, self.calls = 0, None
        if self.failure_rate is not None or self.slow_rate is not None:
            by_calls = self.window_calls is not None
            self.calls = (
                CountWindowModel(self.window_calls) if by_calls else TimeWindowModel(self.window)
            )

    def open(self, now):
        grown = self.open_for * self.open_growth ** min(self.failed_trials, 100)
        self.random.random()  # the jitter, of which there is none here
        self.begin("open")
        self.lasted = min(self.open_cap, grown)
        self.opened, self.until = now, now + self.lasted

    def enter(self, now):
        """Return a permit, or the state that refuses one."""
        if self.manual == "isolated":
            return "isolated"
        if self.state == "open":
            if now < self.until:
                return "open"
            self.begin("half-open")
        if self.state == "ramping":
            left = self.until - now
            if left > 0 and self.random.random() * self.ramp < left:
                return "ramping"
            if left <= 0:
                self.state = "closed"
                self.failed_trials = 0
        if self.state == "half-open":
            trial = self.try_it(now)
            if trial is None or (self.checked and not self.unheard):
                return "half-open"
            trial["call"], self.unheard = True, False
            return trial
        return {"era": self.era, "began": now}

    def try_it(self, now):
        """Return a new trial, if there is room for one."""
        self.trials = [trial for trial in self.trials if now < trial["expires"]]
        room = 1 if self.checked else self.probes - self.passed
        if len(self.trials) >= room:
            return None
        self.trials.append({"era": self.era, "began": now, "expires": now + self.lease})
        return self.trials[-1]

    def answered(self, trial, now, outcome):
        """End a health check; a good one is followed by another, until there are enough."""
        self.settle(trial, now, outcome)
        if outcome == "abandoned":
            self.unheard = trial["era"] == self.era  # the next call is to be a trial itself
        if outcome != "abandoned" and self.state == "half-open":
            self.try_it(now)

    def leave(self, permit):
        self.trials = [trial for trial in self.trials if trial is not permit]

    def settle(self, permit, now, outcome):
        self.leave(permit)
        if outcome in {"abandoned", "ignored"} or permit["era"] != self.era:
            return
        failed = outcome in {"failed", "bad"}
        slow = self.slow is not None and now - permit["began"] > self.slow
        if self.state == "half-open":
            if failed or (slow and not self.checked):
                self.failed_trials += 1
                self.open(now)
            else:
                self.passed += 1
                if self.passed == self.probes:
                    self.recover(now)
            return
        self.row = self.row + 1 if failed else 0
        if self.calls is not None:
            self.calls.add(now, failed, slow)
        if self.manual != "disabled" and self.trips(failed):
            self.failed_trials += self.state == "ramping"
            self.open(now)

    def recover(self, now):
        if self.ramp is not None:
            self.begin("ramping")
            self.until = now + self.ramp
            return
        self.failed_trials = 0
        self.begin("closed")

    def trips(self, failed):
        """Judge after an outcome, whatever it was: rates know no order."""
        if failed and self.failures is not None and self.row >= self.failures:
            return True
        if self.calls is None:
            return False
        calls, failures, slow_calls = self.calls.totals()
        if calls < self.min_calls:
            return False
        return any(
            rate is not None and Fraction(hits, calls) >= Fraction(str(rate))
            for hits, rate in ((failures, self.failure_rate), (slow_calls, self.slow_rate))
        )

    def control(self, how, now):
        if how == "trip":
            self.manual = None
            self.open(now)
            return
        manual = {"isolate": "isolated", "disable": "disabled", "reset": None}[how]
        if manual is not None and manual == self.manual:
            return  # said already
        self.manual = manual
        self.failed_trials = 0
        self.begin("closed")

    def shown(self, now):
        """Return the state that a person sees."""
        if self.manual is not None:
            return self.manual
        over = now >= self.until
        return (
            {"open": "half-open", "ramping": "closed"}.get(self.state, self.state)
            if over
            else (self.state)
        )

    def report(self, now):
        """Return what the snapshot must say."""
        totals = (None, None, None)
        if self.calls is not None:
            if self.state in {"closed", "ramping"}:
                self.calls.advance(now)
            totals = self.calls.totals()
        return {
            "state": self.shown(now),
            "failures_in_a_row": self.row,
            "calls": totals[0],
            "failures": totals[1],
            "slow_calls": totals[2],
            "probes_in_flight": len(self.trials),
            "probes_passed": self.passed,
            "retry_after": (
                max(0.0, self.until - now) if self.state in {"open", "ramping"} else None
            ),
        }

    @property
    def calm(self):
        """Whether a success changes nothing."""
        return (
            self.state == "closed" and self.manual is None and self.row == 0 and self.calls is None
        )


class BreakerPair:
    """A breaker and its model.  `clock` is what the world asks for the time."""

    def __init__(self, clock, *, shadow=False, checked=False, **options):
        self.clock = clock
        self.real = CircuitBreaker(
            open_jitter=0.0, ignore=KeyError, shadow=shadow, rng=Random(0),
            probe=(lambda: None) if checked else None, **options,
        )  # fmt: skip
        self.model = BreakerModel(checked=checked, **options)
        self.flying = []
        self.asking = []
        self.detected = 0
        self.site = Site("p", background=lambda _check, done: self.begun.append(done))
        self.begun = []

    @property
    def now(self):
        return self.clock.now

    def enter(self):
        """Let a call in, or see both refuse it for the same reason."""
        verdict = self.model.enter(self.now)
        refused = isinstance(verdict, str)
        self.detected += refused
        try:
            permit = self.real.enter(self.now, (), {}, self.site)
        except CircuitOpenError as error:
            assert not self.real.shadow
            self.compare_rejection(error, verdict)
        else:
            if refused:
                assert self.real.shadow, f"let in, though it should be {verdict}"
                verdict = {"era": -1, "began": self.now}
            assert isinstance(permit, Probe) == ("expires" in verdict)
            self.flying.append((permit, verdict))
        self.match_checks()

    def match_checks(self):
        """Each health check that has begun belongs to a trial of the model."""
        if not self.model.checked:
            return
        known = [trial for _, trial in self.asking]
        checks = [trial for trial in self.model.trials if "call" not in trial]
        new = [trial for trial in checks if all(trial is not one for one in known)]
        assert len(self.begun) == len(new)
        self.asking += zip(self.begun, new, strict=True)
        self.begun.clear()

    def answer(self, place, outcome):
        """End one of the health checks."""
        done, trial = self.asking.pop(place % len(self.asking))
        done({"succeeded": None, "failed": DOWN, "abandoned": KeyboardInterrupt()}[outcome])
        self.model.answered(trial, self.now, outcome)
        self.match_checks()

    def compare_rejection(self, error, verdict):
        assert error.state == verdict
        assert isinstance(error, IsolatedError) == (verdict == "isolated")
        if verdict == "open":
            assert error.opened_at == self.model.opened
        expected = self.model.until - self.now if verdict in {"open", "ramping"} else None
        if verdict == "half-open":
            expected = self.model.lasted
        assert error.retry_after == expected

    def settle(self, place, outcome):
        """End one of the calls in flight."""
        permit, expected = self.flying.pop(place % len(self.flying))
        if outcome == "succeeded":
            self.real.succeeded(permit, self.now, None)
        elif outcome == "failed":
            self.real.failed(permit, self.now, DOWN)
        elif outcome == "ignored":
            self.real.failed(permit, self.now, IGNORED)
        else:
            self.real.abandoned(permit, self.now)
        self.model.settle(expected, self.now, outcome)

    def control(self, how):
        getattr(self.real, how)()
        self.model.control(how, self.now)

    def agree(self):
        """Compare all that can be seen."""
        report = self.real.snapshot()
        expected = self.model.report(self.now)
        assert {name: report[name] for name in expected} == expected
        assert self.real.state == expected["state"]
        assert (self.real.resting is not None) == self.model.calm
        assert self.real.detected == self.detected

    def land(self):
        """End all calls; afterwards no probe may be out."""
        while self.flying:
            self.settle(0, "abandoned")
        while self.asking:
            self.answer(0, "abandoned")
        assert self.real.snapshot()["probes_in_flight"] == 0


# -- the bulkhead -----------------------------------------------------------------------------


class BulkheadModel:
    """Numbers and a list: who is in, who waits."""

    def __init__(self, size, queue):
        self.size, self.queue = size, queue
        self.inside = self.held = 0
        self.waiting = []

    def enter(self):
        """Return "in", a new place in the queue, or None."""
        if self.inside < self.size and not self.waiting:
            self.inside += 1
            return "in"
        if len(self.waiting) < self.queue:
            place = {"granted": False, "alive": True}
            self.waiting.append(place)
            return place
        return None

    def serve(self):
        while self.waiting and self.inside < self.size:
            place = self.waiting.pop(0)
            place["granted"] = place["alive"]
            self.inside += place["alive"]

    def give_back(self):
        self.inside -= 1
        self.serve()

    def leave(self, place):
        """Take a caller out of the queue, if it is still in there."""
        if place["granted"]:
            self.give_back()
        else:
            self.waiting = [one for one in self.waiting if one is not place]


class BulkheadPair:
    """A bulkhead and its model."""

    def __init__(self, size, queue):
        self.real = Bulkhead(size, queue=queue)
        self.model = BulkheadModel(size, queue)
        self.inside = []
        self.waiting = []

    def enter(self):
        expected = self.model.enter()
        try:
            answer = self.real.enter(0.0, (), {})
        except BulkheadFullError:
            assert expected is None, "it was refused, though there is room"
            return
        if isinstance(answer, Wait):
            assert isinstance(expected, dict), f"it has to wait, though it should be {expected}"
            answer.ticket.wake = lambda: expected["alive"]
            self.waiting.append((answer.ticket, expected))
        else:
            assert expected == "in", f"let in, though it should be {expected}"
            self.inside.append(answer)

    def settle_queue(self):
        """Those whose ticket was granted are inside now; those whose loop is gone never come."""
        left = []
        for ticket, expected in self.waiting:
            assert ticket.granted == expected["granted"]
            if ticket.granted:
                self.inside.append(ticket)
            elif any(one is expected for one in self.model.waiting):
                left.append((ticket, expected))
            else:
                assert not expected["alive"]
        self.waiting = left

    def end(self, place, outcome):
        permit = self.inside.pop(place % len(self.inside))
        if outcome == "succeeded":
            self.real.succeeded(permit, 0.0, None)
        elif outcome == "failed":
            self.real.failed(permit, 0.0, DOWN)
        else:
            self.real.abandoned(permit, 0.0)
        self.model.give_back()
        self.settle_queue()

    def give_up(self, place, how):
        """End a wait: cancelled, or too long."""
        ticket, expected = self.waiting.pop(place % len(self.waiting))
        if how == "cancelled":
            self.real.abandoned(ticket, 0.0)
        else:
            assert isinstance(self.real.expired(ticket, 0.0), BulkheadFullError)
        self.model.leave(expected)
        self.settle_queue()

    def lose(self, place):
        """Close the event loop of somebody who waits."""
        self.waiting[place % len(self.waiting)][1]["alive"] = False

    def hold(self):
        self.real.hold()
        self.model.inside += 1
        self.model.held += 1
        self.settle_queue()

    def release(self):
        self.real.release()
        self.model.held -= 1
        self.model.give_back()
        self.settle_queue()

    def resize(self, size):
        self.real.size = self.model.size = size
        self.model.serve()
        self.settle_queue()

    def agree(self):
        """Compare all that can be seen."""
        assert self.real.in_flight == self.model.inside == len(self.inside) + self.model.held
        assert self.real.waiting == len(self.model.waiting) == len(self.waiting)
        assert self.real.size == self.model.size

    def land(self):
        """End everything: the permits must balance to zero, and all of them must be there."""
        while self.waiting:
            self.give_up(0, "cancelled")
        while self.model.held:
            self.release()
        while self.inside:
            self.end(0, "succeeded")
        self.agree()
        assert (self.real.in_flight, self.real.waiting) == (0, 0)
        for _ in range(self.model.size):
            self.enter()
        assert len(self.inside) == self.model.size
        self.enter()
        assert len(self.inside) == self.model.size
