"""After a cut no result is believed; what could not be cut is told, counted, and handed over."""

import gc
import linecache
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    Coalesce,
    ConcurrencyLimiter,
    DeadlineExceeded,
    Fallback,
    Hedge,
    OverrunWarning,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    detached,
    transient,
)
from holdfast._cut import under_cut
from holdfast._world import has_gil
from holdfast.events import CallCompleted, Overrun, TimedOut
from holdfast.extend import Gate, watcher, worker_pool
from holdfast.testing import record
from tests.cut.conftest import LIMIT, SOON, Stopwatch, ended, in_thread, once_silent, until

pytestmark = [pytest.mark.real_time, pytest.mark.filterwarnings("ignore::holdfast.OverrunWarning")]

QUICK = backoff.constant(0)


def read_to_the_end(one):
    """Take whatever comes until the connection ends for a body, as HTTP/1.0 does."""
    body = b""
    while got := one.recv(4096):
        body += got
    return body


def test_a_body_that_ends_with_the_connection_is_no_result(silent, limited):
    """It looks complete."""
    with silent.connection() as one:
        one_more = in_thread(limited.call, read_to_the_end, one)
        time.sleep(LIMIT / 4)
        silent.taken[0].sendall(b"half of the answer")
        assert isinstance(ended(one_more), AttemptTimeout)


def test_the_clients_error_is_the_cause(silent, limited):
    """It says where the client was."""

    def ask(one):
        if not one.recv(1):
            raise ConnectionError("the server has hung up")

    with silent.connection() as one, pytest.raises(AttemptTimeout) as caught:
        limited.call(ask, one)
    assert str(caught.value.__cause__) == "the server has hung up"
    assert caught.value.seconds == LIMIT


def test_an_interruption_of_the_users_passes(silent, limited):
    """Whoever leaves by another door than `Exception` means it."""

    def leave(one):
        one.recv(1)
        raise SystemExit(3)

    with silent.connection() as one, pytest.raises(SystemExit):
        limited.call(leave, one)


def test_the_callers_deadline_is_told_apart(silent):
    """As everywhere: the caller's time ran out, not ours."""
    with silent.connection() as one, deadline(LIMIT), pytest.raises(DeadlineExceeded) as caught:
        Pipeline("payments", Timeout(30.0)).call(one.recv, 1)
    assert caught.value.seconds == LIMIT


def test_a_total_cuts_the_attempt_that_is_under_way(silent):
    """Attempt and total alike, from one statement."""
    retry = Retry(9, on=transient, backoff=QUICK)
    pipeline = Pipeline("payments", Timeout(0.5), retry, Timeout(0.4))
    attempts = []

    def ask():
        attempts.append(1)
        if len(attempts) == 1:
            time.sleep(0.2)
            raise ConnectionError("refused")
        with silent.connection() as one:
            one.recv(1)

    with Stopwatch() as took, pytest.raises(AttemptTimeout, match=r"within 0\.5 s"):
        pipeline.call(ask)
    assert len(attempts) == 2
    assert 0.5 <= took.seconds < 0.5 + SOON


@pytest.mark.parametrize("layers", [(), (Retry(3, backoff=QUICK),)])
def test_equal_instants_are_told_once(silent, layers):
    """Two limits that run out together are one end of time, told by the inner one."""
    pipeline = Pipeline("payments", *layers, Timeout(30.0))
    with silent.connection() as one, record() as told, deadline(LIMIT):
        outer = Pipeline("outer", Timeout(30.0))
        with pytest.raises(DeadlineExceeded):
            outer.call(pipeline(one.recv), 1)
    assert [one.pipeline for one in told if isinstance(one, TimedOut)] == ["payments"]


def test_a_client_that_connects_anew_is_cut_again(silent, limited):
    """Many clients retry by themselves."""
    tries = []

    def stubborn():
        for _ in range(3):
            with silent.connection() as one:
                tries.append(one.recv(1))
        return "never"

    with Stopwatch() as took, pytest.raises(AttemptTimeout):
        limited.call(stubborn)
    assert tries == [b"", b"", b""]
    assert took.seconds < LIMIT + SOON


