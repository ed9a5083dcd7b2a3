"""Single networks of any law as arrays, drawn by the kernels, and their passes in plain NumPy, forward and backward.

For what is measured of a few networks at birth: features of the last layer and gradients of a loss with respect to all
parameters, biases that start at 0 included. Double precision; formulas of the architectures are those of
`neurondeath_theory.networks.network`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.kernels.initialisers import LayerLaw, draw_layer, layer_buffers
from neurondeath.simulations.kernels.sign_flips import NO_FLIP, flip_layer
from neurondeath.simulations.samplers.crude_general import FLIPS, general_law, of_mean_square
from neurondeath.simulations.samplers.passed_layers import layers_of_law
from neurondeath_theory.networks.network import Network

__all__ = ["DrawnNetwork", "draw_network"]

Array = npt.NDArray[np.float64]


@dataclass
class _Layer:
    """What a forward pass leaves of a layer for the backward pass."""

    inputs: Array
    slopes: Array
    standardised: Array | None = None
    spread: Array | None = None


@dataclass
class DrawnNetwork:
    """The parameters of one network, which `step` changes, and the passes through it.

    Attributes
    ----------
    network : Network
        The law; sign flips are already part of the weights.
    weights, biases : list of float array, shapes (n_l, fan_in) and (n_l,)
        The parameters. With batch norm biases act after the standardisation, as its shifts do.
    gains : list of float array, shape (n_l,)
        The scales of batch norm, 1 at birth.
    readout : float array, shape (n_outputs, n_features)
        The last layer.
    """

    network: Network
    weights: list[Array]
    biases: list[Array]
    gains: list[Array]
    readout: Array
    readout_bias: Array
    _layers: list[_Layer] = field(default_factory=list, repr=False)

    def parameters(self) -> list[Array]:
        """List all parameters, in the order of `gradients`."""
        scales = self.gains if self.network.architecture == "batch_norm" else []
        return [*self.weights, *self.biases, *scales, self.readout, self.readout_bias]

    def features(self, points: Array) -> Array:
        """Return the features that the last layer reads, shape (n_points, n_features)."""
        self._layers = []
        network, phi = self.network, self.network.activation
        if network.input_mean_square is not None:
            points = of_mean_square(points, network.input_mean_square)
        if network.effective_depth is not None:
            scale = np.sqrt(network.effective_depth / network.depth)
            h = points
            for layer in range(network.depth):
                h = np.sqrt(1.0 - scale**2) * h + scale * self._affine(layer, phi(h), _slopes(phi, h))
            self._last = _slopes(phi, h)
            return np.asarray(phi(h))
        stream = x = points
        for layer in range(network.depth):
            if network.architecture == "dense":
                x = stream
            z = self._affine(layer, x, None)
            self._layers[-1].slopes = _slopes(phi, z)
            x = np.asarray(phi(z))
            if network.architecture == "dense":
                stream = np.concatenate([stream, x], axis=1)
            elif network.architecture in ("residual", "skip") and (layer + 1) % network.block_depth == 0:
                stream = x = stream + x
        return stream if network.architecture == "dense" else x

    def _affine(self, layer: int, x: Array, slopes: Array | None) -> Array:
        """Return the pre-activations of a layer, standardised over the points with batch norm."""
        z = x @ self.weights[layer].T
        kept = _Layer(x, np.empty(0) if slopes is None else slopes)
        self._layers.append(kept)
        if self.network.architecture == "batch_norm":
            z = z - z.mean(axis=0)
            spread = np.sqrt(np.mean(z**2, axis=0))
            flat = spread <= 1e-12 * np.abs(x @ self.weights[layer].T).max(axis=0)
            kept.spread = np.where(flat, np.inf, spread)
            kept.standardised = z / kept.spread
            z = self.gains[layer] * kept.standardised
        return np.asarray(z + self.biases[layer])

    def logits(self, points: Array) -> Array:
        """Return the outputs, shape (n_points, n_outputs)."""
        return np.asarray(self.features(points) @ self.readout.T + self.readout_bias)

    def gradients(self, of_logits: Array, features: Array) -> list[Array]:
        """Return the gradients of all parameters after a forward pass, given those of the logits."""
        network = self.network
        to_readout, to_readout_bias = of_logits.T @ features, of_logits.sum(axis=0)
        g = of_logits @ self.readout
        weights: list[Any] = [None] * network.depth
        biases: list[Any] = [None] * network.depth
        gains: list[Any] = [None] * network.depth
        if network.effective_depth is not None:
            scale = np.sqrt(network.effective_depth / network.depth)
            g = g * self._last
            for layer in range(network.depth - 1, -1, -1):
                below = self._backward(layer, scale * g, weights, biases, gains)
                g = np.sqrt(1.0 - scale**2) * g + below * self._layers[layer].slopes
        else:
            self._back_through_chain(g, weights, biases, gains)
        scales = gains if network.architecture == "batch_norm" else []
        return [*weights, *biases, *scales, to_readout, to_readout_bias]

    def _back_through_chain(self, g: Array, weights: list[Any], biases: list[Any], gains: list[Any]) -> None:
        network = self.network
        stream = g
        for layer in range(network.depth - 1, -1, -1):
            kept = self._layers[layer]
            if network.architecture == "dense":
                width = network.widths[layer]
                of_z = stream[:, -width:] * kept.slopes
                stream = stream[:, :-width] + self._backward(layer, of_z, weights, biases, gains)
                continue
            ends_block = network.architecture in ("residual", "skip") and (layer + 1) % network.block_depth == 0
            if ends_block:
                stream = g
            g = self._backward(layer, g * kept.slopes, weights, biases, gains)
            if network.architecture in ("residual", "skip") and layer % network.block_depth == 0:
                g = g + stream

    def _backward(self, layer: int, of_z: Array, weights: list[Any], biases: list[Any], gains: list[Any]) -> Array:
        """Store the gradients of a layer's parameters, and return that of its inputs."""
        kept = self._layers[layer]
        biases[layer] = of_z.sum(axis=0)
        if kept.standardised is not None and kept.spread is not None:
            normed = kept.standardised
            gains[layer] = (of_z * normed).sum(axis=0)
            inner = of_z * self.gains[layer]
            inner = inner - inner.mean(axis=0) - normed * (inner * normed).mean(axis=0)
            of_z = inner / kept.spread
        weights[layer] = of_z.T @ kept.inputs
        return np.asarray(of_z @ self.weights[layer])


