"""A task: one network on one input set with one estimator, under an id that never changes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from neurondeath.simulations.counter_random import STREAM_VERSION
from neurondeath.simulations.engines import ENGINES, ESTIMATOR_VERSIONS, ESTIMATORS, TRIAL_COST, check_sampler
from neurondeath.simulations.inputs.input_sets import InputSet, check_fit
from neurondeath.simulations.outputs import OUTPUT_VERSIONS, check_outputs, precision_for
from neurondeath.simulations.populations import population_of
from neurondeath_theory.foundation.validation import check_choice, invalid
from neurondeath_theory.networks.network import Network

__all__ = ["DTYPES", "VERSION_KEYS", "Task", "identify"]

SHARD_WORK = 2**29  # multiply-adds per shard: some ten milliseconds
PASSED_LAYER_WORK = 2**20  # multiply-adds that take about as long as a layer drawn in Python
SINGLE_LAYER_WORK = 100  # multiply-adds that take as long as one layer of the single engine
MOST_SHARD_TRIALS = 1024
DTYPES = ("float32", "float64")
LONGEST_STREAM = 4096  # characters of the name of a stream; a store accepts no longer one
# of a description: versions of the estimator and of the outputs, and the rule of its populations of chains
VERSION_KEYS = ("estimator_version", "output_versions", "population")


@dataclass(frozen=True)
class Task:
    """What is sampled and how; the number of trials and the seed are not part of it.

    Parameters
    ----------
    network : Network
        The law of the networks.
    inputs : InputSet
        The points.
    estimator : str
        How survival is estimated; the estimators are in `neurondeath.simulations.samplers`.
    engine : str
        How networks are sampled for the estimator.
    dtype : {"float32", "float64"}
        Arithmetic of the forward pass; "float64" checks "float32" on the same random numbers. The output
        "effective_rank" sets "float64".
    outputs : tuple of str
        Extra per-layer outputs, see `neurondeath.simulations.estimation.outputs`.
    stream : str
        Name of the random stream. Tasks with the same name use common random numbers, which reduces the variance of
        their differences; by default every task has its own stream.
    """

    network: Network
    inputs: InputSet
    estimator: str = "crude"
    engine: str = "dense"
    dtype: str = "float32"
    outputs: tuple[str, ...] = ()
    stream: str = ""

    def __post_init__(self) -> None:
        check_choice("estimator", self.estimator, ESTIMATORS)
        check_choice("engine", self.engine, ENGINES[self.estimator])
        check_choice("dtype", self.dtype, DTYPES)
        if not (isinstance(self.stream, str) and self.stream.isprintable() and len(self.stream) <= LONGEST_STREAM):
            raise invalid("stream", f"be printable text of at most {LONGEST_STREAM} characters", self.stream)
        object.__setattr__(self, "outputs", check_outputs("outputs", self.outputs))
        object.__setattr__(self, "dtype", precision_for(self.outputs, self.dtype))
        check_fit(self.network, self.inputs)
        check_sampler(self.estimator, self.engine, self.network, self.inputs, self.outputs)

    @cached_property
    def task_id(self) -> str:
        """Hash of everything that determines the numbers, see `identify`."""
        return identify(self.description())

    def _versions(self) -> dict[str, Any]:
        """Return the `VERSION_KEYS` of a description; the first versions have none."""
        versions: dict[str, Any] = {}
        if self.estimator in ESTIMATOR_VERSIONS:
            versions["estimator_version"] = ESTIMATOR_VERSIONS[self.estimator]
        if self.estimator == "conditional":
            versions["population"] = list(population_of(self.network, self.inputs))
        outputs = {name: OUTPUT_VERSIONS[name] for name in self.outputs if name in OUTPUT_VERSIONS}
        if outputs:
            versions["output_versions"] = outputs
        return versions

    @property
    def stream_name(self) -> str:
        """What selects the random stream, apart from the seed: the common stream, or the task itself."""
        return f"common {self.stream}" if self.stream else self.task_id

    def description(self) -> dict[str, Any]:
        """Describe the task for a store: enough to compare its results with the theory without the points."""
        return {
            **self._versions(),
            "network": self.network.description(),
            "inputs": self.inputs.description(),
            "estimator": self.estimator,
            "engine": self.engine,
            "dtype": self.dtype,
            "outputs": list(self.outputs),
            "common_stream": self.stream,
            "stream": STREAM_VERSION,
        }

    @property
    def shard_trials(self) -> int:
        """Trials per shard of the fixed grid: a power of two that takes about SHARD_WORK multiply-adds.

        No shard divides a population of chains, see `populations`.
        """
        n_points = self.inputs.n_points
        if self.engine == "single":
            work: float = self.network.depth * SINGLE_LAYER_WORK
        elif self.engine == "gram":
            work = n_points * n_points * (2 * sum(self.network.widths) + self.network.depth * n_points)
        else:
            pairs = zip(self.network.widths, self.network.fan_ins, strict=True)
            work = n_points * sum(width * fan_in for width, fan_in in pairs) * TRIAL_COST[self.estimator]
            work += PASSED_LAYER_WORK * self.network.depth if self.engine == "numpy" else 0
        trials = 1 if self.estimator != "conditional" else population_of(self.network, self.inputs).trials
        while trials < MOST_SHARD_TRIALS and 2 * trials * work <= SHARD_WORK:
            trials *= 2
        return trials


def identify(description: Mapping[str, Any]) -> str:
    """Compute the id of a described task: a hash of everything that determines its numbers.

    Settings with their default value are left out, so that new settings change no id. The points count with the hash of
    their content, whatever their specification.
    """
    identity: dict[str, Any] = {
        "network": description["network"],
        "inputs": {"content": description["inputs"]["content"]},
        "stream": description["stream"],
    }
    for option, default in (("estimator", "crude"), ("engine", "dense"), ("dtype", "float32")):
        if description[option] != default:
            identity[option] = description[option]
    if description["common_stream"]:
        identity["common_stream"] = description["common_stream"]
    if description["outputs"]:
        identity["outputs"] = description["outputs"]
    identity |= {name: description[name] for name in VERSION_KEYS if name in description}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
