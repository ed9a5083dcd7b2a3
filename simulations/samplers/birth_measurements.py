"""What a drawn network is like at birth: its last features on points, and what a first step of training gains."""

import math

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.samplers.drawn_networks import DrawnNetwork
from neurondeath_theory.trainability.feature_rank import entropy_rank, root_rank
from neurondeath_theory.trainability.learning_verdict import learning_score

__all__ = ["LARGEST_LOG", "N_CLASSES", "STEP_POINTS", "measure_network"]

STEP_POINTS = 50
N_CLASSES = 10
LARGEST_LOG = 88.0  # logarithm of a mean square beyond which single precision overflows
Array = npt.NDArray[np.float64]


def measure_network(drawn: DrawnNetwork, points: Array, rate: float, rng: np.random.Generator) -> dict[str, float]:
    """Measure one network; its parameters are those after the step afterwards.

    Parameters
    ----------
    drawn : DrawnNetwork
        The network.
    points : float array, shape (n_points, input_dim)
        Inputs; the step is taken on the first 50.
    rate : float
        Learning rate of the first step of Adam, which moves every parameter by it against its gradient's sign.
    rng : Generator
        Source of the points' classes.

    Returns
    -------
    dict of float
        `living` share of points with features, `log_size` (mean over them of the logarithm of the mean square feature,
        -inf without any), `correlation` (mean cosine of two of them, NaN without two), root `rank` and `entropy` rank,
        `gain` (decrease of the loss as a share of its linear prediction) and `score`.
    """
    features = drawn.features(points)
    living = (features != 0).any(axis=1)
    row = {"living": float(living.mean()), "log_size": -math.inf, "correlation": math.nan, "rank": 0.0, "entropy": 0.0}
    finite = bool(np.isfinite(features).all())
    if finite and living.any():
        largest = np.abs(features).max(axis=1, keepdims=True)
        unit = np.divide(features, largest, out=np.zeros_like(features), where=largest > 0.0)
        squares = np.mean(unit[living] ** 2, axis=1)
        row["log_size"] = float(np.mean(np.log(squares) + 2.0 * np.log(largest[living, 0])))
        row["rank"], row["entropy"] = root_rank(features), entropy_rank(features)
        unit[living] /= np.linalg.norm(unit[living], axis=1, keepdims=True)
        n_living = int(living.sum())
        if n_living > 1:
            total = float(np.sum(unit.sum(axis=0) ** 2))
            row["correlation"] = (total - n_living) / (n_living * (n_living - 1))
    usable = finite and row["log_size"] <= LARGEST_LOG
    row["gain"] = _gain(drawn, points[:STEP_POINTS], rate, rng) if usable else 0.0
    row["score"] = learning_score(row["rank"], row["gain"]) if row["living"] > 0.0 else 0.0
    return row


def _gain(drawn: DrawnNetwork, points: Array, rate: float, rng: np.random.Generator) -> float:
    """Return the decrease of the loss by the first step of Adam as a share of its linear prediction."""
    classes = rng.integers(N_CLASSES, size=len(points))
    features = drawn.features(points)
    loss, of_logits = _loss(features @ drawn.readout.T + drawn.readout_bias, classes)
    gradients = drawn.gradients(of_logits, features)
    promise = sum(float(np.abs(gradient).sum()) for gradient in gradients)
    if not promise > 0.0 or not math.isfinite(promise):
        return 0.0
    for parameter, gradient in zip(drawn.parameters(), gradients, strict=True):
        parameter -= rate * np.sign(gradient)
    after, _ = _loss(drawn.logits(points), classes)
    gain = (loss - after) / (rate * promise)
    return gain if math.isfinite(gain) else 0.0


def _loss(logits: Array, classes: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """Return the mean cross-entropy and its gradient with respect to the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    rows = np.arange(len(classes))
    loss = float(np.mean(np.log(sums[:, 0]) - shifted[rows, classes]))
    gradient = exponentials / sums
    gradient[rows, classes] -= 1.0
    return loss, gradient / len(classes)
