r"""Extra per-layer outputs, and their estimates with errors.

    layerwise_alive  P(every layer 1..l has an active unit at some point, not the same point in each)
    dead_units       number of the layer's units inactive at every point
    dead_unit_share  the same as a share of the layer's units
    sparsity         share of zeros among the layer's activations
    variance         q_l, the mean square of the pre-activations over units and points
    log_variance     mean of log q_l over the networks with q_l > 0, which are those alive so far if there are no biases
    log_variance_sd  standard deviation of log q_l over these networks
    correlation      mean cosine between the pre-activations of two points, over pairs where neither is zero
    effective_rank   entropy rank of the layer's features, scaled to unit length and then centred over the points
                     (`neurondeath_theory.trainability.feature_rank`), over the networks with a feature that is not
                     zero; 0 where all points have one direction to 1e-13. Features are what the next layer reads: the
                     layer's activations; of residual and skip networks the stream after each block; of dense ones all
                     features so far
    log_gradient     mean of log g_l over the networks with g_l > 0; g_l is the mean over points of |dF/dz_l|^2, z_l the
                     layer's pre-activations, for a linear read-out F of the features after the last layer whose weights
                     are independent normals of variance 1/(number of features)
    log_gradient_sd  standard deviation of log g_l over these networks

All points count, also those that died in an earlier layer. Every trial yields one number per layer; the estimate is the
mean over trials, its standard error the sample standard deviation over $\sqrt{trials}$. For `layerwise_alive` the mean
is a share.

The mean of q_l over networks is carried by ever rarer ones as depth grows, so that a sample mean of it says nothing:
with a standard deviation s of log q_l the sample is worth about $trials\, e^{-s^2}$ networks, and below LEAST_NETWORKS
the mean of q_l is withheld. log q_l is nearly normal and has no such limit. It is the log size of
`neurondeath_theory.trainability.log_sizes` but for its start; given survival, log g_l has the law of the sizes of the
layers from l on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.outputs import LOG_GRADIENT_SUMS, LOG_VARIANCE_SUMS, OUTPUTS

__all__ = ["estimate_outputs"]

Floats = npt.NDArray[np.float64]

LEAST_NETWORKS = 30.0
SMALL_SPREAD = 0.5  # a standard deviation of log q below which a mean of q is good for any number of trials


def estimate_outputs(
    totals: Mapping[str, npt.NDArray[Any]], trials: int, widths: Sequence[int], n_points: int
) -> dict[str, tuple[Floats, Floats]]:
    """Estimate every output that the summed statistics of a task contain.

    Parameters
    ----------
    totals : mapping of name to array, shape (k,)
        Summed statistics, see `neurondeath.simulations.stores.shards.sum_statistics`.
    trials : int
        Number of trials they are sums over.
    widths : sequence of int, shape (k,)
        Widths of the layers.
    n_points : int
        Number of points of the input set.

    Returns
    -------
    dict of name to (mean, standard error), each of shape (k,)
        NaN where no trial defines the output, and for the error where fewer than two do. `layerwise_alive` is a share
        of independent trials: its exact interval follows from the count.
    """
    units = np.asarray(widths, dtype=np.float64)
    scales = {"sparsity": units * n_points}
    one = np.ones(len(units))
    estimates = {}
    for name in OUTPUTS:
        if name not in totals:
            continue
        squares = totals[f"{name}_squares"] if name != "layerwise_alive" else totals[name]
        counts = totals.get(f"{name}_trials", np.full(len(units), trials))
        mean, stderr = _mean_and_error(totals[name], squares, counts)
        estimates[name] = mean / scales.get(name, one), stderr / scales.get(name, one)
        if name == "dead_units":
            estimates["dead_unit_share"] = mean / units, stderr / units
        if name == "variance":
            estimates |= _variances(estimates[name], totals)
        if name == "log_gradient":
            estimates |= _logarithm(totals, LOG_GRADIENT_SUMS)
    return estimates


def _variances(mean: tuple[Floats, Floats], totals: Mapping[str, npt.NDArray[Any]]) -> dict[str, tuple[Floats, Floats]]:
    """Estimate mean and standard deviation of log q, and q itself where its mean can be trusted."""
    unknown = np.full(len(mean[0]), np.nan)
    if "log_variance" not in totals:  # the earlier version had no logarithms, and so no check
        return {"variance": (mean[0], unknown)}
    logarithm = _logarithm(totals, LOG_VARIANCE_SUMS)
    count, spread = totals["log_variance_trials"].astype(np.float64), logarithm["log_variance_sd"][0]
    with np.errstate(invalid="ignore"):
        few = (count * np.exp(-(spread**2)) < LEAST_NETWORKS) & (spread > SMALL_SPREAD)
    few |= ~np.isfinite(mean[0]) | ~np.isfinite(mean[1]) & (count > 1)
    return {"variance": (np.where(few, np.nan, mean[0]), np.where(few, np.nan, mean[1]))} | logarithm


def _logarithm(totals: Mapping[str, npt.NDArray[Any]], names: Sequence[str]) -> dict[str, tuple[Floats, Floats]]:
    """Estimate mean and standard deviation of a logarithm from the sums of its first four powers."""
    count = totals[f"{names[0]}_trials"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second, third, fourth = (totals[name] / count for name in names)
        central = np.maximum(second - first**2, 0.0)
        fourth_central = fourth - 4.0 * first * third + 6.0 * first**2 * second - 3.0 * first**4
        spread = np.sqrt(central * count / (count - 1.0))
        spread_error = np.sqrt(np.maximum(fourth_central - central**2, 0.0) / count) / (2.0 * spread)
    several = count > 1
    return {
        names[0]: (first, np.where(several, spread / np.sqrt(count), np.nan)),
        f"{names[0]}_sd": (np.where(several, spread, np.nan), np.where(several, spread_error, np.nan)),
    }


def _mean_and_error(
    sums: npt.NDArray[Any], squares: npt.NDArray[Any], trials: npt.NDArray[Any]
) -> tuple[Floats, Floats]:
    """Mean over trials and its standard error; whole numbers are summed exactly."""
    means, errors = np.full(len(sums), np.nan), np.full(len(sums), np.nan)
    for layer, (total, square, count) in enumerate(zip(sums.tolist(), squares.tolist(), trials.tolist(), strict=True)):
        if count > 0:
            means[layer] = total / count
        if count > 1:
            spread = count * square - total * total if square < np.inf else np.inf
            errors[layer] = np.sqrt(max(spread, 0) / (count - 1)) / count
    return means, errors
