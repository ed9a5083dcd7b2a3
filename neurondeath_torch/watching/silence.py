"""What silence on some inputs proves: a bound on how often a unit fires on others."""

import math

from neurondeath_theory.foundation.validation import check_count, check_real

__all__ = ["firing_rate_bound"]


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
