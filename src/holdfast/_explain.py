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
    makes = getattr(strategy, "makes", "")
    return f"{title}, a {makes} each" if makes else title


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


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


SHADOW = ("shadow", "detected", "enforced")


def _shadow(snapshot: Snapshot) -> str:
    if snapshot.get("shadow"):
        return "in shadow mode: it would have rejected " + _many(snapshot["detected"], "call")
    rejected = snapshot.get("enforced", 0)
    return _many(rejected, "call") + " rejected so far" if rejected else ""


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
        probes = f"{passed} of its probes have passed, {flying} in flight"
        return f"half-open{_because(snapshot)}; {probes}"
    if state == "ramping":
        left = snapshot["retry_after"]
        return f"closed again, and letting in a growing share of the calls; all in {left:.3g} s"
    if state in ("isolated", "disabled"):
        return f"{state} by hand, until reset()"
    parts = [state]
    if snapshot["failures_in_a_row"]:
        parts.append(_many(snapshot["failures_in_a_row"], "failure") + " in a row")
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
    return f"{_many(snapshot['kept'], 'result')} kept, the oldest {snapshot['oldest']:.3g} s old"


def _rate_limiter(snapshot: Snapshot) -> str:
    left = " and ".join(
        f"{rate['available']:.3g} of {rate['limit']:g} per {rate['per']:g} s left"
        for rate in snapshot["rates"]
    )
    return left + (f", {snapshot['waiting']} waiting" if snapshot["waiting"] else "")


def _concurrency(snapshot: Snapshot) -> str:
    text = f"{snapshot['in_flight']} in flight, limit {snapshot['limit']:.3g}"
    return text + (f", {snapshot['waiting']} waiting" if snapshot["waiting"] else "")


def _throttle(snapshot: Snapshot) -> str:
    if not snapshot["requests"]:
        return "no calls lately"
    lately = f"{snapshot['accepts']} of {snapshot['requests']} calls were accepted"
    return f"{lately} in {snapshot['window']:g} s; it rejects {snapshot['rejecting']:.0%}"


def _load_shedder(snapshot: Snapshot) -> str:
    text = f"{snapshot['in_flight']} of {snapshot['size']} served"
    waiting = [f"{number} {name}" for name, number in snapshot["waiting"].items() if number]
    if waiting:
        text += f", {' and '.join(waiting)} waiting"
    if snapshot["standing"]:
        text += f"; the queue of {' and '.join(snapshot['standing'])} calls stands"
    return text


def _hedge(snapshot: Snapshot) -> str:
    if snapshot["delay"] is None:
        text = f"it has seen {_many(snapshot['samples'], 'call')}, too few to know when to hedge"
    else:
        text = f"hedges after {snapshot['delay']:.3g} s"
    if snapshot.get("slow"):
        text += "; everything is slow, so that few hedges are earned"
    return text + f"; {_many(snapshot['started'], 'hedge')} so far, {snapshot['won']} of them won"


def _adaptive_timeout(snapshot: Snapshot) -> str:
    limit, samples = f"limit {snapshot['limit']:.3g} s", snapshot["samples"]
    if snapshot["estimate"] is None:
        return f"{limit}, the ceiling: {samples} of {snapshot['min_samples']} samples are there"
    learnt = f"{snapshot['margin']:g} × p{100 * snapshot['quantile']:g} of {samples} successes"
    text = f"{limit} ({learnt})"
    if snapshot["silent"]:
        text += "; nothing answers, so that most attempts get an eighth of it"
    return text


def _keyed(snapshot: Snapshot) -> str:
    text = f"{snapshot['keys']} of at most {snapshot['max_keys']} keys, {snapshot['open']} open"
    worst = [f"{key!r}: {_of_child(child)}" for key, child in snapshot["worst"].items()]
    if snapshot["overflowed"]:
        worst.append(
            f"{_many(snapshot['overflowed'], 'call')} shared the overflow, for the table is full"
        )
    if snapshot["parent"] is not None:
        worst.append(f"parent {_of_child(snapshot['parent'])}")
    return "; ".join([text, *worst])


def _of_child(snapshot: Snapshot) -> str:
    return WORDS.get(snapshot.get("strategy", ""), _plain)(snapshot)


def _coalesce(snapshot: Snapshot) -> str:
    now = f"{_many(snapshot['flights'], 'attempt')} under way for {_many(snapshot['sharing'], 'caller')}"
    return f"{now}; {_many(snapshot['shared'], 'call')} spared so far"


def _chaos(snapshot: Snapshot) -> str:
    state = f"on, for {snapshot['rate']:.3g} of the calls" if snapshot["enabled"] else "off"
    return f"{state}; {_many(snapshot['injected'], 'fault')} injected so far"


WORDS: dict[str, Callable[[Snapshot], str]] = {
    "circuit breaker": _breaker,
    "bulkhead": _bulkhead,
    "stale fallback": _stale,
    "rate limiter": _rate_limiter,
    "concurrency limiter": _concurrency,
    "throttle": _throttle,
    "load shedder": _load_shedder,
    "hedge": _hedge,
    "adaptive timeout": _adaptive_timeout,
    "keyed": _keyed,
    "coalesce": _coalesce,
    "chaos": _chaos,
}
"""By the kind of strategy."""
