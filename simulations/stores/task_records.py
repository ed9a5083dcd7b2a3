"""Descriptions of tasks as read from a store: checked, and turned into what the rows of the task must contain.

A checksum finds damage, not forgery. A description is accepted only if it is the text that this program writes for the
network it describes, and if the task's id is the hash of it.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import STREAM_VERSION
from neurondeath.simulations.engines import ESTIMATOR_VERSIONS, SAMPLERS, check_sampler
from neurondeath.simulations.inputs.input_sets import InputSet, check_fit
from neurondeath.simulations.kernels.packed_arguments import ChainSums, SplittingSums
from neurondeath.simulations.outputs import (
    LOG_GRADIENT_SUMS,
    LOG_VARIANCE_SUMS,
    OUTPUT_VERSIONS,
    OUTPUTS,
    WITH_TRIALS,
    precision_for,
)
from neurondeath.simulations.stores.shards import Layout
from neurondeath.simulations.task import DTYPES, VERSION_KEYS, identify
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.widths import MOST_LAYERS
from neurondeath_theory.networks.network import Network

__all__ = ["OtherVersionError", "TaskRecord", "read_task"]

LONGEST_TEXT = 2**26  # characters of a description
LONGEST_NAME = 4096  # characters of a specification, which may be a path, or of the name of a stream
ID_LENGTH = 16  # hexadecimal digits
MOST_POINTS = 2**31
AVERAGES = ("alive", "alive_squares", "dead", "dead_squares", "living", "living_squares")  # before populations
COUNT, SUM = np.dtype(np.int64), np.dtype(np.float64)
SIZES = {"gaussian", "sphere", "cube", "interval", "digits", "mnist", "cifar10"}  # specifications KIND:M of M points

# keys of a description and of its parts; the optional ones are missing in stores of the first versions
KEYS = {"network", "inputs", "estimator", "engine", "dtype", "stream"}
OPTIONAL_KEYS = {"outputs", "common_stream", *VERSION_KEYS}
INPUT_KEYS = {"spec", "seed", "content", "n_points", "dimension", "n_nonzero", "nonnegative"}
OPTIONAL_INPUT_KEYS = {"several_points", "resample", "infinite"}
NETWORK_KEYS = {"widths", "input_dim"}
OPTIONAL_NETWORK_KEYS = {
    "architecture",
    "block_depth",
    "effective_depth",
    "input_mean_square",
    "activation",
    "init",
    "weight_variance",
    "bias_variance",
    "bias_law",
    "degrees_of_freedom",
    "zero_share",
    "law",
    "sign_flip",
}


class OtherVersionError(ValueError):
    """A description contains what this version does not know."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskRecord:
    """A task as read from a store.

    Attributes
    ----------
    task_id : str
        Its id.
    text : str
        Its description as it is stored.
    description : dict
        Its description, with what the first versions left out.
    network : Network
        The law of its networks.
    layout : mapping of str to dtype
        Names and types of its statistics, each with one entry per layer.
    """

    task_id: str
    text: str
    description: dict[str, Any]
    network: Network
    layout: Layout

    @property
    def n_points(self) -> int:
        """Number of points."""
        return int(self.description["inputs"]["n_points"])

    @cached_property
    def widths(self) -> npt.NDArray[np.float64]:
        """Widths of the layers, shape (k,)."""
        return np.array(self.network.widths, dtype=np.float64)

    @cached_property
    def log_survival(self) -> npt.NDArray[np.float64]:
        """Logarithm of the probability that a single point is alive through each layer, shape (k,)."""
        return np.cumsum(np.log1p(-np.exp2(-self.widths)))

    @property
    def n_columns(self) -> int:
        """Number of inputs whose activations are measured: the points; on the orthant its axes, and with biases 0."""
        if self.description["inputs"].get("infinite"):
            return self.network.input_dim + self.network.has_bias
        return self.n_points

    @property
    def estimator(self) -> str:
        """The estimator."""
        return str(self.description["estimator"])


