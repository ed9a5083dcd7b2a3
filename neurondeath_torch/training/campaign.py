"""Train every experiment under every seed, one after another or several in parallel, into one store."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch

from neurondeath_theory.foundation.interruption import Interrupted
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.labelled_data import LabelledData
from neurondeath_torch.training.loop import load_experiment_data, train
from neurondeath_torch.training.run_store import RunStore

__all__ = ["checkpoint_path", "run_campaign"]

POLL_SECONDS = 0.2  # interval of the checks for a signal
Report = Callable[[Experiment, int, Mapping[str, Any] | None], None]


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
    stop_signal : callable
        Returns the number of a signal that asks to stop, or None.
    epoch_done, run_done : callable
        Called after every epoch (one process only) and after every finished run, with the last measurements.

    Raises
    ------
    Interrupted
        If a signal arrived; every finished epoch is kept.
    """
    runs = [(experiment, seed) for experiment in experiments for seed in seeds]
    if jobs == 1:
        left = _one_after_another(
            runs, store, checkpoints, data_dir, device, lambda: stop_signal() is not None, epoch_done, run_done
        )
    else:
        left = _several_at_a_time(runs, store, checkpoints, data_dir, device, jobs, stop_signal, run_done)
    number = stop_signal()
    if number is not None and left:
        raise Interrupted(
            f"stopped by {signal.Signals(number).name} with {left} of {len(runs)} runs to go; finished epochs are kept "
            f"in {str(store)!r} and {str(checkpoints)!r}: run the same command again to go on",
            number,
        )


Run = tuple[Experiment, int]


def _one_after_another(
    runs: Sequence[Run],
    store: Path,
    checkpoints: Path,
    data_dir: str | Path | None,
    device: str,
    stopped: Callable[[], bool],
    epoch_done: Report,
    run_done: Report,
) -> int:
    """Train in this process; return the number of runs left when a stop is requested."""
    loaded: dict[str, LabelledData] = {}
    with RunStore(store) as results:
        for number, (experiment, seed) in enumerate(runs):
            if stopped():
                return len(runs) - number
            key = repr(experiment.data)
            if key not in loaded:
                # one data set in memory, since it may be large
                loaded = {key: load_experiment_data(experiment, data_dir)}

            def report_epoch(
                epoch: int, epochs: int, measured: Mapping[str, Any], run: Run = (experiment, seed)
            ) -> None:
                epoch_done(*run, measured)

            result = train(
                experiment,
                seed=seed,
                store=results,
                checkpoint=checkpoint_path(checkpoints, experiment, seed),
                data=loaded[key],
                device=device,
                stopped=stopped,
                progress=report_epoch,
            )
            if not result.finished:
                return len(runs) - number
            run_done(experiment, seed, result.last)
    return 0


def _several_at_a_time(
    runs: Sequence[Run],
    store: Path,
    checkpoints: Path,
    data_dir: str | Path | None,
    device: str,
    jobs: int,
    stop_signal: Callable[[], int | None],
    run_done: Report,
) -> int:
    """Train in worker processes; return the number of runs left when a stop is requested."""
    RunStore(store).close()  # raises before any process starts if the store is unusable
    threads = max(1, torch.get_num_threads() // jobs)
    stop = multiprocessing.get_context("spawn").Event()
    left = len(runs)
    with ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(threads, stop)
    ) as pool:
        waiting: Iterator[Run] = iter(runs)
        in_flight: dict[Future[Mapping[str, Any] | None], Run] = {}
        while True:
            while stop_signal() is None and len(in_flight) < jobs and (run := next(waiting, None)) is not None:
                in_flight[pool.submit(_train_here, run, store, checkpoints, data_dir, device)] = run
            if not in_flight:
                return left
            if stop_signal() is not None:
                stop.set()
            done, _ = wait(in_flight, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                run = in_flight.pop(future)
                last = future.result()
                if last is not None:
                    left -= 1
                    run_done(*run, last)


_stop: Any = None  # the event of a worker process; None in the parent


def _prepare(threads: int, stop: Any) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches the whole group; the parent decides
    torch.set_num_threads(threads)


def _train_here(
    run: Run, store: Path, checkpoints: Path, data_dir: str | Path | None, device: str
) -> Mapping[str, Any] | None:
    experiment, seed = run
    with RunStore(store) as results:
        result = train(
            experiment,
            seed=seed,
            store=results,
            checkpoint=checkpoint_path(checkpoints, experiment, seed),
            data_dir=data_dir,
            device=device,
            stopped=_stop.is_set,
        )
    return result.last if result.finished else None
