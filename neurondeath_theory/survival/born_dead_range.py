r"""Born dead, within microseconds: the range of P(dead) of a ReLU network from its widths, in plain Python.

Model: weights of symmetric law, layer widths $n_1..n_k$, $h_j = 2^{-n_j}$; dead means that no input of the set is alive
through all layers.

**One-dimensional inputs**, Gaussian weights, no biases: the two rays x > 0 and x < 0. By inclusion and exclusion
P(dead) = 1 - 2 D + B, with $D = \prod_j (1 - h_j)$ for one ray and B for both together. Given that both are alive at
angle theta, a unit is off on both with probability r = (pi - theta) / (2 pi), and both stay alive with probability
$1 - 2 h + r^n$ (`two_point`). In layer 1 r = 0. Behind it the rays have no active unit in common, so r = 1/4 exactly in
layer 2; then they lie in the positive orthant at an angle between 0 and pi/2, so that r is between 1/4 and 1/2:

    (1 - 2 h_1) (1 - h_2)^2 prod_{j > 2} (1 - h_j)^2  <=  B  <=  (1 - 2 h_1) (1 - h_2)^2 prod_{j > 2} (1 - h_j),

and both sides are B itself for k = 1 and 2. The set of inputs may have more dimensions if it has two opposite points:
the others can only keep the network alive more often, so that the upper end holds.

**Any inputs**: P(dead) <= 1 - D, an equality for a single nonzero point, and
$P(dead) \ge 1 - \prod_{j > 1} (1 - 2^{-n_j n_{j-1}})$ without biases [rister2020], as in `bounds`.

Sums of logarithms; the range is widened by the rounding error of 1 - 2 D + B, 1e-15 of its terms.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["born_dead_range", "opposite_rays_born_dead", "passing_width"]

ROUNDING_ERROR = 1e-15
WIDEST = 1100  # beyond it 2^-n is 0 in double precision


def opposite_rays_born_dead(widths: Sequence[int]) -> tuple[float, float]:
    """Bound the probability that a network without biases is born dead on one-dimensional inputs.

    Parameters
    ----------
    widths : sequence of int, shape (k,)
        Widths of the hidden layers, each at least 1; not checked.

    Returns
    -------
    low, high : float
        P(dead) lies between them; equal up to rounding for one and two layers.

    Examples
    --------
    >>> [round(end, 12) for end in opposite_rays_born_dead([2, 1])]
    [0.375, 0.375]
    >>> [f"{end:.2e}" for end in opposite_rays_born_dead([8, 8])]
    ['4.57e-05', '4.57e-05']
    """
    if len(widths) == 1:
        return 0.0, 0.0  # a unit is active on one of the rays
    logs = [_log_alive(width) for width in widths]
    single = -math.expm1(math.fsum(logs))
    if widths[0] == 1:
        both_at_most = both_at_least = -math.inf
    else:
        first = math.log1p(-2.0 * _off(widths[0]))
        both_at_least = first + 2.0 * math.fsum(logs[1:])
        both_at_most = first + math.fsum(logs[1:2]) + math.fsum(logs[1:])
    one_dies_at_most, one_dies_at_least = -math.expm1(both_at_least), -math.expm1(both_at_most)
    low, high = 2.0 * single - one_dies_at_most, 2.0 * single - one_dies_at_least
    error = ROUNDING_ERROR * (2.0 * single + one_dies_at_most)
    return max(low - error, 0.0), min(max(high + error, 0.0), single)


def born_dead_range(widths: Sequence[int]) -> tuple[float, float]:
    """Bound the probability that a network is born dead on any inputs that are not all zero.

    Parameters
    ----------
    widths : sequence of int, shape (k,)
        Widths of the hidden layers, each at least 1; not checked.

    Returns
    -------
    low, high : float
        The upper end with or without biases, the lower end without.

    Examples
    --------
    >>> [round(end, 12) for end in born_dead_range([2, 1])]
    [0.25, 0.625]
    """
    high = abs(math.expm1(math.fsum(map(_log_alive, widths))))
    pairs = (min(a * b, WIDEST) for a, b in pairwise(widths))
    return abs(math.expm1(math.fsum(map(_log_alive, pairs)))), high


def passing_width(depth: int, most: float, *, opposite: bool) -> int:
    """Return the least width of all layers at which a network is born dead with at most a given probability.

    Parameters
    ----------
    depth : int
        Number of hidden layers, at least 1.
    most : float
        The probability, in (0, 1).
    opposite : bool
        Whether by `opposite_rays_born_dead`, or else by `born_dead_range`.

    Examples
    --------
    >>> passing_width(2, 0.01, opposite=True), passing_width(2, 0.01, opposite=False)
    (5, 8)
    """
    bound = opposite_rays_born_dead if opposite else born_dead_range
    low, high = 0, 1
    while bound([high] * depth)[1] > most:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bound([middle] * depth)[1] > most else (low, middle)
    return high


def _off(width: int) -> float:
    """Return 2^-width."""
    return math.ldexp(1.0, -min(width, WIDEST))


def _log_alive(width: int) -> float:
    return math.log1p(-_off(width))
