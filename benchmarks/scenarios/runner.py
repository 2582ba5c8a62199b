"""Plays cases in worker processes."""

import logging
import multiprocessing
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from benchmarks.scenarios.experiment import Case, Experiment, Outcome, Results, load


@dataclass(frozen=True, slots=True)
class Task:
    """One run."""

    module: str
    case: Case
    seed: int


def quieten() -> None:
    """Let the peers' logs and warnings not drown the progress."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def tasks(module: str, experiment: Experiment, seeds: int) -> list[Task]:
    """Return all runs of an experiment."""
    return [
        Task(module, case, seed)
        for case in experiment.cases
        for seed in range(1, 1 + min(seeds, case.seeds or seeds))
    ]


def played(task: Task) -> Outcome:
    """Play one run, and round its figures: what is beyond seven digits is no result."""
    outcome = load(task.module).play(task.case.setting, task.case.policy, task.seed)
    figures = {key: float(f"{value:.7g}") for key, value in outcome.figures.items()}
    return Outcome(figures, tuple(float(f"{value:.7g}") for value in outcome.curve))


class Runner:
    """``workers`` processes, and progress on standard error; with 1 everything runs in this one."""

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers
        self.began = time.perf_counter()

    def run(self, name: str, wanted: Sequence[Task]) -> Results:
        """Play the tasks; the results are in their order, whichever is ready first."""
        outcomes: dict[Task, Outcome] = {}
        if self.workers == 1:
            for task in wanted:
                outcomes[task] = played(task)
                self._tell(name, len(outcomes), len(wanted))
        else:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(self.workers, spawn, initializer=quieten) as pool:
                running: dict[Future[Outcome], Task] = {
                    pool.submit(played, task): task for task in wanted
                }
                for future in as_completed(running):
                    outcomes[running[future]] = future.result()
                    self._tell(name, len(outcomes), len(wanted))
        results: Results = {}
        for task in wanted:
            case = task.case
            results.setdefault((case.setting, case.policy), []).append(outcomes[task])
        return results

    def _tell(self, name: str, done: int, of: int) -> None:
        """Show how far it is: on a terminal all the time, elsewhere once."""
        terminal, ended = sys.stderr.isatty(), done == of
        if terminal or ended:
            elapsed = time.perf_counter() - self.began
            start, end = "\r" if terminal else "", "\n" if ended else ""
            line = f"{start}[{elapsed:5.0f} s] {name}: {done} of {of} runs"
            print(line, end=end, file=sys.stderr, flush=True)
