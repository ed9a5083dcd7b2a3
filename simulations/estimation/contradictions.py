"""Simulated survival against the package's own bounds: what chance does not explain is a fault, and is said.

Where the assumptions of a bound hold it is a theorem, so that an interval of P(alive) that lies beyond it is the fault
of the program, of the arithmetic or of the stored numbers. The intervals that are compared miss the truth in some layer
of a task with probability FALSE_ALARM at most; they are exact for the crude estimator. Where a bound is 0 or 1 a single
network on the other side decides.
"""

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.estimation.expectations import Expectation

__all__ = ["ABOVE", "BELOW", "FALSE_ALARM", "contradictions", "joint_confidence"]

Floats = npt.NDArray[np.float64]

FALSE_ALARM = 1e-6  # of all layers of a task together
BOUND_PRECISION = 1e-12  # relative
FAULT = "a fault of the program or of the stored numbers, please report it"
ABOVE = f"above the upper bound on P(dead): {FAULT}"
BELOW = f"below the lower bound on P(dead): {FAULT}"


def joint_confidence(depth: int) -> float:
    """Return the confidence of one layer's interval with which all layers together meet FALSE_ALARM."""
    return 1.0 - FALSE_ALARM / depth


def contradictions(alive: Floats, low: Floats, high: Floats, theory: Expectation) -> tuple[str, ...]:
    """Return why the estimate of each layer contradicts the bounds of the theory, "" where it does not.

    Parameters
    ----------
    alive : float array, shape (k,)
        Estimated P(alive through layer l).
    low, high : float array, shape (k,)
        Its interval of confidence `joint_confidence(k)`.
    theory : Expectation
        The bounds that hold for the task.

    Returns
    -------
    tuple of str
        ABOVE, BELOW or "".
    """
    reasons = np.full(len(alive), "", dtype=object)
    if theory.lower is not None:
        reasons[(high < theory.lower * (1.0 - BOUND_PRECISION)) | ((theory.lower >= 1.0) & (alive < 1.0))] = ABOVE
    if theory.upper is not None:
        reasons[(low > theory.upper * (1.0 + BOUND_PRECISION)) | ((theory.upper <= 0.0) & (alive > 0.0))] = BELOW
    return tuple(str(reason) for reason in reasons)
