r"""Concatenated rectifiers and looks-linear networks: algebra, exact integers and fractions, orthogonal matrices.

A mirrored network has W_1 = [A_1; -A_1], W_l with A_l in each of four blocks, signed by `mirror` = [[p, q], [r, s]]
(claimed: [[1, -1], [-1, 1]]), and outputs [A, -A]. In formulas, h is the half width.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.checkers.findings import Counted, counted_evidence
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.trainability.looks_linear import mirrored_weights

__all__ = [
    "isometry_by_fractions",
    "isometry_by_sampling",
    "map_by_sign_patterns",
    "pair_by_algebra",
]

Floats = npt.NDArray[np.float64]
Blocks = Sequence[Sequence[int]]

MIRROR = ((1, -1), (-1, 1))
MATRICES = ("orthogonal", "tall", "general")
SHAPES = ((2, 2), (2, 2), (1, 2))  # of the matrices whose signs are enumerated
LARGEST = 50
ACCURACY = 1e-11  # relative, of doubles through 30 layers
HALF, DEPTH, NETWORKS = 12, 30, {False: 20, True: 200}


def pair_by_algebra(*, setting: Setting, difference: str, square: str, mirror: Blocks = MIRROR) -> Evidence:
    """Follow one pair (relu(u), relu(-u)), u of either sign, through the next layer's blocks.

    Claimed are relu(u) - relu(-u) and relu(u)^2 + relu(-u)^2, formulas in u, and that the pair of pre-activations is
    (A u, -A u) again.
    """
    del setting
    import sympy

    size, a = sympy.symbols("size a", positive=True)
    found: dict[str, Verdict] = {}
    for name, u in (("u > 0", size), ("u < 0", -size)):
        plus, minus = sympy.Max(u, 0), sympy.Max(-u, 0)
        (p, q), (r, s) = mirror
        gaps = {
            "difference": plus - minus - parse_formula(difference, {"u": u}),
            "square": plus**2 + minus**2 - parse_formula(square, {"u": u}),
            "next pre-activation": a * (p * plus + q * minus) - a * u,
            "its mirror image": a * (r * plus + s * minus) + a * u,
        }
        for what, gap in gaps.items():
            found[f"{what}, {name}"] = Verdict.CONFIRMED if sympy.simplify(gap) == 0 else Verdict.REFUTED
    return Evidence(
        route="symbolic",
        verdict=all_of(found.values()),
        summary="; ".join(f"{what}: {verdict.lower()}" for what, verdict in found.items()),
        points=len(found),
        numbers={"identity": list(found), "verdict": [str(verdict) for verdict in found.values()]},
    )


def map_by_sign_patterns(*, setting: Setting, active: str, gain: str = "1", mirror: Blocks = MIRROR) -> Evidence:
    """Run tiny mirrored networks in integers under every sign pattern of their matrices.

    Counted is the share of patterns whose output and input gradient are `gain` times those of the product of the
    matrices, and in which `active` units, a formula in h, of every hidden layer are active.
    """
    rng = np.random.default_rng([setting.seed, 61])
    n_signs = sum(rows * columns for rows, columns in SHAPES)
    signs = 1 - 2 * ((np.arange(2**n_signs)[:, None] >> np.arange(n_signs)) & 1)
    factor = int(evaluate(gain, {}))
    rows: list[Counted] = []
    for point in ((3, 5), (7, -2), (-4, -9)):
        while True:
            halves = _signed(signs, rng)
            agreement = _agreement(halves, np.array(point), mirror, active, factor)
            if agreement is not None:
                break
        for name, share in agreement.items():
            rows.append(
                Counted(
                    network="half widths 2 and 2",
                    inputs=f"{name} at {point}",
                    layer=2,
                    least=share,
                    most=share,
                    claimed=Fraction(1),
                )
            )
    return counted_evidence(rows, "==", "share of patterns where it holds", 3 * len(signs))


def isometry_by_fractions(*, setting: Setting, matrices: str, ratio: str) -> Evidence:
    """Follow one input through a mirrored network of rational matrices: squared lengths as exact fractions.

    Claimed is the ratio of successive squared lengths of the features, of the gradients with respect to the
    pre-activations, and of the norms of the hidden weights' gradients. Matrices: reflections; "tall" ones with
    orthonormal columns into a wider layer; or "general" ones.
    """
    check_choice("matrices", matrices, MATRICES)
    rng = np.random.default_rng([setting.seed, 67])
    rows = []
    wanted = Fraction(str(evaluate(ratio, {})))
    for _ in range(5 if not setting.full else 50):
        sizes = [3, 3, 3, 3, 3] if matrices != "tall" else [3, 3, 4, 4, 3]
        halves = [_rational(rng, m, k, matrices) for k, m in pairwise(sizes)]
        x = [int(value) for value in rng.integers(1, 20, sizes[0])]
        lengths, gradients = _squared_lengths(halves, x, [int(value) for value in rng.integers(1, 20, sizes[-1])])
        weight = [length * gradient for length, gradient in zip(lengths[:-1], gradients, strict=True)]
        for name, values in (("length", lengths), ("gradient", gradients), ("weight gradient", weight)):
            rows += [(name, layer + 1, values[layer + 1] / values[layer]) for layer in range(len(values) - 1)]
    wrong = [row for row in rows if row[2] != wanted]
    far = max(rows, key=lambda row: abs(row[2] - wanted))
    return Evidence(
        route="enumeration",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=(
            f"ratios of successive squared lengths, in fractions: {len(wrong)} of {len(rows)} differ from {ratio}; "
            f"the farthest is that of the {far[0]} at layer {far[1]}, {float(far[2]):.6g}"
        ),
        points=len(rows),
        numbers={
            "quantity": [row[0] for row in rows],
            "layer": [row[1] for row in rows],
            "ratio": [float(row[2]) for row in rows],
        },
    )


def isometry_by_sampling(*, setting: Setting, matrices: str, ratio: str) -> Evidence:
    """Check the same ratios in doubles with the library's weights, 30 layers of half width 12."""
    check_choice("matrices", matrices, MATRICES)
    rng = np.random.default_rng([setting.seed, 71])
    wanted = float(evaluate(ratio, {}))
    worst = {"length": 0.0, "gradient": 0.0, "weight gradient": 0.0}
    points = 0
    for _ in range(NETWORKS[setting.full]):
        sizes = [HALF] * (DEPTH + 2)
        if matrices == "tall":
            sizes[2 : DEPTH // 2] = [HALF + 3] * (DEPTH // 2 - 2)
        halves = [_haar(rng, m, k, matrices) for k, m in pairwise(sizes)]
        lengths, gradients = _norms(halves, rng.standard_normal(HALF), rng.standard_normal(HALF))
        for name, values in zip(worst, (lengths, gradients, lengths[:-1] * gradients), strict=True):
            worst[name] = max(worst[name], float(np.abs(values[1:] / values[:-1] / wanted - 1.0).max()))
            points += values.size - 1
    right = max(worst.values()) <= ACCURACY
    return Evidence(
        route="Monte Carlo",
        verdict=Verdict.CONFIRMED if right else Verdict.REFUTED,
        summary=f"ratios of successive squared norms, claimed {ratio}, off by at most "
        + ", ".join(f"{value:.1e} ({name})" for name, value in worst.items()),
        points=points,
        numbers={"quantity": list(worst), "off": list(worst.values())},
    )


def _signed(signs: npt.NDArray[np.int64], rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Draw magnitudes, and return the matrices under every sign pattern."""
    used = 0
    halves = []
    for shape in SHAPES:
        count = shape[0] * shape[1]
        magnitudes = rng.integers(1, LARGEST, shape)
        halves.append(magnitudes * signs[:, used : used + count].reshape(-1, *shape))
        used += count
    return halves


def _agreement(
    halves: Sequence[npt.NDArray[np.int64]], point: npt.NDArray[np.int64], mirror: Blocks, active: str, factor: int
) -> dict[str, Fraction] | None:
    """Shares of patterns where map, gradient and numbers of active units are as claimed; None after a zero."""
    (p, q), (r, s) = mirror
    count = len(halves[0])
    wide = [np.concatenate([halves[0], -halves[0]], axis=1)]
    for half in halves[1:-1]:
        wide.append(
            np.concatenate([np.concatenate([p * half, q * half], 2), np.concatenate([r * half, s * half], 2)], 1)
        )
    wide.append(np.concatenate([halves[-1], -halves[-1]], axis=2))
    x = np.broadcast_to(point, (count, point.size))
    linear = x
    jacobian = np.broadcast_to(np.eye(point.size, dtype=np.int64), (count, point.size, point.size))
    plain = jacobian
    as_many = np.ones(count, dtype=bool)
    for layer, (weights, half) in enumerate(zip(wide, halves, strict=True)):
        z, jacobian = np.einsum("tij,tj->ti", weights, x), weights @ jacobian
        linear, plain = np.einsum("tij,tj->ti", half, linear), half @ plain
        if layer == len(wide) - 1:
            x = z
            break
        if (linear == 0).any():
            return None
        x, jacobian = np.maximum(z, 0), jacobian * (z > 0)[:, :, None]
        as_many &= (z > 0).sum(axis=1) == int(evaluate(active, {"h": half.shape[1]}))
    holds = {
        "the map": (x == factor * linear).all(axis=1),
        "its gradient": (jacobian == factor * plain).all(axis=(1, 2)),
        "active units": as_many,
    }
    return {name: Fraction(int(one.sum()), count) for name, one in holds.items()}


def _rational(rng: np.random.Generator, rows: int, columns: int, matrices: str) -> list[list[Fraction]]:
    """Draw a reflection, its first columns or rows, or a matrix of integers."""
    if matrices == "general":
        return [[Fraction(int(value)) for value in row] for row in rng.integers(-3, 4, (rows, columns)) * 2 + 1]
    size = max(rows, columns)
    v = [int(value) for value in rng.integers(1, 5, size)]
    square = sum(value * value for value in v)
    full = [[Fraction(int(i == j)) - Fraction(2 * v[i] * v[j], square) for j in range(size)] for i in range(size)]
    return [row[:columns] for row in full[:rows]]


def _squared_lengths(
    halves: Sequence[list[list[Fraction]]], x: Sequence[int], delta: Sequence[int]
) -> tuple[list[Fraction], list[Fraction]]:
    """Squared lengths of input and features, and of the gradients of the hidden pre-activations, in fractions."""
    features: list[Fraction] = [Fraction(value) for value in x]
    lengths = [_square(features)]
    masks = []
    weights = [_mirrored(half, first=i == 0, last=i == len(halves) - 1) for i, half in enumerate(halves)]
    for matrix in weights[:-1]:
        z = [sum((w * f for w, f in zip(row, features, strict=True)), Fraction(0)) for row in matrix]
        masks.append([value > 0 for value in z])
        features = [max(value, Fraction(0)) for value in z]
        lengths.append(_square(features))
    gradient: list[Fraction] = [Fraction(value) for value in delta]
    gradients = []
    for matrix, mask in zip(weights[:0:-1], masks[::-1], strict=True):
        back = [
            sum((row[j] * g for row, g in zip(matrix, gradient, strict=True)), Fraction(0)) for j in range(len(mask))
        ]
        gradient = [value if on else Fraction(0) for value, on in zip(back, mask, strict=True)]
        gradients.append(_square(gradient))
    return lengths, gradients[::-1]


def _mirrored(half: list[list[Fraction]], *, first: bool, last: bool) -> list[list[Fraction]]:
    wide = half if first else [[*row, *(-value for value in row)] for row in half]
    return wide if last else [*wide, *([-value for value in row] for row in wide)]


def _square(values: Sequence[Fraction]) -> Fraction:
    return sum((value * value for value in values), Fraction(0))


def _haar(rng: np.random.Generator, rows: int, columns: int, matrices: str) -> Floats:
    size = max(rows, columns)
    draw = rng.standard_normal((size, size))
    if matrices == "general":
        return draw[:rows, :columns] / math.sqrt(columns)
    q, r = np.linalg.qr(draw)
    return np.asarray((q * np.sign(np.diag(r)))[:rows, :columns])


def _norms(halves: Sequence[Floats], x: Floats, delta: Floats) -> tuple[Floats, Floats]:
    """Squared norms of input and features, and of the gradients of the hidden pre-activations."""
    weights = mirrored_weights(halves)
    lengths, masks = [float(x @ x)], []
    for matrix in weights[:-1]:
        z = matrix @ x
        masks.append(z > 0.0)
        x = np.maximum(z, 0.0)
        lengths.append(float(x @ x))
    gradients = []
    for matrix, mask in zip(weights[:0:-1], masks[::-1], strict=True):
        delta = (matrix.T @ delta) * mask
        gradients.append(float(delta @ delta))
    return np.array(lengths), np.array(gradients[::-1])