def test_clean_up_may_use_the_network_once_more(silent, limited):
    """A tenth of the limit is left to it before it is cut, too."""
    here, there = socket.socketpair()
    said = []

    def ask(one):
        try:
            one.recv(1)
        finally:
            there.send(b"bye")
            said.append(here.recv(3))

    with silent.connection() as one, here, there, pytest.raises(AttemptTimeout):
        limited.call(ask, one)
    assert said == [b"bye"]


# -- late results --------------------------------------------------------------------------------


def slow(result="late", seconds=0.4):
    time.sleep(seconds)
    return result


def test_a_late_result_is_handed_over():
    """It is an answer, and the caller may still want it."""
    assert Pipeline("slow", Timeout(0.05)).call(slow) == "late"


def test_a_late_result_is_refused_on_demand():
    """For callers that must not believe in old news; what holds something is closed."""
    closed = []
    pipeline = Pipeline("slow", Timeout(0.05, late="raise", discard=closed.append))
    with pytest.raises(AttemptTimeout, match=r"within 0.05 s"):
        pipeline.call(slow)
    assert closed == ["late"]


def test_the_result_of_a_cut_call_is_discarded(silent):
    """It may hold something, too."""
    closed = []
    pipeline = Pipeline("cut", Timeout(LIMIT, discard=closed.append))
    with silent.connection() as one, pytest.raises(AttemptTimeout):
        pipeline.call(lambda: [one.recv(1)])
    assert closed == [[b""]]


class Notes(Gate):
    """A gate of the user's that writes down how calls end."""

    def __init__(self):
        self.ends = []

    def enter(self, now, args, kwargs, site):
        return self

    def succeeded(self, permit, now, result):
        self.ends.append(result)

    def failed(self, permit, now, error):
        self.ends.append(error)


def test_gates_count_a_late_result_as_a_timeout():
    """They are told so; nothing repeats or replaces the result."""
    breaker, gate = CircuitBreaker(failures=1), Notes()
    limiter, bulkhead = ConcurrencyLimiter(), Bulkhead(1)
    pipeline = Pipeline(
        "slow", Fallback("instead"), bulkhead, Retry(3, on=Exception), limiter, breaker, gate,
        Timeout(0.05),
    )  # fmt: skip
    calls = []

    assert pipeline.call(lambda: calls.append(1) or slow()) == "late"

    assert calls == [1]
    assert breaker.state == "open"
    assert isinstance(gate.ends[0], AttemptTimeout)
    assert (bulkhead.in_flight, limiter.in_flight) == (0, 0)


def test_an_error_that_comes_late_is_the_users_own():
    """It is never replaced, where nothing was cut."""

    def fail():
        time.sleep(0.2)
        raise KeyError("tea")

    with pytest.raises(KeyError):
        Pipeline("slow", Timeout(0.05)).call(fail)


def test_a_late_result_is_no_failed_call():
    """The call has returned; that it was late is told by another event."""
    with record() as told:
        Pipeline("slow", Timeout(0.05)).call(slow)
    (completed,) = [one for one in told if isinstance(one, CallCompleted)]
    assert completed.error is None


def test_an_adaptive_limit_learns_from_late_results():
    """They tell what lies beyond the limit, as a worker's do."""
    timeout = Timeout.adaptive(ceiling=0.05)
    Pipeline("slow", timeout).call(slow)
    assert timeout.snapshot()["samples"] == 1


def test_nothing_is_kept_of_a_late_result():
    """No cycle, and no frame, holds it."""

    class Thing:
        pass

    def made():
        return [one for one in gc.get_objects() if isinstance(one, Thing)]

    gc.collect()
    gc.disable()
    try:
        Pipeline("slow", Timeout(0.05)).call(lambda: slow(Thing()))
        assert made() == []
    finally:
        gc.enable()


