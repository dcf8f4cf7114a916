"""On this machine, one process for each core; they inherit the loaded history, nothing is sent to them.

Each process takes the next seed that nobody has taken. All that it says goes through the store, so a
study can be killed at any moment; processes whose parent is gone stop after the seed they are at.
"""

from __future__ import annotations

import gc
import os
import signal
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized

from vispa_green.errors import VispaGreenError
from vispa_green_sim.study.on import Progress, Task, play_seed
from vispa_green_sim.study.spec import StudyError

LOOK_S = 0.5


def run(task: Task, progress: Progress) -> None:
    """Play what is missing; raise `StudyError` if a process fails or dies."""
    seeds = task.open_seeds
    progress(task.done(), task.total)
    if task.workers == 1 or len(seeds) < 2:
        for seed in seeds:
            play_seed(task.prepared, task.store, seed)
            progress(task.done(), task.total)
        return
    gc.freeze()  # or each process would copy every page of the history in its first look for cycles
    try:
        _play_in_processes(task, seeds, progress)
    finally:
        gc.unfreeze()


def _play_in_processes(task: Task, seeds: list[int], progress: Progress) -> None:
    context = get_context("fork")
    following: Synchronized[int] = context.Value("i", 0)
    faults: SimpleQueue[str] = context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(task, seeds, following, faults, os.getpid()))
        for _ in range(min(task.workers, len(seeds)))
    ]
    for worker in workers:
        worker.start()
    try:
        alive = workers
        while alive:
            connection.wait([worker.sentinel for worker in alive], LOOK_S)
            alive = [worker for worker in alive if _is_well(worker, faults)]
            progress(task.done(), task.total)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _is_well(worker: ForkProcess, faults: SimpleQueue[str]) -> bool:
    """Say whether a process is still at work; raise `StudyError` if it ended badly."""
    if worker.exitcode:
        if not faults.empty():
            raise StudyError(faults.get())
        raise StudyError(
            f"a process of the study ended with {worker.exitcode} (killed for its memory?); "
            "go on with --resume and fewer --workers"
        )
    return worker.exitcode is None


def _work(task: Task, seeds: list[int], following: Synchronized[int], faults: SimpleQueue[str], parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C as well, and ends us
    while os.getppid() == parent:
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= len(seeds):
            return
        try:
            play_seed(task.prepared, task.store, seeds[number])
        except VispaGreenError as error:
            faults.put(str(error))
            raise SystemExit(1) from error
