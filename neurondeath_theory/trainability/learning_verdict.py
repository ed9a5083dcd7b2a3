r"""The verdict on what a network will learn within a small budget, from two numbers at birth.

A network learns when its last hidden layer still tells points apart and when a step of the optimiser does what its
gradient promises. The **score** is

    root rank of the last hidden features x sqrt(step gain),

where the root rank (`feature_rank`) counts the directions that they span, and the step gain is the decrease of a
batch's loss by the first step of Adam as a share of the decrease that the gradient predicts: near 1 for a usable step,
near 0 where the network is too steep for it (deep batch norm); counted between 0 and 1.

The verdict is for the reference budget: 1400 digits, 15 epochs of 28 batches of 50, Adam at 1e-3, gradients clipped at
norm 1. `learns`: test accuracy above 0.8; `collapsed`: below 0.3 while points live; `slow`: between; `dead`: fewer than
a tenth of the points reach the last layer. The score was chosen among some twenty, with depths up to 100 in view, and
the two thresholds are those that separated these outcomes best on widths 4, 16 and 64, depths 5 to 60, of the study
`alive_and_learning`; what they are worth on its other networks is claim T7.
"""

import math
from typing import NamedTuple

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.validation import check_real

__all__ = ["COLLAPSED", "DEAD", "LEARNS", "VERDICTS", "LearningVerdict", "learning_score", "learning_verdict"]

VERDICTS = ("learns", "slow", "collapsed", "dead")
LEARNS = 7.7  # least score of a network that learns
COLLAPSED = 3.3  # score below which a network ends at chance
DEAD = 0.1  # share of living points below which a network is dead
ROUNDING_ERROR = 1e-9  # of a rank
POOR_GAIN = 0.25  # step gain below which the step, not the features, is the cause
LOW_RANK = 10.0  # root rank below which the features are the cause


class LearningVerdict(NamedTuple):
    """A verdict and its reason."""

    verdict: str
    reason: str


def learning_score(root_rank: float, step_gain: float) -> float:
    """Compute the score of a network from its root rank and step gain.

    Parameters
    ----------
    root_rank : float
        Root rank of the features of the last hidden layer, at least 0.
    step_gain : float
        Decrease of a batch's loss by the first step, as a share of its linear prediction; counted between 0 and 1.

    Raises
    ------
    InvalidArgumentError
        If a number is not finite, or the rank is negative.

    Examples
    --------
    >>> learning_score(9.0, 0.81)
    8.1
    """
    rank = check_real("root_rank", root_rank, low=0.0)
    return rank * math.sqrt(min(max(check_real("step_gain", step_gain), 0.0), 1.0))


def learning_verdict(root_rank: float, step_gain: float, living_ratio: float = 1.0) -> LearningVerdict:
    """Judge a network at birth.

    Parameters
    ----------
    root_rank, step_gain : float
        As in `learning_score`.
    living_ratio : float
        Share of points with a feature of the last hidden layer that is not 0, in [0, 1].

    Returns
    -------
    LearningVerdict
        `verdict`, one of `VERDICTS`, and `reason`, a sentence.

    Raises
    ------
    InvalidArgumentError
        If a number leaves its domain.

    Examples
    --------
    >>> learning_verdict(12.0, 0.8).verdict, learning_verdict(1.2, 0.6).verdict
    ('learns', 'collapsed')
    >>> learning_verdict(30.0, 0.001).reason
    'its features span 30 directions, but the first step of Adam gains 0.001 of what its gradient promises'
    """
    alive = check_real("living_ratio", living_ratio, low=0.0, high=1.0)
    score = learning_score(root_rank, step_gain)
    if alive < DEAD:
        share = f"{100.0 * alive:.2g} % of" if alive > 0.0 else "none of"
        return LearningVerdict("dead", f"{share} the points reach the last hidden layer")
    rank, gain = format_number(root_rank, 3), format_number(step_gain, 3)
    verdict = "learns" if score >= LEARNS else "collapsed" if score < COLLAPSED else "slow"
    if verdict == "learns":
        return LearningVerdict(verdict, f"its features span {rank} directions and a step gains {gain} of its promise")
    if step_gain < POOR_GAIN and root_rank >= COLLAPSED:
        promise = f"the first step of Adam gains {gain} of what its gradient promises"
        return LearningVerdict(verdict, f"its features span {rank} directions, but {promise}")
    if root_rank >= LOW_RANK:
        return LearningVerdict(verdict, f"its features span {rank} directions, and a step gains {gain} of its promise")
    if root_rank <= 1.0 + ROUNDING_ERROR:
        return LearningVerdict(verdict, "the features of its last hidden layer are the same for all points")
    return LearningVerdict(verdict, f"the features of its last hidden layer span {rank} directions only")
