"""What is said when a retry ends the retrying, and when it repeats what another one has tried."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Any

from holdfast._world import world
from holdfast.classify import add_note
from holdfast.errors import NestedRetryWarning
from holdfast.shapes import History
from holdfast.verdict import causes, leaves
from holdfast.verdict.reading import part

_warned: set[tuple[str, str, str]] = set()


def tell_end(error: Exception | None, history: History, reason: str) -> None:
    """Leave a note on the error, tell the retry that encloses this one, and the listeners."""
    history.reason = reason
    if error is not None and history.errors:
        add_note(error, *_note(history))
    outcome = _result(history) if error is None else error
    around = history.enclosing if history.attempt > 1 else None
    if around is not None:
        around.gave_up(outcome, history.pipeline, history.attempt)
    if world.listeners:
        from holdfast import events

        events.emit(events.RetriesExhausted(
            pipeline=history.pipeline, strategy="retry", at=history.now, error=error,
            attempts=history.attempt, elapsed=history.elapsed, reason=reason, call=history.call.id,
            function=history.call.function, attempt=history.attempt, result=_result(history),
        ))  # fmt: skip


def tell_success(history: History) -> None:
    """Tell the listeners that an attempt after the first has succeeded."""
    if world.listeners and history.attempt > 1:
        from holdfast import events

        events.emit(events.RetrySucceeded(
            pipeline=history.pipeline, strategy="retry", at=history.now, attempts=history.attempt,
            elapsed=history.elapsed, call=history.call.id, function=history.call.function,
            attempt=history.attempt,
        ))  # fmt: skip


def tried_inside(outcome: Any, history: History) -> tuple[str, int] | None:
    """Return which retry further in has given up on ``outcome`` in this very attempt, and when.

    Or on something that it consists of: what it was raised from, a leaf of its group, the response that
    it was made from (a client's ``raise_for_status()`` makes an error of its own).
    """
    attempt = history.ongoing
    if attempt is None or not attempt.tried:
        return None
    parts = _parts(outcome)
    for given_up, inner, attempts in reversed(attempt.tried):
        response = part(given_up, "response")
        if any(one is given_up or one is response is not None for one in parts):
            return inner, attempts
    return None


def _parts(outcome: Any) -> list[Any]:
    """Return what an outcome consists of, itself among it."""
    if not isinstance(outcome, BaseException):
        return [outcome]
    errors = [cause for one in causes(outcome) for leaf in leaves(one) for cause in causes(leaf)]
    responses = [part(one, "response") for one in errors]
    return [outcome, *errors, *(one for one in responses if one is not None)]


def warn_of_multiplying(outcome: Any, history: History, inner: str, attempts: int) -> None:
    """Tell that two retries multiply; with a warning once for each pair, and each place of a loop."""
    if world.listeners:
        from holdfast import events

        events.emit(events.NestedRetry(
            pipeline=history.pipeline, strategy="retry", at=history.now, inner=inner,
            attempts=attempts, call=history.call.id, function=history.call.function,
            attempt=history.attempt,
        ))  # fmt: skip
    level, place = _users_place()
    pair = (history.pipeline, inner, place if history.pipeline == inner else "")
    if pair in _warned:
        return
    if len(_warned) > 1_000:  # noqa: PLR2004 - of pipelines that are made for each request
        _warned.clear()
    _warned.add(pair)
    text = (
        f"the retry of pipeline {history.pipeline!r} repeats what the retry of {inner!r} has tried "
        f"{attempts} times: their attempts multiply. Retry in one place, or set nested='inner' or "
        f"nested='outer' on the retry of {history.pipeline!r}"
    )
    try:
        warnings.warn(text, NestedRetryWarning, level)
    except NestedRetryWarning:  # warnings are errors here; they must not replace the user's
        if isinstance(outcome, BaseException):
            add_note(outcome, f"holdfast: {text}")


def _users_place() -> tuple[int, str]:
    """Return the level, seen from our caller, of the first frame that is not ours, and its place."""
    level = 1
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what warnings itself uses
    while frame is not None and frame.f_globals.get("__name__", "").startswith("holdfast."):
        level, frame = level + 1, frame.f_back
    return level, "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _note(history: History) -> tuple[str, str]:
    """Return a note, and how it begins: one like it, of an earlier call, gives way to it."""
    tally = ", ".join(f"{name} ×{count}" for name, count in history.errors.items())
    tries = f"{history.attempt} attempt{'s' if history.attempt > 1 else ''}"
    since = "" if history.started is not None else " after the first failure"
    span = f" in {history.elapsed:.3g} s{since}" if history.attempt > 1 else ""
    who = f"holdfast: pipeline {history.pipeline!r} gave up after "
    return f"{who}{tries}{span} ({tally}): {history.reason}", who


def _result(history: History) -> Any:
    return None if history.result is None else history.result[0]
