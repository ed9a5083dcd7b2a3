r"""Death during training as a walk that is absorbed at 0: the one-dimensional model of a weight that noise can kill.

Model: $dw = -\lambda w\,dt - \mu\,dt + \sigma\,dW$ from $w_0 > 0$ until it first reaches 0 [dufort2024], with a decay
$\lambda$ (regularisation) or a constant pull $\mu$ (a gradient), not both. P(dead by t):

- decay: $\mathrm{erfc}\big(w_0 / \sqrt{\sigma^2 (e^{2 \lambda t} - 1)/\lambda}\big)$, for $\lambda \to 0$
  $\mathrm{erfc}(w_0/(\sigma \sqrt{2t}))$. Proof: $w e^{\lambda t}$ is a Brownian motion at the clock
  $\sigma^2 (e^{2 \lambda t} - 1)/(2 \lambda)$ with the same zeros; reflection doubles the chance to end below 0.
- pull: $\Phi\big(\tfrac{\mu t - w_0}{\sigma \sqrt t}\big) + e^{2 \mu w_0/\sigma^2} \Phi\big(\tfrac{-w_0 - \mu t}
  {\sigma \sqrt t}\big)$, the law of the first passage of a Brownian motion with drift (inverse Gaussian).

Stochastic gradient descent: $\sigma^2 \approx \eta C$/batch and t = $\eta$ x steps, so death grows with the learning
rate $\eta$, with regularisation and with 1/batch. A walk observed only at intervals $\Delta$ misses excursions:
to first order its barrier is lower by $-\zeta(1/2)/\sqrt{2 \pi}\,\sigma \sqrt\Delta$ (Chernoff 1965; Siegmund 1979).
Without a decay this equals a start that is higher by as much; a decay pulls to 0, not to the lowered barrier, and no
closed form is known.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_real, check_reals, invalid

__all__ = ["BARRIER_SHIFT", "absorbed_probability"]

BARRIER_SHIFT = 0.5825971579390106  # -zeta(1/2) / sqrt(2 pi)
SMALL = 1e-8  # lambda t below which the clock equals its limit up to rounding


def absorbed_probability(
    start: npt.ArrayLike,
    time: npt.ArrayLike,
    *,
    noise: float = 1.0,
    decay: float = 0.0,
    pull: float = 0.0,
    step: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Compute the probability that a noisy weight has reached 0 by time t.

    Parameters
    ----------
    start : array, any shape
        Start w_0 of the walk, at least 0.
    time : array, shape that broadcasts with `start`
        Time t, at least 0.
    noise : float
        Standard deviation sigma of the noise per unit of time, above 0.
    decay : float
        Rate lambda of the pull towards 0 that is proportional to w; any sign, not together with `pull`.
    pull : float
        Constant pull mu towards 0; any sign.
    step : float
        Time between two observations of the walk; 0 for continuous observation. Accurate to first order in its square
        root; not together with a decay.

    Returns
    -------
    float array, the broadcast shape
        P(dead by t).

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or decay and pull are both given.

    Notes
    -----
    Relative error about 1e-13 for `step` = 0. Source: dufort2024 (arXiv 2403.07688), the one-dimensional model.

    Examples
    --------
    >>> absorbed_probability(1.0, [1.0, 10.0]).round(6).tolist()
    [0.317311, 0.75183]
    >>> absorbed_probability(1.0, 1.0, decay=1.0).round(6).tolist()
    0.575824
    """
    from scipy.special import erfc, log_ndtr, ndtr  # imported only where it is used

    w = check_reals("start", start, low=0.0)
    t = check_reals("time", time, low=0.0)
    sigma = check_real("noise", noise, low=0.0, low_open=True)
    rate, mu = check_real("decay", decay), check_real("pull", pull)
    if rate != 0.0 and mu != 0.0:
        raise invalid("pull", "be 0 together with a decay: no closed form is known for both", mu)
    between = check_real("step", step, low=0.0)
    if rate != 0.0 and between > 0.0:
        raise invalid("step", "be 0 together with a decay, whose lowered barrier has no closed form", between)
    w, t = np.broadcast_arrays(w + BARRIER_SHIFT * sigma * math.sqrt(between), t)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if mu == 0.0:
            clock = np.where(np.abs(rate * t) < SMALL, 2.0 * t, np.expm1(2.0 * rate * t) / (rate or 1.0))
            dead: Any = erfc(w / (sigma * np.sqrt(clock)))
        else:
            root = sigma * np.sqrt(t)
            # the factor e^(2 mu w / sigma^2) may overflow where the normal tail underflows: added as logarithms
            mirrored = np.exp(np.minimum(2.0 * mu * w / sigma**2 + log_ndtr(-(w + mu * t) / root), 0.0))
            dead = np.minimum(ndtr((mu * t - w) / root) + mirrored, 1.0)
    return np.where(w == 0.0, 1.0, np.where(t == 0.0, 0.0, dead))
