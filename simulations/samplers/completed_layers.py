r"""Which of the rows that are dead before a layer's sign flips are dead after them.

The row is put at a random place of a layer whose other rows are drawn given it, and the flips are applied. Independent
rows are drawn from their law. For orthogonal ones a matrix with the law of the layer is reflected so that its row at
that place becomes the given one: the others keep their law given that row [its complement is rotated uniformly].
"""

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.initialisers import GAUSSIAN, ORTHOGONAL, RAI, UNIFORM
from neurondeath.simulations.kernels.nested_rows import row_of
from neurondeath.simulations.kernels.packed_arguments import RowInputs, RowLaw

__all__ = ["dead_after_flips"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOST_ENTRIES = 2**22  # of the pre-activations computed at a time


def dead_after_flips(
    rows: tuple[npt.NDArray[np.int64], Floats],
    inputs: RowInputs,
    alive: Flags,
    law: RowLaw,
    width: int,
    flip: str,
    rng: np.random.Generator,
) -> Flags:
    """Return which units are dead after the flips of their layer, one per row.

    Parameters
    ----------
    rows : (int array, shape (n_rows,), float array, shape (n_rows, n_coordinates))
        Network and normals of every row that is dead before the flips.
    inputs : RowInputs
        Inputs of the layer in every network.
    alive : bool array, shape (n_networks, n_points)
        The points still alive.
    law : RowLaw
        Law of the rows.
    width : int
        Units of the layer.
    flip : {"layer", "neuron"}
        The rule of the flips.
    rng : Generator
        Source of the other rows.
    """
    networks, normals = rows
    dead = np.zeros(len(networks), dtype=bool)
    step = max(1, MOST_ENTRIES // (width * max(law.dimension + 1, inputs.highs.shape[1])))
    for start in range(0, len(networks), step):
        part = slice(start, start + step)
        features = inputs.features[networks[part]].astype(np.float64)
        places = rng.integers(width, size=len(features))
        z = _completed(normals[part], places, law, width, rng) @ features
        given = np.arange(len(features)), places
        z[given] = np.minimum(z[given], 0.0)  # dead up to rounding
        _flip(z, alive[networks[part]], flip)
        dead[part] = (z[given] <= 0.0).all(axis=1)
    return dead


def _completed(
    normals: Floats, places: npt.NDArray[np.int64], law: RowLaw, width: int, rng: np.random.Generator
) -> Floats:
    """Draw a layer around every row, shape (n_rows, width, fan_in + 1)."""
    n_rows, fan_in = len(normals), law.fan_in
    given = np.zeros((n_rows, fan_in + 1))
    for row, one in zip(given, normals, strict=True):
        row_of(row, one, law)
    layers = rng.standard_normal((n_rows, width, fan_in + 1))
    at = np.arange(n_rows)
    if law.init == UNIFORM:
        n_uniform = fan_in + law.uniform_bias
        layers[:, :, :n_uniform] = np.sqrt(3.0) * rng.uniform(-1.0, 1.0, (n_rows, width, n_uniform))
    elif law.init == ORTHOGONAL:
        layers[:, :, :fan_in] = _orthogonal_around(normals[:, : law.dimension], places, law, width, rng)
    elif law.init == RAI:
        entries = rng.integers(fan_in + 1, size=(n_rows, width, 1))
        redrawn = law.beta_scale * rng.beta(2.0, 1.0, (n_rows, width, 1))
        np.put_along_axis(layers, entries, redrawn, axis=2)
    else:
        assert law.init == GAUSSIAN
    if not law.has_bias:
        layers[:, :, fan_in] = 0.0
    layers[at, places] = given
    return layers


def _orthogonal_around(
    normals: Floats, places: npt.NDArray[np.int64], law: RowLaw, width: int, rng: np.random.Generator
) -> Floats:
    """Draw orthogonal layers in law.dimension dimensions and reflect each so that one row points along its normals."""
    n_rows, size = normals.shape
    frames = np.linalg.qr(rng.standard_normal((n_rows, size, width)))[0].transpose(0, 2, 1)
    frames *= rng.choice([-1.0, 1.0], size=(n_rows, width, 1))  # the factorisation fixes the signs of its vectors
    goals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    axes = frames[np.arange(n_rows), places] - goals
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    frames -= 2.0 * (frames @ axes[:, :, None]) * axes[:, None, :]
    return np.asarray(np.sqrt(size) * frames[:, :, : law.fan_in])


def _flip(z: Floats, alive: Flags, flip: str) -> None:
    """Apply the rule of a flip to the pre-activations, shape (n_layers, width, n_points) (see `kernels.sign_flips`)."""
    if flip == "layer":
        staying = ((z > 0.0).any(axis=1) & alive).sum(axis=1)
        z[2 * staying < alive.sum(axis=1)] *= -1.0
        return
    covered = ~alive
    for i in range(z.shape[1]):
        n_open = (~covered).sum(axis=1)
        n_active = (~covered & (z[:, i] > 0.0)).sum(axis=1)
        z[2 * n_active < n_open, i] *= -1.0
        covered |= z[:, i] > 0.0
