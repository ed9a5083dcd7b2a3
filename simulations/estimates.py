r"""From the statistics of a task to estimates with errors, beside the theory.

P(alive) is a share of independent trials: its interval is the exact 95 % one of Clopper and Pearson (1934). The mean
living ratio is an average over trials: its standard error is the sample standard deviation over $\sqrt{trials}$.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory._result import Result, format_number
from neurondeath_theory.network import Network
from neurondeath_theory.survival import survival_bounds
from simulations.shards import sum_statistics
from simulations.store import Store, StoreError

__all__ = ["Simulation", "exact_interval", "read_simulation", "read_store"]

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Simulation(Result):
    """Estimates of one task under one seed; arrays have shape (k,), one entry a layer.

    Attributes
    ----------
    task_id, seed, trials
        What was sampled, from which seed, how often.
    network : Network
        The law of the networks.
    inputs : dict
        Description of the input set: `spec`, `n_points`, `dimension`, `n_nonzero`, `nonnegative`, ...
    estimator, engine, dtype : str
        How it was sampled.
    alive, low, high : float array
        Estimated P(alive through layer l) and its exact 95 % interval.
    living_ratio, living_ratio_stderr : float array
        Mean share of points alive through layer l and its standard error (NaN for a single trial; 0 where all trials
        gave the same, so that only the interval of P(alive) says how rare the other outcome may be).
    lower_bound, upper_bound, expected_living_ratio : float array
        Theory: bounds on P(alive), exact mean living ratio.
    cpu_seconds : float
        Processor time spent.
    """

    task_id: str
    seed: int
    trials: int
    network: Network
    inputs: Mapping[str, Any]
    estimator: str
    engine: str
    dtype: str
    alive: Floats
    low: Floats
    high: Floats
    living_ratio: Floats
    living_ratio_stderr: Floats
    lower_bound: Floats
    upper_bound: Floats
    expected_living_ratio: Floats
    cpu_seconds: float

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Name the columns, one row a layer."""
        return {
            "depth": np.arange(1, self.network.depth + 1),
            "alive": self.alive,
            "low": self.low,
            "high": self.high,
            "living_ratio": self.living_ratio,
            "living_ratio_stderr": self.living_ratio_stderr,
            "expected_living_ratio": self.expected_living_ratio,
            "lower_bound": self.lower_bound,
            "upper_bound": self.upper_bound,
            "trials": np.full(self.network.depth, self.trials),
            "estimator": [self.estimator] * self.network.depth,
        }

    def summary(self) -> dict[str, Any]:
        """Give everything but the layers, as plain data."""
        description = self.network.description()
        return {
            "task_id": self.task_id,
            "widths": list(self.network.widths),
            "input_dim": self.network.input_dim,
            "architecture": self.network.architecture,
            "activation": str(self.network.activation),
            "init": description.get("init", "he"),
            "weight_variance": self.network.weight_variance,
            "bias_variance": self.network.bias_variance,
            "sign_flip": self.network.sign_flip,
            "inputs": self.inputs["spec"],
            "input_seed": self.inputs["seed"],
            "n_points": self.inputs["n_points"],
            "seed": self.seed,
            "trials": self.trials,
            "estimator": self.estimator,
            "engine": self.engine,
            "dtype": self.dtype,
            "cpu_seconds": self.cpu_seconds,
        }

    def __str__(self) -> str:
        alive, low, high = (format_number(values[-1]) for values in (self.alive, self.low, self.high))
        return (
            f"P(alive through {self.network.depth} layers) = {alive}, 95 % interval [{low}, {high}], "
            f"{self.trials} trials of a {self.network} on {self.inputs['spec']}"
        )


def exact_interval(
    successes: npt.NDArray[np.integer[Any]], trials: int, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Give the exact (Clopper-Pearson) interval of a probability from counts of successes.

    Examples
    --------
    >>> low, high = exact_interval(np.array([0, 5]), 10)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.1871], [0.3085, 0.8129])
    """
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    hits = np.asarray(successes, dtype=np.float64)
    misses = trials - hits
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betaincinv(hits + 1, np.maximum(misses, 1), 1.0 - tail), 1.0)
    return low, high


def read_simulation(store: Store, task_id: str, seed: int, description: Mapping[str, Any]) -> Simulation:
    """Estimate from all stored shards of a task and a seed."""
    shards = list(store.shards(task_id, seed))
    if not shards:
        raise StoreError(f"no finished trials of task {task_id} with seed {seed} in {store.path!r}")
    trials, totals = sum_statistics(shards)
    network = Network.from_description(description["network"])
    inputs = description["inputs"]
    low, high = exact_interval(totals["alive"], trials)
    mean, stderr = _living_ratio(totals["living"], totals["living_squares"], trials, inputs["n_points"])
    bounds = survival_bounds(
        network.widths,
        input_dim=network.input_dim,
        bias=network.has_bias,
        nonnegative_inputs=inputs["nonnegative"],
    )
    # points at zero are dead from layer 1 unless there are biases
    living_share = 1.0 if network.has_bias else inputs["n_nonzero"] / inputs["n_points"]
    return Simulation(
        task_id=task_id,
        seed=seed,
        trials=trials,
        network=network,
        inputs=inputs,
        estimator=description["estimator"],
        engine=description["engine"],
        dtype=description["dtype"],
        alive=totals["alive"] / trials,
        low=low,
        high=high,
        living_ratio=mean,
        living_ratio_stderr=stderr,
        lower_bound=bounds.lower if living_share > 0 else np.zeros(network.depth),
        upper_bound=bounds.upper if living_share > 0 else np.zeros(network.depth),
        expected_living_ratio=bounds.mean_living_ratio * living_share,
        cpu_seconds=sum(shard.cpu_seconds for shard in shards),
    )


def _living_ratio(
    living: npt.NDArray[np.int64], squares: npt.NDArray[np.int64], trials: int, n_points: int
) -> tuple[Floats, Floats]:
    """Mean and standard error of the living ratio from sums of counts and of their squares, exact until the end."""
    if trials < 2:
        return living / (trials * n_points), np.full(len(living), np.nan)
    # trials * sum of squares - (sum)^2 overflows 64 bits: Python's integers do not
    spread = [trials * int(square) - int(count) ** 2 for count, square in zip(living, squares, strict=True)]
    variance = np.array([value / (trials * (trials - 1)) for value in spread])
    return living / (trials * n_points), np.sqrt(variance / trials) / n_points


def read_store(store: Store, task: str | None = None) -> list[Simulation]:
    """Estimate everything a store holds, or the tasks whose id begins with `task`.

    Raises
    ------
    StoreError
        If there is nothing to show.
    """
    contents = [row for row in store.contents() if task is None or row[0].startswith(task)]
    if not contents:
        which = "finished trials" if task is None else f"task that begins with {task!r}"
        raise StoreError(f"no {which} in {store.path!r}")
    return [read_simulation(store, *row) for row in contents]
