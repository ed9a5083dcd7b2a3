r"""Tiny networks under every pattern of signs: exact probabilities by counting, without theory.

The magnitudes of all weights and biases are integers drawn once and then fixed; their signs are independent fair
coins, so each of the $2^w$ patterns of w signs has probability $2^{-w}$, and the probability of an event is its number
of patterns over $2^w$. The claims assume no more of the weights than such a law satisfies: they must hold for
every draw of the magnitudes, and for the mixtures of draws that Gaussian or uniform weights are.

The forward pass is in 64-bit integers, without rounding; a draw where a pre-activation vanishes at a living point
is drawn again (it has an atom at zero, which the claims exclude). Batch norm needs square roots: it is computed in
doubles, and a draw with a normalised pre-activation within 1e-9 of zero is drawn again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurondeath_theory.networks.network import Network

__all__ = ["EverySign", "every_sign", "number_of_signs"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]

LARGEST_MAGNITUDE = 300
MOST_SIGNS = 20
PATTERNS_PER_PASS = 2**14
LARGEST_INTEGER = 2.0**62
NEAR_ZERO = 1e-9  # of a normalised pre-activation, whose rounding error is far smaller
DRAWS = 1000


@dataclass(frozen=True)
class EverySign:
    """One network under all its sign patterns.

    Attributes
    ----------
    alive : bool array, shape (patterns, depth, points)
        Whether each point is alive through each layer; past the first active branch for the residual, skip and dense
        architectures.
    dead_units : int array, shape (patterns, depth)
        Units of the layer that are inactive at every point.
    """

    alive: Booleans
    dead_units: Integers


def number_of_signs(network: Network) -> int:
    """Count the weights and biases of a network."""
    pairs = zip(network.widths, network.fan_ins, strict=True)
    return sum(width * (fan_in + network.has_bias) for width, fan_in in pairs)


def every_sign(network: Network, points: npt.ArrayLike, rng: np.random.Generator) -> EverySign:
    """Run a ReLU network under every pattern of signs of its weights and biases.

    Parameters
    ----------
    network : Network
        Widths, input dimension, architecture, whether there are biases, and the sign flip; its law of the magnitudes
        is not used.
    points : int array, shape (n_points, input_dim)
        Integer coordinates.
    rng : numpy Generator
        Of the magnitudes, integers from 1 to 300.

    Returns
    -------
    EverySign
        Results for every pattern.

    Raises
    ------
    ValueError
        If the network has more than 20 signs, its numbers would not fit into 64 bits, or no draw of the magnitudes is
        free of ties.

    Examples
    --------
    >>> one_point = every_sign(Network([2, 2]), [[3, 5]], np.random.default_rng(0)).alive
    >>> one_point.shape, int(one_point[:, -1, 0].sum()), 256 * 3 / 4 * 3 / 4
    ((256, 2, 1), 144, 144.0)
    """
    inputs = np.asarray(points, dtype=np.int64)
    n_signs = number_of_signs(network)
    if n_signs > MOST_SIGNS:
        raise ValueError(f"{n_signs} signs are more than the {MOST_SIGNS} that are enumerated")
    if network.effective_depth is not None:
        raise ValueError("the signs of a critical residual stream do not decide its life")
    _check_size(network, inputs)
    for _ in range(DRAWS):
        magnitudes = rng.integers(1, LARGEST_MAGNITUDE + 1, size=n_signs)
        chunks = []
        for start in range(0, 2**n_signs, PATTERNS_PER_PASS):
            patterns = np.arange(start, min(start + PATTERNS_PER_PASS, 2**n_signs))[:, None]
            entries = magnitudes * (1 - 2 * ((patterns >> np.arange(n_signs)) & 1))
            chunk = _forward(network, inputs, entries)
            if chunk is None:
                break
            chunks.append(chunk)
        else:
            return EverySign(
                alive=np.concatenate([chunk.alive for chunk in chunks]),
                dead_units=np.concatenate([chunk.dead_units for chunk in chunks]),
            )
    raise ValueError(f"every one of {DRAWS} draws of the magnitudes has ties")


def _check_size(network: Network, points: Integers) -> None:
    """Refuse networks whose pre-activations might exceed 64 bits."""
    size = float(np.abs(points).max(initial=1))
    for fan_in in network.fan_ins:
        size = LARGEST_MAGNITUDE * (fan_in * size + network.has_bias) + size
    if size >= LARGEST_INTEGER and network.architecture != "batch_norm":
        raise ValueError("the numbers of this network may exceed 64 bits: fewer layers or smaller points")


def _forward(network: Network, points: Integers, entries: Integers) -> EverySign | None:
    """Run a chunk of patterns, entries of shape (patterns, signs); None where a tie is met."""
    n_patterns, n_points = len(entries), len(points)
    kind = network.architecture
    stream = branch = np.broadcast_to(points.T, (n_patterns, *points.T.shape))
    started = np.full(n_points, network.has_bias) | points.any(axis=1)
    if kind == "batch_norm":
        started = np.ones(n_points, dtype=bool)
    here = np.broadcast_to(started, (n_patterns, n_points))
    ended = np.zeros((n_patterns, n_points), dtype=bool)
    alive = np.empty((n_patterns, network.depth, n_points), dtype=bool)
    dead_units = np.empty((n_patterns, network.depth), dtype=np.int64)
    at = 0
    for layer, (width, fan_in) in enumerate(zip(network.widths, network.fan_ins, strict=True)):
        if kind in ("residual", "skip") and layer % network.block_depth == 0:
            branch, here = stream, np.broadcast_to(started, here.shape)
        weights = entries[:, at : at + width * fan_in].reshape(n_patterns, width, fan_in)
        at += width * fan_in
        z: Numbers = weights @ (stream if kind == "dense" else branch)
        if network.has_bias:
            z = z + entries[:, at : at + width, None]
            at += width
        if kind == "batch_norm":
            z, tied = _normalised(z)
        else:
            tied = bool(((z == 0) & (started if kind == "dense" else here)[..., None, :]).any())
        if tied:
            return None
        if network.sign_flip != "none":
            z = _flipped(z, here, network.sign_flip)
        active = (z > 0).any(axis=1)
        outcome = np.maximum(z, 0)
        dead_units[:, layer] = (z <= 0).all(axis=2).sum(axis=1)
        if kind == "dense":
            ended = ended | (active & started)
            stream = np.concatenate([stream, outcome], axis=1)
            alive[:, layer] = ended
            continue
        here, branch = here & active, outcome
        alive[:, layer] = here | ended
        if kind in ("residual", "skip") and (layer + 1) % network.block_depth == 0:
            stream, ended = stream + branch, ended | here
    return EverySign(alive=alive, dead_units=dead_units)


def _flipped(z: Numbers, alive: Booleans, mode: str) -> Numbers:
    """Flip signs as a correction at initialisation would, pattern by pattern; only living points count."""
    flipped = z.copy()
    if mode == "layer":
        stay = ((z > 0).any(axis=1) & alive).sum(axis=1)
        flipped[2 * stay < alive.sum(axis=1)] *= -1
        return flipped
    uncovered = alive.copy()
    for unit in range(z.shape[1]):
        active = ((flipped[:, unit] > 0) & uncovered).sum(axis=1)
        flipped[2 * active < uncovered.sum(axis=1), unit] *= -1
        uncovered &= flipped[:, unit] <= 0
    return flipped


def _normalised(z: Numbers) -> tuple[npt.NDArray[np.float64], bool]:
    """Normalise every unit to mean 0 and variance 1 over the points; also return whether a sign is uncertain."""
    moved = z - z.mean(axis=2, keepdims=True)
    spread = moved.std(axis=2, keepdims=True)
    flat = spread <= NEAR_ZERO * np.abs(z).max(axis=2, keepdims=True)
    normalised = moved / np.where(flat, 1.0, spread)
    return normalised, bool(flat.any() or (np.abs(normalised) < NEAR_ZERO).any())
