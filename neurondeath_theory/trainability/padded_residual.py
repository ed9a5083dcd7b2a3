r"""The critical residual of convolutions: what padding does to the variance at the border, at many channels.

Model: stream of C channels over positions, stride 1, each branch a convolution of the activations with weights of
variance $\sigma_w^2/(|\text{kernel}|\, C)$ and biases of variance $\sigma_b^2$; a^2 = D/L. At many channels the
variance q_p at position p obeys

$$q_p \to (1 - a^2) q_p + a^2 \Big( \sigma_b^2 + \frac{\sigma_w^2}{|\text{kernel}|} \sum_{\beta:\ p + \beta\
\text{inside}} E\phi^2(q_{p + \beta}) \Big).$$

- **Circular padding**: every position sees a whole kernel; q* is kept everywhere. In `residual_fluctuations` the width
  n becomes at least the number of channels (positions of one input share weights).
- **Zero padding**: a position whose kernel lies inside with a share m loses the rest: corners of a 3 x 3 kernel have
  m = 4/9. The border settles below q*, and the deficit creeps inwards; a clipped design pulls it back (V' < 1, and
  biases), ReLU does not.
- **Correction**: divide the convolution, not the bias, by sqrt(m_p) at every position (`kernel_share`). Then
  q_p = q* is kept exactly, as with circular padding. (Dividing the bias too overshoots to sigma_b^2 / m.)

The first layer must give variance q* at every position as well: inputs normalised by position, or the same division.
Sampled (3 x 3 kernel, 8 x 8 positions, D = 4, 60 networks): the mean of q in the corners of clipped networks is
0.71 +- 0.04 at 16 channels and 0.729 +- 0.017 at 64, limit 0.727; ReLU 0.218 +- 0.008, limit 0.222. Medians are lower.

Source: price2024 (arXiv 2402.16184) for the map of convolutional networks; the stream and the correction derived here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_flag, check_widths, invalid
from neurondeath_theory.gaussian_limit.convolution import PADDINGS
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.gaussian_limit.moments import inactive_probability, second_moment
from neurondeath_theory.trainability.critical_residual import check_effective_depth

__all__ = ["PaddedResidual", "kernel_share", "padded_residual"]

Array = npt.NDArray[np.float64]

MOST_POSITIONS = 10**6


@dataclass(frozen=True, kw_only=True)
class PaddedResidual(Result):
    """Variance and sparsity at every position after all branches; arrays have the shape of the grid.

    Attributes
    ----------
    design : EdgeOfChaos
        The design.
    depth : int
        Number of branches.
    effective_depth : float
        D.
    padding : str
        "circular" or "zero".
    share : float array
        Share of the kernel inside the grid.
    q : float array
        Variance of the stream.
    sparsity : float array
        Share of activations at exactly zero.
    """

    design: EdgeOfChaos
    depth: int
    effective_depth: float
    padding: str
    share: Array
    q: Array
    sparsity: Array

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per position."""
        return {"share": self.share.ravel(), "q": self.q.ravel(), "sparsity": self.sparsity.ravel()}

    def __str__(self) -> str:
        low, high = format_number(self.q.min() / self.design.q), format_number(self.q.max() / self.design.q)
        return f"{self.padding} padding, effective depth {self.effective_depth:g}: q from {low} to {high} of q*"


def kernel_share(grid: Sequence[int], kernel: Sequence[int]) -> Array:
    """Share of the kernel that lies inside the grid at every position, shape `grid`.

    Parameters
    ----------
    grid : sequence of int
        Lengths of the grid, one or two.
    kernel : sequence of int
        Kernel lengths, as many.

    Returns
    -------
    float array
        In (0, 1]; 1 where the kernel does not reach the border.

    Raises
    ------
    InvalidArgumentError
        If the lengths are not whole numbers of at least 1, or their numbers do not agree.

    Examples
    --------
    >>> kernel_share([3, 3], [3, 3]).round(4)[0].tolist()
    [0.4444, 0.6667, 0.4444]
    """
    lengths, sizes = _check_grid(grid, kernel)
    return _kernel_mean(np.ones(lengths), sizes, "zero")


def padded_residual(
    design: EdgeOfChaos,
    grid: Sequence[int],
    kernel: Sequence[int],
    depth: int,
    effective_depth: float = 1.0,
    *,
    padding: str = "zero",
    divide_by_share: bool = False,
) -> PaddedResidual:
    """Follow the variance at every position through a critical residual convolutional network of many channels.

    Parameters
    ----------
    design : EdgeOfChaos
        The design.
    grid, kernel : sequence of int
        Lengths of the grid and of the kernel, one or two each.
    depth : int
        Number of branches L.
    effective_depth : float
        D, in (0, depth].
    padding : str
        "circular" or "zero".
    divide_by_share : bool
        Whether the convolution is divided by the root of `kernel_share` at every position; zero padding only.

    Returns
    -------
    PaddedResidual
        Variances and sparsity, started from q* everywhere.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> padded = padded_residual(design, [16, 16], [3, 3], 100, 4.0)
    >>> [round(float(padded.q[i, i]), 3) for i in (0, 1, 8)]
    [0.728, 0.917, 1.0]
    >>> print(padded_residual(design, [16, 16], [3, 3], 100, 4.0, divide_by_share=True))
    zero padding, effective depth 4: q from 1 to 1 of q*
    """
    check_design(design)
    branches, reach = check_effective_depth(depth, effective_depth)
    lengths, sizes = _check_grid(grid, kernel)
    kind = check_choice("padding", padding, PADDINGS)
    divide = check_flag("divide_by_share", divide_by_share)
    if divide and kind == "circular":
        raise invalid("divide_by_share", "be False with circular padding, where every share is 1", divide_by_share)
    share = _kernel_mean(np.ones(lengths), sizes, kind)
    part = reach / branches
    q = np.full(lengths, design.q)
    for _ in range(branches):
        average = _kernel_mean(np.asarray(second_moment(design.activation, q)), sizes, kind)
        if divide:
            average = average / share
        q = (1.0 - part) * q + part * (design.sigma_w2 * average + design.sigma_b2)
    return PaddedResidual(
        design=design,
        depth=branches,
        effective_depth=reach,
        padding=kind,
        share=share,
        q=q,
        sparsity=np.asarray(inactive_probability(design.activation, q)),
    )


def _check_grid(grid: Sequence[int], kernel: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    lengths = tuple(check_widths("grid", grid).tolist())
    sizes = tuple(check_widths("kernel", kernel).tolist())
    if len(sizes) != len(lengths) or len(lengths) > 2:
        raise invalid("kernel", "have as many lengths as the grid, one or two", sizes, f"the grid has {len(lengths)}")
    if math.prod(lengths) > MOST_POSITIONS:
        raise invalid("grid", f"have at most {MOST_POSITIONS} positions", lengths)
    return lengths, sizes


def _kernel_mean(values: Array, kernel: tuple[int, ...], padding: str) -> Array:
    """Average over the kernel's positions; a kernel of length k reaches (k - 1) // 2 back and k // 2 ahead."""
    back, ahead = [(k - 1) // 2 for k in kernel], [k // 2 for k in kernel]
    mode = "wrap" if padding == "circular" else "constant"
    around = np.pad(values, list(zip(back, ahead, strict=True)), mode=mode)  # type: ignore[call-overload]
    total = np.zeros_like(values)
    for offset in product(*(range(k) for k in kernel)):
        total += around[tuple(slice(o, o + n) for o, n in zip(offset, values.shape, strict=True))]
    return np.asarray(total / math.prod(kernel))
