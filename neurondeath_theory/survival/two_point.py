r"""Exact survival of two points in a plain zero-bias ReLU network with Gaussian weights.

Model: widths $n_1..n_k$, $x_l = \mathrm{relu}(W_l x_{l-1})$, W Gaussian. Only the angle of the two points matters. For
layer inputs at angle $\theta$ one unit is inactive on both with probability $r = (\pi - \theta)/(2\pi)$, so a layer of
width n kills both with probability $r^n$, exactly one given one with $2^{-n} - r^n$ and lets both survive with
$1 - 2^{1-n} + r^n$. The angle of the survivors is a Markov chain, whose operator `_angle_operator` computes without
sampling; a single survivor dies in a layer with probability $2^{-n}$ whatever its past. Through a layer of width 1
both survivors become parallel.

Every probability is a sum of positive terms, stored as a logarithm: P(dead) keeps its relative precision when it is
tiny.

Errors: each result is computed twice, with a finer and a coarser set of functions of the angle; the reported error is
their difference, normally far larger than the error of the finer result, plus the measured error of the integrals.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.probability_text import probability_value
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_real, check_widths, invalid
from neurondeath_theory.foundation.widths import Widths, layer_widths
from neurondeath_theory.survival import angle_operator as chain

__all__ = ["TwoPointSurvival", "pair_survival", "pair_survival_error", "two_point_survival"]

Array = npt.NDArray[np.float64]

LN2 = math.log(2.0)
LARGEST_WIDTH = 100_000
CONDITION = 100.0  # factor by which the coefficients of a survival function magnify an error of the integrals
RELATIVE_ERROR_PER_LAYER = 1e-14  # of the arithmetic
OBTUSE_NODES = 24  # Chebyshev nodes for starting angles above pi/2


@dataclass(frozen=True, kw_only=True)
class TwoPointSurvival(Result):
    """How many of two points are alive through layer l, l = 1..k; every array has shape (k,).

    Attributes
    ----------
    widths : int array
        Layer widths n_1..n_k.
    angle : float
        Angle between the two points at the first layer's input, in [0, pi].
    log_both, log_one, log_none : float array
        Natural logarithms of P(both alive), P(exactly one alive), P(none alive).
    both_error, one_error, none_error : float array
        Absolute errors of these probabilities.
    none_relative_error : float array
        Relative error of P(none alive); 1 or more when only the upper bound, value times 1 + error, is valid.
    """

    widths: npt.NDArray[np.int64]
    angle: float
    log_both: Array
    log_one: Array
    log_none: Array
    both_error: Array
    one_error: Array
    none_error: Array
    none_relative_error: Array

    @property
    def depth(self) -> int:
        """Number of hidden layers k."""
        return len(self.widths)

    @property
    def both(self) -> Array:
        """P(both points alive through layer l)."""
        return np.exp(self.log_both)

    @property
    def one(self) -> Array:
        """P(exactly one point alive through layer l)."""
        return np.exp(self.log_one)

    @property
    def none(self) -> Array:
        """P(no point alive through layer l)."""
        return np.exp(self.log_none)

    @property
    def log_alive(self) -> Array:
        """Natural logarithm of P(alive on the pair through layer l)."""
        return np.minimum(np.logaddexp(self.log_both, self.log_one), 0.0)

    @property
    def alive(self) -> Array:
        """P(alive on the pair through layer l)."""
        return np.where(self.log_none < -1.0, -np.expm1(np.minimum(self.log_none, 0.0)), np.exp(self.log_alive))

    @property
    def alive_error(self) -> Array:
        """Absolute error of P(alive on the pair)."""
        return np.where(self.log_none < -1.0, self.none_error, self.one_error + self.both_error)

    @property
    def log10_death(self) -> Array:
        """Decimal logarithm of P(no point alive through layer l); near 0 from the digits of P(alive)."""
        with np.errstate(divide="ignore", under="ignore"):
            complement = np.log1p(-np.exp(np.minimum(self.log_alive, -LN2)))
        return np.where(self.log_alive < -LN2, complement, self.log_none) / math.log(10.0) + 0.0

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, self.depth + 1),
            "width": self.widths,
            "both": self.both,
            "one": self.one,
            "none": self.none,
            "alive": self.alive,
            "alive_error": self.alive_error,
            "log10_death": self.log10_death,
            "death_relative_error": self.none_relative_error,
        }

    def __str__(self) -> str:
        return f"{self.value_text()} for two points at angle {self.angle:.6g}"

    def value_text(self) -> str:
        """Write P(alive through layer k) with its error, or P(none alive) where that is rare."""
        return probability_value(
            f"through {self.depth} layer" + ("s" if self.depth > 1 else ""),
            log_alive=float(self.log_alive[-1]),
            alive_error=float(self.alive_error[-1]),
            log_dead=float(self.log_none[-1]),
            dead_relative_error=float(self.none_relative_error[-1]),
        )


def two_point_survival(
    widths: Widths | None = None, angle: float | None = None, *, width: int | None = None, depth: int | None = None
) -> TwoPointSurvival:
    """Compute the exact probabilities that both, one or none of two points are alive, layer by layer.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each from 1 to 100000.
    angle : float
        Angle between the two points at the input of the first layer, in radians, in [0, pi]; always needed.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    TwoPointSurvival
        The probabilities, their logarithms and errors, layer by layer.

    Raises
    ------
    InvalidArgumentError
        If a width or the angle lies outside its domain.

    Notes
    -----
    Zero biases, Gaussian weights of any variance. The reported error of P(alive) is below 1e-6, mostly below 1e-8, for
    widths up to 64 and depths up to 1000. P(none) is a sum of positive terms; its reported relative error is below
    1e-4 for widths up to 20. In wider networks of few layers it is the probability of a rare angle and digits are
    lost (width 64 from opposite points: all in layers 3 to 6, 1e-4 from layer 20 on): see `none_relative_error`.
    The probabilities for a given angle are elementary; the chain of angles is that of rectified Gaussian vectors.

    Examples
    --------
    >>> import math
    >>> print(float(two_point_survival([2] * 9, math.pi).none[-1].round(8)))
    0.87983983
    >>> pair = two_point_survival([3, 5, 8], 1.0)
    >>> print(pair.both.round(6).tolist(), (pair.both + pair.one / 2).round(6).tolist())
    [0.789598, 0.751689, 0.747256] [0.875, 0.847656, 0.844345]
    """
    layers = _check_layers(layer_widths(widths, width, depth))
    angle = check_real("angle", angle, low=0.0, high=math.pi, unit="radians")
    fine, slack = _propagate(layers, angle, coarse=False)
    coarse, _ = _propagate(layers, angle, coarse=True)
    relative = _gap(fine, coarse) + slack
    return TwoPointSurvival(
        widths=layers,
        angle=angle,
        log_both=fine[0],
        log_one=fine[1],
        log_none=fine[2],
        both_error=np.exp(fine[0]) * relative[0],
        one_error=np.exp(fine[1]) * relative[1],
        none_error=np.exp(fine[2]) * relative[2],
        none_relative_error=relative[2],
    )


def pair_survival(
    angles: npt.ArrayLike, widths: Widths | None = None, *, width: int | None = None, depth: int | None = None
) -> Array:
    """Compute P(both points of a pair alive through all layers) for many pairs at once.

    Parameters
    ----------
    angles : float array, any shape
        Angles between the two points of each pair at the input of the first layer, in radians, in [0, pi].
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each from 1 to 100000.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    float array, shape of `angles`
        P(both points alive through layer k).

    Raises
    ------
    InvalidArgumentError
        If a width or an angle lies outside its domain.

    Notes
    -----
    Zero biases, Gaussian weights. `pair_survival_error` bounds the error. A million pairs take about a second.

    Examples
    --------
    >>> pair_survival([0.0, 1.0, 3.0], [4] * 3).round(6).tolist()
    [0.823975, 0.730809, 0.684772]
    """
    layers = _check_layers(layer_widths(widths, width, depth))
    array = np.asarray(angles)
    if array.dtype.kind not in "iuf":
        raise invalid("angles", "be a numeric array", f"dtype {array.dtype}")
    flat = array.astype(np.float64).ravel()
    wrong = np.flatnonzero(~((flat >= 0.0) & (flat <= math.pi)))
    if wrong.size:
        raise invalid(f"angles[{wrong[0]}]", "lie in [0, pi]", float(flat[wrong[0]]), "angles are in radians")
    if flat.size == 0:
        return np.empty(array.shape)
    values, log_scale = _backward(layers, coarse=False)
    result = np.empty(flat.size)
    obtuse = flat > 0.5 * math.pi
    acute = ~obtuse
    result[acute] = _first_layer_acute(flat[acute], int(layers[0]), values, coarse=False)
    if obtuse.any():
        result[obtuse] = _first_layer_obtuse(flat[obtuse], int(layers[0]), values, coarse=False)
    result = np.clip(result, 0.0, None) * math.exp(log_scale)
    return result.reshape(array.shape)


def pair_survival_error(widths: Widths) -> float:
    """Estimate the greatest absolute error of `pair_survival` for these widths, over all angles.

    Examples
    --------
    >>> pair_survival_error([4] * 3) < 1e-7
    True
    """
    layers = _check_layers(widths)
    angles = np.concatenate([np.geomspace(1e-6, 1.0, 60), np.linspace(1.0, 0.5 * math.pi, 20)])
    first = int(layers[0])
    fine, log_scale = _backward(layers, coarse=False)
    rough, rough_scale = _backward(layers, coarse=True)
    ratio = math.exp(rough_scale - log_scale)
    gap = np.abs(
        _first_layer_acute(angles, first, fine, coarse=False)
        - ratio * _first_layer_acute(angles, first, rough, coarse=True)
    ).max()
    above = math.pi - 0.5 * math.pi * np.linspace(0.0, 1.0, 50) ** 3
    gap_above = np.abs(
        _first_layer_obtuse(above, first, fine, coarse=False)
        - ratio * _first_layer_obtuse(above, first, rough, coarse=True)
    ).max()
    return float((max(gap, gap_above) + _slack(layers)[-1]) * math.exp(log_scale))


def _check_layers(widths: Widths) -> npt.NDArray[np.int64]:
    layers = check_widths("widths", widths)
    wide = np.flatnonzero(layers > LARGEST_WIDTH)
    if wide.size:
        first = int(wide[0])
        raise invalid(
            f"widths[{first}]",
            f"be at most {LARGEST_WIDTH}",
            int(layers[first]),
            "use survival_bounds for wider layers",
        )
    return layers


def _operators(layers: npt.NDArray[np.int64]) -> dict[int, chain.AngleOperator]:
    return chain.angle_operators(int(width) for width in np.unique(layers) if width > 1)


def _slack(layers: npt.NDArray[np.int64], exact_start: bool = False) -> Array:
    """Bound on the relative error of the integrals and the arithmetic, after each layer."""
    operators = _operators(layers)
    each = {width: CONDITION * operator.quadrature_error for width, operator in operators.items()}
    added = np.array([each.get(width, 0.0) + RELATIVE_ERROR_PER_LAYER for width in layers.tolist()])
    if exact_start:
        added[0] = RELATIVE_ERROR_PER_LAYER
    return np.cumsum(added)


def _propagate(layers: npt.NDArray[np.int64], angle: float, *, coarse: bool) -> tuple[Array, Array]:
    """Compute the logarithms of P(both), P(one), P(none) and bounds on their relative errors, each of shape (3, k).

    The error that comes from the choice of functions, fine or coarse, is not included.
    """
    operators = _operators(layers)
    nodes = chain.nodes(coarse)
    exact_start = angle in (0.0, math.pi)  # the survivors of the first layer are parallel, respectively orthogonal
    slack = _slack(layers, exact_start)
    result, errors = np.empty((3, layers.size)), np.empty((3, layers.size))
    log_both, log_one, log_none, log_missed = 0.0, -math.inf, -math.inf, -math.inf
    # expectation over the angle of the surviving pair, a row on nodal values, of mass 1; None for the starting angle
    law: Array | None = None
    parallel = np.zeros(nodes.size)
    parallel[0] = 1.0
    for layer, width in enumerate(layers.tolist()):
        log_rate = -width * LN2
        if law is None:
            spared, killed = 1.0 - chain.decay(angle, width), chain.decay(angle, width)
            spared = -np.expm1(width * np.log1p(-angle / math.pi)) if angle < math.pi else np.array(1.0)
        else:
            # survivors are at pi/2 at most, so both die with probability 4^-n at least
            killed = np.clip(law @ chain.decay(nodes, width), 2.0**-width, 1.0)
            spared = np.clip(law @ -np.expm1(width * np.log1p(-nodes / math.pi)), 0.0, 1.0)
        with np.errstate(divide="ignore"):
            log_killed, log_spared = float(np.log(killed)), float(np.log(spared))
        if layer > 1 or (layer == 1 and not exact_start):
            log_missed = _log_add(log_missed, log_both + log_rate + math.log(slack[layer - 1]))
        log_none = _log_add(log_none, log_both + log_rate + log_killed, log_one + log_rate)
        log_one = _log_add(log_one + math.log1p(-(2.0**-width)), log_both + log_rate + LN2 + log_spared)
        stay = 0.5 * float(killed) if width == 1 else 1.0 - 2.0 ** (1 - width) + 2.0**-width * float(killed)
        log_both += math.log(stay) if stay > 0.0 else -math.inf
        if width == 1:
            law = parallel
        else:
            row = chain.start_row(angle, width, coarse) if law is None else law @ operators[width].matrix(coarse)
            law = row / row.sum()
        result[:, layer] = log_both, log_one, log_none
        missed = math.exp(min(log_missed - log_none, 0.0)) if log_missed > -math.inf else 0.0
        errors[:, layer] = slack[layer], slack[layer], missed + RELATIVE_ERROR_PER_LAYER * (layer + 1)
    return np.minimum(result, 0.0), errors


def _log_add(*terms: float) -> float:
    greatest = max(terms)
    return greatest if greatest == -math.inf else greatest + math.log(sum(math.exp(term - greatest) for term in terms))


def _gap(fine: Array, coarse: Array) -> Array:
    """Relative difference of two tables of logarithms; 0 at equal infinities."""
    same = (fine == coarse) | (np.isneginf(fine) & np.isneginf(coarse))
    difference = np.subtract(coarse, fine, out=np.zeros_like(fine), where=~same)
    return np.abs(np.expm1(np.minimum(difference, 700.0)))


def _backward(layers: npt.NDArray[np.int64], *, coarse: bool) -> tuple[Array, float]:
    """P(both survive layers 2..k) at the nodes, divided by exp of the second number."""
    operators = _operators(layers)
    nodes = chain.nodes(coarse)
    values, log_scale = np.ones(nodes.size), 0.0
    for width in layers[:0:-1].tolist():
        values = 0.5 * chain.decay(nodes, 1) * values[0] if width == 1 else operators[width].matrix(coarse) @ values
        log_scale += math.log(values[0])
        values = values / values[0]
    return values, log_scale


def _first_layer_acute(angles: Array, width: int, values: Array, *, coarse: bool) -> Array:
    if width == 1:
        return np.asarray(0.5 * chain.decay(angles, 1) * values[0])
    matrix = _operators(np.array([width]))[width].matrix(coarse)
    return chain.evaluate(angles, chain.coefficients(matrix @ values, coarse))


def _first_layer_obtuse(angles: Array, width: int, values: Array, *, coarse: bool) -> Array:
    """Interpolate in the cube root of pi - angle, where the function is smooth enough: d^2 log d at worst."""
    if width == 1:
        return np.asarray(0.5 * chain.decay(angles, 1) * values[0])
    at = np.cos(math.pi * (np.arange(OBTUSE_NODES) + 0.5) / OBTUSE_NODES)
    starts = math.pi - 0.5 * math.pi * (0.5 + 0.5 * at) ** 3
    at_starts = np.array([chain.start_row(start, width, coarse) @ values for start in starts])
    series = np.polynomial.chebyshev.chebfit(at, at_starts, OBTUSE_NODES - 1)
    where = 2.0 * np.cbrt((math.pi - angles) / (0.5 * math.pi)) - 1.0
    return np.asarray(np.polynomial.chebyshev.chebval(where, series))
