r"""The law of the size of signal and gradient in plain He ReLU networks without biases.

Names in formulas: n, the width, k, the depth, and b = k / n. Size and gradient are $|x_k|^2 / |x_0|^2$ and
$|J u|^2 / |u|^2$, with weights of variance 2 over fan-in and input dimension n; laws are given that the point is alive.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from mpmath import mp

from neurondeath.paper_check.checkers.findings import (
    Counted,
    Sampled,
    claimed_exactly,
    counted_evidence,
    sampled_evidence,
)
from neurondeath.paper_check.checkers.trainability.width_expansions import size_moments
from neurondeath.paper_check.comparisons import RELATIONS, all_of, holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.trainability.log_sizes import log_sizes

__all__ = [
    "law_by_sampling",
    "law_of_sums",
    "mean_by_sign_patterns",
    "moments_by_algebra",
    "share_above_the_mean",
    "share_by_inversion",
]

Floats = npt.NDArray[np.float64]

NETWORKS = {False: 1_500, True: 15_000}
NORMALS_PER_PASS = 2**22
TINY = ((2, 2), (3, 2), (2, 3), (2, 2, 2))  # widths after two inputs; at most 12 signs
LARGEST = 9  # magnitude of a tiny network's weights
LIBRARY = 1e-9  # accuracy of the library's moments
VARIANCE_PRECISION = 0.25  # half-width of limits that confirm; the mutations are off by half or more


def moments_by_algebra(*, setting: Setting, first: str, second: str) -> Evidence:
    """Derive the first two moments of a layer's factor, formulas in n, from those of one unit.

    The factor of the signal is 2/n times the sum of relu(z)^2; that of a gradient 2/n times the sum of c z^2, c a fair
    coin independent of z.
    """
    del setting
    import sympy

    n = sympy.Symbol("n", positive=True)
    half = _half_moments()
    whole = [2 * one / 2 for one in half]  # both signs of z, half of the coins
    found: dict[str, Verdict] = {}
    for name, (square, fourth) in (("signal", half), ("gradient", whole)):
        moments = (2 * square, 4 * (n * fourth + n * (n - 1) * square**2) / n**2)
        for number, (moment, text) in enumerate(zip(moments, (first, second), strict=True), start=1):
            difference = sympy.simplify(moment - parse_formula(text, {"n": n}))
            verdict = Verdict.CONFIRMED if difference == 0 else Verdict.REFUTED
            found[f"moment {number} of the {name}'s factor"] = verdict
    return Evidence(
        route="symbolic",
        verdict=all_of(found.values()),
        summary=f"moments {first} and {second}: " + "; ".join(f"{name} {one.lower()}" for name, one in found.items()),
        points=len(found),
        numbers={"identity": list(found), "verdict": [str(one) for one in found.values()]},
    )


def mean_by_sign_patterns(*, setting: Setting, factor: str) -> Evidence:
    """Average size and gradient of tiny networks over every pattern of signs, dead networks included.

    With weights of magnitude |W|, drawn and fixed, the mean of |x_k|^2 and of |J u|^2 is claimed to be `factor` per
    layer times the sum over all paths of the squared weights: the size of a linear network.
    """
    rng = np.random.default_rng([setting.seed, 31])
    rows: list[Counted] = []
    n_patterns = 0
    for widths in TINY[:3] if not setting.full else TINY:
        start = np.array([3, 2])
        tangent = np.array([-1, 4])
        while True:
            magnitudes = [rng.integers(1, LARGEST + 1, (m, k)) for m, k in zip(widths, (2, *widths), strict=False)]
            sums = _sums_over_signs(magnitudes, start, tangent)
            if sums is not None:
                break
        size, gradient, patterns = sums
        n_patterns += patterns
        claimed = claimed_exactly(factor, {}) ** len(widths)
        for name, total, vector in (("signal", size, start), ("gradient", gradient, tangent)):
            path = vector.astype(object) ** 2
            for weights in magnitudes:
                path = (weights.astype(object) ** 2) @ path
            mean = Fraction(total, patterns)
            rows.append(
                Counted(
                    network=" x ".join(map(str, widths)),
                    inputs=name,
                    layer=len(widths),
                    least=mean,
                    most=mean,
                    claimed=claimed * int(path.sum()),
                )
            )
    return counted_evidence(rows, "==", "mean square of signal and gradient", n_patterns)


def law_of_sums(
    *,
    setting: Setting,
    cases: Sequence[Sequence[int]],
    log_mean: str,
    log_variance: str,
    precision: float,
) -> Evidence:
    """Compare mean and variance of log q, formulas, with the exact sums over layers, for [width, depth] in `cases`.

    Equal means within `precision` x the exact value.
    """
    del setting
    rows: list[dict[str, Any]] = []
    verdicts = []
    off = 0.0
    for n, k in cases:
        law = log_sizes(width=n, depth=k)
        with mp.workdps(30):
            exact = [float(k * one) for one in size_moments(n)]
        off = max(off, *(abs(a - float(b[-1])) for a, b in zip(exact, (law.mean, law.variance), strict=True)))
        for name, text, value in (("mean", log_mean, exact[0]), ("variance", log_variance, exact[1])):
            claimed = float(evaluate(text, {"n": n, "k": k, "b": k / n}))
            wrong = abs(claimed - value) > precision * abs(value)
            verdicts.append(Verdict.REFUTED if wrong else Verdict.CONFIRMED)
            rows.append({"width": n, "depth": k, "quantity": name, "exact": value, "claimed": claimed})
    worst = max(rows, key=lambda row: abs(row["claimed"] / row["exact"] - 1.0))
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts) if off <= LIBRARY * max(k for _, k in cases) else Verdict.ERROR,
        summary=(
            f"exact sums over layers, {len(rows)} comparisons: farthest the {worst['quantity']} at "
            f"{worst['width']} x {worst['depth']}, {worst['exact']:.6g}, claimed {worst['claimed']:.6g}; the library "
            f"is {off:.1e} off"
        ),
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def law_by_sampling(
    *, setting: Setting, cases: Sequence[Sequence[int]], log_mean: str, log_variance: str, allowance: str = "0"
) -> Evidence:
    """Compare mean and variance of the logarithms of signal and gradient with sampled networks, [width, depth].

    `allowance` is the difference between the formulas and the exact law, a formula.
    """
    rows: list[Sampled] = []
    for n, k in cases:
        names = {"n": n, "k": k, "b": k / n}
        expected = [float(evaluate(text, names)) for text in (log_mean, log_variance)]
        slack = float(evaluate(allowance, names))
        for name, values in zip(
            ("signal", "gradient"), _sampled(n, k, NETWORKS[setting.full], setting.seed), strict=True
        ):
            size, centre = values.size, values.mean()
            spread = values.var(ddof=1)
            fourth = float(np.mean((values - centre) ** 4))
            errors = (float(np.sqrt(spread / size)), float(np.sqrt(max(fourth - spread**2, 0.0) / size)))
            for what, value, error, claimed in zip(
                ("mean", "variance"), (float(centre), float(spread)), errors, expected, strict=True
            ):
                rows.append(
                    Sampled(
                        network=f"{n} x {k}",
                        inputs=f"{what} of the log {name}",
                        layer=k,
                        claimed=claimed,
                        trials=size,
                        mean=value,
                        stderr=error,
                        allowance=slack,
                    )
                )
    return sampled_evidence(rows, "==", "log sizes", setting, precision=VARIANCE_PRECISION, absolute=0.1)


def share_by_inversion(*, setting: Setting, cases: Sequence[Sequence[int]], relation: str, right: str) -> Evidence:
    """Compare the same share with a formula, by Fourier inversion of the exact law of log q."""
    del setting
    check_choice("relation", relation, list(RELATIONS))
    rows = []
    for n, k in cases:
        share = float((1.0 - 2.0**-n) ** k * (1.0 - log_sizes(width=n, depth=k).probability_below(0.0)))
        rows.append((n, k, share, float(evaluate(right, {"n": n, "k": k, "b": k / n}))))
    verdicts = [Verdict.CONFIRMED if holds(row[2], relation, row[3]) else Verdict.REFUTED for row in rows]
    listed = ", ".join(f"{share:.4g} at {n} x {k} (claimed {relation} {claimed:g})" for n, k, share, claimed in rows)
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts),
        summary=f"share of networks whose size exceeds the mean size: {listed}",
        points=len(rows),
        numbers=dict(zip(("width", "depth", "share", "claimed"), map(list, zip(*rows, strict=True)), strict=True)),
    )


def share_above_the_mean(*, setting: Setting, cases: Sequence[Sequence[int]], relation: str, right: str) -> Evidence:
    """Compare the share of networks whose signal exceeds the mean over all networks, 1, with a formula."""
    rows = []
    for n, k in cases:
        networks = NETWORKS[setting.full]
        signal = _sampled(n, k, networks, setting.seed)[0]
        rows.append(
            Sampled(
                network=f"{n} x {k}",
                inputs="share above the mean",
                layer=k,
                claimed=float(evaluate(right, {"n": n, "k": k, "b": k / n})),
                trials=networks,
                hits=int(np.sum(signal > 0.0)),
            )
        )
    return sampled_evidence(rows, relation, "share of networks whose size exceeds the mean size", setting)


@lru_cache(maxsize=1)
def _half_moments() -> tuple[Any, Any]:
    """E relu(z)^2 and E relu(z)^4 as integrals."""
    import sympy

    z = sympy.Symbol("z", positive=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    second, fourth = (sympy.integrate(z**power * density, (z, 0, sympy.oo)) for power in (2, 4))
    return second, fourth


@lru_cache(maxsize=8)
def _sampled(width: int, depth: int, networks: int, seed: int) -> tuple[Floats, Floats]:
    """Draw whole networks: log size of signal and gradient of those alive."""
    rng = np.random.default_rng([seed, width, depth])
    together = max(1, NORMALS_PER_PASS // width**2)
    sizes = []
    for first in range(0, networks, together):
        count = min(together, networks - first)
        vectors = rng.standard_normal((count, width, 2))
        vectors /= np.sqrt(np.sum(vectors**2, axis=1, keepdims=True))
        total = np.zeros((count, 2))
        for _ in range(depth):
            weights = rng.standard_normal((count, width, width), dtype=np.float32)
            z = np.sqrt(2.0 / width) * (weights @ vectors.astype(np.float32)).astype(np.float64)
            vectors = z * (z[:, :, :1] > 0.0)
            scale = np.sqrt(np.sum(vectors**2, axis=1, keepdims=True))
            with np.errstate(divide="ignore"):
                total += 2.0 * np.log(scale[:, 0])
            vectors = np.divide(vectors, scale, out=np.zeros_like(vectors), where=scale > 0.0)  # against underflow
        sizes.append(total)
    found = np.concatenate(sizes)
    found = found[np.isfinite(found).all(axis=1)]
    return found[:, 0], found[:, 1]


def _sums_over_signs(
    magnitudes: Sequence[npt.NDArray[np.int64]], start: npt.NDArray[np.int64], tangent: npt.NDArray[np.int64]
) -> tuple[int, int, int] | None:
    """Add up |x_k|^2 and |J u|^2 over all patterns of signs, and their number; None if a pre-activation is zero."""
    n_signs = sum(weights.size for weights in magnitudes)
    signs = 1 - 2 * ((np.arange(2**n_signs)[:, None] >> np.arange(n_signs)) & 1)
    x = np.broadcast_to(start, (len(signs), start.size))
    v = np.broadcast_to(tangent, (len(signs), tangent.size))
    used = 0
    for weights in magnitudes:
        signed = weights * signs[:, used : used + weights.size].reshape(-1, *weights.shape)
        used += weights.size
        z, w = np.einsum("tij,tj->ti", signed, x), np.einsum("tij,tj->ti", signed, v)
        if ((z == 0) & (x != 0).any(axis=1)[:, None]).any():
            return None
        x, v = np.maximum(z, 0), np.where(z > 0, w, 0)
    return int((x**2).sum()), int((v**2).sum()), len(signs)
