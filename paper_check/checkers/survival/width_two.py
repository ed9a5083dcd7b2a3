r"""Two points in a zero-bias ReLU network of width 2, by plain quadrature: a check of the exact two-point chain.

The two layer inputs span a plane, so a Gaussian unit acts on them as a vector of that plane with uniform direction
$\psi$ and Rayleigh length R: with the first point at angle 0 and the second at $\theta$ the pre-activations are
$R \cos\psi$ and $R \cos(\psi - \theta)$ (up to the points' lengths, which affect no sign and no angle). Of two units
only the ratio of lengths $\tan\phi = R_2/R_1$ matters, with density $\sin 2\phi$ on $(0, \pi/2)$. A unit is active on
both points for $\psi$ in $(\theta - \pi/2, \pi/2)$, on one alone for two arcs of length $\theta$, on none for the rest.

Let $u_l(\theta)$ be P(alive on the pair through l more layers) over $(3/4)^l$, a single point's survival. Then
$u_0 = 1$ and $u_{l+1}(\theta) = \frac43 (P(\text{exactly one lives on}) + E[u_l(\theta'); \text{both live on}])$. The
expectation is a triple integral over $\psi_1, \psi_2, \phi$, split where a sign changes; $u_l$ is a polynomial through
Chebyshev nodes on $[0, \pi/2]$, where all angles after a layer lie. Nothing is shared with
`neurondeath_theory.survival.two_point`, which uses Laplace transforms and any width.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

__all__ = ["survival_over_single_point"]

Array = npt.NDArray[np.float64]

FINE, COARSE = (28, 28), (18, 18)  # Chebyshev and Gauss nodes


def survival_over_single_point(angle: float, depth: int) -> tuple[Array, Array]:
    """Return P(alive on two points through layer l) over (3/4)^l, a single point's survival, at width 2.

    Parameters
    ----------
    angle : float
        Angle between the points, in [0, pi].
    depth : int
        Number of layers k.

    Returns
    -------
    ratio, error : float array, shape (k,)
        The ratio, between 1 and 2, and its difference from that of a coarser quadrature.

    Examples
    --------
    >>> ratio, error = survival_over_single_point(np.pi, 3)
    >>> ratio.round(4).tolist(), bool(error.max() < 1e-4)
    ([1.3333, 1.5, 1.564], True)
    """
    fine, coarse = (_follow(angle, depth, *resolution) for resolution in (FINE, COARSE))
    return fine, np.abs(fine - coarse)


def _follow(angle: float, depth: int, n_values: int, n_nodes: int) -> Array:
    angles, operator, one = _operator(n_values, n_nodes)
    first, one_first = _row(angle, n_nodes, n_values)
    to_coefficients = np.linalg.inv(chebyshev.chebvander(4.0 * angles / np.pi - 1.0, n_values - 1))
    ratio = np.empty(depth)
    u = np.ones(n_values)
    for layer in range(depth):
        ratio[layer] = 4.0 / 3.0 * (one_first + first @ to_coefficients @ u)
        u = 4.0 / 3.0 * (one + operator @ u)
    return ratio


@lru_cache(maxsize=4)
def _operator(n_values: int, n_nodes: int) -> tuple[Array, Array, Array]:
    """Return the nodes, the matrix from values of u to E[u(theta'); both live on], and P(exactly one lives on)."""
    angles = 0.25 * np.pi * (1.0 + chebyshev.chebpts1(n_values))
    rows = [_row(angle, n_nodes, n_values) for angle in angles]
    to_coefficients = np.linalg.inv(chebyshev.chebvander(4.0 * angles / np.pi - 1.0, n_values - 1))
    return angles, np.array([row for row, _ in rows]) @ to_coefficients, np.array([one for _, one in rows])


def _row(theta: float, n_nodes: int, n_values: int) -> tuple[Array, float]:
    """Integrate the Chebyshev polynomials of the new angle over both units; also return P(exactly one lives on)."""
    node, weight = np.polynomial.legendre.leggauss(n_nodes)
    node, weight = 0.5 * (1.0 + node), 0.5 * weight
    first, second, ratio = np.meshgrid(node, node, 0.5 * np.pi * node, indexing="ij")
    density = np.sin(2.0 * ratio) * 0.5 * np.pi * np.einsum("i,j,k->ijk", weight, weight, weight)
    both, single = (np.pi - theta) / (2.0 * np.pi), theta / (2.0 * np.pi)  # `both` is also P(active on none)

    psi = theta - 0.5 * np.pi + (np.pi - theta) * first
    alone = -0.5 * np.pi + theta * second
    mixed = np.arctan2(np.sin(ratio) * np.cos(alone), np.cos(ratio) * np.cos(psi))

    # both units active on both points: the angle has a kink where their directions agree, so one stays above the other
    larger = theta - 0.5 * np.pi + (np.pi - theta) * np.sqrt(first)
    smaller = theta - 0.5 * np.pi + (np.pi - theta) * np.sqrt(first) * second
    x, y = (
        np.stack([np.cos(ratio) * np.cos(larger - turn), np.sin(ratio) * np.cos(smaller - turn)])
        for turn in (0.0, theta)
    )
    wide = np.arctan2(np.cos(ratio) * np.sin(ratio) * np.sin(theta) * np.sin(larger - smaller), (x * y).sum(axis=0))

    def moments(angle: Array) -> Array:
        return np.asarray(
            np.einsum("ijk,ijkl->l", density, chebyshev.chebvander(4.0 * angle / np.pi - 1.0, n_values - 1))
        )

    at_zero, at_right_angle = ((-1.0) ** np.arange(n_values), np.ones(n_values))
    row = 4.0 * both * single * moments(mixed) + both**2 * moments(wide)
    row += 2.0 * both**2 * at_zero + 2.0 * single**2 * at_right_angle
    return row, 2.0 * single**2 + 4.0 * single * both
