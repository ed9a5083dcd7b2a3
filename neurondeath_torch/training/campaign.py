"""Train every experiment under every seed, one after another or several in parallel, into one store.

Runs that another process is training into the same store are left to it: several processes with the same command share
the work. Parts divide the runs between machines without communication (`runs_of_part`).
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath_theory.foundation.interruption import Interrupted
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.labelled_data import LabelledData
from neurondeath_torch.training.loop import load_experiment_data, train
from neurondeath_torch.training.run_store import RunBusyError, RunStore, RunStoreError

__all__ = ["Run", "checkpoint_folder", "checkpoint_path", "run_campaign", "runs_of_part"]

POLL_SECONDS = 0.2  # interval of the checks for a signal
SIGNAL_SECONDS = 1.0  # in which a signal that has ended the workers also reaches this process
Report = Callable[[Experiment, int, Mapping[str, Any] | None], None]
Run = tuple[Experiment, int]


@dataclass
class _Campaign:
    """Where runs are trained, and those that are left."""

    store: Path
    checkpoints: Path
    data_dir: str | Path | None
    device: str
    left: int
    busy: list[tuple[Run, str]] = field(default_factory=list)  # runs that other processes are training

    def arguments(self, experiment: Experiment, seed: int) -> dict[str, Any]:
        """Return the keywords of `train` for a run."""
        path = checkpoint_path(self.checkpoints, experiment, seed)
        return {"seed": seed, "checkpoint": path, "device": self.device}


def runs_of_part(experiments: Sequence[Experiment], seeds: Sequence[int], part: Part = WHOLE) -> list[Run]:
    """List the runs of a part of all combinations; seeds vary fastest.

    The seeds of an experiment go to the parts in turn, from a part that its id selects. This depends on nothing else,
    so that parts never overlap, even when experiments or seeds are added later.

    Examples
    --------
    >>> one = Experiment(epochs=1)
    >>> [seed for _, seed in runs_of_part([one], range(5), Part(1, 2))]
    [0, 2, 4]
    """
    return [
        (experiment, seed)
        for experiment in experiments
        for seed in seeds
        if (int(experiment.experiment_id, 16) + seed) % part.count == part.index - 1
    ]


def checkpoint_folder(store: Path) -> Path:
    """Return the folder of the checkpoints of a store, unless another one is chosen.

    Examples
    --------
    >>> checkpoint_folder(Path("runs/store.sqlite")).as_posix()
    'runs/store.sqlite.checkpoints'
    """
    return Path(f"{store}.checkpoints")


def checkpoint_path(folder: Path, experiment: Experiment, seed: int) -> Path:
    """Return the path of a run's checkpoint."""
    return folder / f"{experiment.experiment_id}-{seed}.pt"


def run_campaign(
    experiments: Sequence[Experiment],
    seeds: Sequence[int],
    store: Path,
    *,
    checkpoints: Path,
    data_dir: str | Path | None = None,
    device: str = "auto",
    jobs: int = 1,
    part: Part = WHOLE,
    stop_signal: Callable[[], int | None] = lambda: None,
    epoch_done: Report = lambda experiment, seed, measured: None,
    run_done: Report = lambda experiment, seed, measured: None,
) -> None:
    """Train the runs that the store does not hold yet.

    Parameters
    ----------
    experiments, seeds : sequences
        All combinations are trained; seeds vary fastest.
    store : path
        Store of training runs.
    checkpoints : path
        Folder of the checkpoints, from which interrupted runs are resumed.
    data_dir, device
        As in `train`.
    jobs : int
        Parallel runs, each in a process with its share of the cores. The number of threads per run can change the last
        bits of its results.
    part : Part
        Which of the runs to train, by `runs_of_part`.
    stop_signal : callable
        Returns the number of a signal that asks to stop, or None.
    epoch_done, run_done : callable
        Called after every epoch (one process only) and after every finished run, with the last measurements.

    Raises
    ------
    Interrupted
        If a signal arrived; every finished epoch is kept.
    RunBusyError
        If runs are left that other processes are training.
    RunStoreError
        If the store or a checkpoint cannot be read or written, or a process ended that was training.
    """
    runs = runs_of_part(experiments, seeds, part)
    campaign = _Campaign(store, checkpoints, data_dir, device, left=len(runs))

    def stopped() -> bool:
        return stop_signal() is not None

    todo: Sequence[Run] = runs
    for _ in range(2):  # the second time those that another process was training
        if jobs == 1:
            _one_after_another(campaign, todo, stopped, epoch_done, run_done)
        else:
            _several_at_a_time(campaign, todo, jobs, stop_signal, run_done)
        todo = [run for run, _ in campaign.busy]
        if not todo or stopped():
            break
        words = campaign.busy[0][1]
        campaign.busy.clear()
    number = stop_signal()
    if number is not None and campaign.left:
        raise Interrupted(
            f"stopped by {signal.Signals(number).name} with {campaign.left} of {len(runs)} runs to go; finished epochs "
            f"are kept in {str(store)!r} and {str(checkpoints)!r}: run the same command again to go on",
            number,
        )
    if campaign.busy:
        others = f"{len(campaign.busy)} of {len(runs)} runs are left to other processes: " if len(runs) > 1 else ""
        raise RunBusyError(f"{others}{words}")


