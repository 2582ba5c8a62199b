"""Streams of blocking code: generators, and whatever can be iterated over."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from holdfast._cut import CutOff, Late, cut_by, cut_off, under_cut
from holdfast._drivers.blocking import paused
from holdfast._drivers.dressing import dressed
from holdfast._streams.layers import Runtime
from holdfast._streams.opened import Limit, Limits, Opened, noted, thrown_end
from holdfast._streams.resuming import Resuming
from holdfast._world import world
from holdfast.errors import AttemptTimeout, ConfigurationError, Misuse
from holdfast.shapes import Arguments, Instead, Keywords, Site
from holdfast.strategies.aside import on_a_fresh_stack
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from holdfast.strategies.timeout import AdaptiveTimeout

Function = Callable[..., Any]
How = Callable[[Any], Any]


def opening(fn: Function) -> Function:
    """Return what calls ``fn`` and draws the first item."""

    def opened(*args: Any, **kwargs: Any) -> Opened:
        return begun(fn(*args, **kwargs), fn)

    return opened


def begun(made: Any, fn: Any) -> Opened:
    """Return a stream with its first item."""
    if not hasattr(type(made), "__iter__"):
        raise Misuse(
            f"{fn!r} returned {type(made).__name__!r}, which is no stream: nothing to iterate over"
        )
    source = iter(made)
    opened = Opened(source, partial(closed, source, made))
    try:
        opened.first = next(source)
    except StopIteration as end:
        opened.source, opened.value = None, end.value
    except BaseException as error:
        try:
            opened.close()
        except Exception as fault:  # noqa: BLE001 - whatever it is
            noted(error, fault)
        raise
    opened.at = world.clock()
    return opened


def closed(source: Any, made: Any) -> None:
    """Close an iterator, and what it came from."""
    for one in (source,) if source is made else (source, made):
        close = getattr(one, "close", None)
        if close is not None:
            close()


class Limiting(Runtime):
    """A runtime of blocking code, for streams."""

    def check(self, timeout: Timeout | AdaptiveTimeout, site: Site) -> None:
        """Refuse a limit that cannot be kept around a stream."""
        if timeout.sync == "thread":
            raise ConfigurationError(
                f"pipeline {site.pipeline!r}: {timeout!r} cannot limit a stream: a generator that a "
                "worker is left in can't be closed. Leave the default, sync='cut', or take 'cooperative'"
            )

    def adaptive(self, timeout: AdaptiveTimeout, inner: Any, site: Site) -> Any:
        """Return a step that gives up on the first item in a time that is learnt."""
        return even_late(super().adaptive(timeout, inner, site))

    def answer(self, verdict: Instead) -> Opened:
        """Return the answer as a stream: what can be iterated over is one, a text is an item."""
        made = self._runtime.answer(verdict)
        if type(made) is Opened:
            return made
        whole = isinstance(made, Iterable) and not isinstance(made, str | bytes | dict)
        return begun(made if whole else [made], verdict.make)

    def _limited(self, timeout: Timeout, opening: Any, site: Site) -> Any:
        runtime, now = self._runtime, self._runtime.now
        items, opening = runtime.items(timeout, site), even_late(opening)

        def step(args: Arguments, kwargs: Keywords) -> Any:
            until = now() + timeout.seconds
            opened = opening(args, kwargs)
            opened.limits.append(Limit(timeout, until, site, runtime, items))
            return opened

        return step


def even_late(opening: Any) -> Any:
    """Have a stream whose first item was late held and limited as any; its gates hear at the end."""

    def step(args: Arguments, kwargs: Keywords) -> Any:
        try:
            return opening(args, kwargs)
        except Late as late:
            opened = late.result
            opened.late = cut_by(late)
            return opened

    return step


def streaming(  # noqa: C901 - every way out, in the frame that is left
    fn: Function, begin: Function, resuming: Resuming | None = None, *, enters: bool = False
) -> Function:
    """Return the generator function that stands in for ``fn``; ``begin`` opens, protected.

    One that ``enters`` a block has no limits but to its first item.
    """

    @dressed(fn)
    def protected(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = begin(*args, **kwargs)
        if enters:
            opened.limits = []
        opened.resumes = opened.resumes or resuming is not None
        while True:
            try:
                try:
                    value = yield from items(opened)
                except BaseException as error:
                    try:
                        left(opened, error)
                    except RecursionError:
                        on_a_fresh_stack(left, (opened, error))
                    raise
            except Exception as error:
                if resuming is None or opened.thrown is error:
                    raise
                rest = resumed(resuming, begin, opened, error, args, kwargs)
                if rest is None:
                    raise
                opened, args, kwargs = rest
            else:
                try:
                    opened.ended(world.clock())
                except RecursionError:
                    on_a_fresh_stack(exhausted, (opened,))
                return value

    return protected


def resumed(
    resuming: Resuming,
    begin: Function,
    opened: Opened,
    error: Exception,
    args: Arguments,
    kwargs: Keywords,
) -> tuple[Opened, Arguments, Keywords] | None:
    """Return the rest of a stream, and the arguments that it was asked with; None if there is none."""
    runtime = world.runtime("blocking")
    verdict = resuming.verdict(error, runtime.now(), args, kwargs, opened)
    changed = None if verdict is None else resuming.arguments(opened.last, args, kwargs)
    if verdict is None or changed is None:
        return None
    if verdict.before is not None:
        runtime.answer(verdict.before)
    paused(runtime, verdict)
    scope = resuming.scope(opened)
    try:
        rest = begin(*changed[0], **changed[1])
    finally:
        scope.take_back()
    rest.resumes = True
    return resuming.carried(opened, rest), *changed


def items(opened: Opened) -> Generator[Any, Any, Any]:
    """Yield the items; in a call around it that was cut nothing is believed, least of all the end."""
    try:
        try:
            value = yield from drawn(opened)
        except Exception as error:
            if under_cut:
                cut_off(error)
            raise
        if under_cut:
            cut_off(None, value)
        return value
    except CutOff as end:
        raise end.error from end.__cause__
    except Misuse as misuse:
        raise misuse.shown(str(misuse)) from misuse.__cause__


def drawn(opened: Opened) -> Generator[Any, Any, Any]:
    """Yield the first item and all others; what the consumer sends or throws goes to the source."""
    source = opened.source
    if source is None:
        return opened.value
    item = opened.first
    draw = drawing(opened) if opened.limits else None
    send, throw = ways(source)
    direct = draw is None and not opened.resumes
    while True:
        try:
            sent = yield item
        except GeneratorExit:
            raise
        except BaseException as thrown:  # noqa: BLE001 - it goes to the source
            opened.thrown = thrown
            how, what = throw, thrown
        else:
            if sent is None and direct:
                return (yield from source)
            how, what = send, sent
        opened.last = item
        try:
            item = how(what) if draw is None else draw(how, what)
        except StopIteration as end:
            return end.value
        except Late as late:
            opened.late, item = cut_by(late), late.result


def ways(source: Any) -> tuple[How, How]:
    """Return how something is sent to a stream, and how it is thrown: only generators know."""
    if type(source) is GeneratorType:
        return source.send, source.throw

    def send(what: Any) -> Any:
        return next(source) if what is None else source.send(what)

    def throw(error: BaseException) -> Any:
        if isinstance(error, StopIteration):  # it would look like the end
            raise RuntimeError(thrown_end(error)) from error  # noqa: TRY004 - as Python itself
        raise error

    return send, getattr(source, "throw", throw)


def left(opened: Opened, error: BaseException) -> None:
    """End a stream before its time."""
    try:
        opened.close()
    except RecursionError:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is
        noted(error, fault)
    finally:
        opened.ended(world.clock(), error)


def exhausted(opened: Opened) -> None:
    """End a stream that has come to its end."""
    opened.ended(world.clock())


def drawing(opened: Opened) -> Callable[[How, Any], Any]:
    """Return what draws an item under the limits of a stream."""
    limits, innermost = Limits(opened), opened.limits[0]
    step = innermost.runtime.adaptive(limits, item, innermost.site)

    def slowly(how: How, what: Any) -> Any:
        try:
            return step((how, what), {})
        except AttemptTimeout as error:
            raise limits.named(error) from error.__cause__

    if innermost.items is None:
        return slowly
    draw, opened.stop = innermost.items(limits.between, limits.until, limits.whole, slowly)
    return draw


def item(args: Arguments, _kwargs: Keywords) -> Any:
    """Draw an item; after a cut nothing is believed, least of all the end."""
    how, what = args
    try:
        drawn = how(what)
    except Exception as error:
        if under_cut:
            cut_off(error)
        raise
    if under_cut:
        cut_off(None, drawn)
    return drawn
