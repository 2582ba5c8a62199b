"""Streams of asynchronous code: async generators, and whatever ``async for`` can iterate over."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from holdfast import _validate
from holdfast._drivers.aio import paused
from holdfast._drivers.dressing import dressed
from holdfast._streams.layers import Runtime
from holdfast._streams.opened import Limit, Limits, Opened, noted, thrown_end
from holdfast._streams.resuming import Resuming
from holdfast._world import world
from holdfast.errors import AttemptTimeout, Misuse
from holdfast.shapes import NO_RESULT, Arguments, Instead, Keywords, Site
from holdfast.strategies.aside import on_a_fresh_stack
from holdfast.strategies.timeout import Timeout

Function = Callable[..., Any]
How = Callable[[Any], Awaitable[Any]]


def opening(fn: Function) -> Function:
    """Return what calls ``fn`` and draws the first item."""
    awaits = _validate.is_async(fn)

    async def opened(*args: Any, **kwargs: Any) -> Opened:
        made = fn(*args, **kwargs)
        return await begun(await made if awaits else made, fn)

    return opened


async def begun(made: Any, fn: Any) -> Opened:
    """Return a stream with its first item."""
    if not hasattr(type(made), "__aiter__"):
        raise Misuse(
            f"{fn!r} returned {type(made).__name__!r}, which is no stream: nothing for 'async for'"
        )
    source = aiter(made)
    close = partial(closed, source, made)
    opened = Opened(source, close, partial(dropped, close))
    try:
        opened.first = await anext(source)
    except StopAsyncIteration:
        opened.source = None
    except BaseException as error:
        try:
            await close()
        except Exception as fault:  # noqa: BLE001 - whatever it is
            noted(error, fault)
        raise
    opened.at = world.clock()
    return opened


async def closed(source: Any, made: Any) -> None:
    """Close an iterator, and what it came from."""
    for one in (source,) if source is made else (source, made):
        if getattr(one, "ag_running", False):
            continue  # the loop closes it already, as it does at its own end
        close = getattr(one, "aclose", None) or getattr(one, "close", None)
        if close is not None:
            ending = close()
            if hasattr(type(ending), "__await__"):
                await ending


def dropped(close: Callable[[], Awaitable[None]]) -> None:
    """Have something closed by and by."""

    async def closing() -> None:
        await close()

    world.runtime("asyncio").background(closing, _whatever)


def _whatever(_: BaseException | None) -> None:
    """Nobody waits for it."""


async def each(made: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield what there is."""
    for one in made:
        yield one


class Limiting(Runtime):
    """A runtime of asynchronous code, for streams."""

    async def answer(self, verdict: Instead) -> Opened:
        """Return the answer as a stream: what can be iterated over is one, a text is an item."""
        made = await self._runtime.answer(verdict)
        if type(made) is Opened:
            return made
        if hasattr(type(made), "__aiter__"):
            return await begun(made, verdict.make)
        whole = isinstance(made, Iterable) and not isinstance(made, str | bytes | dict)
        return await begun(each(made if whole else [made]), verdict.make)

    def _limited(self, timeout: Timeout, opening: Any, site: Site) -> Any:
        runtime, now = self._runtime, self._runtime.now
        items = runtime.items(timeout, site)

        async def step(args: Arguments, kwargs: Keywords) -> Any:
            until = now() + timeout.seconds
            opened = await opening(args, kwargs)
            opened.limits.append(Limit(timeout, until, site, runtime, items))
            return opened

        return step


def streaming(  # noqa: C901 - in one frame: a generator in another one would take an item twice as long
    fn: Function, begin: Function, resuming: Resuming | None = None, *, enters: bool = False
) -> Function:
    """Return the async generator function that stands in for ``fn``; ``begin`` opens, protected.

    One that ``enters`` a block has no limits but to its first item.
    """

    @dressed(fn)
    async def protected(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: C901, PLR0912 - as above
        opened = await begin(*args, **kwargs)
        if enters:
            opened.limits = []
        while (item := opened.first) is not NO_RESULT:
            draw = drawing(opened) if opened.limits else None
            send, throw = ways(opened.source)
            try:
                try:
                    while True:
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as thrown:  # noqa: BLE001 - it goes to the source
                            opened.thrown = thrown
                            how, what = throw, thrown
                        else:
                            how, what = send, sent
                        opened.last = item
                        item = await how(what) if draw is None else await draw(how, what)
                except StopAsyncIteration:
                    break
                except BaseException as error:
                    try:
                        await left(opened, error)
                    except RecursionError:
                        on_a_fresh_stack(given_back, (opened, error))
                    if isinstance(error, Misuse):
                        raise error.shown(str(error)) from error.__cause__
                    raise
            except Exception as error:
                if resuming is None or opened.thrown is error:
                    raise
                rest = await resumed(resuming, begin, opened, error, args, kwargs)
                if rest is None:
                    raise
                opened, args, kwargs = rest
        try:
            opened.ended(world.clock())
        except RecursionError:
            on_a_fresh_stack(given_back, (opened, None))

    return protected


async def resumed(
    resuming: Resuming,
    begin: Function,
    opened: Opened,
    error: Exception,
    args: Arguments,
    kwargs: Keywords,
) -> tuple[Opened, Arguments, Keywords] | None:
    """Return the rest of a stream, and the arguments that it was asked with; None if there is none."""
    runtime = world.runtime("asyncio")
    verdict = resuming.verdict(error, runtime.now(), args, kwargs, opened)
    changed = None if verdict is None else resuming.arguments(opened.last, args, kwargs)
    if verdict is None or changed is None:
        return None
    if verdict.before is not None:
        await runtime.answer(verdict.before)
    await paused(runtime, verdict)
    scope = resuming.scope(opened)
    try:
        rest = await begin(*changed[0], **changed[1])
    finally:
        scope.take_back()
    return resuming.carried(opened, rest), *changed


def ways(source: Any) -> tuple[How, How]:
    """Return how something is sent to a stream, and how it is thrown: only generators know."""

    async def send(what: Any) -> Any:
        return await (anext(source) if what is None else source.asend(what))

    async def throw(error: BaseException) -> Any:
        if isinstance(error, StopAsyncIteration):  # it would look like the end
            raise RuntimeError(thrown_end(error)) from error  # noqa: TRY004 - as Python itself
        raise error

    return getattr(source, "asend", send), getattr(source, "athrow", throw)


async def left(opened: Opened, error: BaseException) -> None:
    """End a stream before its time."""
    try:
        await opened.close()
    except RecursionError:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is
        noted(error, fault)
    finally:
        opened.ended(world.clock(), error)


def given_back(opened: Opened, error: BaseException | None) -> None:
    """Give back what a stream holds; where there is stack for it, but no loop to close it."""
    opened.ended(world.clock(), error)


def drawing(opened: Opened) -> Callable[[How, Any], Awaitable[Any]]:
    """Return what draws an item under the limits of a stream."""
    limits, innermost = Limits(opened), opened.limits[0]
    step = innermost.runtime.adaptive(limits, item, innermost.site)

    async def slowly(how: How, what: Any) -> Any:
        try:
            return await step((how, what), {})
        except AttemptTimeout as error:
            raise limits.named(error) from error.__cause__

    if innermost.items is None:
        return slowly
    draw, opened.stop = innermost.items(limits.between, limits.until, limits.whole, slowly)
    return draw


async def item(args: Arguments, _kwargs: Keywords) -> Any:
    """Draw an item."""
    how, what = args
    return await how(what)