def _one_after_another(
    campaign: _Campaign,
    runs: Sequence[Run],
    stopped: Callable[[], bool],
    epoch_done: Report,
    run_done: Report,
) -> None:
    """Train in this process, until a stop is requested."""
    loaded: dict[str, LabelledData] = {}
    with RunStore(campaign.store) as results:
        for experiment, seed in runs:
            if stopped():
                return
            key = repr(experiment.data)
            if key not in loaded:
                # one data set in memory, since it may be large
                loaded = {key: load_experiment_data(experiment, campaign.data_dir)}

            def report_epoch(
                epoch: int, epochs: int, measured: Mapping[str, Any], run: Run = (experiment, seed)
            ) -> None:
                epoch_done(*run, measured)

            try:
                result = train(
                    experiment,
                    store=results,
                    data=loaded[key],
                    stopped=stopped,
                    progress=report_epoch,
                    **campaign.arguments(experiment, seed),
                )
            except RunBusyError as error:
                campaign.busy.append(((experiment, seed), str(error)))
                continue
            if not result.finished:
                return
            campaign.left -= 1
            run_done(experiment, seed, result.last)


def _several_at_a_time(
    campaign: _Campaign,
    runs: Sequence[Run],
    jobs: int,
    stop_signal: Callable[[], int | None],
    run_done: Report,
) -> None:
    """Train in worker processes, until a stop is requested."""
    RunStore(campaign.store).close()  # raises before any process starts if the store is unusable
    jobs = min(jobs, max(len(runs), 1))
    threads = max(1, torch.get_num_threads() // jobs)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(jobs, context, initializer=_prepare, initargs=(threads, stop)) as pool:
        waiting: Iterator[Run] = iter(runs)
        in_flight: dict[Future[Mapping[str, Any] | None], Run] = {}
        try:
            while True:
                while stop_signal() is None and len(in_flight) < jobs and (run := next(waiting, None)) is not None:
                    in_flight[pool.submit(_train_here, run, campaign)] = run
                if not in_flight:
                    return
                if stop_signal() is not None:
                    stop.set()
                done, _ = wait(in_flight, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    run = in_flight.pop(future)
                    try:
                        last = future.result()
                    except RunBusyError as error:
                        campaign.busy.append((run, str(error)))
                        continue
                    if last is not None:
                        campaign.left -= 1
                        run_done(*run, last)
        except BrokenProcessPool:
            deadline = time.monotonic() + SIGNAL_SECONDS  # a signal to the whole group has ended the workers first
            while stop_signal() is None:
                if time.monotonic() > deadline:
                    raise RunStoreError(
                        f"a process that was training was killed, with {campaign.left} runs to go (is there enough "
                        f"memory for --jobs {jobs}?); finished epochs are kept: run the same command again to go on"
                    ) from None
                time.sleep(POLL_SECONDS / 10)
        except BaseException:
            stop.set()  # an error of one run must not wait for the end of the others
            raise


_stop: Any = None  # the event of a worker process; None in the parent


def _prepare(threads: int, stop: Any) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches the whole group; the parent decides
    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in workers only

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)  # what is not finished would be trained by nobody's wish, and keep its lease

    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _train_here(run: Run, campaign: _Campaign) -> Mapping[str, Any] | None:
    with RunStore(campaign.store) as results:
        result = train(
            run[0], store=results, data_dir=campaign.data_dir, stopped=_stop.is_set, **campaign.arguments(*run)
        )
    return result.last if result.finished else None