@lru_cache(maxsize=64)
def read_task(task_id: str, text: str) -> TaskRecord:
    """Read the description of a task.

    Parameters
    ----------
    task_id : str
        Its id.
    text : str
        Its description.

    Returns
    -------
    TaskRecord
        What its rows must contain.

    Raises
    ------
    OtherVersionError
        If it contains keys or choices that this version does not know.
    ValueError
        With the reason, if it is not a description that this program can have written for a task of this id.
    """
    described = _parse(text)
    try:
        _check_known(described)
        if identify(described) != task_id:
            raise ValueError("the id is not that of the description")
        _check_inputs(described["inputs"])
        network = _read_network(described["network"])
        _check_together(described, network)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError, NeuronDeathError) as error:
        raise ValueError(f"not a description of a task: {error}") from None
    return TaskRecord(
        task_id=task_id,
        text=text,
        description=described,
        network=network,
        layout=_layout(described, network.architecture),
    )


def _parse(text: str) -> dict[str, Any]:
    """Read a description in the form in which it is written; add what the first versions left out."""
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise ValueError("the description is not a text of ordinary length")
    try:
        described = json.loads(text)
        written = json.dumps(described, sort_keys=True, allow_nan=False)
    except RecursionError:
        raise ValueError("the description is nested too deeply") from None
    if not isinstance(described, dict) or written != text:
        raise ValueError("the description is not written as this program does")
    return {"outputs": [], "common_stream": ""} | described


def _check_known(described: dict[str, Any]) -> None:
    parts = (
        ("task", described, KEYS, OPTIONAL_KEYS),
        ("inputs", described.get("inputs"), INPUT_KEYS, OPTIONAL_INPUT_KEYS),
        ("network", described.get("network"), NETWORK_KEYS, OPTIONAL_NETWORK_KEYS),
    )
    for name, part, required, optional in parts:
        if not isinstance(part, dict) or not required <= part.keys():
            raise ValueError(f"the description of the {name} is not complete")
        if more := sorted(part.keys() - required - optional):
            raise OtherVersionError(f"the description of the {name} contains {more[0][:40]!r}")
    stream, outputs = described["stream"], described["outputs"]
    if type(stream) is not int or stream < 1:
        raise ValueError("the version of the random stream is not a number")
    if stream > STREAM_VERSION:
        raise OtherVersionError(f"the version of the random stream is {stream}")
    if not isinstance(outputs, list) or not all(isinstance(output, str) for output in outputs):
        raise ValueError("the outputs are not names")
    if not isinstance(described["common_stream"], str) or len(described["common_stream"]) > LONGEST_NAME:
        raise ValueError("the name of the common stream is not a name")
    if not described["common_stream"].isprintable():
        raise ValueError("the name of the common stream contains control characters")
    _check_versions(described)
    for name, value, known in (
        ("sampler", (described["estimator"], described["engine"]), tuple(SAMPLERS)),
        ("dtype", described["dtype"], DTYPES),
        *(("output", output, OUTPUTS) for output in outputs),
    ):
        if value not in known:
            raise OtherVersionError(f"the {name} is {str(value)[:40]!r}")
    if outputs != [output for output in OUTPUTS if output in outputs]:
        raise ValueError("the outputs are not in their order")
    if described["dtype"] != precision_for(outputs, described["dtype"]):
        raise ValueError("the outputs need double precision")


def _check_versions(described: dict[str, Any]) -> None:
    """Check the versions of the estimator and of the outputs, which the first versions left out."""
    estimator, version = described["estimator"], described.get("estimator_version", 2)
    outputs = described.get("output_versions", {"variance": 2})
    if not isinstance(outputs, dict) or not all(type(one) is int and one > 1 for one in (version, *outputs.values())):
        raise ValueError("the versions are not numbers above 1")
    if "estimator_version" in described and version > ESTIMATOR_VERSIONS.get(str(estimator), 1):
        raise OtherVersionError(f"the version of the estimator is {version}")
    if any(version > OUTPUT_VERSIONS.get(name, 1) for name, version in outputs.items()):
        raise OtherVersionError("an output has an unknown version")
    if "output_versions" in described and not outputs.keys() <= set(described["outputs"]):
        raise ValueError("an output that is not there has a version")
    population = described.get("population", [1, 1, 0.0])
    if not (isinstance(population, list) and [type(one) for one in population] == [int, int, float]):
        raise ValueError("the rule of the populations is not three numbers")
    if not (min(population[:2]) >= 1 and 0.0 <= population[2] <= 1.0):
        raise ValueError("the rule of the populations is not possible")
    if ("population" in described) != (estimator == "conditional" and "estimator_version" in described):
        raise ValueError("populations are of the conditional estimator")


