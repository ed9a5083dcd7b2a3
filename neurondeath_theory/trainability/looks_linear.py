r"""Looks-linear networks: mirrored weights that make a ReLU network a linear map at birth.

Model: plain ReLU network of even widths n_1..n_k, half widths $h_l = n_l / 2$, matrices A_1 (h_1 x d), A_l
($h_l \times h_{l-1}$), A_{k+1} (outputs x h_k); biases 0;

$$W_1 = \begin{pmatrix} A_1 \\ -A_1 \end{pmatrix},\quad W_l = \begin{pmatrix} A_l & -A_l \\ -A_l & A_l \end{pmatrix},
\quad W_{k+1} = (A_{k+1}, -A_{k+1}).$$

With $u_l = A_l \cdots A_1 x$ the pre-activations of layer l are (u_l, -u_l) by induction, since
$\mathrm{relu}(u) - \mathrm{relu}(-u) = u$; the output is $A_{k+1} u_k$, a linear map of x. Exactly, at birth:

- **Life.** One unit of every pair with $u \ne 0$ is active: half of the units, at every x with no zero in u. No point
  dies unless the A's send it to 0.
- **Forward.** $|x_l| = |u_l|$. With A's of orthonormal columns $|x_l| = |x|$: possible when $h_1 \ge d$ and the half
  widths do not fall.
- **Backward.** Let $\gamma_k = A_{k+1}^T \delta$, $\gamma_{l-1} = A_l^T \gamma_l$ be the linear network's gradients for
  the output gradient $\delta$. A pair's gradient with respect to its pre-activations goes to its active unit,
  $\pm\gamma_{l,i}$, so its norm is $|\gamma_l|$; kept when the A_l of hidden layers and A_{k+1} have orthonormal rows:
  half widths do not rise and $h_k \ge$ outputs. With respect to the layer's outputs it is $\sqrt 2 |\gamma_l|$ (both
  units of a pair, before the mask).
- **Weights.** The gradient of W_l at one input has Frobenius norm $|\gamma_l| |x_{l-1}|$: the same for all hidden
  layers when both hold, that is for equal half widths of at least d and the number of outputs. Over a batch gradients
  add up as outer products of *rectified* features and masked gradients: that is not the linear network's batch
  gradient.
- **Angles.** Kept are those of $u = x^+ - x^-$. The rectified features themselves have
  $\langle x_l, x'_l \rangle = \sum_i |u_i u'_i| 1[u_i u'_i > 0] \ge \langle u, u' \rangle$; for A's in general position
  and large half width their cosine is $(\sin\theta + (\pi - \theta)\cos\theta)/\pi$, one rectified layer of the input.
- **Zeros.** u_i = 0 (a zero input, a blank patch) gives both units of the pair and their biases no gradient. The first
  step breaks the mirror; a negative bias b then silences a unit for every u < |b|.

Gaussian A's of variance 1/h_{l-1} keep sizes in the mean only: $|u_l|^2/h_l$ is multiplied by independent
$\chi^2_{h_l}/h_l$, the law of `log_sizes` for the identity at the half widths, and $\sin^2$ of a small angle by
$\chi^2_{h-1}/\chi^2_h$: such networks collapse with depth, as linear ones do.

Sources: shang2016 (arXiv 1603.05201, concatenated ReLU); balduzzi2017 (arXiv 1702.08591,
looks-linear initialisation). The conditions are derived here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_points, invalid
from neurondeath_theory.foundation.widths import Widths, layer_widths, short_widths

__all__ = ["LooksLinear", "looks_linear", "mirrored_weights"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LooksLinear(Result):
    """What a looks-linear network with orthogonal A's keeps exactly at birth, for one input; arrays of shape (k,).

    Attributes
    ----------
    widths : int array
        Widths of the hidden layers.
    input_dim, output_dim : int
        Dimensions of input and output.
    keeps_length : bool array
        Whether |x_l| = |x| for every x.
    keeps_gradient : bool array
        Whether the gradient with respect to the pre-activations of layer l has the norm of that of the outputs.
    """

    widths: npt.NDArray[np.int64]
    input_dim: int
    output_dim: int
    keeps_length: npt.NDArray[np.bool_]
    keeps_gradient: npt.NDArray[np.bool_]

    @property
    def equal_weight_gradients(self) -> bool:
        """Whether the gradients of all weights have one norm, |gradient of the outputs| |x|."""
        return bool(self.keeps_length.all() and self.keeps_gradient.all())

    @property
    def keeps_angles(self) -> npt.NDArray[np.bool_]:
        """Whether angles between any two points are kept, in u = x+ - x-, shape (k,); the same as keeping lengths."""
        return self.keeps_length

    @property
    def finding(self) -> str:
        """One sentence on what is kept."""
        if self.equal_weight_gradients:
            return "lengths, angles of x+ - x-, gradients and the norms of all weight gradients are kept"
        forward, backward = bool(self.keeps_length.all()), bool(self.keeps_gradient.all())
        if forward:
            return "lengths and angles of x+ - x- are kept exactly; gradients shrink where half widths rise"
        lost = (
            "lengths are projected: the first half width is below the input dimension, or half widths fall"
            if not forward
            else ""
        )
        return f"{lost}; gradients are " + ("kept exactly" if backward else "projected too")

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, len(self.widths) + 1),
            "width": self.widths,
            "keeps_length": self.keeps_length,
            "keeps_gradient": self.keeps_gradient,
        }

    def __str__(self) -> str:
        return f"looks-linear {self.input_dim} -> {short_widths(self.widths)} -> {self.output_dim}: {self.finding}"


def looks_linear(
    widths: Widths | None = None,
    *,
    input_dim: int,
    output_dim: int = 1,
    width: int | None = None,
    depth: int | None = None,
) -> LooksLinear:
    """State what a looks-linear network with orthogonal A's keeps exactly at birth.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each even.
    input_dim, output_dim : int
        Dimensions of input and output, at least 1.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    LooksLinear
        What is kept, layer by layer.

    Raises
    ------
    InvalidArgumentError
        If a width is odd or a number leaves its domain.

    Notes
    -----
    Exact for A's with orthonormal columns (where they are at least as high as wide) or rows. Derived in the module.

    Examples
    --------
    >>> print(looks_linear([16, 16, 16], input_dim=8, output_dim=4))
    looks-linear 8 -> 16 x 3 -> 4: lengths, angles of x+ - x-, gradients and the norms of all weight gradients are kept
    >>> looks_linear([16, 32], input_dim=8).keeps_gradient.tolist()
    [False, True]
    """
    layers = layer_widths(widths, width, depth)
    for layer in np.flatnonzero(layers % 2)[:1].tolist():
        raise invalid(f"widths[{layer}]", "be even, a unit and its mirror image", int(layers[layer]))
    inputs, outputs = check_count("input_dim", input_dim), check_count("output_dim", output_dim)
    half = layers // 2
    tall = np.concatenate([[half[0] >= inputs], half[1:] >= half[:-1]])
    flat = np.concatenate([half[:-1] >= half[1:], [half[-1] >= outputs]])
    return LooksLinear(
        widths=layers,
        input_dim=inputs,
        output_dim=outputs,
        keeps_length=np.logical_and.accumulate(tall),
        keeps_gradient=np.logical_and.accumulate(flat[::-1])[::-1].copy(),
    )


def mirrored_weights(halves: Sequence[npt.ArrayLike]) -> list[Array]:
    """Build the weights of a looks-linear network from the matrices A_1..A_{k+1}.

    Parameters
    ----------
    halves : sequence of array_like
        A_1, shape (h_1, input_dim), A_l, shape (h_l, h_{l-1}), and last A_{k+1}, shape (outputs, h_k); at least two.

    Returns
    -------
    list of float array
        W_1..W_{k+1}, so that the ReLU network with these weights and no biases is the product of the A's.

    Raises
    ------
    InvalidArgumentError
        If a matrix is not finite or the shapes do not fit together.

    Examples
    --------
    >>> first, last = mirrored_weights([[[2.0]], [[3.0]]])
    >>> first.tolist(), last.tolist()
    ([[2.0], [-2.0]], [[3.0, -3.0]])
    """
    parts = [check_points(f"halves[{i}]", half) for i, half in enumerate(halves)]
    if len(parts) < 2:
        raise invalid("halves", "hold at least two matrices, of a hidden layer and of the outputs", len(parts))
    for i in range(1, len(parts)):
        if parts[i].shape[1] != parts[i - 1].shape[0]:
            rule = f"have {parts[i - 1].shape[0]} columns, the rows of the matrix before it"
            raise invalid(f"halves[{i}]", rule, f"shape {parts[i].shape}")
    wide = [part if i == 0 else np.hstack([part, -part]) for i, part in enumerate(parts)]
    return [part if i == len(parts) - 1 else np.vstack([part, -part]) for i, part in enumerate(wide)]
