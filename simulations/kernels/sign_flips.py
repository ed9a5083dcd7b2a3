"""Sign flips of a layer of ReLU units at the points still alive.

Negating a row and its bias negates its pre-activations: the weights can stay unchanged, since nothing else reads them.
"""

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["FLIP_LAYER", "FLIP_NEURON", "NO_FLIP", "flip_layer"]

NO_FLIP, FLIP_LAYER, FLIP_NEURON = 0, 1, 2


@kernel
def flip_layer(z, alive, covered, flip, width):
    """Negate rows of z by the rule of the flip; `alive` marks the points still alive, `covered` is scratch."""
    if flip == FLIP_LAYER:
        _flip_whole_layer(z, alive, covered, width)
    elif flip == FLIP_NEURON:
        _flip_neurons(z, alive, covered, width)


@kernel
def _flip_whole_layer(z, alive, covered, width):
    """Negate the layer if fewer than half of the living points would stay alive."""
    n_alive, n_staying = 0, 0
    covered[:] = False
    for i in range(width):
        for p in range(alive.size):
            covered[p] |= z[i, p] > 0
    for p in range(alive.size):
        n_alive += alive[p]
        n_staying += alive[p] & covered[p]
    if 2 * n_staying < n_alive:
        _negate(z, 0, width)


@kernel
def _flip_neurons(z, alive, covered, width):
    """Negate every unit that is active on fewer than half of the living points that no unit before it covers."""
    for p in range(alive.size):
        covered[p] = not alive[p]
    for i in range(width):
        n_open, n_active = 0, 0
        for p in range(alive.size):
            n_open += not covered[p]
            n_active += (not covered[p]) & (z[i, p] > 0)
        if n_open == 0:
            return
        if 2 * n_active < n_open:
            _negate(z, i, i + 1)
        for p in range(alive.size):
            covered[p] |= z[i, p] > 0


@kernel
def _negate(z, first, last):
    for i in range(first, last):
        for p in range(z.shape[1]):
            z[i, p] = -z[i, p]
