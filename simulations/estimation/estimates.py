r"""Estimates with errors from the statistics of a task, with the predictions of the theory.

Crude: P(alive) is a share of independent trials, with the exact 95 % interval of Clopper and Pearson (1934).
Conditional and splitting: P(alive) is an average over independent trials, with the normal 95 % interval; the
conditional estimator averages P(dead) separately, so that a rare death keeps its digits. The mean living ratio is an
average over trials. The standard error of an average is the sample standard deviation over $\sqrt{trials}$; where it is
not far below the average itself, few trials dominate the sum, and more trials are needed before either is reliable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.estimation.expectations import expected
from neurondeath.simulations.estimation.outputs import estimate_outputs
from neurondeath.simulations.stores.shards import sum_statistics
from neurondeath.simulations.stores.store import Store, StoreError
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE, exact_interval
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.networks.network import Network

__all__ = ["Simulation", "read_simulation", "read_store"]

Floats = npt.NDArray[np.float64]
Totals = Mapping[str, npt.NDArray[Any]]
CONFIDENCE = 0.95
RARE_DEATH = 1e-3  # P(dead) below this is printed too


@dataclass(frozen=True, kw_only=True)
class Simulation(Result):
    """Estimates of one task under one seed; arrays have shape (k,), one entry per layer.

    Attributes
    ----------
    task_id, seed, trials
        Id of the task, seed, and number of trials.
    network : Network
        The law of the networks.
    inputs : dict
        Description of the input set: `spec`, `n_points`, `dimension`, `n_nonzero`, `nonnegative`, ...
    estimator, engine, dtype : str
        How it was sampled.
    alive, low, high : float array
        Estimated P(alive through layer l) and its 95 % interval: exact for the crude estimator, normal for the others.
    alive_stderr : float array
        Standard error of P(alive), and of P(dead) (NaN for a single trial).
    death : float array
        Estimated P(dead by layer l), with full relative precision however rare it is.
    log10_alive, log10_death : float array
        Decimal logarithms of the two, finite even where the conditional and the splitting estimator underflow.
    living_ratio, living_ratio_stderr : float array
        Mean share of points alive through layer l and its standard error (NaN for a single trial; 0 where all trials
        have the same value: then only the interval of P(alive) limits how probable the other outcome is).
    lower_bound, upper_bound : float array
        Theory: bounds on P(alive); NaN where none is valid for the network.
    expected_living_ratio, living_ratio_at_least : float array
        Theory: exact mean living ratio and a lower bound, which with sign flips bounds the ratio of every single trial;
        NaN where none is valid.
    withheld : mapping of str to str
        Why a statement of the theory (`lower`, `upper`, `living_ratio`) is missing.
    outputs : mapping of str to (float array, float array)
        Extra per-layer outputs with standard errors: see `neurondeath.simulations.estimation.outputs`.
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
    alive_stderr: Floats
    death: Floats
    log10_alive: Floats
    log10_death: Floats
    living_ratio: Floats
    living_ratio_stderr: Floats
    lower_bound: Floats
    upper_bound: Floats
    expected_living_ratio: Floats
    living_ratio_at_least: Floats
    withheld: Mapping[str, str]
    outputs: Mapping[str, tuple[Floats, Floats]]
    cpu_seconds: float

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        measured: dict[str, Floats] = {}
        for name, (mean, stderr) in self.outputs.items():
            measured |= {name: mean, f"{name}_stderr": stderr}
        if np.isfinite(self.living_ratio_at_least).all() and not np.isfinite(self.expected_living_ratio).all():
            measured["living_ratio_at_least"] = self.living_ratio_at_least
        return {
            "depth": np.arange(1, self.network.depth + 1),
            "alive": self.alive,
            "low": self.low,
            "high": self.high,
            "alive_stderr": self.alive_stderr,
            "death": self.death,
            "log10_alive": self.log10_alive,
            "log10_death": self.log10_death,
            "living_ratio": self.living_ratio,
            "living_ratio_stderr": self.living_ratio_stderr,
            "expected_living_ratio": self.expected_living_ratio,
            "lower_bound": self.lower_bound,
            "upper_bound": self.upper_bound,
            **measured,
            "trials": np.full(self.network.depth, self.trials),
            "estimator": [self.estimator] * self.network.depth,
        }

    def confidence_sequence(self, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Compute intervals of P(alive) that stay valid if the run is inspected and extended repeatedly.

        `low` and `high` are valid for a number of trials that was fixed beforehand; these intervals are valid at all
        numbers simultaneously and are wider (see `neurondeath.simulations.estimation.confidence_sequences`).

        Parameters
        ----------
        confidence : float
            Probability that no interval of the run misses, in (0, 1).

        Returns
        -------
        (float array, float array)
            Lower and upper limits, shape (k,); NaN unless the estimator is crude.
        """
        from neurondeath.simulations.estimation.confidence_sequences import bernoulli_confidence_sequence

        if self.estimator != "crude":
            return np.full(self.network.depth, np.nan), np.full(self.network.depth, np.nan)
        return bernoulli_confidence_sequence(np.rint(self.alive * self.trials), self.trials, confidence)

    def living_ratio_sequence(self, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Return an interval of the mean living ratio that is valid at all numbers of trials at once.

        Parameters
        ----------
        confidence : float
            Probability that no interval of the run misses, in (0, 1).

        Returns
        -------
        (float array, float array)
            Lower and upper limits, shape (k,); NaN unless the estimator is crude and there are two trials.
        """
        from neurondeath.simulations.estimation.confidence_sequences import bounded_mean_confidence_sequence

        n = self.trials
        if self.estimator != "crude" or n < 2:
            return np.full(self.network.depth, np.nan), np.full(self.network.depth, np.nan)
        mean = np.clip(self.living_ratio, 0.0, 1.0)
        squares = n * mean**2 + n * (n - 1) * self.living_ratio_stderr**2
        return bounded_mean_confidence_sequence(n * mean, np.minimum(squares, n * mean), n, confidence)

    def summary(self) -> dict[str, Any]:
        """Return everything but the layers, as plain data."""
        return {
            "task_id": self.task_id,
            "widths": list(self.network.widths),
            "input_dim": self.network.input_dim,
            "architecture": self.network.architecture,
            "activation": str(self.network.activation),
            "init": self.network.init,
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
            "withheld": dict(self.withheld),
            "cpu_seconds": self.cpu_seconds,
        }

    def __str__(self) -> str:
        alive, low, high = (format_number(values[-1]) for values in (self.alive, self.low, self.high))
        trials = f"{self.trials} trials" if self.estimator == "crude" else f"{self.trials} {self.estimator} trials"
        estimate = f"P(alive through {self.network.depth} layers) = {alive}, 95 % interval [{low}, {high}]"
        if self.death[-1] < RARE_DEATH:
            death, error = format_number(self.death[-1]), format_number(self.alive_stderr[-1], 2)
            estimate += f", P(dead) = {death} ± {error}"
        return f"{estimate}, {trials} of a {self.network} on {self.inputs['spec']}"


def read_simulation(store: Store, task_id: str, seed: int, description: Mapping[str, Any]) -> Simulation:
    """Estimate from all stored shards of a task and a seed."""
    trials, totals = sum_statistics(store.shards(task_id, seed))
    if not trials:
        raise StoreError(f"no finished trials of task {task_id} with seed {seed} in {store.path!r}")
    network = Network.from_description(description["network"])
    inputs = description["inputs"]
    count = _from_counts if description["estimator"] == "crude" else _from_averages
    theory = expected(network, inputs)
    estimates = count(totals, trials, network, inputs["n_points"])
    unknown = np.full(network.depth, np.nan)
    if inputs.get("infinite"):  # an infinite set has no living ratio
        estimates |= {"living_ratio": unknown, "living_ratio_stderr": unknown}
    return Simulation(
        task_id=task_id,
        seed=seed,
        trials=trials,
        network=network,
        inputs=inputs,
        estimator=description["estimator"],
        engine=description["engine"],
        dtype=description["dtype"],
        **estimates,
        lower_bound=unknown if theory.lower is None else theory.lower,
        upper_bound=unknown if theory.upper is None else theory.upper,
        expected_living_ratio=unknown if theory.living_ratio is None else theory.living_ratio,
        living_ratio_at_least=unknown if theory.living_ratio_at_least is None else theory.living_ratio_at_least,
        withheld=theory.reasons,
        outputs=estimate_outputs(totals, trials, network.widths, inputs["n_points"]),
        cpu_seconds=store.effort(task_id, seed)[1],
    )


def _from_counts(totals: Totals, trials: int, network: Network, n_points: int) -> dict[str, Floats]:
    """Estimate from counts of networks with a living point and of living points."""
    alive, death = totals["alive"] / trials, (trials - totals["alive"]) / trials
    low, high = exact_interval(totals["alive"], trials)
    ratio, ratio_stderr = _living_ratio(totals["living"], totals["living_squares"], trials, n_points)
    spread = np.sqrt(alive * death / (trials - 1)) if trials > 1 else np.full(network.depth, np.nan)
    with np.errstate(divide="ignore"):
        log10_alive, log10_death = np.log10(alive), np.log10(death)
    return {
        "alive": alive,
        "low": low,
        "high": high,
        "alive_stderr": spread,
        "death": death,
        "log10_alive": log10_alive,
        "log10_death": log10_death,
        "living_ratio": ratio,
        "living_ratio_stderr": ratio_stderr,
    }


def _living_ratio(
    living: npt.NDArray[np.int64], squares: npt.NDArray[np.int64], trials: int, n_points: int
) -> tuple[Floats, Floats]:
    """Mean and standard error of the living ratio from sums of counts and of their squares, in exact integers."""
    if trials < 2:
        return living / (trials * n_points), np.full(len(living), np.nan)
    # trials * sum of squares - (sum)^2 can overflow 64 bits, but not Python integers
    spread = [trials * int(square) - int(count) ** 2 for count, square in zip(living, squares, strict=True)]
    variance = np.array([value / (trials * (trials - 1)) for value in spread])
    return living / (trials * n_points), np.sqrt(variance / trials) / n_points


def _from_averages(totals: Totals, trials: int, network: Network, n_points: int) -> dict[str, Floats]:
    """Estimate from sums over trials, `alive` and `living` in units of a single point's survival, `dead` of 2^-n."""
    widths = np.array(network.widths, dtype=np.float64)
    log10_unit = np.cumsum(np.log1p(-np.exp2(-widths))) / np.log(10.0)
    unit = 10.0**log10_unit
    relative, relative_stderr = _average(totals["alive"], totals["alive_squares"], trials)
    living, living_stderr = _average(totals["living"], totals["living_squares"], trials)
    alive, stderr = np.minimum(relative * unit, 1.0), relative_stderr * unit  # above 1 by rounding only
    with np.errstate(divide="ignore"):
        log10_alive = np.minimum(np.log10(relative) + log10_unit, 0.0)
        if "dead" in totals:
            death, death_stderr = _average(totals["dead"], totals["dead_squares"], trials)
            log10_death = np.log10(death) - widths.min() * np.log10(2.0)
            rare = np.exp2(-widths.min())
            certain = relative == 0.0  # no point to keep alive
            log10_death = np.where(certain, 0.0, log10_death)
            death, death_stderr = np.where(certain, 1.0, death * rare), death_stderr * rare
            # equal in exact arithmetic; the sum for the rarer outcome loses no digits
            stderr = np.where(death < 0.5, death_stderr, stderr)
        else:
            death = 1.0 - alive
            log10_death = np.log10(death)
    low, high = alive - NORMAL_QUANTILE * stderr, alive + NORMAL_QUANTILE * stderr
    # where every population died out: upper limit of the mean share of living networks, each share being at most 1
    no_survivor_limit = -np.expm1(np.log((1.0 - CONFIDENCE) / 2.0) / trials)
    high = np.where(np.isneginf(log10_alive), no_survivor_limit, high)
    unknown = np.isnan(stderr)
    return {
        "alive": alive,
        "low": np.where(unknown, 0.0, np.clip(low, 0.0, 1.0)),
        "high": np.where(unknown, 1.0, np.clip(high, 0.0, 1.0)),
        "alive_stderr": stderr,
        "death": death,
        "log10_alive": log10_alive,
        "log10_death": log10_death,
        "living_ratio": living * unit / n_points,
        "living_ratio_stderr": living_stderr * unit / n_points,
    }


def _average(total: Floats, squares: Floats, trials: int) -> tuple[Floats, Floats]:
    """Average over trials and its standard error, from sums."""
    mean = total / trials
    if trials < 2:
        return mean, np.full(len(mean), np.nan)
    variance = np.maximum(squares / trials - mean**2, 0.0) * trials / (trials - 1)
    return mean, np.sqrt(variance / trials)


def read_store(store: Store, task: str | None = None) -> list[Simulation]:
    """Read the estimates of all tasks of a store, or of the tasks whose id begins with `task`.

    Raises
    ------
    StoreError
        If there is no such task.
    """
    contents = [row for row in store.contents() if task is None or row[0].startswith(task)]
    if not contents:
        which = "finished trials" if task is None else f"task that begins with {task!r}"
        raise StoreError(f"no {which} in {store.path!r}")
    return [read_simulation(store, *row) for row in contents]
