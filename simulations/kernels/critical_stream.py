r"""A branch of the critical residual stream, forward and backward.

$h \to \sqrt{1 - a^2}\, h + a\,(W \phi(h) + b)$ with $a = \sqrt{D / L}$: the pre-activations of a layer are the stream
after its branch, its activations those of the stream, which the next branch reads. With a = 1 nothing is left of the
stream before. Columns carry a power of two, as in `layers`; phi(h) has the scale of h.

Source: `neurondeath_theory.trainability.critical_residual`.
"""

import math

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.layers import rescale

__all__ = ["add_to_stream", "pass_back"]


@kernel
def add_to_stream(stream, products, of_points, rows, branch_scale):
    """Add a branch's `products`, of the scale of the stream's columns, to the stream; bring it to a safe scale."""
    x, _, _, peak = stream
    keep = math.sqrt(1.0 - branch_scale * branch_scale)
    peak[:] = 0
    for i in range(rows):
        row, other = x[i], products[i]
        for p in range(peak.size):
            row[p] = keep * row[p] + branch_scale * other[p]
            size = abs(row[p])
            peak[p] = size if size > peak[p] else peak[p]
    rescale(stream, of_points, rows)


@kernel
def pass_back(gradient, products, gains, rows, branch_scale):
    """Turn the gradient with respect to the stream after a branch into that before it.

    `products` holds W^T of the gradient, `gains` the slopes of the stream before the branch.
    """
    keep = math.sqrt(1.0 - branch_scale * branch_scale)
    for i in range(rows):
        row, other, slopes = gradient[i], products[i], gains[i]
        for p in range(row.size):
            row[p] = keep * row[p] + branch_scale * slopes[p] * other[p]