# -- what is told --------------------------------------------------------------------------------


reads_frames = pytest.mark.skipif(
    not has_gil(), reason="the frames of other threads are safe to read under the GIL only"
)


@reads_frames
def test_an_overrun_is_told_while_it_lasts():
    """Once, with what the thread is in, and whose call it is."""
    seen = []
    with record() as told:

        def look():
            slow(seconds=0.4)
            seen.extend(one for one in told if isinstance(one, Overrun))
            slow(seconds=0.25)

        Pipeline("payments", Retry(2), Timeout(0.05)).call(look)
        (completed,) = [one for one in told if isinstance(one, CallCompleted)]
        (overrun,) = [one for one in told if isinstance(one, Overrun)]
    assert seen == [overrun]
    assert (overrun.pipeline, overrun.strategy, overrun.seconds) == ("payments", "timeout", 0.05)
    assert overrun.where.startswith("time.sleep, cut/test_truth.py:")
    assert overrun.call == completed.call
    assert overrun.function == completed.function


@reads_frames
def test_a_function_of_c_is_told_by_its_own_name():
    """Where a pipeline calls it, the innermost frame is ours."""
    with record() as told:
        Pipeline("payments", Timeout(0.05)).call(time.sleep, 0.4)
    (overrun,) = [one for one in told if isinstance(one, Overrun)]
    assert overrun.where.startswith("time.sleep, cut/test_truth.py:")


@reads_frames
def test_a_warning_names_the_line_that_made_the_call():
    """The first time at each place; it says what to do."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OverrunWarning)
        call = Pipeline("payments", Timeout(0.05))(slow)
        call()
        until(lambda: caught)
        call()
    (warning,) = [one for one in caught if one.category is OverrunWarning]
    assert warning.filename == __file__
    assert linecache.getline(__file__, warning.lineno).strip() == "call()"
    words = str(warning.message)
    assert "pipeline 'payments': 0.05 s are over" in words
    assert "time.sleep, cut/test_truth.py" in words
    for remedy in ("timeout=allowance()", "sync='thread'", "sync='cooperative'"):
        assert remedy in words


def test_a_warning_that_is_an_error_harms_no_call(caplog):
    """There is nobody to raise it to, so it is logged."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", OverrunWarning)
        assert Pipeline("payments", Timeout(0.05)).call(slow) == "late"
        until(lambda: "pipeline 'payments': 0.05 s are over" in caplog.text)


def test_the_example_of_the_page_is_cut():
    """As a reader would run it."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "time-out-blocking-code.md"
    code, output = re.findall(r"```(?:python|output)\n(.*?)```", page.read_text(), re.DOTALL)[:2]
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == output


def test_the_snapshot_counts(silent):
    """What was cut, and what overran; of the pipeline, and of the process."""
    pipeline = Pipeline("counted", Timeout(0.05))
    with silent.connection() as one, pytest.raises(AttemptTimeout):
        pipeline.call(one.recv, 1)
    pipeline.call(slow)
    pipeline.call(slow)
    snapshot = pipeline.snapshot()
    assert (snapshot["cut"], snapshot["overran"]) == (1, 2)
    assert watcher().snapshot()["pipelines"]["counted"] == {"cut": 1, "overran": 2}


def test_cooperation_is_left_alone(silent):
    """Who wants nothing of it gets nothing: no cut, no event, and no result is late."""
    breaker = CircuitBreaker(failures=1)
    with record() as told:
        assert Pipeline("own", breaker, Timeout(0.05, sync="cooperative")).call(slow) == "late"
    assert breaker.state == "closed"
    assert not [one for one in told if isinstance(one, Overrun)]


# -- hedges --------------------------------------------------------------------------------------


def test_the_loser_of_a_hedge_is_cut(silent):
    """Its worker is free again, and its permits are back, long before it would have ended."""
    bulkhead = Bulkhead(9)
    ask = once_silent(silent)
    with record():
        answer = Pipeline("hedged", bulkhead, Hedge(0.1)).call(ask)
    assert answer == "the second one"
    until(lambda: not bulkhead.in_flight)
    assert worker_pool().snapshot()["pipelines"].get("hedged") is None


def test_a_coalesced_attempt_ends_with_its_leaders_time(silent):
    """Its leader is cut; whoever has more time makes an attempt of its own."""
    ask = once_silent(silent)
    coalesce = Coalesce(key=lambda: "tea")
    leader = in_thread(Pipeline("leader", Timeout(0.4), coalesce).call, ask)
    until(lambda: silent.taken and coalesce.snapshot()["flights"])
    follower = in_thread(Pipeline("leader", Timeout(30.0), coalesce).call, ask)
    with Stopwatch() as took:
        assert isinstance(ended(leader), AttemptTimeout)
        assert ended(follower) == "the second one"
    assert took.seconds < 0.4 + SOON


def half_a_page(silent):
    """Return a function that takes whatever comes until the connection ends for a page."""

    def ask():
        with silent.connection() as one:
            return read_to_the_end(one)

    return ask


def test_nobody_shares_what_came_out_of_a_cut_call(silent):
    """Those who wait for the leader's attempt make another one; here they run out of time as well."""
    ask = Pipeline("shared", Timeout(0.4), Coalesce(key=lambda: "tea"))(half_a_page(silent))
    threads = [in_thread(ask) for _ in range(3)]
    until(lambda: silent.taken)
    silent.taken[0].send(b"half of the page")
    assert [type(ended(one)) for one in threads] == [AttemptTimeout] * 3


