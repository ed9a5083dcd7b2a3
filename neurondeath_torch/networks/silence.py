"""What silence on some inputs proves: how often a unit may fire on others, and how many are silent by chance."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from neurondeath_theory.foundation.validation import check_count, check_real, invalid

__all__ = ["firing_rate_bound", "new_firing_bound", "silent_by_chance"]


def firing_rate_bound(n_samples: int, confidence: float = 0.95) -> float:
    """Bound the share of inputs on which a unit fires that was silent on the first n of them.

    Parameters
    ----------
    n_samples : int
        Independent inputs on none of which the unit fired, at least 1.
    confidence : float
        In (0, 1).

    Returns
    -------
    float
        1 - ((1 - confidence) / (n + 1))^(1/n). Valid at all n together, so that one may look after every batch: given
        a share p, 1 / ((n + 1) (1 - p)^n) while the unit is silent, else less, is at most a test martingale (a uniform
        mixture of alternatives), which exceeds 1 / (1 - confidence) ever with probability 1 - confidence at most
        (Ville's inequality).

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain.

    Examples
    --------
    >>> [round(firing_rate_bound(n), 3) for n in (2, 20, 1000)]
    [0.871, 0.261, 0.01]
    """
    n = check_count("n_samples", n_samples)
    level = check_real("confidence", confidence, low=0.0, low_open=True, high=1.0, high_open=True)
    return -math.expm1((math.log1p(-level) - math.log1p(n)) / n)


def silent_by_chance(n_fired: npt.ArrayLike, n_samples: int) -> float:
    """Estimate how many of the silent units do fire on some inputs, only not on these.

    Parameters
    ----------
    n_fired : array_like of int, shape (n_units,)
        Number of samples on which each unit fired.
    n_samples : int
        Independent samples seen, at least 1.

    Returns
    -------
    float
        (n - 1) / n Q1 (Q1 - 1) / (2 (Q2 + 1)), with Q1 and Q2 the units that fired on exactly one and two samples; not
        above the number of silent units. In expectation at most about the true number, and near it where units that
        are silent by chance fire about equally often: the estimator Chao2 of unseen species (Chao 1987), with
        inputs for sampling sites and units for species.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain.

    Examples
    --------
    >>> round(silent_by_chance([0, 0, 0, 0, 1, 1, 1, 2, 90], 100), 3)
    1.485
    """
    n = check_count("n_samples", n_samples)
    fired = np.asarray(n_fired)
    if fired.ndim != 1 or fired.dtype.kind not in "iu" or (fired.size and (fired.min() < 0 or fired.max() > n)):
        raise invalid("n_fired", f"hold integers from 0 to {n}, one per unit", n_fired)
    once, twice = int((fired == 1).sum()), int((fired == 2).sum())
    return min((n - 1) / n * once * (once - 1) / (2.0 * (twice + 1)), float((fired == 0).sum()))


def new_firing_bound(first_fired: npt.ArrayLike, n_samples: int, confidence: float = 0.95) -> float:
    """Bound the share of inputs on which any unit fires that was silent on all inputs so far.

    Parameters
    ----------
    first_fired : array_like of int, shape (n_units,)
        Number of the sample, from 1, on which each unit fired first; 0 for those that never did.
    n_samples : int
        Independent samples seen, at least 1.
    confidence : float
        In (0, 1).

    Returns
    -------
    float
        Upper Clopper-Pearson limit for K events among the last n - m samples, m = n / 2 rounded down and K the number
        of them on which some unit fired for the first time. Proof: the share of inputs that fire a unit that is silent
        so far falls with every sample. While it is above p, a sample brings such a unit with a probability above p,
        whatever came before; so it is above p at the end, and K <= k, with a probability of at most
        P(Bin(n - m, p) <= k).

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain.

    Examples
    --------
    >>> [round(new_firing_bound(first, 1000), 4) for first in ([0, 0, 3, 8], [0, 0, 3, 700])]
    [0.006, 0.0095]
    """
    n = check_count("n_samples", n_samples)
    level = check_real("confidence", confidence, low=0.0, low_open=True, high=1.0, high_open=True)
    first = np.asarray(first_fired)
    if first.ndim != 1 or first.dtype.kind not in "iu" or (first.size and (first.min() < 0 or first.max() > n)):
        raise invalid("first_fired", f"hold integers from 0 to {n}, one per unit", first_fired)
    late = n - n // 2
    events = np.unique(first[first > n // 2]).size
    return float(betaincinv(events + 1.0, late - events, level)) if events < late else 1.0
