"""Runs jobs one after the other, or side by side in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from holdfast import _validate

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside a progress bar
        pool = multiprocessing.get_context(fork).Pool(workers, _take, (jobs,))
    with pool:  # which ends its processes at once: all is done, or one failed, or Ctrl-C came
        for number, result in pool.imap_unordered(_do, range(len(jobs))):
            results[number] = result
            tell(len(results), len(jobs), jobs[number][0])
    return [results[number] for number in range(len(jobs))]


def _take(jobs: Sequence[Job[Any]]) -> None:
    global _jobs  # noqa: PLW0603 - a process of its own, that has no other way to be given them
    _jobs = jobs
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C is for the parent, which ends this process


def _do(number: int) -> tuple[int, Any]:
    return number, _jobs[number][1](None)


def _nobody(done: float, total: int, label: str) -> None:
    """Tell nobody."""
