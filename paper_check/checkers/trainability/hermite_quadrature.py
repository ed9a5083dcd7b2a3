"""Coefficients of functions in normalised Hermite polynomials, by Gauss-Legendre rules between kinks."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["hermite_series"]

Floats = npt.NDArray[np.float64]

RULE = np.polynomial.legendre.leggauss(64)
REACH, PIECES = 13.0, 52  # standard deviations, and pieces of the line; 64 nodes each resolve a degree of 400


def hermite_series(function: Callable[[Floats], Floats], kinks: Sequence[float], order: int) -> tuple[Floats, float]:
    """Compute E f(z) h_k(z), k = 0..order, with h_k = He_k / sqrt(k!), and E f(z)^2, for a standard normal z.

    Examples
    --------
    >>> series, square = hermite_series(lambda z: z**2, (), 3)
    >>> series.round(12).tolist(), round(square, 12)
    ([1.0, 0.0, 1.414213562373, 0.0], 3.0)
    """
    cuts = np.unique(np.concatenate([np.linspace(-REACH, REACH, PIECES + 1), np.asarray(kinks, dtype=np.float64)]))
    half = 0.5 * np.diff(cuts)[:, None]
    z = (cuts[:-1, None] + half * (1.0 + RULE[0])).ravel()
    weights = (half * RULE[1]).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    values = function(z)
    before, now = np.zeros_like(z), np.ones_like(z)
    series = np.empty(order + 1)
    for k in range(order + 1):
        series[k] = np.sum(weights * values * now)
        before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1.0)
    return series + 0.0, float(np.sum(weights * values * values))
