r"""Rank of the features of a data set in networks of infinite width, from the correlation maps.

Model: M points; at infinite width the Gram matrix of the features is deterministic. With
$G_{ab} = \sigma_w^2 \langle x_a, x_b \rangle / d + \sigma_b^2$ the covariance of the first pre-activations, features of
layer l have the Gram matrix $E\phi(u_a)\phi(u_b)$, u ~ N(0, G_l), with

- plain: $G \to V(G) = \sigma_w^2 E\phi\phi + \sigma_b^2$ per layer (`covariance_map`);
- critical residual: $G_0 = q$ times the cosines of the points (inputs of one length, a first linear layer), then
  $G \to (1 - a^2) G + a^2 V(G)$, a^2 = D / L (`critical_residual`);
- looks-linear: G is kept up to the last hidden layer, whose features are both signs of one rectified layer of it,
  whatever the depth (`looks_linear`);
- residual $x + \phi(Wx + b)$: the stream's inner products and means obey
  $S_{ab} \to S_{ab} + \mu_a m_b + m_a \mu_b + E\phi_a\phi_b$ and $\mu_a \to \mu_a + m_a$, $m = E\phi$, since W is
  independent of the stream; features are the stream itself.

**Limits of the limit.** In a deep plain network at the edge of chaos all pairs of points approach each other at one
rate ($1 - \rho \sim 9/(A l)^2$), so the centred Gram matrix tends to a multiple of the identity and the centred rank
*rises* to M - 1 (at one direction, by the uncentred rank). The collapse that stops learning is an effect of finite
width, where few directions of differences outgrow the others: there sample networks.

Sources: price2024 (arXiv 2402.16184) for the maps; the residual stream and the limits are derived here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import (
    check_choice,
    check_count,
    check_flag,
    check_points,
    check_real,
    invalid,
)
from neurondeath_theory.gaussian_limit.correlation import activation_products
from neurondeath_theory.gaussian_limit.moments import mean
from neurondeath_theory.gaussian_limit.variance import check_activation, check_variances
from neurondeath_theory.networks.activations import ActivationLike, relu
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.feature_rank import (
    centred_spectrum_of_gram,
    entropy_of_spectrum,
    participation_of_spectrum,
    unit_gram,
)

__all__ = ["FeatureRank", "wide_feature_rank"]

Array = npt.NDArray[np.float64]

ARCHITECTURES = ("plain", "residual", "critical-residual", "looks-linear")
MOST_POINTS = 4000  # a Gram matrix then takes 128 MB
LARGEST = 1e290  # variances beyond it end the recursion with an error


@dataclass(frozen=True, kw_only=True)
class FeatureRank(Result):
    """Rank of the features of a data set at infinite width; arrays have one entry per layer listed in `layers`.

    Attributes
    ----------
    architecture : str
        One of plain, residual, critical-residual, looks-linear.
    n_points : int
        Points of the data set.
    layers : int array
        The layers, from 1.
    entropy_rank, participation_ratio : float array
        Of the layer's features, scaled to unit length and centred.
    uncentred_rank : float array
        Entropy rank without centring; near 1 where all features point in one direction.
    mean_cosine : float array
        Mean cosine between the features of two different points.
    """

    architecture: str
    n_points: int
    layers: npt.NDArray[np.int64]
    entropy_rank: Array
    participation_ratio: Array
    uncentred_rank: Array
    mean_cosine: Array

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": self.layers,
            "entropy_rank": self.entropy_rank,
            "participation_ratio": self.participation_ratio,
            "uncentred_rank": self.uncentred_rank,
            "mean_cosine": self.mean_cosine,
        }

    def __str__(self) -> str:
        rank, cosine = format_number(self.entropy_rank[-1]), format_number(self.mean_cosine[-1])
        return (
            f"{self.architecture}, infinite width, {self.layers[-1]} layers: entropy rank {rank} of at most "
            f"{self.n_points - 1}, mean cosine {cosine}"
        )


def wide_feature_rank(
    inputs: npt.ArrayLike,
    depth: int,
    architecture: str = "plain",
    activation: ActivationLike = "relu",
    sigma_w2: float = 2.0,
    sigma_b2: float = 0.0,
    *,
    effective_depth: float | None = None,
    q: float | None = None,
    every_layer: bool = True,
) -> FeatureRank:
    """Compute the rank of the features of a data set in an infinitely wide network.

    Parameters
    ----------
    inputs : array_like, shape (n_points, dimension)
        The data set, 2 to 4000 points.
    depth : int
        Number of hidden layers; of branches in both residual architectures.
    architecture : str
        plain, residual (x + phi(Wx + b), no embedding), critical-residual, or looks-linear.
    activation : PiecewiseLinear or str
        The activation; relu for looks-linear.
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in, above 0, and bias variance, at least 0.
    effective_depth, q : float, optional
        Of the critical residual only: D in (0, depth], 1 by default, and the variance q* of its stream, 1 by default.
    every_layer : bool
        False: only the last layer.

    Returns
    -------
    FeatureRank
        Ranks and mean cosines.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, the arguments do not fit together, or variances overflow.

    Notes
    -----
    The Gram matrix has an absolute error of 1e-12 per layer relative to its diagonal; the rank has a relative error
    below 1e-6 as long as the mean cosine is below 1 - 1e-5.

    Examples
    --------
    >>> points = np.vstack([np.eye(4), -np.eye(4)])
    >>> wide_feature_rank(points, 20, "looks-linear").entropy_rank[[0, -1]].round(3).tolist()
    [6.322, 6.322]
    >>> deep = wide_feature_rank(points, 200)
    >>> deep.mean_cosine[[0, -1]].round(3).tolist(), deep.entropy_rank[[0, -1]].round(3).tolist()
    ([0.273, 0.999], [6.322, 7.0])
    """
    points = check_points("inputs", inputs)
    if not 2 <= len(points) <= MOST_POINTS:
        raise invalid("inputs", f"hold 2 to {MOST_POINTS} points", len(points), "draw a random subset")
    layers = check_count("depth", depth)
    kind = check_choice("architecture", architecture, ARCHITECTURES)
    phi = check_activation(activation)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    for name, value in (("effective_depth", effective_depth), ("q", q)):
        if value is not None and kind != "critical-residual":
            raise invalid(name, f"be left out of the {kind} architecture", value)
    if kind == "looks-linear" and (phi != relu() or bias != 0.0):
        raise invalid("activation", "be relu, without biases, for looks-linear", f"{phi}, bias variance {bias:g}")
    products = points @ points.T / points.shape[1]
    if kind == "residual":
        grams = _residual(points, layers, phi, weight, bias)
    elif kind == "looks-linear":
        # both signs have the same products at infinite width: twice those of one rectified layer
        grams = iter([2.0 * activation_products(phi, products)] * layers)
    elif kind == "critical-residual":
        reach = (
            1.0 if effective_depth is None else check_real("effective_depth", effective_depth, low=0.0, low_open=True)
        )
        if reach > layers:
            raise invalid("effective_depth", f"be at most the depth, {layers}", reach)
        variance = 1.0 if q is None else check_real("q", q, low=0.0, low_open=True)
        grams = _stream(variance * unit_gram(products), layers, phi, weight, bias, reach / layers)
    else:
        grams = _plain(weight * products + bias, layers, phi, weight, bias)
    return _ranks(grams, kind, layers, every_layer=check_flag("every_layer", every_layer))


def _ranks(grams: Iterator[Array], kind: str, depth: int, *, every_layer: bool) -> FeatureRank:
    rows: list[tuple[float, ...]] = []
    n_points = 0
    for layer, gram in enumerate(grams, 1):
        if not np.abs(gram).max() < LARGEST:
            raise invalid("depth", f"be below {layer}, where variances overflow", depth, "lower sigma_w2")
        if every_layer or layer == depth:
            n_points = len(gram)
            cosines = unit_gram(gram)
            spectrum, uncentred = centred_spectrum_of_gram(cosines), np.maximum(np.linalg.eigvalsh(cosines), 0.0)
            pairs = float(cosines.sum() - np.trace(cosines)) / (n_points * (n_points - 1))
            ranks = (entropy_of_spectrum(spectrum), participation_of_spectrum(spectrum), entropy_of_spectrum(uncentred))
            rows.append((*ranks, pairs))
    table = np.array(rows)
    return FeatureRank(
        architecture=kind,
        n_points=n_points,
        layers=np.arange(1, depth + 1) if every_layer else np.array([depth]),
        entropy_rank=table[:, 0],
        participation_ratio=table[:, 1],
        uncentred_rank=table[:, 2],
        mean_cosine=table[:, 3],
    )


def _plain(gram: Array, depth: int, phi: PiecewiseLinear, weight: float, bias: float) -> Iterator[Array]:
    """Gram matrices of the features of layers 1..depth; `gram` is that of the first pre-activations."""
    for _ in range(depth):
        features = activation_products(phi, gram)
        yield features
        gram = weight * features + bias


def _stream(gram: Array, depth: int, phi: PiecewiseLinear, weight: float, bias: float, share: float) -> Iterator[Array]:
    """Gram matrices of phi of the stream after branches 1..depth."""
    features = activation_products(phi, gram)
    for _ in range(depth):
        gram = (1.0 - share) * gram + share * (weight * features + bias)
        features = activation_products(phi, gram)
        yield features


def _residual(points: Array, depth: int, phi: PiecewiseLinear, weight: float, bias: float) -> Iterator[Array]:
    """Gram matrices of the stream x + phi(Wx + b) after branches 1..depth."""
    stream, centre = points @ points.T / points.shape[1], points.mean(axis=1)
    for _ in range(depth):
        before = weight * stream + bias
        shift = mean(phi, np.diag(before))
        cross = np.multiply.outer(centre, shift)
        stream = stream + cross + cross.T + activation_products(phi, before)
        centre = centre + shift
        yield stream
