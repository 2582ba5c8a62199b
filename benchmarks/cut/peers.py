"""The ways to limit a blocking call, each configured as its documentation advises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Function = Callable[..., Any]
Limited = Callable[[Function, float], Function]


def cut(function: Function, seconds: float) -> Function:
    """Holdfast: the socket is shut down."""
    from holdfast import Pipeline, Timeout

    return Pipeline("benchmark", Timeout(seconds))(function)


def worker(function: Function, seconds: float) -> Function:
    """Holdfast: a worker thread is left alone."""
    from holdfast import Pipeline, Timeout

    return Pipeline("benchmark", Timeout(seconds, sync="thread"))(function)


def deadline(function: Function, seconds: float) -> Function:
    """Holdfast: what is inside may look how long it has."""
    from holdfast import Pipeline, Timeout

    return Pipeline("benchmark", Timeout(seconds, sync="cooperative"))(function)


def executor(function: Function, seconds: float) -> Function:
    """The standard library: a thread of a pool is left alone."""
    pool = ThreadPoolExecutor(64)
    return lambda *args: pool.submit(function, *args).result(timeout=seconds)


def signals(function: Function, seconds: float) -> Function:
    """timeout-decorator: SIGALRM, in the main thread only."""
    from timeout_decorator import timeout  # type: ignore[import-not-found]

    return timeout(seconds)(function)  # type: ignore[no-any-return]


def raised(function: Function, seconds: float) -> Function:
    """stopit: an exception is raised in the thread, once it runs Python again."""
    from stopit import ThreadingTimeout  # type: ignore[import-not-found]

    def limited(*args: Any) -> Any:
        with ThreadingTimeout(seconds, swallow_exc=False):
            return function(*args)

    return limited


def raised_elsewhere(function: Function, seconds: float) -> Function:
    """func-timeout: a new thread, in which an exception is raised."""
    from func_timeout import func_timeout  # type: ignore[import-not-found]

    return lambda *args: func_timeout(seconds, function, args)


WAYS: dict[str, Limited] = {
    "holdfast": cut,
    "holdfast, by a worker thread": worker,
    "holdfast, a deadline only": deadline,
    "ThreadPoolExecutor, result(timeout)": executor,
    "timeout-decorator, SIGALRM": signals,
    "stopit, ThreadingTimeout": raised,
    "func-timeout": raised_elsewhere,
}
