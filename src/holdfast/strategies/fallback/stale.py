"""`Fallback.stale`: the last good result in place of an error.

Results are kept for each function, and for each instance where it is a method; inside that, by the
call's arguments or by what ``key`` makes of them.  Nobody is kept alive by it: a result that is older
than ``ttl`` is dropped, and so are those of an instance that is gone, in their time.

What can't be a key is not kept: the call is not harmed, and the log says so once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from itertools import islice
from operator import itemgetter
from types import CodeType, MethodType
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast.classify import On, some
from holdfast.shapes import Arguments, History, Instead, Keywords, Verdict
from holdfast.strategies.fallback.copies import copied
from holdfast.strategies.fallback.owners import Owners
from holdfast.strategies.fallback.told import tell_fallback
from holdfast.strategies.identity import Identity
from holdfast.strategies.options import Option, Shown

if TYPE_CHECKING:
    from datetime import timedelta


class StaleFallback(Identity):
    """Answer with the last good result for the same function and key, if it is at most ``ttl`` old.

    An identity: its memory is shared where the instance is.  Thread- and task-safe; bounded, the
    least recently stored key goes first.  The event `FallbackUsed` tells the age of what was served.

    Args:
        ttl: the greatest age of a result that is served, in seconds.
        key: takes the call's arguments and returns what tells calls of one function (of one instance,
            for methods) apart; by default the arguments themselves.
        on: which outcomes to replace.
        max_keys: how many results to keep.
        mark: takes the result and its age in seconds and returns what to serve, so that the caller
            can see that it is stale; None serves the result as it is.
        copy: whether what is kept, and what each caller gets, are copies of their own, where they are
            containers or dataclasses that are not frozen; False to share the one object.
        name: for messages.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = (
        "_copy", "_kept", "_key", "_lock", "_mark", "_max_keys", "_on", "_owners", "_ttl", "_warned",
    )  # fmt: skip
    kind = "stale fallback"
    ttl: Option[float] = Option()
    """Also of what is kept already."""
    on: Option[On] = Option(None)
    max_keys: Option[int] = Option()
    mark: Option[Callable[[Any, float], Any] | None] = Option()
    copy: Option[bool] = Option()
    key: Shown[Callable[..., Hashable] | None] = Shown()
    judges = True
    timed = False
    claims = False
    credit = None

    def __init__(
        self,
        ttl: float | timedelta,
        *,
        key: Callable[..., Hashable] | None = None,
        on: On = Exception,
        max_keys: int = 1_000,
        mark: Callable[[Any, float], Any] | None = None,
        copy: bool = True,
        name: str | None = None,
    ) -> None:
        self._ttl: float = _validate.seconds("ttl", ttl)
        for option, function in (("key", key), ("mark", mark)):
            if function is not None:
                _validate.plain_callable(option, function)
        self._key = key
        self._mark = mark
        self._copy = _validate.flag("copy", copy)
        self._on = some("on", on)
        self._max_keys = _validate.count("max_keys", max_keys)
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._owners = Owners()
        self._warned = False
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    # -- the reaction --------------------------------------------------------------------------

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Serve what is kept, if it is fresh enough."""
        return self._serve(error, history) if self._on.matches(error) else None

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Keep a good result; serve what is kept in place of one that is meant."""
        if self._on.on_results and self._on.matches_result(result):
            return self._serve(None, history)
        key = self._key_of(history)
        if key is not None:
            kept = self._copied(
                result
            )  # its caller may change it: not under our lock, it is user code
            with self._lock:
                self._keep_locked(key, history.now, kept)
        return None

    def _keep_locked(self, key: Hashable, now: float, result: Any) -> None:
        kept = self._kept
        kept.pop(key, None)  # to the end of the order
        kept[key] = (now, result)
        self._drop_locked(now)

    def _drop_locked(self, now: float) -> None:
        """Drop what is too old, or too much: they are in the order in which they came."""
        kept = self._kept
        while kept:
            oldest, (instant, _) = next(iter(kept.items()))
            if len(kept) <= self._max_keys and now - instant <= self._ttl:
                return
            before = len(kept)
            kept.pop(oldest, None)
            if len(kept) == before:  # its hash has changed: only a new dict gets rid of it
                self._kept = kept = dict(islice(kept.items(), 1, None))

    def _serve(self, error: Exception | None, history: History) -> Verdict:
        key = self._key_of(history)
        if key is None:
            return None
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and history.now - kept[0] > self._ttl:
                self._kept.pop(key, None)
                kept = None
        if kept is None:
            return None
        age, result, mark = history.now - kept[0], kept[1], self._mark
        tell_fallback(history, error, age)
        if mark is None:
            return Instead(lambda _: self._copied(result), error)
        return Instead(lambda _: mark(self._copied(result), age), error)

    def _copied(self, result: Any) -> Any:
        if not self._copy:
            return result
        try:
            return copied(result)
        except Exception as error:  # noqa: BLE001 - the call has succeeded: a copy is a courtesy
            self._warn("the result can't be copied, and is shared", error)
            return result

    # -- keys ----------------------------------------------------------------------------------

    def _key_of(self, history: History) -> Hashable | None:
        """Return what a result is kept by; None where that can't be."""
        args, kwargs, function = history.args, history.kwargs, history.function
        owner = self._owners.of(function, args)
        if owner is None:
            self._warn("the instance can't be told from others, as it can't be referred to weakly")
            return None
        if self._key is not None:
            key: Any = self._key(*args, **kwargs)
        else:
            skip = 1 if len(owner) > 1 and not isinstance(function, MethodType) else 0
            key = same_arguments(function, args, kwargs, skip)
        try:
            hash(key)
        except Exception as error:  # noqa: BLE001 - a hash may raise anything
            self._warn("what tells calls apart is not hashable; give a key", error)
            return None
        return (*owner, key)

    def _warn(self, what: str, error: Exception | None = None) -> None:
        if self._warned:
            return
        self._warned = True
        reason = "" if error is None else f" ({type(error).__name__}: {error})"
        import logging

        logging.getLogger("holdfast").warning("%s keeps nothing: %s%s", self._title, what, reason)

    def _adopt(self, twin: StaleFallback, changed: frozenset[str]) -> None:
        super()._adopt(twin, changed)
        self._drop_locked(current_instant())

    # -- people --------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        now = current_instant()
        with self._lock:
            self._drop_locked(now)
            instants = [instant for instant, _ in self._kept.values()]
        return {
            "strategy": self.kind, "name": self.name, "kept": len(instants), "ttl": self._ttl,
            "oldest": now - min(instants) if instants else None,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<StaleFallback{name} {len(self._kept)} kept, ttl {self._ttl:g} s>"


def same_arguments(function: Any, args: Arguments, kwargs: Keywords, skip: int) -> Hashable:
    """Return what equal calls have in common, however their arguments are spelt; 1 is not True.

    ``skip`` leading arguments are the instance's own affair.
    """
    code = getattr(function, "__code__", None)
    names = code.co_varnames[skip : code.co_argcount] if isinstance(code, CodeType) else ()
    listed = sorted(
        (dict(zip(names, args[skip:], strict=False)) | kwargs).items(), key=itemgetter(0)
    )
    rest = args[skip + len(names) :]
    return (
        tuple((name, type(value), value) for name, value in listed),
        tuple((type(value), value) for value in rest),
    )
