"""Runs jobs one after the other, or side by side in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from holdfast import _validate
from holdfast.simulation.engine.errors import SimulationError

Result = TypeVar("Result")
Job = tuple[str, Callable[[Callable[[float], object] | None], Result]]
"""What it is called, and what does it; the latter is given what to tell its share of progress to."""

_jobs: Sequence[Job[Any]] = ()
"""What this process was started for."""


def each(
    jobs: Sequence[Job[Result]],
    *,
    workers: int = 1,
    progress: Callable[[float, int, str], object] | None = None,
) -> list[Result]:
    """Return the results of all ``jobs``, in their order.

    Where processes can be forked, jobs may be anything; elsewhere they must be picklable.

    Raises:
        SimulationError: where a process is ended from outside, as by a system without memory.
    """
    tell = progress or _nobody
    if min(_validate.count("workers", workers), len(jobs)) <= 1:
        return [_alone(number, job, len(jobs), tell) for number, job in enumerate(jobs)]
    return _side_by_side(jobs, min(workers, len(jobs)), tell)


def _alone(
    number: int, job: Job[Result], total: int, tell: Callable[[float, int, str], object]
) -> Result:
    label, run = job
    tell(number, total, label)
    result = run(lambda share: tell(number + share, total, label))
    tell(number + 1, total, label)
    return result


def _side_by_side(
    jobs: Sequence[Job[Result]], workers: int, tell: Callable[[float, int, str], object]
) -> list[Result]:
    fork = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    tell(0, len(jobs), jobs[0][0])
    results: dict[int, Result] = {}
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(fork), _take, (jobs,))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside a progress bar
            under_way = [pool.submit(_do, number) for number in range(len(jobs))]
        for done in as_completed(under_way):
            number, result = done.result()
            results[number] = result
            tell(len(results), len(jobs), jobs[number][0])
    except BrokenProcessPool as error:
        raise SimulationError(
            "a process that played was killed: out of memory? Fewer workers need less of it"
        ) from error
    finally:  # all is done, or one failed, or Ctrl-C came
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()
        pool.shutdown(cancel_futures=True)
    return [results[number] for number in range(len(jobs))]


def _take(jobs: Sequence[Job[Any]]) -> None:
    global _jobs  # noqa: PLW0603 - a process of its own, that has no other way to be given them
    _jobs = jobs
    threading.Thread(target=_end_with_parent, name="holdfast-orphan", daemon=True).start()
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C is for the parent, which ends this process


def _end_with_parent() -> None:
    """Don't play on where nobody waits for it: the parent may be killed without a word."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(number: int) -> tuple[int, Any]:
    return number, _jobs[number][1](None)


def _nobody(done: float, total: int, label: str) -> None:
    """Tell nobody."""
