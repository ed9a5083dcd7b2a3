r"""Features of an overcomplete layer that never fire at birth: TopK and (Jump)ReLU encoders of random directions.

Model: n features; the encoder row of each is a multiple, the same for all, of a direction e uniform on the unit sphere
of $R^d$, without a bias (a bias that is subtracted from the inputs first belongs to the inputs). M inputs $x_i \ne 0$.

**Which features fire.** ReLU: those with $e \cdot x_i > 0$. TopK: the k largest, as far as they are positive. The
cosines of the n rows with $x_i$ are independent draws of one coordinate u of e, $(1 + u)/2 \sim Beta((d-1)/2,
(d-1)/2)$, whatever $x_i$; with k/n fixed and n large, the k-th largest tends to the quantile $c = c(k/n)$ that u
exceeds with probability k/n (spread of the share above it: $\sqrt{k}/n$). With $c = 0$ for ReLU and
$c = \max(c(k/n), 0)$ for TopK,

    P(never fires) = P_e(max_i cos(e, x_i) <= c),

estimated by drawing e: each draw decides exactly, so the error is binomial.

**Isotropic inputs.** $x_i = \mu + \sigma g_i$, $g_i \sim N(0, I_d)$ independent, $\gamma = |\mu| / (\sigma\sqrt d)$.
Given e, $e \cdot x_i / \sigma$ are independent $N(\gamma a, 1)$ with $a = \sqrt d\, e \cdot \mu / |\mu|$. For large d
a tends to N(0, 1), $|x_i| / (\sigma \sqrt d)$ to $\sqrt{1 + \gamma^2}$, and $\sqrt d\, c$ to the normal quantile. So

    P(never fires) = E_a[Phi(t - gamma a)^M],  t = sqrt(1 + gamma^2) Phi^-1(1 - k/n), t = 0 for ReLU.

For $\gamma = 0$ it is $(1 - s)^M$ at every d, with s the share of features that fire at a point. The integral is cut
where $\Phi^M$ passes $10^{-17}$, 1/2, $1 - 10^{-17}$ and values between, with Gauss-Legendre rules on the pieces.

Source: the formulas are ours; arXiv 2605.31518 ranks activations by gamma.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, log_ndtr, ndtri

__all__ = ["firing_cosine", "isotropic_never_firing", "never_firing"]

POINTS_PER_BLOCK = 512  # then features that have fired are left out
ZERO_LENGTH = 1e-12  # length of a point, relative to the longest, that is a rounding error of centring
TAILS = (1e-17, 1e-8, 1e-3, 0.5)  # values of the integrand, from either end, between which it is integrated
CUTS = (-38.5, -20.0, -12.0, -8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0, 12.0, 20.0, 38.5)  # to where exp(-a^2/2) is 0
NODES = 48

Array = npt.NDArray[np.float64]


def firing_cosine(dimension: int, share: float) -> float:
    """Return the cosine with a fixed direction that a uniform direction exceeds with a probability, at least 0.

    Parameters
    ----------
    dimension : int
        Dimension d of the space, at least 2.
    share : float
        Probability, in (0, 1]; from 1/2 on the cosine is 0.

    Returns
    -------
    float
        In [0, 1); accurate to rounding.

    Examples
    --------
    >>> round(firing_cosine(3, 0.25), 12), firing_cosine(3, 0.5), round(firing_cosine(2, 1 / 3), 12)
    (0.5, 0.0, 0.5)
    """
    if share >= 0.5:
        return 0.0
    half = (dimension - 1) / 2.0
    return 1.0 - 2.0 * float(betaincinv(half, half, share))


def never_firing(points: Array, directions: Array, share: float) -> npt.NDArray[np.bool_]:
    """Return which directions never fire on points.

    Parameters
    ----------
    points : float array, shape (n_points, d)
        Inputs; those at zero activate nothing.
    directions : float array, shape (n_directions, d)
        Encoder rows, nonzero, of any length.
    share : float
        Share of features that fire at a point, in (0, 1]: k/n for TopK, 1/2 for ReLU.

    Returns
    -------
    bool array, shape (n_directions,)
        Whether all cosines with the points are at most `firing_cosine(d, share)`.

    Examples
    --------
    >>> never_firing(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), 0.5).tolist()
    [False, True, True]
    """
    units = _unit_rows(points)
    remaining = np.arange(len(directions))
    rows = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    least = firing_cosine(points.shape[1], share)
    for start in range(0, len(units), POINTS_PER_BLOCK):
        fired = (rows @ units[start : start + POINTS_PER_BLOCK].T > least).any(axis=1)
        remaining, rows = remaining[~fired], rows[~fired]
        if not len(remaining):
            break
    silent = np.zeros(len(directions), dtype=bool)
    silent[remaining] = True
    return silent


def isotropic_never_firing(gamma: float, n_points: int, share: float) -> float:
    """Compute the share of features that never fire on isotropic Gaussian inputs of any mean.

    Parameters
    ----------
    gamma : float
        |mean| / (sigma sqrt(d)), at least 0.
    n_points : int
        Number of inputs M, at least 1.
    share : float
        Share of features that fire at a point, in (0, 1]: k/n for TopK, 1/2 for ReLU.

    Returns
    -------
    float
        E_a[Phi(t - gamma a)^M], to 1e-10 absolutely; the limit of large n and d, within .02 at d = 64.

    Examples
    --------
    >>> round(isotropic_never_firing(1.0, 4000, 32 / 8192), 3), round(isotropic_never_firing(5.0, 4000, 0.5), 3)
    (0.555, 0.235)
    """
    fires = min(share, 0.5)
    if gamma == 0.0:
        return math.exp(n_points * math.log1p(-fires))
    at = -math.hypot(1.0, gamma) * float(ndtri(fires))
    logs = np.concatenate([np.log(TAILS), np.log1p(-np.array(TAILS))])
    largest = -ndtri(-np.expm1(logs / n_points))  # quantiles of the largest of M normal deviates
    with np.errstate(over="ignore"):  # a mean near 0 moves the cuts to infinity
        passed = (at - largest) / gamma
    cuts = np.unique(np.clip([*passed, *CUTS], CUTS[0], CUTS[-1]))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    halves = np.diff(cuts)[:, None] / 2.0
    a = (cuts[:-1] + cuts[1:])[:, None] / 2.0 + halves * nodes
    density = np.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)
    return float((halves * weights * density * np.exp(n_points * log_ndtr(at - gamma * a))).sum())


def _unit_rows(rows: Array) -> Array:
    """Scale rows to unit length, without those at zero."""
    largest = float(np.abs(rows).max(initial=0.0))
    if largest == 0.0:
        return rows[:0]
    scaled = rows / largest  # so that no square overflows or underflows
    lengths = np.linalg.norm(scaled, axis=1)
    kept = lengths > ZERO_LENGTH * lengths.max()
    return np.asarray(scaled[kept] / lengths[kept, None])
