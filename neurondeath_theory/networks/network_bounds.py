r"""Which statements of the survival theory hold for a network, and why the others do not.

Three statements about P(alive) and the mean living ratio, with $p_l = \prod_{j \le l} (1 - 2^{-n_j})$, for plain nets
(and what corresponds to them for branches, `neurondeath_theory.remedies.streams_and_batch_norm`):

- lower bound, $P \ge p_l$; living ratio, equal to $p_l$ for points that are not zero; upper bound,
  $P \le \prod_j (1 - 2^{-n_j (n_{j-1} + 1)})$ and the like.

Requirements on the law. Lower bound and living ratio: negating rows of (W, b) changes nothing and no pre-activation
has an atom at 0. Upper bound: the sign of every single entry is a fair coin given the magnitudes.

- Independent symmetric entries with densities (Gaussian, uniform, truncated normal, Laplace, Student t, the default of
  PyTorch, their biases from either law): all three.
- Orthogonal: the first two; a 2 x 2 Haar matrix never kills the orthant.
- Sparse, zeros with probability s: the sign of a zero entry may be drawn as a fair coin, so the upper bound holds (the
  layer is even dead on the orthant with probability $((1+s)/2)^{n f}$, f inputs). A row is zero on the m nonzero
  features of a point with probability $s^m$, and its unit inactive with probability $(1 + s^m)/2$: without biases, or
  with sparse ones, a point dies more often than $1 - p_l$, and the first two fail unless $\phi(0) \ne 0$. Gaussian
  biases remove the atom, and all three hold.
- RAI: none. Mirrored (looks-linear) weights: units come in pairs u, -u, not independent, and a network is the linear
  map of its A's: a point that is not zero dies only if an A sends it to 0, which has probability zero, as its kernel is
  a random subspace. So every nonzero point lives.
- A `Law`: nothing is known, unless it is declared symmetric; then the first two.

Requirements on the activation $\phi$, by its quiet set Q, where $\phi = 0$. Each z is positive with probability 1/2
given the past, independently over units, so:

- Q without an interior (leaky ReLU, |x|, identity): every point lives with probability one, for every law without
  atoms at 0.
- Q = the half-line on one side of 0 (ReLU; clipped at any height): all as for ReLU.
- Q inside such a half-line (shifted ReLU, tau < 0): a layer dies at most as often: $p_l$ bounds P(alive) and the living
  ratio from below.
- Q contains such a half-line (shifted ReLU, tau > 0) and $\phi$ has one sign: a layer is still dead on all inputs of
  one sign when its weights and biases all push towards Q, so the upper bound holds.
- Otherwise (soft thresholds): none holds; the scale of the pre-activations matters.

A sign flip depends on the data, so neither symmetry remains; `sign_flip_guarantee` applies instead. With batch norm
the signs of a point's units remain fair coins, unless the point equals the mean of its batch in some layer: never for
points in general position, but for evenly spaced collinear ones, whose pattern survives normalisation, with positive
probability. So only the statement on layers is kept (`batch_norm_statement`). Skip networks, in blocks, and residual
and dense ones, in branches, keep all three: while all branches so far are dead the stream carries the point itself (or,
through biases, something that is almost never zero). In the critical residual stream (an effective depth) the units of
a layer keep the signs of the layer before, with a probability that depends on the point: none holds.
"""

from dataclasses import dataclass

import numpy as np

from neurondeath_theory.networks.inits import MIRRORED
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = [
    "HoldingBounds",
    "activation_table",
    "bounds_that_hold",
    "is_homogeneous",
    "may_vanish",
    "quiet_set",
    "silences_half_the_line",
]

KINK_VALUE_ROUNDING_ERROR = 1e-12  # relative to the largest kink times the largest slope
NO_SYMMETRY = "the rai init has no sign symmetry, and no bound is known for it"
UNKNOWN_LAW = "nothing is known of the law {name}; declare it symmetric if it is"
UNKNOWN_SIGNS = "the law {name} is declared symmetric in its rows, which promises nothing about single entries"
ZERO_ROWS = "a row of sparse weights can be zero, so a unit is inactive with a probability above 1/2"
VANISHING = "sparse weights can send a point to 0, so it is not certain to live"
AT_THE_MEAN = "a point that equals the mean of its batch is dead for all signs, and special sets contain such points"
TIED = "batch statistics couple the points of the set, and no upper bound is known"
KEPT_SIGNS = "units of a critical residual stream keep signs from layer to layer; no bound is known"
FLIPPED = "sign flips depend on the inputs, which breaks the symmetry; use sign_flip_guarantee"


@dataclass(frozen=True, kw_only=True)
class HoldingBounds:
    """Which statements hold for a network: "" for one that holds, otherwise the reason why it does not.

    Attributes
    ----------
    lower, living_ratio, upper : str
        Lower bound, exact mean living ratio, upper bound.
    always_active : bool
        Every nonzero point lives: the activation is zero at isolated points at most, or weights are mirrored.
    """

    lower: str
    living_ratio: str
    upper: str
    always_active: bool = False