def test_no_layer_of_another_pipeline_believes_what_came_out_of_a_cut_call(silent):
    """Its gates count no success, and its fallback keeps no copy."""
    gate, kept = Notes(), Fallback.stale(60.0)
    page = Pipeline("page", kept, gate)(half_a_page(silent))
    with pytest.raises(AttemptTimeout):
        Pipeline("hasty", Timeout(LIMIT)).call(page)
    assert [type(one) for one in gate.ends] == [AttemptTimeout]
    assert under_cut == {}


def test_layers_inside_of_the_limit_are_told_of_the_cut(silent):
    """As in asyncio: gates count a timeout, and nothing repeats what the cut has ended."""
    breaker, gate, calls = CircuitBreaker(failures=1, on=TimeoutError), Notes(), []
    layers = Fallback("instead"), Retry(3, on=Exception), breaker, gate

    def ask():
        calls.append(1)
        with silent.connection() as one:
            if not one.recv(1):
                raise ConnectionError("the server has hung up")

    with pytest.raises(AttemptTimeout) as caught:
        Pipeline("page", Timeout(LIMIT), *layers).call(ask)
    assert str(caught.value.__cause__) == "the server has hung up"
    assert [type(one) for one in gate.ends] == [AttemptTimeout]
    assert (breaker.state, calls) == ("open", [1])


def test_code_between_two_pipelines_meets_a_deadline(silent):
    """It is the time of the outer one that is up, for whatever it would like to do next."""
    page, met = Pipeline("page", Retry(3, on=Exception)), []

    def ask():
        with silent.connection() as one:
            try:
                page.call(one.recv, 1)
            except DeadlineExceeded as error:
                met.append(error)
                raise

    with pytest.raises(AttemptTimeout) as caught:
        Pipeline("hasty", Timeout(LIMIT)).call(ask)
    assert caught.value.__cause__ is met[0]
    assert (met[0].pipeline, met[0].seconds) == ("hasty", LIMIT)


def test_threads_that_share_a_connection_share_its_end(silent, limited):
    """One is cut; the other, whose time isn't up, gets its client's own error, or result."""
    with silent.connection() as one:
        other = in_thread(Pipeline("patient", Timeout(30.0)).call, one.recv, 1)
        with pytest.raises(AttemptTimeout):
            limited.call(one.recv, 1)
        assert ended(other) == b""