def _slopes(phi: Any, z: Array) -> Array:
    """Slopes of an activation, at a kink those to its left."""
    return np.asarray(phi.slopes)[np.searchsorted(phi.kinks, z, side="left")]


def draw_network(
    network: Network, points: Array, *, seed: int, number: int, n_outputs: int = 10, stream: str = "drawn networks"
) -> DrawnNetwork:
    """Draw one network and a read-out of variance 2 / (number of features).

    Parameters
    ----------
    network : Network
        The law.
    points : float array, shape (n_points, input_dim)
        Points on which sign flips are chosen.
    seed, number : int
        Seed, and number of the network: no network depends on how many are drawn.
    n_outputs : int
        Rows of the read-out.
    stream : str
        Name of the random stream, combined with the description of the law.
    """
    key0, key1 = stream_key(seed, f"{stream}: {network.description()}")
    key = (np.uint64(key0), np.uint64(key1))
    if network.law is None:
        layers = _drawn(network, key, number)
    else:
        layers = layers_of_law(network.law, network.fan_ins, network.widths, key, number)
    n_features = network.widths[-1] + (network.fan_ins[-1] if network.architecture == "dense" else 0)
    rng = np.random.Generator(np.random.Philox(key=[key0, key1], counter=[0, 0, 1, number]))
    drawn = DrawnNetwork(
        network,
        weights=[weights for weights, _ in layers],
        biases=[biases for _, biases in layers],
        gains=[np.ones(width) for width in network.widths],
        readout=rng.standard_normal((n_outputs, n_features)) * np.sqrt(2.0 / n_features),
        readout_bias=np.zeros(n_outputs),
    )
    if network.sign_flip != "none":
        _flip(drawn, points)
    return drawn


def _drawn(network: Network, key: tuple[np.uint64, np.uint64], number: int) -> Sequence[tuple[Array, Array]]:
    law = general_law(network, np.dtype(np.float64))
    buffers = layer_buffers(law.widths, law.fan_ins, law.init, law.passed, np.zeros((1, 1)))
    layers = []
    for layer, (width, fan_in) in enumerate(zip(network.widths, network.fan_ins, strict=True)):
        buffers.parameters.biases[:] = 0.0
        draw_layer(
            buffers, LayerLaw(law.init, width, fan_in, law.weight_scales[layer], law.bias_scale), key, layer, number
        )
        weights = buffers.parameters.weights[: width * fan_in].reshape(width, fan_in).copy()
        layers.append((weights, buffers.parameters.biases[:width].copy()))
    return layers


def _flip(drawn: DrawnNetwork, points: Array) -> None:
    """Apply the sign flips of a plain network to its weights and biases."""
    network, flip = drawn.network, FLIPS[drawn.network.sign_flip]
    assert flip != NO_FLIP
    alive = np.ones(len(points), dtype=bool) if network.has_bias else points.any(axis=1)
    x, covered = points, np.zeros(len(points), dtype=bool)
    for weights, biases in zip(drawn.weights, drawn.biases, strict=True):
        z = np.ascontiguousarray((x @ weights.T + biases).T)
        before = z.copy()
        flip_layer(z, alive, covered, flip, len(z))
        signs = np.where((z == before).all(axis=1), 1.0, -1.0)
        weights *= signs[:, None]
        biases *= signs
        x = np.asarray(network.activation(z.T))
        alive &= (x != 0).any(axis=1)
