r"""Angles between the features of a looks-linear network with orthogonal matrices: integrals, and sampled networks.

The features are the pairs (relu(u), relu(-u)), u the linear map of the input. In formulas, theta is the angle between
two inputs.
"""

import math
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.findings import Sampled, sampled_evidence
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate

__all__ = ["angles_by_quadrature", "angles_by_sampling"]

Floats = npt.NDArray[np.float64]

HALF, NETWORKS = 250, {False: 40, True: 400}
EQUAL = mpf(10) ** -20
PRECISION, ABSOLUTE = 0.1, 0.03  # half-width that confirms; wrong cosines are off by tenths


def angles_by_quadrature(*, setting: Setting, cosine: str) -> Evidence:
    """Compare a formula in theta with the cosine of the features of such pairs, u Gaussian, by integrals."""
    angles = ("0.3", "1", "2", "2.8") if not setting.full else [str(x / 10) for x in range(1, 32)]
    rows = []
    with mp.workdps(30):
        for text in angles:
            angle = mpf(text)
            arc = mp.quad(partial(_product, angle), [angle - mp.pi / 2, angle / 2, mp.pi / 2])
            value = 4 * arc / (2 * mp.pi)  # both signs, E r^2 = 2, over E u^2 = 1
            rows.append((float(text), value, evaluate(cosine, {"theta": text}, digits=30)))
        wrong = [row for row in rows if abs(row[1] - row[2]) > EQUAL]
        far = max(rows, key=lambda row: abs(row[1] - row[2]))
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=(
            f"cosine of the rectified features at {len(rows)} angles: {len(wrong)} differ from {cosine}; the farthest "
            f"{float(far[1]):.6g}, claimed {float(far[2]):.6g}, at angle {far[0]:g}"
        ),
        points=len(rows),
        numbers={
            "angle": [row[0] for row in rows],
            "integral": [float(row[1]) for row in rows],
            "claimed": [float(row[2]) for row in rows],
        },
    )


def angles_by_sampling(*, setting: Setting, cosine: str, depth: int) -> Evidence:
    """Compare the same formula with the features of whole networks of orthogonal matrices, half width 250."""
    rows = []
    for theta in (0.5, 1.5, 2.5):
        values = _cosines(theta, depth, NETWORKS[setting.full], setting.seed)
        rows.append(
            Sampled(
                network=f"half width {HALF}",
                inputs=f"cosine of the features at angle {theta:g}",
                layer=depth,
                claimed=float(evaluate(cosine, {"theta": theta})),
                trials=values.size,
                mean=float(values.mean()),
                stderr=float(values.std(ddof=1)) / math.sqrt(values.size),
                allowance=2.0 / HALF,
            )
        )
    return sampled_evidence(rows, "==", "cosines of features", setting, precision=PRECISION, absolute=ABSOLUTE)


def _product(angle: Any, x: Any) -> Any:
    return mp.cos(x) * mp.cos(x - angle)


@lru_cache(maxsize=16)
def _cosines(theta: float, depth: int, networks: int, seed: int) -> Floats:
    """Cosines between the features of two points at angle theta in the last hidden layer of sampled networks."""
    rng = np.random.default_rng([seed, 73])
    found = []
    for _ in range(networks):
        frame = np.linalg.qr(rng.standard_normal((HALF, 2)))[0]
        u = np.stack([frame[:, 0], math.cos(theta) * frame[:, 0] + math.sin(theta) * frame[:, 1]])
        x = np.concatenate([np.maximum(u, 0.0), np.maximum(-u, 0.0)], axis=1)
        for _ in range(1, depth):
            v = rng.standard_normal(HALF)
            u = x[:, :HALF] - x[:, HALF:]
            u = u - 2.0 * np.multiply.outer(u @ v, v) / (v @ v)  # a random reflection
            x = np.concatenate([np.maximum(u, 0.0), np.maximum(-u, 0.0)], axis=1)
        found.append(float(x[0] @ x[1] / np.sqrt((x[0] @ x[0]) * (x[1] @ x[1]))))
    return np.array(found)