def bounds_that_hold(network: Network) -> HoldingBounds:
    """Decide which statements hold for a network, for all inputs.

    Parameters
    ----------
    network : Network
        The law of the networks.

    Returns
    -------
    HoldingBounds
        A reason for each statement that does not hold. The upper bound may still fail for an input set: it needs points
        of the non-negative orthant where layers read the input itself.

    Examples
    --------
    >>> bounds_that_hold(Network([4] * 3)).upper
    ''
    >>> bounds_that_hold(Network([4] * 3, init="orthogonal")).upper
    'the signs of the entries of an orthogonal matrix are not independent'
    """
    phi = network.activation
    quiet = quiet_set(phi)
    if network.sign_flip != "none":
        return HoldingBounds(lower=FLIPPED, living_ratio=FLIPPED, upper=FLIPPED)
    if network.architecture == "batch_norm":
        return HoldingBounds(lower=AT_THE_MEAN, living_ratio=AT_THE_MEAN, upper=TIED)
    unknown = UNKNOWN_LAW.format(name=network.init) if may_vanish(network) and network.law is not None else ""
    if unknown:
        return HoldingBounds(lower=unknown, living_ratio=unknown, upper=unknown)
    atom = may_vanish(network) and phi.value_at_zero == 0.0
    if network.init in MIRRORED or (not quiet and not atom):
        return HoldingBounds(lower="", living_ratio="", upper="", always_active=True)
    if not quiet:
        return HoldingBounds(lower=VANISHING, living_ratio=VANISHING, upper=f"{phi} is silent at 0 only")
    if network.effective_depth is not None:
        return HoldingBounds(lower=KEPT_SIGNS, living_ratio=KEPT_SIGNS, upper=KEPT_SIGNS)
    if network.init == "rai":
        return HoldingBounds(lower=NO_SYMMETRY, living_ratio=NO_SYMMETRY, upper=NO_SYMMETRY)
    lower = living_ratio = upper = ""
    if any(left < 0.0 < right for left, right in quiet) or (quiet[0][0] < 0.0 < quiet[-1][1]):
        lower = living_ratio = f"{phi} is zero on both signs of its argument: signs do not decide survival"
    elif not silences_half_the_line(phi):
        living_ratio = f"{phi} is active on more than half of the line: the ratio is at least this"
    if atom and not lower:
        lower = living_ratio = ZERO_ROWS
    if network.init == "orthogonal":
        upper = "the signs of the entries of an orthogonal matrix are not independent"
    elif network.law is not None:
        upper = UNKNOWN_SIGNS.format(name=network.init)
    elif not _pushed_to_silence(phi, quiet) or (network.architecture == "skip" and not _has_sign(phi, 1.0)):
        upper = f"{phi} is active on both signs of its argument, or has outputs of both signs"
    return HoldingBounds(lower=lower, living_ratio=living_ratio, upper=upper)


def may_vanish(network: Network) -> bool:
    """Whether a pre-activation at a point that is not zero can be exactly 0 with positive probability.

    Examples
    --------
    >>> sparse = Network([4], init="sparse", zero_share=0.5)
    >>> may_vanish(sparse), may_vanish(Network([4], init="sparse", zero_share=0.5, bias_variance=0.1))
    (True, False)
    """
    if network.law is not None:
        return not network.law.symmetric
    return network.init == "sparse" and network.bias_variance == 0.0


def silences_half_the_line(phi: PiecewiseLinear) -> bool:
    """Whether an activation is zero on exactly one side of 0, as ReLU is."""
    return quiet_set(phi) in ([(-np.inf, 0.0)], [(0.0, np.inf)])


def quiet_set(phi: PiecewiseLinear) -> list[tuple[float, float]]:
    """Return the intervals of positive length on which an activation is zero, from left to right.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu, soft_threshold
    >>> quiet_set(relu()), quiet_set(soft_threshold(0.5))
    ([(-inf, 0.0)], [(-0.5, 0.5)])
    """
    _, values, slopes = activation_table(phi)
    edges = [-np.inf, *phi.kinks, np.inf]
    return [
        (float(edges[i]), float(edges[i + 1]))
        for i, (value, slope) in enumerate(zip(values, slopes, strict=True))
        if value == 0.0 and slope == 0.0
    ]


def activation_table(phi: PiecewiseLinear) -> tuple[list[float], list[float], list[float]]:
    """Return one end of every interval between kinks, the values at these ends, and the slopes.

    Values that are zero up to rounding are set to zero, so that the activation is exactly zero on its quiet set.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import clipped_shifted_relu
    >>> activation_table(clipped_shifted_relu(-0.3, 0.1))
    ([-0.3, -0.3, -0.19999999999999998], [0.0, 0.0, 0.1], [0.0, 1.0, 0.0])
    """
    if not phi.kinks:
        return [0.0], [phi.value_at_zero], list(phi.slopes)
    reach = max(abs(kink) for kink in phi.kinks) * max(abs(slope) for slope in phi.slopes) + abs(phi.value_at_zero)
    values = [0.0 if abs(value) <= KINK_VALUE_ROUNDING_ERROR * reach else value for value in phi.kink_values]
    return [phi.kinks[0], *phi.kinks], [values[0], *values], list(phi.slopes)


def is_homogeneous(phi: PiecewiseLinear) -> bool:
    """Whether phi(c x) = c phi(x) for all c > 0: no kink but 0, and 0 there."""
    return phi.value_at_zero == 0.0 and all(kink == 0.0 for kink in phi.kinks)


def _pushed_to_silence(phi: PiecewiseLinear, quiet: list[tuple[float, float]]) -> bool:
    """Whether inputs of one sign can always be pushed to where the activation is zero, its outputs having one sign."""
    low_side, high_side = quiet[0][0] == -np.inf and quiet[0][1] >= 0.0, quiet[-1][1] == np.inf and quiet[-1][0] <= 0.0
    return (low_side or high_side) and (_has_sign(phi, 1.0) or _has_sign(phi, -1.0))


def _has_sign(phi: PiecewiseLinear, sign: float) -> bool:
    """Whether sign * phi is nowhere negative."""
    _, values, slopes = activation_table(phi)
    between = all(sign * value >= 0.0 for value in values)
    return between and sign * slopes[0] <= 0.0 <= sign * slopes[-1]
