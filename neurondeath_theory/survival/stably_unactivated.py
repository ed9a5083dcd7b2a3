r"""Units that no input can ever activate: the probability of a stably unactivated neuron [brownlowe2024].

Model: a ReLU network on all of $R^{d}$, first layer of width n, $h = \mathrm{relu}(W x + b)$, and a unit of the second
layer with weights v and bias c; every entry of W, b, v, c independent, symmetric and without atoms. The unit is stably
unactivated when $v \cdot h(x) + c \le 0$ for every x.

- n <= d: $W x + b$ reaches every point of $R^n$, so h fills the orthant, and the unit is off everywhere exactly when
  all entries of v and c are negative: $2^{-(n+1)}$.
- n = d + 1: $W x + b$ fills a hyperplane $a \cdot z = \beta$ that misses the origin. Negating rows of (W, b) makes the
  signs of the $a_i / \beta$ independent fair coins. Adding up the sign patterns with the order of the ratios
  $|v_i / a_i|$, $|c / \beta|$ inside each, the orders' probabilities cancel to one: $2^{-(d+2)} + 4^{-(d+1)}$, which is
  $(2^d + 1) / 4^{d+1}$ whatever the law.
- n > d + 1: no closed form is known to us; withheld.
"""

import math

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.validation import check_count

__all__ = ["stably_unactivated_probability"]


def stably_unactivated_probability(input_dim: int, width: int) -> float:
    """Compute the probability that a second-layer unit is off on the whole input space.

    Parameters
    ----------
    input_dim : int
        Input dimension d, at least 1.
    width : int
        Width n of the first hidden layer, from 1 to d + 1.

    Returns
    -------
    float
        2^-(n+1) for n <= d, (2^d + 1)/4^(d+1) for n = d + 1; 0.0 where that is below the least double.

    Raises
    ------
    InvalidArgumentError
        If an argument is not a whole number of at least 1.
    AssumptionError
        If the first layer is wider than d + 1.

    Notes
    -----
    Independent, symmetric weights and biases without atoms; biases are required. Exact. Source: brownlowe2024
    (arXiv 2412.06829).

    Examples
    --------
    >>> stably_unactivated_probability(3, 2), stably_unactivated_probability(1, 2)
    (0.125, 0.1875)
    """
    d = check_count("input_dim", input_dim)
    n = check_count("width", width)
    if n > d + 1:
        raise AssumptionError(
            f"`width` is {n}, wider than `input_dim` + 1 = {d + 1}: no closed form of the probability of a stably "
            f"unactivated unit is known beyond that width; take a width of at most {d + 1}"
        )
    if n <= d:
        return math.ldexp(1.0, -(n + 1))
    return math.ldexp(1.0, -(d + 2)) + math.ldexp(1.0, -2 * (d + 1))
