"""Why a pipeline is as it is now, in words for the person who is debugging at 3 AM.

The words are made from the strategies' snapshots, one function for each kind.  A strategy of a user's
own can have a method ``explain()`` that returns its sentence; without one its snapshot is spelt out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Snapshot = dict[str, Any]
ANONYMOUS = ("strategy", "name")


def explained(name: str, strategies: tuple[Any, ...]) -> str:
    """Return a line for the whole, and one for each layer that has a state, outermost first."""
    lines = [(label(one), told) for one in strategies if (told := _said(one))]
    refusing = [one for one in strategies if _refuses(one)]
    if refusing:
        whole = f"calls are rejected by the {label(refusing[0])}"
    else:
        whole = "calls pass" if lines else "calls pass, and no layer has a state"
    return "\n".join([f"{name}: {whole}", *(f"  {what}: {told}" for what, told in lines)])


def label(strategy: Any) -> str:
    """Return what a line calls a layer."""
    title: str = getattr(strategy, "title", "") or type(strategy).__name__.lower()
    return title


def _said(strategy: Any) -> str:
    """Return a layer's sentence; nothing for one without a state."""
    own = getattr(strategy, "explain", None)
    if own is not None:
        return str(own())
    budget = getattr(strategy, "budget", None)
    if not hasattr(strategy, "snapshot"):
        return "" if budget is None else _budget(budget)
    snapshot = strategy.snapshot()
    words = WORDS.get(snapshot.get("strategy", ""), _plain)
    parts = [words(snapshot), _shadow(snapshot), "" if budget is None else _budget(budget)]
    return "; ".join(part for part in parts if part)


def _refuses(strategy: Any) -> bool:
    """Return whether each call that comes now is rejected."""
    state = getattr(strategy, "state", "")
    return state in ("open", "isolated") and not getattr(strategy, "shadow", False)


def _plain(snapshot: Snapshot) -> str:
    told = {key: value for key, value in snapshot.items() if key not in (*ANONYMOUS, *SHADOW)}
    return ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in told.items())


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


SHADOW = ("shadow", "detected", "enforced")


def _shadow(snapshot: Snapshot) -> str:
    if snapshot.get("shadow"):
        return f"in shadow mode: it would have rejected {snapshot['detected']} calls"
    rejected = snapshot.get("enforced", 0)
    return f"{rejected} calls rejected so far" if rejected else ""


def _budget(budget: Any) -> str:
    return f"budget {budget.tokens:.3g} of {budget.capacity:g} tokens"


def _breaker(snapshot: Snapshot) -> str:
    state = snapshot["state"]
    if state == "open":
        return (
            f"open for {snapshot.get('opened_ago', 0.0):.3g} s{_because(snapshot)}; "
            f"next probe in {snapshot['retry_after']:.3g} s"
        )
    if state == "half-open":
        flying, passed = snapshot["probes_in_flight"], snapshot["probes_passed"]
        probes = f"{passed} probes have passed, {flying} in flight"
        return f"half-open{_because(snapshot)}; {probes}"
    if state in ("isolated", "disabled"):
        return f"{state} by hand, until reset()"
    parts = [state]
    if snapshot["failures_in_a_row"]:
        parts.append(f"{snapshot['failures_in_a_row']} failures in a row")
    if snapshot["calls"]:
        parts.append(f"{snapshot['failures']} of the last {snapshot['calls']} calls failed")
    if snapshot["slow_calls"]:
        parts.append(f"{snapshot['slow_calls']} of them were slow")
    return ", ".join(parts)


def _because(snapshot: Snapshot) -> str:
    reason = f": {snapshot['reason']}" if snapshot["reason"] else ""
    return reason + (f", last {snapshot['cause']}" if snapshot["cause"] else "")


def _bulkhead(snapshot: Snapshot) -> str:
    text = f"{snapshot['in_flight']} of {snapshot['size']} in flight"
    return text + (f", {snapshot['waiting']} waiting" if snapshot["waiting"] else "")


def _stale(snapshot: Snapshot) -> str:
    if not snapshot["kept"]:
        return "nothing kept"
    return f"{snapshot['kept']} results kept, the oldest {snapshot['oldest']:.3g} s old"


WORDS: dict[str, Callable[[Snapshot], str]] = {
    "circuit breaker": _breaker,
    "bulkhead": _bulkhead,
    "stale fallback": _stale,
}
"""By the kind of strategy."""
