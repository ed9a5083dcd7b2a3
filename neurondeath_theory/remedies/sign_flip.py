r"""Guarantees of a sign flip at initialisation, with probability one.

Setting: plain ReLU layers of widths n_1..n_k whose weights (and biases) have no atoms; every point nonzero, or biases
present. A point is alive through layer l when every layer 1..l has a unit active at it. No pre-activation is zero.

- Layer flip [rister2020]: for l = 1..k, with A the points alive so far, negate (W_l, b_l) if fewer than half of A stay
  alive. Each point of A is alive under at least one of the two signs, so at least ceil(|A|/2) survive a layer: the
  living ratio is at least $2^{-k}$, and a finite set never dies.
- Neuron flip: within a layer take the units one after another, U the points of A not yet covered by an active unit;
  negate the unit's row and bias if it is active on fewer than half of U. Each unit leaves at most floor(|U|/2)
  uncovered, so at most floor(|A|/2^n) points die: the living ratio is at least $\prod_l (1 - 2^{-n_l})$, and fewer than
  $2^{\min n}$ points all stay alive at any depth.

Both use only the signs of the given data, so they also hold for duplicate, collinear and antipodal points.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_count
from neurondeath_theory.foundation.widths import Widths, layer_widths
from neurondeath_theory.survival.bounds import survival_bounds

__all__ = ["SignFlipGuarantee", "sign_flip_guarantee"]

LN2 = math.log(2.0)
POINT_ALIVE = "a point is alive through layer l when every layer 1..l has a unit active at it"


@dataclass(frozen=True, kw_only=True)
class SignFlipGuarantee(Result):
    """What a sign flip guarantees with probability one; every array has shape (k,).

    Attributes
    ----------
    widths : int array
        Widths of the hidden layers.
    mode : str
        "layer" or "neuron".
    n_points : int or None
        Number of points that decide the flips; None for a set of any size.
    living_points : int array or None
        Least number of points alive through layer l; None without `n_points`.
    log_living_ratio : float array
        Natural logarithm of the guaranteed share of points alive through layer l, for a set of any size.
    notion : str
        What being alive means here.
    """

    widths: npt.NDArray[np.int64]
    mode: str
    n_points: int | None
    living_points: npt.NDArray[np.int64] | None
    log_living_ratio: npt.NDArray[np.float64]
    notion: str

    @property
    def living_ratio(self) -> npt.NDArray[np.float64]:
        """Guaranteed share of points alive through layer l: from the counts where known, else for any size."""
        if self.living_points is None or self.n_points is None:
            return np.exp(self.log_living_ratio)
        return np.asarray(self.living_points / self.n_points)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        counts = {} if self.living_points is None else {"living_points": self.living_points}
        depth = np.arange(1, len(self.widths) + 1)
        return {"depth": depth, "width": self.widths, "living_ratio": self.living_ratio, **counts}

    def __str__(self) -> str:
        ratio, depth = format_number(self.living_ratio[-1]), len(self.widths)
        counted = ""
        if self.living_points is not None:
            counted = f", {self.living_points[-1]} of {self.n_points} points"
        layers = f"{depth} layer" + ("s" if depth > 1 else "")
        return f"{self.mode} sign flip: living ratio >= {ratio}{counted} through {layers}, with probability one"


def sign_flip_guarantee(
    widths: Widths | None = None,
    n_points: int | None = None,
    mode: str = "neuron",
    *,
    width: int | None = None,
    depth: int | None = None,
) -> SignFlipGuarantee:
    """Compute the share of points that a sign flip keeps alive with certainty.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each at least 1.
    n_points : int, optional
        Number of points that decide the flips, at least 1; without it the guarantee holds for a set of any size.
    mode : str
        "layer" negates whole layers, "neuron" single units.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    SignFlipGuarantee
        Guaranteed living points and living ratio through every layer.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    Excludes pre-activations that are exactly zero: zero points without biases, weights with atoms such as ±1. The
    counts are exact whole-number recursions; points are counted with repetition. Source: rister2020 (arXiv 2007.06192)
    for the layer flip; the neuron flip is proved in the module docstring.

    Examples
    --------
    >>> print(sign_flip_guarantee([3] * 50, n_points=100, mode="neuron"))
    neuron sign flip: living ratio >= 0.07, 7 of 100 points through 50 layers, with probability one
    >>> sign_flip_guarantee([3] * 4, n_points=100, mode="layer").living_points.tolist()
    [50, 25, 13, 7]
    """
    layers = layer_widths(widths, width, depth)
    mode = check_choice("mode", mode, ("layer", "neuron"))
    counts = None
    if n_points is not None:
        n_points = alive = check_count("n_points", n_points)
        counts = np.empty(len(layers), dtype=np.int64)
        for index, width in enumerate(layers.tolist()):
            alive -= alive // 2 if mode == "layer" else alive >> width
            counts[index] = alive
    halvings = -LN2 * np.arange(1, len(layers) + 1, dtype=np.float64)
    log_ratio = halvings if mode == "layer" else survival_bounds(layers).log_lower
    return SignFlipGuarantee(
        widths=layers,
        mode=mode,
        n_points=n_points,
        living_points=counts,
        log_living_ratio=log_ratio,
        notion=POINT_ALIVE,
    )