def _check_inputs(inputs: dict[str, Any]) -> None:
    """Check the types and ranges of the description of an input set, and what its specification fixes."""
    spec, content, n_points, dimension = (inputs[name] for name in ("spec", "content", "n_points", "dimension"))
    counts = (n_points, dimension, inputs["n_nonzero"])
    flags = [inputs[name] for name in ("nonnegative", *OPTIONAL_INPUT_KEYS) if name in inputs]
    if not (isinstance(spec, str) and 0 < len(spec) <= LONGEST_NAME and spec.isprintable()):
        raise ValueError("the specification of the inputs is not a printable text")
    if not (isinstance(content, str) and len(content) == ID_LENGTH and set(content) <= set("0123456789abcdef")):
        raise ValueError("the content of the inputs is not a hash")
    if not all(type(count) is int and count <= MOST_POINTS for count in counts) or not (
        n_points >= 1 and dimension >= 1 and 0 <= inputs["n_nonzero"] <= n_points
    ):
        raise ValueError("the numbers of points are not possible")
    if not all(type(flag) is bool for flag in flags):
        raise ValueError("the properties of the inputs are not true or false")
    seed = inputs["seed"]
    if seed is not None and (type(seed) is not int or seed < 0):
        raise ValueError("the seed of the inputs is not a number")
    kind, _, size = spec.partition(":")
    if (kind in SIZES or kind == "orthant") and size.isascii() and size.isdigit() and int(size) != n_points:
        raise ValueError(f"{n_points} points are not {spec[:40]!r}")
    resample, infinite = inputs.get("resample"), inputs.get("infinite")
    if resample or infinite:
        law = f"{'resampled' if resample else 'infinite'} {spec} in dimension {dimension}"
        if hashlib.sha256(law.encode()).hexdigest()[:ID_LENGTH] != content:
            raise ValueError("the content of the inputs is not that of their law")


def _read_network(plain: dict[str, Any]) -> Network:
    layers = 0
    for run in plain["widths"]:
        width, count = run
        if type(width) is not int or type(count) is not int or count < 1:
            raise ValueError("the widths are not numbers")
        layers += count
    if not 1 <= layers <= MOST_LAYERS:
        raise ValueError(f"the network has {layers} layers")
    try:
        network = Network.from_description(plain)
    except NeuronDeathError as error:
        if " must be one of " in str(error):  # a choice of a newer version
            raise OtherVersionError(str(error)) from None
        raise
    if json.dumps(network.description(), sort_keys=True) != json.dumps(plain, sort_keys=True):
        raise ValueError("the network is not written as this program does")
    return network


def _check_together(described: dict[str, Any], network: Network) -> None:
    """Check that the sampler can sample the network on the inputs."""
    inputs = described["inputs"]
    if inputs["dimension"] != network.input_dim:
        raise ValueError("the dimension of the inputs is not that of the network")
    inputs.setdefault("several_points", inputs["n_points"] > 1)
    # the points are not in the description; these properties of them are all that the checks use
    seen = SimpleNamespace(
        n_points=inputs["n_points"], resample=bool(inputs.get("resample")), infinite=bool(inputs.get("infinite"))
    )
    check_fit(network, cast(InputSet, seen))
    check_sampler(
        described["estimator"], described["engine"], network, cast(InputSet, seen), tuple(described["outputs"])
    )


def _layout(described: dict[str, Any], architecture: str) -> Layout:
    """Return names and types of the statistics that the sampler of a task returns, or its older version returned."""
    estimator, outputs = described["estimator"], described["outputs"]
    if estimator == "splitting":
        return dict.fromkeys(SplittingSums._fields, SUM)
    if estimator == "conditional":
        return dict.fromkeys(ChainSums._fields if "estimator_version" in described else AVERAGES, SUM)
    layout: dict[str, np.dtype[Any]] = dict.fromkeys(("alive", "living", "living_squares"), COUNT)
    if architecture == "batch_norm" or "layerwise_alive" in outputs:
        layout["layerwise_alive"] = COUNT
    for output in outputs:
        if output != "layerwise_alive":
            dtype = COUNT if output in ("dead_units", "sparsity") else SUM
            layout |= {output: dtype, f"{output}_squares": dtype}
    if "log_gradient" in outputs:
        layout |= dict.fromkeys(LOG_GRADIENT_SUMS, SUM)
    layout |= {f"{output}_trials": COUNT for output in outputs if output in WITH_TRIALS}
    if "variance" in outputs and "output_versions" in described:
        layout |= {"log_variance_trials": COUNT, **dict.fromkeys(LOG_VARIANCE_SUMS, SUM)}
    return layout
