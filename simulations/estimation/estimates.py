r"""Estimates with errors from the statistics of a task, with the predictions of the theory.

How each estimator's statistics become estimates and intervals is in `survival_estimates` and `chain_estimates`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.engines import ESTIMATOR_VERSIONS
from neurondeath.simulations.estimation.chain_estimates import from_chains
from neurondeath.simulations.estimation.contradictions import ABOVE, BELOW
from neurondeath.simulations.estimation.exact_variance import exact_mean_variance
from neurondeath.simulations.estimation.expectations import Expectation, expected
from neurondeath.simulations.estimation.outputs import estimate_outputs
from neurondeath.simulations.estimation.survival_estimates import (
    SurvivalEstimates,
    from_counts,
    from_populations,
    without_interval,
)
from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath.simulations.stores.shards import sum_statistics
from neurondeath.simulations.stores.store import Store, StoreError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.probability_text import number_from_log
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import shorten
from neurondeath_theory.networks.network import Network

__all__ = ["Simulation", "read_each", "read_simulation", "read_store", "read_tasks"]

Floats = npt.NDArray[np.float64]
Totals = Mapping[str, npt.NDArray[Any]]
MOST_TASKS = 100_000  # read at a time, as many as a grid may have
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
        Estimated P(alive through layer l) and its 95 % interval: exact for the crude estimator, Student's for the
        others. Where the interval is withheld, the bounds of the theory.
    alive_stderr : float array
        Standard error of P(alive), and of P(dead) (NaN where it is not known).
    death : float array
        Estimated P(dead by layer l), with full relative precision however rare it is.
    log10_alive, log10_death : float array
        Decimal logarithms of the two, finite even where they underflow; NaN where no such network was seen.
    log10_death_low, log10_death_high : float array
        95 % interval of the decimal logarithm of P(dead): it has digits where 1 - P(dead) rounds to 1. NaN where it is
        withheld, or where the trials set no limit. Without a death the upper limit is that of the exact interval.
    effective_chains : float array
        Conditional estimator: how many equally weighted chains would be worth as much as those that carry the estimate
        of the rarer of P(alive) and P(dead). NaN for the others.
    interval_withheld : tuple of str
        Why the interval of a layer is withheld, "" where it is not.
    unseen : tuple of str
        That no network of the trials died through a layer, or that none lived, "" elsewhere. Then the logarithm of that
        probability and its lower limit are NaN, and the upper limit is exact.
    living_ratio, living_ratio_stderr : float array
        Mean share of points alive through layer l and its standard error (NaN for a single trial; 0 where all trials
        have the same value: then only the interval of P(alive) limits how probable the other outcome is).
    lower_bound, upper_bound : float array
        Theory: bounds on P(alive); NaN where none is valid for the network.
    expected_living_ratio, living_ratio_at_least : float array
        Theory: exact mean living ratio and a lower bound, which with sign flips bounds the ratio of every single trial;
        NaN where none is valid.
    withheld : mapping of str to str
        Why a statement of the theory (`lower`, `upper`, `living_ratio`) is missing; why the interval of the last layer
        is withheld, or that it has one limit (`log10_death`, `log10_alive`); and which layer contradicts the bounds
        of the theory (`alive`), which is a fault.
    variance_mean_exact : float array
        Theory: exact mean of q_l over networks, where the output "variance" was asked for; NaN where it is not known,
        with the reason in `withheld`.
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
    log10_death_low: Floats
    log10_death_high: Floats
    effective_chains: Floats
    interval_withheld: tuple[str, ...]
    unseen: tuple[str, ...]
    living_ratio: Floats
    living_ratio_stderr: Floats
    lower_bound: Floats
    upper_bound: Floats
    expected_living_ratio: Floats
    living_ratio_at_least: Floats
    withheld: Mapping[str, str]
    variance_mean_exact: Floats
    outputs: Mapping[str, tuple[Floats, Floats]]
    cpu_seconds: float

    @property
    def relative_error(self) -> float:
        """Relative standard error of the rarer of P(alive) and P(dead) at the last layer; inf if it is not known."""
        rarer, stderr = min(float(self.alive[-1]), float(self.death[-1])), float(self.alive_stderr[-1])
        return stderr / rarer if rarer > 0.0 and np.isfinite(stderr) and not self.interval_withheld[-1] else math.inf

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        measured: dict[str, Floats] = {}
        for name, (mean, stderr) in self.outputs.items():
            measured |= {name: mean, f"{name}_stderr": stderr}
            if name == "variance":
                measured["variance_mean_exact"] = self.variance_mean_exact
        if np.isfinite(self.living_ratio_at_least).all() and not np.isfinite(self.expected_living_ratio).all():
            measured["living_ratio_at_least"] = self.living_ratio_at_least
        deep: dict[str, Any] = {}
        if self.estimator == "conditional":
            deep["effective_chains"] = self.effective_chains
        remarks = [reason or word or None for reason, word in zip(self.interval_withheld, self.unseen, strict=True)]
        if self.estimator != "crude" or any(remarks):
            deep["withheld"] = remarks
        return {
            "depth": np.arange(1, self.network.depth + 1),
            "alive": self.alive,
            "low": self.low,
            "high": self.high,
            "alive_stderr": self.alive_stderr,
            "death": self.death,
            "log10_alive": self.log10_alive,
            "log10_death": self.log10_death,
            "log10_death_low": self.log10_death_low,
            "log10_death_high": self.log10_death_high,
            **deep,
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
            "effective_depth": self.network.effective_depth,
            "input_mean_square": self.network.input_mean_square,
            "activation": str(self.network.activation),
            "init": self.network.init,
            "weight_variance": None if self.network.law is not None else self.network.weight_variance,
            "degrees_of_freedom": self.network.degrees_of_freedom,
            "zero_share": self.network.zero_share,
            "bias_variance": self.network.bias_variance,
            "bias_law": self.network.bias_law if self.network.law is None else None,
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
            estimate += f", {self._rare_death()}"
        elif self.interval_withheld[-1]:
            estimate += f" (interval withheld: {self.interval_withheld[-1]})"
        return f"{estimate}, {trials} of a {self.network} on {self.inputs['spec']}"

    def _rare_death(self) -> str:
        """Return P(dead) through the last layer in words, with its interval."""
        if not np.isfinite(self.log10_death[-1]):
            return self.unseen[-1]
        death = f"P(dead) = {_from_log10(self.log10_death[-1])}"
        if self.interval_withheld[-1]:
            return f"{death}, interval withheld: {self.interval_withheld[-1]}"
        low, high = (_from_log10(limit) for limit in (self.log10_death_low[-1], self.log10_death_high[-1]))
        return f"{death} in [{low}, {high}]"


def _from_log10(value: float) -> str:
    return number_from_log(float(value) * float(np.log(10.0)), 3)


def read_simulation(
    store: Store, task_id: str, seed: int, description: Mapping[str, Any], points: InputSet | None = None
) -> Simulation:
    """Estimate from all stored shards of a task and a seed; `points` are those of the task, if they are at hand."""
    trials, totals = sum_statistics(store.shards(task_id, seed))
    if not trials:
        raise StoreError(f"no finished trials of task {task_id} with seed {seed} in {store.path!r}")
    network = Network.from_description(description["network"])
    inputs = description["inputs"]
    theory = expected(network, inputs)
    survival = _survival(totals, trials, network, description, theory)
    estimates = {field.name: getattr(survival, field.name) for field in fields(survival) if field.name != "reasons"}
    unknown = np.full(network.depth, np.nan)
    if inputs.get("infinite"):  # an infinite set has no living ratio
        estimates |= {"living_ratio": unknown, "living_ratio_stderr": unknown}
    last = _remarks(survival)
    if "variance" in totals and "log_variance" not in totals:
        last["variance"] = "sampled by an older version of this output, without an error; run it again"
    mean_variance = None
    if "variance" in totals:
        mean_variance, reason = exact_mean_variance(network, inputs, points)
        last |= {"variance_mean_exact": reason} if reason else {}
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
        interval_withheld=survival.reasons,
        lower_bound=unknown if theory.lower is None else theory.lower,
        upper_bound=unknown if theory.upper is None else theory.upper,
        expected_living_ratio=unknown if theory.living_ratio is None else theory.living_ratio,
        living_ratio_at_least=unknown if theory.living_ratio_at_least is None else theory.living_ratio_at_least,
        withheld={**theory.reasons, **last},
        variance_mean_exact=unknown if mean_variance is None else mean_variance,
        outputs=estimate_outputs(totals, trials, network.widths, _n_columns(inputs, network)),
        cpu_seconds=store.effort(task_id, seed)[1],
    )


def _remarks(survival: SurvivalEstimates) -> dict[str, str]:
    """Return what is missing in the last layer, and the first layer that contradicts the theory."""
    remarks = {"log10_death": survival.reasons[-1]} if survival.reasons[-1] else {}
    if survival.unseen[-1]:
        remarks.setdefault("log10_death" if survival.alive[-1] else "log10_alive", survival.unseen[-1])
    for layer, reason in enumerate(survival.reasons, 1):
        if reason in (ABOVE, BELOW):
            return remarks | {"alive": f"layer {layer} is {reason}"}
    return remarks


def _n_columns(inputs: Mapping[str, Any], network: Network) -> int:
    """Return the number of points where outputs are measured: of the orthant all axes, and the origin with biases."""
    return int(inputs["dimension"]) + network.has_bias if inputs.get("infinite") else int(inputs["n_points"])


def _survival(
    totals: Totals, trials: int, network: Network, description: Mapping[str, Any], theory: Expectation
) -> SurvivalEstimates:
    """Estimate survival as the estimator of the task does."""
    estimator, inputs = description["estimator"], description["inputs"]
    version, known = description.get("estimator_version", 1), ESTIMATOR_VERSIONS.get(estimator, 1)
    if version != known:
        reason = f"sampled by an {'older' if version < known else 'unknown'} version of the estimator; run it again"
        return without_interval(totals, trials, network, inputs["n_points"], theory, reason)
    if estimator == "conditional":
        return from_chains(totals, trials, network, inputs, theory)
    count = from_counts if estimator == "crude" else from_populations
    return count(totals, trials, network, inputs["n_points"], theory)


def read_store(store: Store, task: str | None = None) -> list[Simulation]:
    """Read the estimates of all tasks of a store, or of the tasks whose id begins with `task`.

    Raises
    ------
    StoreError
        If there is no such task, or one of them is damaged.
    """
    simulations, errors = read_tasks(store, task)
    if errors:
        raise errors[0]
    return simulations


def read_each(
    store: Store, tasks: Iterable[tuple[str, int, Mapping[str, Any]]]
) -> tuple[list[Simulation], list[StoreError]]:
    """Estimate tasks given by id, seed and description; return the estimates, and the errors of the damaged tasks."""
    simulations, errors = [], []
    for task_id, seed, description in tasks:
        try:
            simulations.append(read_simulation(store, task_id, seed, description))
        except StoreError as error:
            errors.append(error)
    return simulations, errors


def read_tasks(store: Store, task: str | None = None) -> tuple[list[Simulation], list[StoreError]]:
    """Read the estimates of the tasks of a store that are readable, and the errors of those that are not.

    Parameters
    ----------
    store : Store
        The store.
    task : str, optional
        Only tasks whose id begins with this text.

    Raises
    ------
    StoreError
        If there is no such task, or there are more than 100 000.
    """
    errors = [store.damage(f"({store.findings[0]})")] if store.findings else []
    listed = (row for row in store.survey() if task is None or row[0].startswith(task))
    wanted = list(islice(listed, MOST_TASKS + 1))
    if len(wanted) > MOST_TASKS:
        raise StoreError(f"more than {MOST_TASKS} tasks in {store.path!r}; choose some by the beginning of their ids")
    errors += [error for _, _, error in wanted if error is not None]
    readable = [(task_id, seed) for task_id, seed, error in wanted if error is None]
    simulations, more = read_each(store, ((*row, store.record(row[0]).description) for row in readable))
    errors += more
    if not simulations and not errors:
        which = "finished trials" if task is None else f"task that begins with {shorten(task)}"
        raise StoreError(f"no {which} in {store.path!r}")
    return simulations, errors
