"""Hand-written code: what each job costs at least in plain Python, without a library's guarantees.

None of it handles half-open states, cancellation, waiting or events; it marks where the ground is.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

from benchmarks.overhead.candidates import Candidates
from benchmarks.overhead.functions import abare, bare
from benchmarks.overhead.settings import ATTEMPTS, FAILURES, LIMIT, SECONDS, SLOW, WINDOW

floor = Candidates("floor")


@floor("sync retry", "by hand: try, and again")
def _retry() -> Callable[..., Any]:
    @wraps(bare)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return bare(*args, **kwargs)
        except ConnectionError:
            time.sleep(1.0)
        return call(*args, **kwargs)

    return call


@floor("sync breaker", "by hand: failures in a row, one lock")
def _breaker() -> Callable[..., Any]:
    lock = threading.Lock()
    failures = 0

    @wraps(bare)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal failures
        if failures >= FAILURES:
            raise ConnectionError
        try:
            result = bare(*args, **kwargs)
        except ConnectionError:
            with lock:
                failures += 1
            raise
        with lock:
            failures = 0
        return result

    return call


@floor("sync bulkhead", "by hand: a stack of permits")
def _bulkhead() -> Callable[..., Any]:
    permits = list(range(LIMIT))
    take, give = permits.pop, permits.append

    @wraps(bare)
    def call(*args: Any, **kwargs: Any) -> Any:
        permit = take()
        try:
            return bare(*args, **kwargs)
        finally:
            give(permit)

    return call


@floor("sync timeout", "by hand: there and back over two locks, no pool")
def _there_and_back() -> Callable[..., Any]:
    """What handing a call to another thread costs at least, whoever does it."""
    wanted, done = threading.Lock(), threading.Lock()
    wanted.acquire()
    done.acquire()
    box: list[Any] = []

    def work() -> None:
        while wanted.acquire():
            box.append(bare(box.pop()))
            done.release()

    threading.Thread(target=work, daemon=True).start()

    def call(x: Any) -> Any:
        box.append(x)
        wanted.release()
        done.acquire(timeout=SECONDS)
        return box.pop()

    return call


@floor("sync timeout", "by hand: executor.submit().result()")
def _timeout() -> Callable[..., Any]:
    pool = ThreadPoolExecutor(LIMIT)
    return lambda x: pool.submit(bare, x).result(timeout=SECONDS)


@floor("sync three layers", "by hand: all in one function, window of 100")
def _three() -> Callable[..., Any]:
    return _all_in_one(bare)


@floor("sync four layers", "by hand: the same around executor.submit()")
def _four() -> Callable[..., Any]:
    return _all_in_one(_timeout())


def _all_in_one(function: Callable[..., Any]) -> Callable[..., Any]:
    lock, clock = threading.Lock(), time.monotonic
    slow, opened, running, calls = bytearray(WINDOW), False, 0, 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal opened, running, calls
        for _ in range(ATTEMPTS):
            with lock:
                if opened or running >= LIMIT:
                    raise ConnectionError
                running += 1
            start = clock()
            try:
                return function(*args, **kwargs)
            except ConnectionError:
                opened = sum(slow) > WINDOW / 2
            finally:
                with lock:
                    running -= 1
                    calls = (calls + 1) % WINDOW
                    slow[calls] = clock() - start > SLOW
        raise ConnectionError

    return call


@floor("async retry", "by hand: try, and again")
def _aretry() -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await abare(*args, **kwargs)
        except ConnectionError:
            await asyncio.sleep(1.0)
        return await call(*args, **kwargs)

    return call


@floor("async timeout", "by hand: call_later and cancel")
def _atimeout() -> Callable[..., Any]:
    return _called_later(abare)


@floor("async three layers", "by hand: all in one function, window of 100")
def _athree() -> Callable[..., Any]:
    return _aall_in_one(abare)


@floor("async four layers", "by hand: the same around call_later and cancel")
def _afour() -> Callable[..., Any]:
    return _aall_in_one(_called_later(abare))


def _called_later(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        timer = asyncio.get_running_loop().call_later(SECONDS, task.cancel)
        try:
            return await function(*args, **kwargs)
        finally:
            timer.cancel()

    return call


def _aall_in_one(function: Callable[..., Any]) -> Callable[..., Any]:
    clock = time.monotonic
    slow, opened, running, calls = bytearray(WINDOW), False, 0, 0

    async def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal opened, running, calls
        for _ in range(ATTEMPTS):
            if opened or running >= LIMIT:
                raise ConnectionError
            running += 1
            start = clock()
            try:
                return await function(*args, **kwargs)
            except ConnectionError:
                opened = sum(slow) > WINDOW / 2
            finally:
                running -= 1
                calls = (calls + 1) % WINDOW
                slow[calls] = clock() - start > SLOW
        raise ConnectionError

    return call


@floor("sync rejection", "by hand: raise and catch a new exception")
def _rejection() -> Callable[..., Any]:
    def call(_x: Any) -> Any:
        raise ConnectionError

    return call


@floor("async rejection", "by hand: raise and catch a new exception")
def _arejection() -> Callable[..., Any]:
    async def call(_x: Any) -> Any:
        raise ConnectionError

    return call
