"""A limit on a blocking call, kept by the watcher in the call's own thread."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from types import CodeType
from typing import TYPE_CHECKING, Any

from holdfast._cut import NEARLY, CutOff, Late, hurried, under_cut
from holdfast._runtimes.cutting.frames import STEPS
from holdfast._runtimes.cutting.wheel import OVERDUE
from holdfast._runtimes.limits import (
    converted,
    deadline_error,
    exceeded,
    timed_out,
    too_short,
    usual,
)
from holdfast.deadline import NOTHING, OVER, RAN_OUT, ambient, inside, live
from holdfast.errors import AttemptTimeout, DeadlineExceeded
from holdfast.shapes import told

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.overdue import Overdue
    from holdfast._runtimes.cutting.watcher import Watcher
    from holdfast._runtimes.cutting.wheel import Wheel
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast.deadline import Ambient
    from holdfast.shapes import Arguments, Keywords, Site
    from holdfast.strategies.timeout import AdaptiveTimeout, Timeout


OF_LIMITS = DeadlineExceeded, CutOff
"""What a limit further in, or around, has ended a call with."""


class Cutting:
    """What all calls of one timeout at one place share."""

    def __init__(
        self,
        now: Callable[[], float],
        watcher: Watcher,
        timeout: Timeout | AdaptiveTimeout,
        site: Site,
    ) -> None:
        self.now = now
        self._watcher = watcher
        self.overdue = watcher.overdue
        self._site = site
        self._refuses: bool = timeout.late == "raise"
        around = (getattr(one, "discard", None) for one in reversed(site.enclosing) if _limits(one))
        self._discard = next(filter(None, (timeout.discard, *around)), None)
        """Its own, or that of the next limit around it: what this one refuses, that one never sees."""
        self._mixed: Wheel | None = None

    def within(self, seconds: float, inner: Step) -> Step:
        """Return a step that ends ``inner`` after ``seconds``, always the same."""
        now, get_thread, bounded = self.now, get_ident, self.bounded
        wheel = self._watcher.wheel(self._site.pipeline)
        due, overdue = wheel.due, self.overdue

        def step(args: Arguments, kwargs: Keywords) -> Any:
            outer, start = ambient.get(), now()
            if outer is not NOTHING and outer[3]:
                outer = live(outer)
            at = start + seconds
            if outer is not NOTHING and (outer[0] <= at or outer[2] is not None):
                return bounded(seconds, inner, args, kwargs)
            # an `Ambient`, and what the watcher wants; making one takes longer
            own: Any = [at, seconds, None, None, outer, get_thread(), None]
            key, late, token = id(own), None, None
            try:
                try:
                    token = ambient.set(own)
                    due[key] = own
                    if not wheel.armed:
                        wheel.arm(at)
                    result = inner(args, kwargs)
                finally:  # in place, not in a function: there may be no stack left for a call
                    own[3] = OVER
                    if due.pop(key, None) is None:
                        late, own[OVERDUE] = own[OVERDUE], None
                        overdue.pop(key, None)
                    if token is not None:  # None if a signal's exception came before
                        ambient.reset(token)
            except BaseException as error:
                if late is not None or isinstance(error, OF_LIMITS):
                    self.raised(own, at, start, late, error)
                raise
            finally:
                if outer is not NOTHING and outer[3]:
                    own[4] = live(outer)  # no chain of calls that are over
            return result if late is None else self.returned(own, at, start, late, result)

        return step

    def bounded(self, seconds: float, inner: Step, args: Arguments, kwargs: Keywords) -> Any:
        """Run ``inner`` for ``seconds``, or until what is around it ends; any number each time."""
        outer, start = ambient.get(), self.now()
        if outer[3]:
            outer = live(outer)
        if outer[0] <= start:
            raise too_short(self._site, outer, start)
        at = start + seconds
        own: Any = inside(outer, at, seconds)
        own += get_ident(), None
        wheel = self.mixed()
        key, late, token = id(own), None, None
        try:
            try:
                token = ambient.set(own)
                wheel.due[key] = own
                if not wheel.armed or own[0] < wheel.until:
                    wheel.arm(own[0])
                result = inner(args, kwargs)
            finally:  # in place, as above
                own[3] = OVER
                if wheel.due.pop(key, None) is None:
                    late, own[OVERDUE] = own[OVERDUE], None
                    self.overdue.pop(key, None)
                if token is not None:
                    ambient.reset(token)
        except BaseException as error:
            if late is not None or isinstance(error, OF_LIMITS):
                self.raised(own, at, start, late, error)
            raise
        finally:
            if outer[3]:
                own[4] = live(outer)
        return result if late is None else self.returned(own, at, start, late, result)

    def mixed(self) -> Wheel:
        """Return the wheel for calls with any limits."""
        if self._mixed is None:
            self._mixed = self._watcher.wheel(self._site.pipeline, mixed=True)
        return self._mixed

    def raised(
        self, own: Ambient, at: float, start: float, late: Overdue | None, error: BaseException
    ) -> None:
        """Raise what an error means where the time is up, if that is not itself."""
        if late is not None:
            self._left(late)
        if isinstance(error, CutOff) and error.late is late:
            own[3] = RAN_OUT
            raise self._time_is_up(own, at, start) from error.__cause__
        if isinstance(error, DeadlineExceeded) and error.at == own[0]:  # told further in
            own[3] = RAN_OUT
            if at == own[0] != own[4][0]:
                raise converted(self._site.pipeline, own[1]) from error
        elif late is not None and self._ends_with(late, error):
            own[3] = RAN_OUT
            if isinstance(error, Late) and self._discard is not None:
                told(self._discard, error.result)
            raise self._time_is_up(own, at, start) from error
        if isinstance(error, OF_LIMITS):
            hurried(error, self.now() - start, usual(self._site, at - start))

    def _ends_with(self, late: Overdue, error: BaseException) -> bool:
        """Return whether an overdue call has ended with its limit, whatever it has raised."""
        if isinstance(error, Late):  # a limit further in hands it over
            return late.cut or self._refuses
        return late.cut and isinstance(error, Exception)

    def returned(self, own: Ambient, at: float, start: float, late: Overdue, result: Any) -> Any:
        """Say that a result has come too late; after a cut it may look good, and is not."""
        own[3] = RAN_OUT
        self._left(late)
        if not late.cut and not self._refuses:
            raise Late(result, self._error(own, at, start))
        if self._discard is not None:
            told(self._discard, result)
        raise self._time_is_up(own, at, start)

    def _left(self, late: Overdue) -> None:
        """Leave an overdue call, and drop what its function has returned after a cut."""
        if late.cut:
            self._watcher.cut.one_more(self._site.pipeline)
        if under_cut.get(get_ident()) is late:
            under_cut.pop(get_ident(), None)
        refused, late.refused = late.refused, []
        if self._discard is not None:
            for result in refused:
                told(self._discard, result)

    def _time_is_up(self, own: Ambient, at: float, start: float) -> AttemptTimeout:
        """Return the error for the limit that ran out, after telling it."""
        if own[0] == at != own[4][0]:
            return timed_out(self._site.pipeline, own[1], self.now())
        return exceeded(
            self._site.pipeline, own, self.now(), rushed=self._is_rushed(own, at, start)
        )

    def _error(self, own: Ambient, at: float, start: float) -> AttemptTimeout:
        """Return that error without telling it."""
        if own[0] == at != own[4][0]:
            return converted(self._site.pipeline, own[1])
        rushed = self._is_rushed(own, at, start)
        return deadline_error(self._site.pipeline, own, rushed=rushed)

    def _is_rushed(self, own: Ambient, at: float, start: float) -> bool:
        return own[0] - start < NEARLY * usual(self._site, at - start)  # type: ignore[no-any-return]


def _limits(strategy: Any) -> bool:
    """Return whether a strategy is a timeout, fixed or learnt."""
    return hasattr(strategy, "late") and hasattr(strategy, "discard")


STEPS.update(one for one in Cutting.within.__code__.co_consts if isinstance(one, CodeType))
STEPS.add(Cutting.bounded.__code__)
