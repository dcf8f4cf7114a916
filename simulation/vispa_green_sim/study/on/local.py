"""On this machine, one process for each core; they inherit the loaded history, nothing is sent to them."""

from __future__ import annotations

import gc
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from vispa_green_sim.study.on import Progress, Task, play_seed
from vispa_green_sim.study.spec import StudyError

LOOK_S = 0.5


def run(task: Task, progress: Progress) -> None:
    """Play what is missing; raise `StudyError` if a process dies."""
    seeds = task.open_seeds
    progress(task.done(), task.total)
    if task.workers == 1 or len(seeds) < 2:
        for seed in seeds:
            play_seed(task.ground, task.store, seed)
            progress(task.done(), task.total)
        return
    gc.freeze()  # or each process would copy every page of the history in its first look for cycles
    try:
        _play_in_processes(task, seeds, progress)
    except BrokenProcessPool as error:
        raise StudyError(
            "a process of the study was killed (for its memory?); go on with --resume and fewer --workers"
        ) from error
    finally:
        gc.unfreeze()


def _play_in_processes(task: Task, seeds: list[int], progress: Progress) -> None:
    workers = min(task.workers, len(seeds))
    # Forked, so that the tasks find what was loaded; the parent has no threads at this moment.
    with ProcessPoolExecutor(workers, get_context("fork"), _Work.keep, (task,)) as pool:
        left: set[Future[None]] = {pool.submit(_Work.play, seed) for seed in seeds}
        try:
            while left:
                ended, left = wait(left, LOOK_S, FIRST_EXCEPTION)
                for future in ended:
                    future.result()
                progress(task.done(), task.total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Work:
    """What a worker process was born with."""

    task: Task

    @classmethod
    def keep(cls, task: Task) -> None:
        cls.task = task

    @classmethod
    def play(cls, seed: int) -> None:
        play_seed(cls.task.ground, cls.task.store, seed)
