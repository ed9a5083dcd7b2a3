"""Precision per second of the estimators against crude Monte Carlo by batched NumPy products.

Precision per second is 1 / (relative variance of one trial x seconds per trial). The rival does the same work in
single precision, in its own process, with its best batch size; since it sees rare events too rarely, its relative
variance is (1 - p) / p, p from the estimator under test. Both run on one core by default; with --workers the engine
runs as `simulate` does, on threads, which the rival's small products cannot use.

    python benchmarks/precision_per_second.py [--workers N] [--json FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
POINTS = 64
BATCHES = (32, 64, 128, 256, 1024)
ROUNDS = 3
# name, width, depth, estimator, rare event, trials, required ratio
CASES = (
    ("P(dead) n=10 k=100", 10, 100, "conditional", "death", 4096, 1e3),
    ("P(dead) n=20 k=50", 20, 50, "conditional", "death", 4096, 1e5),
    ("P(alive) n=3 k=40", 3, 40, "splitting", "alive", 256, 1e2),
    ("P(alive) n=3 k=40", 3, 40, "conditional", "alive", 16384, 1e3),
)
# rare event, width, depth, estimator, trials, required seconds for a relative error of 10 %
RARE = (
    ("death", 45, 100, "conditional", 4096, 10.0),
    ("alive", 2, 98, "splitting", 64, 30.0),
    ("alive", 2, 98, "conditional", 4096, 30.0),
)


def rival_seconds(width: int, depth: int) -> float:
    """Return the rival's seconds per trial, at its best batch size."""
    import numpy as np

    rng = np.random.default_rng(0)
    points = rng.standard_normal((width, POINTS), dtype=np.float32)

    def run(batch: int) -> float:
        begun = time.perf_counter()
        x = np.broadcast_to(points, (batch, width, POINTS))
        alive = np.ones(batch, dtype=bool)
        for _ in range(depth):
            weights = rng.standard_normal((batch, width, width), dtype=np.float32)
            x = weights @ x
            np.maximum(x, 0, out=x)
            peak = x.max(axis=(1, 2), keepdims=True)
            alive &= peak[:, 0, 0] > 0
            x /= np.maximum(peak, np.float32(1e-30))
        return (time.perf_counter() - begun) / batch

    for batch in BATCHES:
        run(batch)
    return min(median(run(batch) for _ in range(5)) for batch in BATCHES)


def engine_run(width: int, depth: int, estimator: str, trials: int, workers: int):  # type: ignore[no-untyped-def]
    """Return the seconds and estimates of the engine, after a warm-up run."""
    from neurondeath.simulations.estimation.estimates import read_simulation
    from neurondeath.simulations.inputs.input_sets import input_set
    from neurondeath.simulations.stores.store import Store
    from neurondeath.simulations.sweeps.driver import run_tasks
    from neurondeath.simulations.task import Task
    from neurondeath_theory.networks.network import Network

    task = Task(Network([width] * depth), input_set(f"gaussian:{POINTS}", dimension=width), estimator=estimator)
    with Store(":memory:") as warm:
        run_tasks([task], warm, trials=1, seed=1, workers=1, quiet=True)
    with Store(":memory:") as store:
        begun = time.perf_counter()
        run_tasks([task], store, trials=trials, seed=0, workers=workers, quiet=True)
        seconds = time.perf_counter() - begun
        return seconds, read_simulation(store, task.task_id, 0, task.description())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rival", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rival:
        print(rival_seconds(*options.rival))
        return
    results = []
    for name, width, depth, estimator, rare, trials, bar in CASES:
        ours, theirs = [], []
        for _ in range(ROUNDS):
            command = [sys.executable, __file__, "--rival", str(width), str(depth)]
            done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
            theirs.append(float(done.stdout))
            seconds, result = engine_run(width, depth, estimator, trials, options.workers)
            ours.append(seconds)
        value = (result.death if rare == "death" else result.alive)[-1]
        variance = (result.alive_stderr[-1] / value) ** 2 * trials
        ratio = (1 - value) / value * median(theirs) / (variance * median(ours) / trials)
        print(
            f"{name:20} {estimator:12} p {value:.4g}, relative variance per trial {variance:.3g}, "
            f"{1e6 * median(ours) / trials:.0f} us per trial; NumPy {1e6 * median(theirs):.0f} us; "
            f"{ratio:.0f} times the precision per second (bar {bar:.0f})"
        )
        results.append({"case": name, "estimator": estimator, "p": float(value), "ratio": float(ratio), "bar": bar})
    for rare, width, depth, estimator, trials, bar in RARE:
        seconds, result = engine_run(width, depth, estimator, trials, options.workers)
        value = (result.death if rare == "death" else result.alive)[-1]
        needed = seconds * (result.alive_stderr[-1] / value / 0.1) ** 2
        name = f"P({'dead' if rare == 'death' else rare}) n={width} k={depth}"
        print(f"{name:20} {estimator:12} p {value:.3g}: 10 % relative error in {needed:.2g} s (bar {bar:.0f})")
        results.append({"case": name, "estimator": estimator, "p": float(value), "seconds": needed, "bar": bar})
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
