"""Forward passes of several plain networks side by side, one layer at a time, with their features kept between layers.

Points and scales are those of `layers`; every network draws the parameters of a layer of its own trial.
"""

import numpy as np

from neurondeath.simulations.kernels.initialisers import LayerLaw, draw_layer, layer_buffers
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.layers import activate, products, rescale
from neurondeath.simulations.kernels.packed_arguments import Columns
from neurondeath.simulations.kernels.sign_flips import NO_FLIP, flip_layer

__all__ = ["advance_networks"]


@kernel
def advance_networks(columns, alive, of_points, law, layer, stream):
    """Replace the features of every network by those after one more layer, and mark the points still alive.

    `columns` and `alive` have one more axis in front, the networks; network i is trial number i of the stream. `law` is
    a `GeneralLaw` of plain networks.
    """
    features, exponents, constants, peaks = columns
    widths, fan_ins, weight_scales, bias_scale, _, _, init, flip, activation, _, passed = law
    n_networks, rows, n_points = features.shape
    width, fan_in = widths[layer], fan_ins[layer]
    buffers = layer_buffers(widths[layer : layer + 1], fan_ins[layer : layer + 1], init, passed, of_points)
    of_layer = LayerLaw(init, width, fan_in, weight_scales[layer], bias_scale)
    z = np.zeros((rows, n_points), features.dtype)
    active, covered = np.zeros(n_points, np.int64), np.zeros(n_points, np.bool_)
    for i in range(n_networks):
        draw_layer(buffers, of_layer, stream.key, layer, stream.first_trial + i)
        products(z, features[i], constants[i], buffers.parameters, width, fan_in)
        if flip != NO_FLIP:
            flip_layer(z, alive[i], covered, flip, width)
        activate(features[i], z, active, peaks[i], constants[i], activation, width)
        for p in range(n_points):
            alive[i, p] &= active[p] > 0
        rescale(Columns(features[i], exponents[i], constants[i], peaks[i]), of_points, width)
