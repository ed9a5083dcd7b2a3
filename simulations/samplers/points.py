"""Points as the kernels want them."""

import numpy as np
import numpy.typing as npt

from neurondeath_theory.network import Network

__all__ = ["prepare_points"]


def prepare_points(
    network: Network, points: npt.NDArray[np.float64], dtype: np.dtype[np.generic]
) -> npt.NDArray[np.generic]:
    """Lay points out as columns, each scaled by a power of two to a largest entry in [1/2, 1).

    Scaling a point changes nothing for a ReLU network without biases; with biases a point is scaled down only, together
    with the constant that multiplies the biases, in the last row (0 without biases).
    """
    columns = points.T
    exponents = np.frexp(np.abs(columns).max(axis=0))[1]
    if network.has_bias:
        exponents = np.maximum(exponents, 0)
    columns = np.vstack([columns, np.full(columns.shape[1], float(network.has_bias))])
    return np.ascontiguousarray(np.ldexp(columns, -exponents), dtype=dtype)
