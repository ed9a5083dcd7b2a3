"""Rules that choose the weights and units to prune: pure functions of arrays, without PyTorch.

A layer's weights are a matrix with one row per unit (convolution kernels flattened), and a mask `kept` of the same
shape marks the weights that are not yet pruned. Every rule returns a new mask or an index and changes nothing in place.
Ties are broken by the order of the layers, units and inputs, so that a rule prunes exactly the requested number of
weights.

- Synaptic Stripping [whitaker2023]: of each dead unit the remaining nonzero weights strictly below their own quantile.
- Global pruning: the weights with the smallest |w| or |w g| over all layers together.
- Activate-while-Pruning [liu2022]: of the surviving negative weights those that moved least over the cycle.
- Units: the smallest scores over all layers; no layer loses its last unit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_count, check_real, invalid

__all__ = [
    "least_moved_negative",
    "lowest_units",
    "lowest_weights",
    "stripped",
    "weight_saliency",
]

Mask = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.floating[Any]]


def stripped(weights: Weights, kept: Mask, dead: Mask, *, stripping_factor: float = 0.05) -> Mask:
    """Prune the lowest incoming weights of dead units.

    Parameters
    ----------
    weights : float array, shape (n_units, ...)
        Incoming weights, one row per unit.
    kept : bool array, shape of `weights`
        Weights not yet pruned.
    dead : bool array, shape (n_units,)
        Units never active on the deciding data.
    stripping_factor : float
        Quantile in [0, 1], interpolated linearly, of a unit's remaining nonzero weights.

    Returns
    -------
    bool array, shape of `weights`
        `kept` without the newly pruned weights: the smallest signed values of each dead unit, strictly below its
        quantile. A unit whose remaining weights are all equal, or that has at most one, loses none.

    Raises
    ------
    InvalidArgumentError
        If shapes differ, a remaining weight of a dead unit is not finite or the factor lies outside [0, 1].

    Notes
    -----
    Source: whitaker2023 (arXiv 2302.05818); strict inequality and interpolation as in its released code.

    Examples
    --------
    >>> weights = np.array([[-3.0, -2.0, 1.0, 0.0], [-3.0, -2.0, 1.0, 5.0]])
    >>> stripped(weights, weights != 0, np.array([True, False]), stripping_factor=0.5).tolist()
    [[False, True, True, False], [True, True, True, True]]
    """
    factor = check_real("stripping_factor", stripping_factor, low=0.0, high=1.0)
    weights, kept = _layer("weights", weights, kept)
    if dead.shape != weights.shape[:1]:
        raise invalid("dead", f"have one entry for each of the {len(weights)} units", dead.shape)
    rows, after = weights.reshape(len(weights), -1), kept.copy()
    kept_rows, after_rows = kept.reshape(rows.shape), after.reshape(rows.shape)
    for unit in np.flatnonzero(dead):
        remaining = kept_rows[unit] & (rows[unit] != 0)
        values = rows[unit][remaining].astype(np.float64)  # no quantile rounded below a weight
        if not values.size:
            continue
        if not np.isfinite(values).all():
            raise invalid("weights", "be finite", float(values[~np.isfinite(values)][0]), "the training has diverged")
        after_rows[unit] &= ~(remaining & (rows[unit] < np.quantile(values, factor)))
    return after


def weight_saliency(weights: Weights, gradients: Weights | None = None) -> npt.NDArray[np.float64]:
    """Score weights by |w|, or by |w g| where a gradient g is given: the first-order change of the loss without w.

    Examples
    --------
    >>> weight_saliency(np.array([-2.0, 1.0]), np.array([0.5, -3.0])).tolist()
    [1.0, 3.0]
    """
    score = np.abs(np.asarray(weights, dtype=np.float64))
    if gradients is not None:
        if gradients.shape != weights.shape:
            raise invalid("gradients", f"have the shape {weights.shape} of the weights", gradients.shape)
        score *= np.abs(np.asarray(gradients, dtype=np.float64))
    return score


def lowest_weights(scores: Sequence[Weights], kept: Sequence[Mask], count: int) -> list[Mask]:
    """Prune the `count` kept weights with the lowest scores over all layers together.

    Parameters
    ----------
    scores : sequence of float arrays
        One array per layer, such as those of `weight_saliency`.
    kept : sequence of bool arrays
        Weights not yet pruned, shapes as in `scores`.
    count : int
        Number of weights to prune; if it exceeds their number, all are pruned.

    Returns
    -------
    list of bool arrays
        The new masks.

    Raises
    ------
    InvalidArgumentError
        If shapes differ, a kept score is not finite, or the count is negative.

    Examples
    --------
    >>> masks = lowest_weights([np.array([3.0, 1.0]), np.array([2.0, 0.5])], [np.ones(2, bool)] * 2, 2)
    >>> [mask.tolist() for mask in masks]
    [[True, False], [True, False]]
    """
    layers = _layers("scores", scores, kept)
    return _prune_lowest(layers, [mask for _, mask in layers], check_count("count", count, least=0))


def least_moved_negative(
    start: Sequence[Weights], end: Sequence[Weights], kept: Sequence[Mask], count: int
) -> list[Mask]:
    """Prune the `count` surviving negative weights that moved least during a training cycle.

    Parameters
    ----------
    start, end : sequences of float arrays
        Weights at the start and at the end of the cycle, one array per layer.
    kept : sequence of bool arrays
        Weights that survive the base pruner.
    count : int
        Number of weights to prune; if fewer weights are negative, all of these are pruned and no others.

    Returns
    -------
    list of bool arrays
        The new masks. Negative means below zero at the end of the cycle; other weights are never pruned.

    Raises
    ------
    InvalidArgumentError
        If shapes differ, a kept weight is not finite, or the count is negative.

    Notes
    -----
    Source: liu2022 (arXiv 2212.06145): negative weights that hardly move keep units inactive.

    Examples
    --------
    >>> start, end = np.array([-1.0, -1.0, 1.0]), np.array([-0.9, -0.2, 1.0])
    >>> least_moved_negative([start], [end], [np.ones(3, bool)], 1)[0].tolist()
    [False, True, True]
    """
    count = check_count("count", count, least=0)
    ends = _layers("end", end, kept)
    if len(start) != len(ends):
        raise invalid("start", f"have the {len(ends)} layers of `end`", len(start))
    moves = []
    for before, (after, _) in zip(start, ends, strict=True):
        if before.shape != after.shape:
            raise invalid("start", f"have the shape {after.shape} of `end`", before.shape)
        moves.append(np.abs(np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)))
    candidates = [mask & (after < 0) for after, mask in ends]
    return _prune_lowest(_layers("start", moves, kept), candidates, count)


def lowest_units(scores: Sequence[Weights], count: int) -> list[Mask]:
    """Choose the `count` units with the lowest scores over all layers, leaving at least one in each layer.

    Parameters
    ----------
    scores : sequence of float arrays, each of shape (n_units,)
        One array per layer, for instance the norms of the incoming weights.
    count : int
        Number of units to choose; the unit with the highest score of each layer is never chosen.

    Returns
    -------
    list of bool arrays
        True for a chosen unit.

    Examples
    --------
    >>> [mask.tolist() for mask in lowest_units([np.array([1.0, 2.0]), np.array([0.5, 9.0, 8.0])], 3)]
    [[True, False], [True, False, True]]
    """
    protected = []
    for layer in scores:
        mask = np.ones(len(layer), dtype=bool)
        if layer.size:
            mask[int(np.argmax(layer))] = False
        protected.append(mask)
    masks = lowest_weights(scores, protected, count)
    return [before & ~after for before, after in zip(protected, masks, strict=True)]


def _prune_lowest(layers: Sequence[tuple[Weights, Mask]], candidates: Sequence[Mask], count: int) -> list[Mask]:
    """Prune the candidates with the `count` lowest scores over all layers together."""
    if not layers:
        return []
    pool = np.concatenate([score[mask] for (score, _), mask in zip(layers, candidates, strict=True)])
    lowest = np.zeros(pool.size, dtype=bool)
    lowest[np.argsort(pool, kind="stable")[:count]] = True
    after, first = [], 0
    for (_, kept), mask in zip(layers, candidates, strict=True):
        new, size = kept.copy(), int(mask.sum())
        new[mask] = ~lowest[first : first + size]
        after.append(new)
        first += size
    return after


def _layers(name: str, values: Sequence[Weights], kept: Sequence[Mask]) -> list[tuple[Weights, Mask]]:
    if len(values) != len(kept):
        raise invalid("kept", f"have one mask for each of the {len(values)} layers", len(kept))
    layers = [_layer(name, *pair) for pair in zip(values, kept, strict=True)]
    for layer, mask in layers:
        if not np.isfinite(layer[mask]).all():
            raise invalid(name, "be finite", "NaN or infinity", "the training has diverged")
    return layers


def _layer(name: str, values: Weights, kept: Mask) -> tuple[Weights, Mask]:
    values, kept = np.asarray(values), np.asarray(kept)
    if values.dtype.kind != "f":
        raise invalid(name, "hold floating-point numbers", f"dtype {values.dtype}")
    if kept.dtype.kind != "b":
        raise invalid("kept", "hold booleans", f"dtype {kept.dtype}")
    if kept.shape != values.shape:
        raise invalid("kept", f"have the shape {values.shape} of `{name}`", kept.shape)
    return values, kept
