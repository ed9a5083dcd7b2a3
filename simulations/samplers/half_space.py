r"""Decide whether an open half-space contains the points, and find a direction that proves it.

Without an open half-space $\{u \cdot x > 0\}$ around the points, the weights for which a unit is inactive on all of
them have probability 0 (Gordan's theorem): a first layer cannot die. With one, the nearest point of the points' convex
hull to the origin is such a u, and lies in their cone.
"""

import numpy as np
import numpy.typing as npt

from neurondeath_theory.survival.first_layer import nearest_of_hull

__all__ = ["half_space"]

Matrix = npt.NDArray[np.float64]


def half_space(points: Matrix, constant: float) -> Matrix:
    """Return a unit vector u in the cone of the points with u . x > 0 at all of them, or 0 where there is none.

    Parameters
    ----------
    points : float array, shape (n_points, dimension)
        The points; those at zero are left out if the constant is 0.
    constant : float
        A further coordinate of every point, at least 0: the scale of the biases over that of the weights.

    Returns
    -------
    float array, shape (dimension + 1,)
        The direction, its last entry that of the constant.
    """
    columns = np.column_stack([points, np.full(len(points), constant)])
    largest = np.abs(columns).max(axis=1, keepdims=True)
    directions = columns[largest[:, 0] > 0] / largest[largest[:, 0] > 0]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    u = np.zeros(columns.shape[1])
    if not len(directions):
        return u
    u[:] = directions.sum(axis=0)
    picked = np.zeros(len(directions), dtype=bool)
    while True:
        u /= max(float(np.linalg.norm(u)), 1e-300)
        heights = directions @ u
        if heights.min() > 0:
            return u
        # nearest point of the hull of points with negative heights; a few points decide most sets
        behind = np.flatnonzero((heights <= 0) & ~picked)
        if not len(behind):
            return np.zeros_like(u)
        picked[behind[np.argsort(heights[behind])][: 2 * len(u)]] = True
        u, _ = nearest_of_hull(directions[picked])
        if not u.any():
            return u
