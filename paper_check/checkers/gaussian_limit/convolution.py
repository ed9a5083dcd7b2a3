r"""The covariance map of convolutional networks, compared with random convolution layers written out here.

Two layers on fixed random images, kernels of length 3: first layer from `CHANNELS` image channels to `HIDDEN`, second
from there to one. The mean of $h_a h_{a'}$ over the weights, for any two positions of any two images, is exact in both
layers at any number of channels, so the mean over sampled networks is compared with

$$\Sigma'_{a,a'} = \text{bias} + \text{weight} \sum_\beta K_{a+\beta,\,a'+\beta} .$$

`weight` and `bias` are formulas in sigma_w2, sigma_b2, size (number of kernel positions) and channels. In the first
layer K is the product of image values in a channel; in the second the expected product of activations, summed over
channels already (by the library's bivariate moments, which have a claim of their own).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.comparisons import all_of, compare, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.gaussian_limit.convolution import convolution_covariance_map, convolution_input_covariance
from neurondeath_theory.gaussian_limit.correlation import activation_products
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, sparse_design

__all__ = ["PADDINGS", "convolve", "covariance_by_sampling", "translations_by_enumeration"]

Floats = npt.NDArray[np.float64]

PADDINGS = ("circular", "zero")
SHIFTS = {"same": 1, "opposite": -1}
IMAGES, CHANNELS, HIDDEN, KERNEL = 2, 3, 2, 3
GRIDS = ((6,), (4, 4))
NETWORKS = {False: 30_000, True: 300_000}
BATCH = 2_000
PRECISE = 0.15  # half-width of limits that are narrow enough, in units of the product of the standard deviations
RELATIVE_ROUNDING_ERROR = 1e-10  # of a layer


def convolve(weights: Floats, inputs: Floats, grid: Sequence[int], padding: str) -> Floats:
    """Apply convolutions of stride 1 that preserve the grid; a kernel has length 3 along every axis.

    Parameters
    ----------
    weights : float array, shape (n, outputs, channels, 3 ** axes)
        n sets of kernels, positions in C order.
    inputs : float array, shape (n or 1, images, channels, positions)
        Values at the positions of the grid, in C order.
    grid : sequence of int
        Lengths of the grid.
    padding : {"circular", "zero"}
        Values beyond its edges.

    Returns
    -------
    float array, shape (n, images, outputs, positions)
        Kernel-weighted sums.

    Examples
    --------
    >>> kernel, values = np.array([[[[1.0, 0.0, 2.0]]]]), np.array([[[[1.0, 10.0, 100.0]]]])
    >>> convolve(kernel, values, (3,), "zero").ravel().tolist()
    [20.0, 201.0, 10.0]
    >>> convolve(kernel, values, (3,), "circular").ravel().tolist()
    [120.0, 201.0, 12.0]
    """
    outside = np.zeros((*inputs.shape[:-1], 1))
    windows = np.concatenate([inputs, outside], axis=-1)[..., neighbours(tuple(grid), padding)]
    n_sets = np.broadcast_shapes(weights.shape[:1], inputs.shape[:1])[0]
    images, channels, size, positions = windows.shape[1:]
    columns = np.moveaxis(windows, 1, 3).reshape(len(windows), channels * size, images * positions)
    sums = weights.reshape(len(weights), weights.shape[1], channels * size) @ columns
    return np.moveaxis(sums.reshape(n_sets, weights.shape[1], images, positions), 1, 2)


@lru_cache(maxsize=16)
def neighbours(grid: tuple[int, ...], padding: str, sign: int = 1) -> npt.NDArray[np.int64]:
    """Return the index of a + sign x beta for all kernel positions beta and positions a; outside, the grid's size."""
    positions = np.array(list(np.ndindex(*grid)))
    lengths = np.array(grid)
    table = []
    for beta in itertools.product(range(-(KERNEL // 2), KERNEL // 2 + 1), repeat=len(grid)):
        moved = positions + sign * np.array(beta)
        inside = ((moved >= 0) & (moved < lengths)).all(axis=1)
        index = np.ravel_multi_index(tuple((moved % lengths).T), grid)
        table.append(index if padding == "circular" else np.where(inside, index, len(positions)))
    return np.array(table)


def covariance_by_sampling(
    *,
    setting: Setting,
    design: Mapping[str, Any],
    first_weight: str,
    weight: str,
    bias: str,
    shift: str,
) -> Evidence:
    """Compare the claimed covariances of two layers with networks, with both paddings, in one and two dimensions.

    `shift` is "same" when both positions of a pair move by beta, "opposite" when they move apart.
    """
    check_choice("shift", shift, list(SHIFTS))
    wanted = sparse_design(**design)
    rows: list[dict[str, Any]] = []
    verdicts = []
    disagreeing = []
    cases = list(itertools.product(GRIDS, PADDINGS))
    n_entries = sum(2 * _n_pairs(grid) for grid, _ in cases)
    budget = {"false_alarm": setting.false_alarm / 2.0, "comparisons": n_entries}
    for grid, padding in cases:
        images = _images(grid)
        found = _sampled(tuple(sorted(design.items())), grid, padding, NETWORKS[setting.full], setting.seed)
        library = _by_library(wanted, images, grid, padding)
        claimed = _claimed(wanted, images, library[0], grid, padding, (first_weight, weight, bias), SHIFTS[shift])
        for layer, ((mean, error), ours, theirs) in enumerate(zip(found, claimed, library, strict=True), start=1):
            pairs = np.triu_indices(len(mean))
            low, high = normal_limits(mean[pairs], error[pairs], **budget)  # type: ignore[arg-type]
            scale = np.sqrt(np.outer(mean.diagonal(), mean.diagonal()))[pairs]
            comparison = compare(mean[pairs], low, high, "==", ours[pairs], absolute=PRECISE * scale)
            verdicts.append(comparison.verdict)
            if ((theirs[pairs] < low) | (theirs[pairs] > high)).any():
                disagreeing.append(f"layer {layer}, grid {grid}, {padding}")
            deviation = np.abs(mean - ours)[pairs] / error[pairs]
            rows.append(
                {
                    "grid": "x".join(map(str, grid)),
                    "padding": padding,
                    "layer": layer,
                    "pairs": comparison.points,
                    "worst_sigmas": float(deviation.max()),
                    "networks": float(mean[pairs].flat[comparison.worst]),
                    "claimed": float(ours[pairs].flat[comparison.worst]),
                }
            )
    verdict = Verdict.ERROR if disagreeing else all_of(verdicts)
    worst = max(rows, key=lambda row: row["worst_sigmas"])
    summary = (
        f"{n_entries} covariances of {NETWORKS[setting.full]} networks: farthest {worst['worst_sigmas']:.1f} standard "
        f"errors away, layer {worst['layer']} on {worst['grid']} with {worst['padding']} padding"
    )
    if disagreeing:
        summary += f"; the library disagrees with the networks: {'; '.join(disagreeing)}"
    return Evidence(
        route="Monte Carlo",
        verdict=verdict,
        summary=summary,
        points=n_entries,
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def translations_by_enumeration(
    *, setting: Setting, commuting: Sequence[str], not_commuting: Sequence[str]
) -> Evidence:
    """Check which paddings commute with the translations of the grid: for a layer's outputs, and its covariance map."""
    rng = np.random.default_rng([setting.seed, 11])
    design = sparse_design("clipped-shifted-relu", 0.7, v_prime=0.7)
    rows: list[dict[str, Any]] = []
    for padding, grid in itertools.product((*commuting, *not_commuting), GRIDS):
        check_choice("padding", padding, PADDINGS)
        images = _images(grid)
        weights = rng.standard_normal((1, HIDDEN, CHANNELS, KERNEL ** len(grid)))
        outputs = convolve(weights, images[None], grid, padding)
        covariance = _covariance(design, images, grid, padding)
        layer_gap = map_gap = 0.0
        for offset in np.ndindex(*grid):
            moved = _translate(images, grid, offset)
            layer = convolve(weights, moved[None], grid, padding) - _translate(outputs, grid, offset)
            layer_gap = max(layer_gap, float(np.abs(layer).max() / np.abs(outputs).max()))
            one_sided = _translate(covariance, grid, offset)
            two_sided = _translate(one_sided.swapaxes(-1, -3), grid, offset).swapaxes(-1, -3)
            gap = _covariance(design, moved, grid, padding) - two_sided
            map_gap = max(map_gap, float(np.abs(gap).max() / np.abs(covariance).max()))
        rows.append(
            {
                "padding": padding,
                "claimed": "commutes" if padding in commuting else "does not",
                "grid": "x".join(map(str, grid)),
                "translations": math.prod(grid),
                "layer_gap": layer_gap,
                "map_gap": map_gap,
            }
        )
    right = all(
        (row[gap] <= RELATIVE_ROUNDING_ERROR) == (row["claimed"] == "commutes")
        for row in rows
        for gap in ("layer_gap", "map_gap")
    )
    listed = ", ".join(
        f"{row['padding']} on {row['grid']}: {row['layer_gap']:.1g}, {row['map_gap']:.1g}" for row in rows
    )
    return Evidence(
        route="enumeration",
        verdict=Verdict.CONFIRMED if right else Verdict.REFUTED,
        summary=f"largest relative change of a layer's outputs and of its covariance map by a translation: {listed}",
        points=sum(row["translations"] for row in rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]} if rows else {},
    )


def _n_pairs(grid: Sequence[int]) -> int:
    n_points = IMAGES * math.prod(grid)
    return n_points * (n_points + 1) // 2


def _images(grid: tuple[int, ...]) -> Floats:
    """Return two fixed images, shape (images, channels, positions); any images would do."""
    return np.random.default_rng(5).standard_normal((IMAGES, CHANNELS, math.prod(grid)))


def _translate(values: Floats, grid: tuple[int, ...], offset: Sequence[int]) -> Floats:
    """Move the last axis, positions in C order, circularly."""
    shaped = values.reshape(*values.shape[:-1], *grid)
    axes = tuple(range(-len(grid), 0))
    return np.roll(shaped, tuple(offset), axes).reshape(values.shape)


@lru_cache(maxsize=16)
def _sampled(
    design: tuple[tuple[str, Any], ...], grid: tuple[int, ...], padding: str, trials: int, seed: int
) -> list[tuple[Floats, Floats]]:
    """Compute mean products of the pre-activations of both layers over networks, and their standard errors."""
    wanted = sparse_design(**dict(design))
    rng = np.random.default_rng([seed, len(grid), PADDINGS.index(padding)])
    images, size = _images(grid)[None], KERNEL ** len(grid)
    n_points = IMAGES * math.prod(grid)
    sums = [(np.zeros((n_points, n_points)), np.zeros((n_points, n_points))) for _ in range(2)]
    for start in range(0, trials, BATCH):
        count = min(BATCH, trials - start)
        values: Floats = images
        for layer, (channels, outputs) in enumerate(((CHANNELS, HIDDEN), (HIDDEN, 1))):
            scale = math.sqrt(wanted.sigma_w2 / (size * channels))
            weights = scale * rng.standard_normal((count, outputs, channels, size))
            biases = math.sqrt(wanted.sigma_b2) * rng.standard_normal((count, 1, outputs, 1))
            pre = convolve(weights, values, grid, padding) + biases
            flat = pre[:, :, 0].reshape(count, n_points)  # one channel: all have one law
            sums[layer] = sums[layer][0] + _products(flat), sums[layer][1] + _products(flat**2)
            values = wanted.activation(pre)
    found = []
    for products, squares in sums:
        mean = products / trials
        found.append((mean, np.sqrt((squares / trials - mean**2) / (trials - 1))))
    return found


def _products(values: Floats) -> Floats:
    """Sum products over networks; without BLAS, whose threads slow each other down on a busy machine."""
    return np.asarray(np.einsum("ni,nj->ij", values, values))


def _claimed(
    design: EdgeOfChaos,
    images: Floats,
    hidden: Floats,
    grid: tuple[int, ...],
    padding: str,
    texts: tuple[str, str, str],
    sign: int,
) -> tuple[Floats, Floats]:
    """Return the claimed covariances of both layers; the second from the true one of the first, `hidden`."""
    names = {"sigma_w2": design.sigma_w2, "sigma_b2": design.sigma_b2, "size": KERNEL ** len(grid)}
    first_text, text, bias_text = texts
    bias = float(evaluate(bias_text, names))
    flat = np.moveaxis(images, 1, 0).reshape(CHANNELS, -1)
    first_weight = float(evaluate(first_text, {**names, "channels": CHANNELS}))
    weight = float(evaluate(text, {**names, "channels": HIDDEN}))
    products = activation_products(design.activation, hidden)
    return (
        first_weight * _window_sum(flat.T @ flat, grid, padding, sign) + bias,
        weight * _window_sum(products, grid, padding, sign) + bias,
    )


def _window_sum(products: Floats, grid: tuple[int, ...], padding: str, sign: int) -> Floats:
    """Sum K[a + beta, a' + sign beta] over beta, K between positions of all images; 0 outside."""
    positions = math.prod(grid)
    blocks = np.pad(products.reshape(IMAGES, positions, IMAGES, positions), ((0, 0), (0, 1), (0, 0), (0, 1)))
    total = np.zeros((IMAGES, positions, IMAGES, positions))
    for one, other in zip(neighbours(grid, padding), neighbours(grid, padding, sign), strict=True):
        total += blocks[:, one][:, :, :, other]
    return total.reshape(IMAGES * positions, IMAGES * positions)


def _by_library(design: EdgeOfChaos, images: Floats, grid: tuple[int, ...], padding: str) -> tuple[Floats, Floats]:
    n_points = IMAGES * math.prod(grid)
    kernel = (KERNEL,) * len(grid)
    variances = design.sigma_w2, design.sigma_b2
    first = convolution_input_covariance(images.reshape(IMAGES, CHANNELS, *grid), kernel, *variances, padding=padding)
    second = convolution_covariance_map(design.activation, first, kernel, *variances, padding=padding)
    return first.reshape(n_points, n_points), second.reshape(n_points, n_points)


def _covariance(design: EdgeOfChaos, images: Floats, grid: tuple[int, ...], padding: str) -> Floats:
    """Return the library's covariance of the second layer, shape (images, positions, images, positions)."""
    positions = math.prod(grid)
    return _by_library(design, images, grid, padding)[1].reshape(IMAGES, positions, IMAGES, positions)
