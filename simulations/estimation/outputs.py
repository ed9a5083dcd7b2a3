r"""Extra per-layer outputs, and their estimates with errors.

    layerwise_alive  P(every layer 1..l has an active unit at some point, not the same point in each)
    dead_units       share of the layer's units inactive at every point
    sparsity         share of zeros among the layer's activations
    variance         q_l, the mean square of the pre-activations over units and points
    correlation      mean cosine between the pre-activations of two points, over pairs where neither is zero

All points count, also those that died in an earlier layer. Every trial yields one number per layer; the estimate is the
mean over trials, its standard error the sample standard deviation over $\sqrt{trials}$. For `layerwise_alive` the mean
is a share.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.outputs import OUTPUTS

__all__ = ["estimate_outputs"]

Floats = npt.NDArray[np.float64]


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
    scales = {"dead_units": units, "sparsity": units * n_points}
    one = np.ones(len(units))
    estimates = {}
    for name in OUTPUTS:
        if name not in totals:
            continue
        squares = totals[f"{name}_squares"] if name != "layerwise_alive" else totals[name]
        counts = totals.get(f"{name}_trials", np.full(len(units), trials))
        mean, stderr = _mean_and_error(totals[name], squares, counts)
        estimates[name] = mean / scales.get(name, one), stderr / scales.get(name, one)
    return estimates


def _mean_and_error(
    sums: npt.NDArray[Any], squares: npt.NDArray[Any], trials: npt.NDArray[Any]
) -> tuple[Floats, Floats]:
    """Mean over trials and its standard error; whole numbers are summed exactly."""
    means, errors = np.full(len(sums), np.nan), np.full(len(sums), np.nan)
    for layer, (total, square, count) in enumerate(zip(sums.tolist(), squares.tolist(), trials.tolist(), strict=True)):
        if count > 0:
            means[layer] = total / count
        if count > 1:
            spread = count * square - total * total
            errors[layer] = np.sqrt(max(spread, 0) / (count - 1)) / count
    return means, errors