def test_another_thread_of_the_same_pipeline_is_not_touched(silent):
    """Each call has a time of its own."""
    pipeline = Pipeline("shared", Timeout(0.5))
    here, there = socket.socketpair()
    with silent.connection() as one, here, there:
        first = in_thread(pipeline.call, one.recv, 1)
        time.sleep(0.3)
        second = in_thread(pipeline.call, here.recv, 1)
        assert isinstance(ended(first), AttemptTimeout)
        assert threading.active_count() > 1
        there.send(b"!")
        assert ended(second) == b"!"


# -- limits in limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [0.1, 0.5])
def test_an_outer_limit_refuses_what_an_inner_one_hands_over(inner):
    """Each option holds for its own limit, wherever the others stand."""
    refused = []
    outer = Pipeline("outer", Timeout(0.2, late="raise", discard=refused.append))
    work = Pipeline("inner", Timeout(inner))(lambda: time.sleep(0.6) or "late")
    with pytest.raises(AttemptTimeout):
        outer.call(work)
    assert refused == ["late"]


@pytest.mark.filterwarnings("ignore::holdfast.errors.CompositionWarning")
@pytest.mark.parametrize("inner", [0.1, 0.3])
def test_what_an_inner_limit_refuses_after_a_cut_is_discarded(silent, inner):
    """It may be a connection; the outer limit's ``discard`` would never see it."""
    refused = []
    with silent.connection() as one, pytest.raises(AttemptTimeout):
        Pipeline("limits", Timeout(LIMIT, discard=refused.append), Timeout(inner)).call(
            lambda: (one.recv(1), "made all the same")[1]
        )
    assert refused == ["made all the same"]


def test_what_a_fallback_returns_after_a_cut_is_no_result(silent):
    """Its function was cut, as any may be; who shares the flight gets nothing of it."""

    def elsewhere(error):
        with silent.connection() as one:
            one.recv(1)
            return "half of another answer"

    def down():
        raise ValueError

    layers = Timeout(LIMIT), Coalesce(lambda: 1), Fallback(elsewhere, on=ValueError)
    shared = Pipeline("shared", *layers)(down)
    others = [in_thread(shared) for _ in range(3)]
    assert {type(ended(one)) for one in others} == {AttemptTimeout}


def test_detached_work_of_a_clean_up_keeps_its_results(silent):
    """It is no part of the call that was cut, however long that is over."""
    audit = Pipeline("audit", Timeout(5.0))
    slow, there = socket.socketpair()
    told = []

    def ask(one):
        try:
            return one.recv(1)
        finally:
            with detached():
                told.append(audit.call(lambda: "written"))
                told.append(audit.call(slow.recv, 1))

    with slow, there, silent.connection() as one:
        asking = in_thread(Pipeline("limited", Timeout(0.1)).call, ask, one)
        until(lambda: told)
        time.sleep(0.3)
        there.send(b"!")
        assert isinstance(ended(asking), AttemptTimeout)
    assert told == ["written", b"!"]


def test_a_limit_in_detached_work_is_kept(silent):
    """It has a limit of its own."""

    def ask():
        with detached():
            return Pipeline("own", Timeout(0.1)).call(one.recv, 1)

    with silent.connection() as one, Stopwatch() as took, pytest.raises(AttemptTimeout):
        Pipeline("around", Timeout(10.0)).call(ask)
    assert took.seconds < SOON


@reads_frames
def test_each_limit_warns_of_its_own_call():
    """With one pipeline in another, each names the line that called it, and tells its own call."""
    inner = Pipeline("inner", Timeout(5.0))(time.sleep)

    def work():
        inner(1.0)

    outer = Pipeline("outer", Timeout(0.1))(work)
    with record() as events, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        outer()  # here
        until(lambda: len(warned) == 2)
    (one,) = [one for one in warned if "'outer'" in str(one.message)]
    assert "# here" in linecache.getline(one.filename, one.lineno)
    told = {one.pipeline: one for one in events if isinstance(one, Overrun)}
    assert "work" in told["outer"].function
    assert told["inner"].function == "time.sleep"
