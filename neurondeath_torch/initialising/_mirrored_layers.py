r"""Weights of looks-linear layers: pairs of units u, -u, also in groups, after flattening and with an odd unit.

The units of a layer are paired within blocks, one block for every group of its own and of the layer that reads it; with
h pairs, a block holds h units, their h mirror images, and possibly one odd unit, which has incoming weights but no
outgoing ones, so that it changes nothing at birth and still can learn. With A of shape (pairs, pairs before), the
weights are those of `neurondeath_theory.trainability.looks_linear.mirrored_weights`.

Matrices A, h rows, C sources (pairs of the layer before, or inputs) with k kernel positions each:

    orthogonal  hidden convolutions: an orthonormal matrix at the central position of the kernel, 0 elsewhere, so that
                every position keeps its length as in a perceptron; first convolutions: orthonormal in all kernel
                positions, times sqrt(min(1, C / min(h, C k))), which keeps the mean length of white inputs
    Gaussian    independent, variance 1 / (C k), which keeps the mean square

Source of the central position: Xiao et al. 2018 (arXiv 1806.05393, delta-orthogonal kernels).
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from neurondeath_torch.initialising._weight_draws import draw_weights

__all__ = ["Pairs", "draw_half", "mirrored", "pairs_of"]

CPU = torch.device("cpu")  # of indices, whatever the device of the weights


class Pairs(NamedTuple):
    """Indices of the units of a layer, one row per block, and those of their mirror images; `single` are the others."""

    plus: torch.Tensor
    minus: torch.Tensor
    single: torch.Tensor


def pairs_of(n_units: int, groups: int, next_groups: int) -> Pairs:
    """Pair the units of a layer within its own groups and those of the next layer."""
    blocks = math.lcm(groups, next_groups)
    units = torch.arange(n_units, device=CPU).reshape(blocks, n_units // blocks)
    half = units.shape[1] // 2
    return Pairs(units[:, :half], units[:, half : 2 * half], units[:, 2 * half :].flatten())


def draw_half(
    rows: int, sources: int, kernel: tuple[int, ...], orthogonal: bool, first: bool, generator: torch.Generator
) -> torch.Tensor:
    """Draw the matrix A of one group, shape (rows, sources, *kernel), in double precision."""
    positions = math.prod(kernel)
    shape = (rows, sources, *kernel)
    if not orthogonal:
        return draw_weights(shape, (sources * positions) ** -0.5, "normal", 1, generator)
    if first or positions == 1:
        length = math.sqrt(min(1.0, sources / min(rows, sources * positions)))
        # an entry of an orthonormal matrix has variance 1 / (its longer side)
        std = length / math.sqrt(max(rows, sources * positions))
        return draw_weights(shape, std, "orthogonal", 1, generator)
    half = torch.zeros(shape, dtype=torch.float64, device=generator.device)
    centre = 0
    for size in kernel:
        centre = centre * size + (size - 1) // 2
    matrix = draw_weights((rows, sources), max(rows, sources) ** -0.5, "orthogonal", 1, generator)
    half.flatten(2)[:, :, centre] = matrix
    return half


def mirrored(
    layer: nn.Module,
    before: Pairs | None,
    after: Pairs | None,
    *,
    positions: int,
    gain: float,
    orthogonal: bool,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw the weights of a layer, shape of its weight, in double precision.

    Parameters
    ----------
    layer : torch.nn.Module
        The layer.
    before, after : Pairs or None
        Pairs of the units it reads and of its own; None for unpaired ones (the inputs, the outputs).
    positions : int
        Inputs of a Linear layer per unit before it, after flattening.
    gain : float
        The c of phi(u) - phi(-u) = c u of the activation before it.
    """
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    n_units, n_inputs, kernel = weight.shape[0], weight.shape[1], tuple(weight.shape[2:])
    groups = int(getattr(layer, "groups", 1))
    full = torch.zeros(tuple(weight.shape), dtype=torch.float64, device=generator.device)
    for group in range(groups):
        rows = torch.arange(group * n_units // groups, (group + 1) * n_units // groups, device=CPU)
        plus, minus, single = (rows, rows[:0], rows[:0]) if after is None else _within(after, rows)
        if before is None:
            sources, mirrors = torch.arange(n_inputs, device=CPU), torch.arange(0, device=CPU)
        else:
            inputs = torch.arange(group * n_inputs // positions, (group + 1) * n_inputs // positions, device=CPU)
            sources, mirrors, _ = _within(before, inputs)
            sources, mirrors = (_spread(units - inputs[0], positions) for units in (sources, mirrors))
        drawn = torch.cat([plus, single])
        parts = [
            units for units in (plus, single) if len(units)
        ]  # apart, so that the pairs' A is orthonormal by itself
        halves = [draw_half(len(part), len(sources), kernel, orthogonal, before is None, generator) for part in parts]
        half = torch.cat(halves) / gain
        for units, sign in ((drawn, 1.0), (minus, -1.0)):
            full[units[:, None], sources[None, :]] = sign * half[: len(units)]
            if len(mirrors):
                full[units[:, None], mirrors[None, :]] = -sign * half[: len(units)]
    return full


def _within(pairs: Pairs, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the pairs whose units lie in a range, flattened."""
    low, high = int(units[0]), int(units[-1])
    plus, minus, single = pairs.plus.flatten(), pairs.minus.flatten(), pairs.single
    inside = (plus >= low) & (plus <= high)
    return plus[inside], minus[inside], single[(single >= low) & (single <= high)]


def _spread(units: torch.Tensor, positions: int) -> torch.Tensor:
    """Return the flattened inputs of units, `positions` per unit."""
    return (units[:, None] * positions + torch.arange(positions, device=CPU)[None, :]).flatten()
