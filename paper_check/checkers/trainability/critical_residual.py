r"""The critical residual stream $h' = s h + a (W\phi(h) + b)$ of an edge-of-chaos design with q* = 1.

Names in formulas: a, the branch scale; D, the effective depth; L, the number of branches; s, the sparsity of the
design; v, its V'(q*). Scales of stream and branch, and the squared branch scale `share`, are formulas under test.

Routes: quadrature from the definition of the activation to 25 digits; the correlation map by Mehler's series
$R(\rho) = \sigma_w^2 \sum_k c_k^2 \rho^k + \sigma_b^2$ with Hermite coefficients $c_k$ by quadrature; whole networks.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.findings import Sampled, sampled_evidence
from neurondeath.paper_check.checkers.gaussian_limit.designs_by_quadrature import design_numbers
from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import moments
from neurondeath.paper_check.checkers.trainability.hermite_quadrature import hermite_series
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, sparse_design
from neurondeath_theory.trainability.critical_residual import critical_residual

__all__ = ["correlations_by_sampling", "correlations_by_series", "kept_by_quadrature", "kept_by_sampling"]

Floats = npt.NDArray[np.float64]

EQUAL = 1e-10  # tau and m are roots found in doubles
LIBRARY = 1e-9
KIND = "clipped-shifted-relu"
MODES = 400  # of Mehler's series
NETWORKS = {False: 200, True: 3_000}
WIDTH, BRANCHES, REACH = 80, 20, 1.0  # of the sampled networks
PAIR_NETWORKS, PAIR_WIDTH, PAIR_BRANCHES = {False: 40, True: 400}, 1000, 40
PRECISION, ABSOLUTE = 0.3, 0.02  # half-width that confirms; the mutations are off by factors


def kept_by_quadrature(
    *,
    setting: Setting,
    designs: Sequence[Sequence[float]],
    stream: str,
    branch: str,
    variance: str,
    sparsity: str,
    gain: str,
    slope: str,
) -> Evidence:
    """Compare one step of the stream from q* with claims on it, for designs [sparsity, V'] and several a.

    Claimed are the variance, P(phi = 0), the factor of the mean squared gradient and the slope of the variance map.
    """
    rows: list[dict[str, Any]] = []
    off = 0.0
    for s, v in designs:
        tau, m = design_numbers(KIND, s, v)
        at_one = moments(KIND, "1", repr(tau), repr(m))
        weight = 1 / at_one.gain
        bias = 1 - weight * at_one.moment
        for a in (0.3, 0.8) if not setting.full else np.linspace(0.05, 1.0, 20).tolist():
            names = {"a": a, "s": s, "v": v}
            keep, add = (evaluate(text, names, digits=25) for text in (stream, branch))
            new = keep**2 + add**2 * (weight * at_one.moment + bias)
            found = {
                "variance": new,
                "sparsity": mp.ncdf(mpf(tau) / mp.sqrt(new)),  # phi = 0 up to tau
                "gain": keep**2 + add**2 * weight * at_one.gain,
                "slope": keep**2 + add**2 * weight * at_one.slope,
            }
            for (what, value), text in zip(found.items(), (variance, sparsity, gain, slope), strict=True):
                claimed = evaluate(text, names, digits=25)
                rows.append({"design": f"s {s}, V' {v}", "a": a, "what": what, "found": value, "claimed": claimed})
        off = max(off, _library_distance(sparse_design(KIND, s, v_prime=v)))
    wrong = [row for row in rows if abs(row["found"] - row["claimed"]) > EQUAL]
    far = max(rows, key=lambda row: abs(row["found"] - row["claimed"]))
    verdict = Verdict.REFUTED if wrong else Verdict.CONFIRMED
    return Evidence(
        route="high precision",
        verdict=verdict if off <= LIBRARY else Verdict.ERROR,
        summary=(
            f"{len(wrong)} of {len(rows)} numbers of a step from q* differ from the claim; the farthest is the "
            f"{far['what']} at a = {far['a']:g}, {far['design']}: {float(far['found']):.8g}, claimed "
            f"{float(far['claimed']):.8g}; the library keeps q*, sparsity and gain to {off:.1e}"
        ),
        points=len(rows),
        numbers={
            "design": [row["design"] for row in rows],
            "a": [row["a"] for row in rows],
            "what": [row["what"] for row in rows],
            "found": [float(row["found"]) for row in rows],
            "claimed": [float(row["claimed"]) for row in rows],
        },
    )


def correlations_by_series(
    *, setting: Setting, sparsity: float, v_prime: float, start: float, share: str, values: Sequence[Sequence[float]]
) -> Evidence:
    """Compare the correlation after all branches, in the limit of many, with claimed values [D, correlation].

    For L and 2L branches the distance from the limit must halve; the limit is extrapolated from the last three L.
    """
    branches = (30, 60, 120) if not setting.full else (80, 160, 320, 640)
    rows, verdicts = [], []
    far = 0.0
    for reach, claimed in values:
        ends = []
        for count in branches:
            squared = float(evaluate(share, {"D": reach, "L": count}))
            ends.append(_correlation(sparsity, v_prime, start, squared, count))
        first = [2.0 * after - before for before, after in pairwise(ends)]
        limit = (4.0 * first[-1] - first[-2]) / 3.0
        library = _library_correlation(sparsity, v_prime, start, reach, branches[0])
        far = max(far, abs(library - _correlation(sparsity, v_prime, start, reach / branches[0], branches[0])))
        places = 0.5 * 10.0 ** -len(f"{claimed:.10g}".partition(".")[2])
        verdicts.append(Verdict.CONFIRMED if abs(limit - claimed) <= places else Verdict.REFUTED)
        rows.append({"D": reach, "L": branches[-1], "at_L": ends[-1], "limit": limit, "claimed": claimed})
    listed = ", ".join(
        f"{row['limit']:.5f} (claimed {row['claimed']:g}; {row['at_L']:.5f} at L = {row['L']}) at D = {row['D']:g}"
        for row in rows
    )
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts) if far <= LIBRARY else Verdict.ERROR,
        summary=f"correlation from {start:g} after branches of squared scale {share}: {listed}; library {far:.1e} off",
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def kept_by_sampling(
    *,
    setting: Setting,
    designs: Sequence[Sequence[float]],
    stream: str,
    branch: str,
    variance: str,
    sparsity: str,
    gain: str,
    allowance: str,
) -> Evidence:
    """Compare the ends of whole networks of 20 branches at D = 1 with the same claims; `allowance` is a formula in n.

    With the stream's scale and the branch's applied 20 times, the mean q, sparsity and squared gradient are claimed to
    be what one step gives.
    """
    rows = []
    slack = float(evaluate(allowance, {"n": WIDTH}))
    a = math.sqrt(REACH / BRANCHES)
    for s, v in designs:
        names = {"a": a, "s": s, "v": v}
        scales = tuple(float(evaluate(text, names)) for text in (stream, branch))
        found = _sampled(s, v, scales, NETWORKS[setting.full], setting.seed)
        for what, text, values in zip(
            ("mean q", "sparsity", "squared gradient"), (variance, sparsity, gain), found, strict=True
        ):
            rows.append(
                Sampled(
                    network=f"{BRANCHES} branches of {WIDTH}, s {s}, V' {v}",
                    inputs=what,
                    layer=BRANCHES,
                    claimed=float(evaluate(text, names)),
                    trials=values.size,
                    mean=float(values.mean()),
                    stderr=float(values.std(ddof=1)) / math.sqrt(values.size),
                    allowance=slack,
                )
            )
    return sampled_evidence(
        rows, "==", "critical residual networks", setting, precision=PRECISION, absolute=ABSOLUTE + slack
    )


def correlations_by_sampling(
    *, setting: Setting, sparsity: float, v_prime: float, start: float, share: str, values: Sequence[Sequence[float]]
) -> Evidence:
    """Compare the same correlations with sampled streams of width 1000 and 40 branches.

    Given the streams of two points the outputs of a branch are Gaussian pairs, so no weights are drawn. The limits are
    widened by 0.01 for the finite number of branches, and 2 D / n for the finite width.
    """
    rows = []
    for reach, claimed in values:
        squared = float(evaluate(share, {"D": reach, "L": PAIR_BRANCHES}))
        found = _sampled_pairs(sparsity, v_prime, start, squared, PAIR_NETWORKS[setting.full], setting.seed)
        rows.append(
            Sampled(
                network=f"{PAIR_BRANCHES} branches of {PAIR_WIDTH}, D = {reach:g}",
                inputs=f"correlation from {start:g}",
                layer=PAIR_BRANCHES,
                claimed=claimed,
                trials=found.size,
                mean=float(found.mean()),
                stderr=float(found.std(ddof=1)) / math.sqrt(found.size),
                allowance=0.01 + 2.0 * reach / PAIR_WIDTH,
            )
        )
    return sampled_evidence(rows, "==", "correlation of two points", setting)


@lru_cache(maxsize=8)
def _library_distance(design: EdgeOfChaos) -> float:
    """How far the library's path strays from q*, the sparsity and a gain of 1 over 50 branches at D = 4."""
    path = critical_residual(design, 50, 4.0)
    sparsity = abs(path.sparsity - path.sparsity[0]).max()
    return float(max(abs(path.q - design.q).max(), sparsity, abs(path.log_gradient).max()))


@lru_cache(maxsize=64)
def _library_correlation(sparsity: float, v_prime: float, start: float, reach: float, branches: int) -> float:
    design = sparse_design(KIND, sparsity, v_prime=v_prime)
    return float(critical_residual(design, branches, reach, correlation=start).correlation[-1])


@lru_cache(maxsize=256)
def _correlation(sparsity: float, v_prime: float, start: float, share: float, branches: int) -> float:
    """Correlation after a number of branches, by Mehler's series."""
    squares, bias = _mehler(sparsity, v_prime)
    rho = start
    for _ in range(branches):
        rho = (1.0 - share) * rho + share * (float(np.polynomial.polynomial.polyval(rho, squares)) + bias)
    return rho


@lru_cache(maxsize=8)
def _mehler(sparsity: float, v_prime: float) -> tuple[Floats, float]:
    """Weights of the powers of rho in R, and the bias variance, at q* = 1."""
    tau, m = design_numbers(KIND, sparsity, v_prime)

    def phi(z: Floats) -> Floats:
        return np.clip(z - tau, 0.0, m)

    coefficients, total = hermite_series(phi, (tau, tau + m), MODES)
    inside = hermite_series(lambda z: np.asarray((z > tau) & (z < tau + m), dtype=np.float64), (tau, tau + m), 0)[0][0]
    weight = 1.0 / float(inside)
    return weight * coefficients**2, 1.0 - weight * total


@lru_cache(maxsize=16)
def _sampled(
    sparsity: float, v_prime: float, scales: tuple[float, float], networks: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Mean square of the stream, share of zeros and squared gradient at the end of whole networks."""
    rng = np.random.default_rng([seed, 53])
    design = sparse_design(KIND, sparsity, v_prime=v_prime)
    keep, add = scales
    h = rng.standard_normal((networks, WIDTH))
    v = rng.standard_normal((networks, WIDTH))
    v *= math.sqrt(WIDTH) / np.linalg.norm(v, axis=1, keepdims=True)
    root, bias = math.sqrt(design.sigma_w2 / WIDTH), math.sqrt(design.sigma_b2)
    for _ in range(BRANCHES):
        weights = root * rng.standard_normal((networks, WIDTH, WIDTH), dtype=np.float32)
        inputs = np.stack([design.activation(h), design.activation.derivative(h) * v], axis=-1)
        outputs = (weights @ inputs.astype(np.float32)).astype(np.float64)
        h = keep * h + add * (outputs[:, :, 0] + bias * rng.standard_normal((networks, WIDTH)))
        v = keep * v + add * outputs[:, :, 1]
    zeros = np.mean(design.activation(h) == 0.0, axis=1)
    return np.mean(h * h, axis=1), zeros, np.mean(v * v, axis=1)


@lru_cache(maxsize=32)
def _sampled_pairs(sparsity: float, v_prime: float, start: float, share: float, networks: int, seed: int) -> Floats:
    """Correlation of two streams after all branches."""
    design = sparse_design(KIND, sparsity, v_prime=v_prime)
    rng = np.random.default_rng([seed, 83])
    h = rng.standard_normal((networks, 2, PAIR_WIDTH))
    h[:, 1] = start * h[:, 0] + math.sqrt(1.0 - start**2) * h[:, 1]
    keep, add = math.sqrt(1.0 - share), math.sqrt(share)
    for _ in range(PAIR_BRANCHES):
        features = design.activation(h)
        gram = design.sigma_w2 / PAIR_WIDTH * (features @ features.transpose(0, 2, 1)) + design.sigma_b2
        factor = np.linalg.cholesky(gram + 1e-12 * np.eye(2))
        h = keep * h + add * (factor @ rng.standard_normal(h.shape))
    gram = h @ h.transpose(0, 2, 1)
    return np.asarray(gram[:, 0, 1] / np.sqrt(gram[:, 0, 0] * gram[:, 1, 1]))
