r"""Features of sparse autoencoders that never fire at birth: encoders drawn one by one, and the claimed integral.

Inputs: M points in d dimensions, $x = \mu + \sigma_i g_i$ with scales $\sigma_i \propto i^{-p}$; p = 0 is isotropic.
$\gamma = |\mu| / |\sigma|$, the mean along the direction of all ones. Rows of an encoder are uniform on the sphere.
TopK fires the k largest features that are positive, ReLU all positive ones.

An encoder's share of silent features varies between encoders, so that the error of the mean is that between them. The
formulas are limits of many features and dimensions: `allowance` is what they may be off at the sampled size.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad

from neurondeath.paper_check.checkers.findings import ABSOLUTE, Sampled, sampled_evidence
from neurondeath.paper_check.comparisons import compare
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.foundation.validation import check_real
from neurondeath_theory.remedies.sparse_autoencoders import sparse_autoencoder_death
from neurondeath_theory.survival.never_firing import isotropic_never_firing

__all__ = ["by_encoders", "by_quadrature", "without_the_mean"]

DIMENSION, POINTS = 256, 400
FEATURES = 4096
ENCODERS = {False: 12, True: 48}
TOLERANCE = 1e-8  # of the library's integral
REACH = 12.0  # of the normal variable a

Floats = npt.NDArray[np.float64]
Case = Mapping[str, Any]  # gamma, k (0 for ReLU), and the exponent p of the scales


def by_quadrature(
    *, setting: Setting, share: str, threshold: str, cases: Sequence[Case], points: int = POINTS
) -> Evidence:
    """Compare the mean of `share` over a normal a, at the claimed threshold t, with the library.

    Parameters
    ----------
    setting : Setting
        Not used: nothing is sampled.
    share : str
        Formula in a, t, gamma and M.
    threshold : str
        Formula of t in gamma and f, the share of features that fire at a point.
    cases : sequence of mapping
        gamma, and k of TopK, 0 for ReLU.
    points : int
        M.
    """
    claimed, ours = (
        np.array(each) for each in zip(*(_both(share, threshold, case, points) for case in cases), strict=True)
    )
    found = compare(ours, ours - TOLERANCE, ours + TOLERANCE, "==", claimed, absolute=2.0 * TOLERANCE)
    worst = found.worst
    return Evidence(
        route="high precision",
        verdict=found.verdict,
        summary=f"E[{share}] with t = {threshold} by adaptive quadrature: {len(cases)} cases, the worst at "
        f"gamma {cases[worst]['gamma']:g}: {claimed[worst]:.8g}, library {ours[worst]:.8g}",
        points=len(cases),
        numbers={"case": [str(dict(case)) for case in cases], "claimed": claimed.tolist(), "ours": ours.tolist()},
    )


def by_encoders(
    *,
    setting: Setting,
    cases: Sequence[Case],
    allowance: float,
    share: str = "",
    threshold: str = "",
) -> Evidence:
    """Compare the share of silent features of drawn encoders with a formula, or with the library's for these inputs.

    Parameters
    ----------
    setting : Setting
        Seed, effort and false alarms.
    cases : sequence of mapping
        gamma, k of TopK (0 for ReLU), and the exponent p of the scales (0 by default).
    allowance : float
        What the formula may be off at this size.
    share, threshold : str
        As in `by_quadrature`; without them, the library's share of directions that no input makes fire.
    """
    check_real("allowance", allowance, low=0.0)
    rows = []
    for number, case in enumerate(cases):
        inputs = _inputs(case, [setting.seed, number])
        mean, stderr = _silent(inputs, case, setting, number)
        if share:
            claimed = _both(share, threshold, case, POINTS)[0]
        else:
            k = case["k"] or None
            claimed = sparse_autoencoder_death(inputs, n_features=FEATURES, k=k, draws=16384).dead
        rows.append(_row(case, mean, stderr, claimed, setting, allowance))
    what = f"E[{share}], t = {threshold}" if share else "share of directions at which no input fires"
    return sampled_evidence(rows, "==", what, setting, absolute=ABSOLUTE + allowance)


def without_the_mean(*, setting: Setting, cases: Sequence[Case], relation: str, right: float) -> Evidence:
    """Compare the share of silent features that subtracting the mean leaves with a number.

    Parameters
    ----------
    setting, cases
        As in `by_encoders`.
    relation : {"<=", ">="}
        How the share is related to the number.
    right : float
        The number.
    """
    rows = []
    for number, case in enumerate(cases):
        inputs = _inputs(case, [setting.seed, number])
        mean, stderr = _silent(inputs - inputs.mean(axis=0), case, setting, number)
        rows.append(_row(case, mean, stderr, right, setting, 0.0))
    return sampled_evidence(rows, relation, "silent features once the mean is subtracted", setting, absolute=0.0)


def _row(case: Case, mean: float, stderr: float, claimed: float, setting: Setting, allowance: float) -> Sampled:
    k = case["k"]
    return Sampled(
        network=f"{FEATURES} features, {f'TopK {k}' if k else 'ReLU'}",
        inputs=f"gamma {case['gamma']:g}, scales i^-{case.get('p', 0):g}",
        layer=1,
        claimed=claimed,
        trials=ENCODERS[setting.full],
        mean=mean,
        stderr=stderr,
        allowance=allowance,
    )


def _both(share: str, threshold: str, case: Case, points: int) -> tuple[float, float]:
    """Return the claimed mean and the library's."""
    gamma, fires = float(case["gamma"]), case["k"] / FEATURES if case["k"] else 0.5
    t = float(evaluate(threshold, {"gamma": gamma, "f": fires}, name="threshold"))

    def integrand(a: float) -> float:
        names = {"a": a, "t": t, "gamma": gamma, "M": float(points)}
        return float(evaluate(share, names, name="share")) * math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)

    claimed = quad(integrand, -REACH, REACH, limit=400, epsabs=1e-11, points=[-2.0, -1.0, 0.0, 1.0, 2.0])[0]
    return float(claimed), float(isotropic_never_firing(gamma, points, fires))


def _inputs(case: Case, seed: Sequence[int]) -> Floats:
    scales = np.arange(1.0, DIMENSION + 1.0) ** -float(case.get("p", 0.0))
    mean = float(case["gamma"]) * np.linalg.norm(scales) / math.sqrt(DIMENSION)
    drawn = np.random.default_rng([*seed, 1]).standard_normal((POINTS, DIMENSION))
    return np.asarray(drawn * scales + mean)


def _silent(inputs: Floats, case: Case, setting: Setting, number: int) -> tuple[float, float]:
    """Draw encoders; return the mean share of silent features and its standard error."""
    shares = [
        _silent_share(inputs, case["k"], np.random.default_rng([setting.seed, number, encoder]))
        for encoder in range(ENCODERS[setting.full])
    ]
    return float(np.mean(shares)), float(np.std(shares, ddof=1) / math.sqrt(len(shares)))


def _silent_share(inputs: Floats, k: int, rng: np.random.Generator) -> float:
    rows = rng.standard_normal((FEATURES, inputs.shape[1]))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    features = inputs @ rows.T
    if not k:
        return float((features <= 0.0).all(axis=0).mean())
    chosen = np.argpartition(features, -k, axis=1)[:, -k:]
    points = np.arange(len(inputs))[:, None]
    fired = np.zeros(FEATURES, dtype=bool)
    fired[chosen[features[points, chosen] > 0.0]] = True
    return float(1.0 - fired.mean())
