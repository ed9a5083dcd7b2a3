r"""All positive roots of an exponential polynomial, by Rolle's theorem.

Model: $f(w) = \sum_i P_i(w) e^{-\lambda_i w}$, real polynomials $P_i$, distinct real $\lambda_i$, w > 0.

Proof that none is missed. Multiplying by $e^{\lambda w}$ moves no root. With the smallest exponent brought to 0 in this
way, deg P + 1 derivatives remove that term; what is left has fewer coefficients, and its roots are known by induction
(one term alone: the roots of its polynomial). Going back up, between neighbouring roots of a derivative the function is
monotone, so it has one root where its signs at the ends differ and none otherwise. Hence f has at most
$\sum_i (\deg P_i + 1) - 1$ roots (Polya and Szego, Problems and Theorems in Analysis II, part V, problem 75).

Numerically, a root of a derivative at which f vanishes up to rounding is listed too: callers use the list to cut the
axis into monotone intervals, for which an additional cut is harmless.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq

__all__ = ["exponential_polynomial_roots"]

Terms = dict[float, list[float]]  # exponent -> coefficients of its polynomial, constant first

RELATIVE_ROUNDING_ERROR = 1e-13  # of a sum, relative to its absolute terms; a smaller value may be zero
LOG_LOW, LOG_HIGH = -650.0, 650.0  # logarithms of the w that are searched


def exponential_polynomial_roots(terms: Mapping[float, list[float]]) -> list[float]:
    """List all roots w in (exp(-650), exp(650)) of the sum of P_i(w) exp(-lambda_i w), in increasing order.

    Parameters
    ----------
    terms : mapping of float to list of float
        Exponents lambda_i and the coefficients of their polynomials, constant first.

    Examples
    --------
    >>> [round(w, 12) for w in exponential_polynomial_roots({0.0: [1.0], 1.0: [-2.0]})]  # 1 = 2 exp(-w)
    [0.69314718056]
    """
    shortened = {exponent: _shorten(coefficients) for exponent, coefficients in terms.items()}
    return _roots({exponent: coefficients for exponent, coefficients in shortened.items() if coefficients})


def _shorten(coefficients: list[float]) -> list[float]:
    """Drop leading zeros."""
    kept = list(coefficients)
    while kept and kept[-1] == 0.0:
        kept.pop()
    return kept


def _roots(terms: Terms) -> list[float]:
    if not terms:
        return []
    lowest = min(terms)
    shifted = {exponent - lowest: coefficients for exponent, coefficients in terms.items()}
    if len(shifted) == 1:
        return _polynomial_roots(shifted[0.0])
    return _between(shifted, _roots(_derivative(shifted)))


def _polynomial_roots(coefficients: list[float]) -> list[float]:
    roots = np.polynomial.polynomial.polyroots(coefficients)
    return sorted(float(root.real) for root in roots if root.real > 0.0 and abs(root.imag) <= 1e-9 * abs(root))


def _derivative(terms: Terms) -> Terms:
    result: Terms = {}
    for exponent, coefficients in terms.items():
        slopes = [i * coefficient for i, coefficient in enumerate(coefficients)][1:]
        if exponent != 0.0:
            slopes = [
                slope - exponent * coefficient for slope, coefficient in zip([*slopes, 0.0], coefficients, strict=True)
            ]
        if slopes:
            result[exponent] = slopes
    largest = max((abs(c) for coefficients in result.values() for c in coefficients), default=1.0) or 1.0
    return {exponent: [c / largest for c in coefficients] for exponent, coefficients in result.items()}


def _value(terms: Terms, log_w: float) -> tuple[float, float]:
    """Compute the value at exp(log_w), divided by w^degree for large w, and the sum of its absolute terms."""
    w = math.exp(log_w)
    degree = max(len(coefficients) for coefficients in terms.values()) - 1
    total = size = 0.0
    for exponent, coefficients in terms.items():
        decay = math.exp(-min(exponent * w, 1e4))
        for power, coefficient in enumerate(coefficients):
            scale = math.exp(min((power - degree) * log_w, 0.0) if log_w > 0.0 else power * log_w)
            total += coefficient * scale * decay
            size += abs(coefficient) * scale * decay
    return total, size


def _between(terms: Terms, cuts: list[float]) -> list[float]:
    """Find the roots on the intervals between the roots of the derivative, where the function is monotone."""
    logs = [LOG_LOW, *(math.log(cut) for cut in cuts), LOG_HIGH]
    values = [_value(terms, log_w) for log_w in logs]
    roots = [
        cut
        for cut, (value, size) in zip(cuts, values[1:-1], strict=True)
        if abs(value) <= RELATIVE_ROUNDING_ERROR * size
    ]
    for left, right, (low, _), (high, _) in zip(logs, logs[1:], values, values[1:], strict=False):
        if low * high < 0.0:
            roots.append(math.exp(brentq(lambda x: _value(terms, x)[0], left, right, xtol=1e-14, rtol=1e-14)))
    return sorted(roots)
