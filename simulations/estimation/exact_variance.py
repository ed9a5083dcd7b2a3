r"""The exact mean of q_l over networks, beside its estimates.

Where weights and biases are independent and symmetric, $E[z_{l+1}^2] = \sigma_w^2\, E[\varphi(z_l)^2] + \sigma_b^2$,
and as z_l is symmetric a ReLU keeps half of its mean square, at every width:

    E q_1 = sigma_w^2 mean |x|^2 / d + sigma_b^2,    E q_{l+1} = sigma_w^2 E q_l / 2 + sigma_b^2.

A store has no points, but specifications give the same points everywhere, which the hash of their content confirms;
sets that are drawn for every network have the mean square of their law. Arrays, and files that are gone or have
changed, are not known when a store is read; the run itself has their points.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inputs.input_sets import InputSet, input_set, own_dimension
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.networks.network import Network

__all__ = ["exact_mean_variance"]

Floats = npt.NDArray[np.float64]
SYMMETRIC_INITS = ("he", "gaussian", "uniform")


def exact_mean_variance(
    network: Network, inputs: Mapping[str, Any], points: InputSet | None = None
) -> tuple[Floats | None, str]:
    """Compute the mean of q_l over networks, or say why it is not known.

    Parameters
    ----------
    network : Network
        The law of the networks.
    inputs : mapping
        Description of the input set (`InputSet.description()`).
    points : InputSet, optional
        The set, if it is at hand; else it is made again from its specification.

    Returns
    -------
    mean : float array, shape (k,), or None
        E q_l.
    reason : str
        Why it is None, or "".

    Examples
    --------
    >>> inputs = input_set("gaussian:4", dimension=3, resample=True).description()
    >>> exact_mean_variance(Network([3, 3]), inputs)[0].tolist()
    [2.0, 2.0]
    """
    if network.architecture != "plain" or network.activation != relu() or network.sign_flip != "none":
        return None, "the mean of q is known for plain ReLU networks without sign flips only"
    if network.init not in SYMMETRIC_INITS:
        return None, f"the weights of the {network.init} init are not independent and symmetric"
    square = _mean_square(inputs, points)
    if square is None:
        return None, f"the points of {inputs['spec']} are not stored, so that the mean of q is not known here"
    mean = np.empty(network.depth)
    with np.errstate(over="ignore"):
        for layer in range(network.depth):
            mean[layer] = network.weight_variance * square + network.bias_variance
            square = 0.5 * mean[layer]
    return mean, ""


def _mean_square(inputs: Mapping[str, Any], points: InputSet | None) -> float | None:
    """Return the mean square of the entries of the points, None if these are not at hand."""
    spec, dimension = str(inputs["spec"]), int(inputs["dimension"])
    if inputs.get("infinite"):
        return None
    if inputs.get("resample"):
        laws = {"gaussian": 1.0, "orthant": 1.0, "cube": 1.0 / 3.0, "sphere": 1.0 / dimension}
        return laws.get(spec.partition(":")[0])
    if points is None:
        try:
            points = input_set(spec, dimension=own_dimension(spec, dimension), seed=inputs["seed"] or 0)
        except (NeuronDeathError, OSError):
            return None
    if points.content_hash != inputs["content"]:
        return None
    with np.errstate(over="ignore"):
        return float(np.mean(points.points**2))
