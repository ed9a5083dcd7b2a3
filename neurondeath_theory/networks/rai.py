r"""The scale of randomised asymmetric initialisation (RAI), solved from its defining equation.

Model [lu2019]: each row (w, b) of length fan_in + 1 is drawn from $N(0, \sigma^2 / \mathrm{fan\_in})$, then one entry,
chosen uniformly, bias included, is redrawn from a Beta(2, 1) law with moments mu1 = 2/3, mu2 = 1/2. For fan_out =
fan_in = n, an input x >= 0, and $\tilde x = (x, 1)$ the second moment of the output obeys

$E|x'|^2 \le (\mu_2 + \mu_1 \sqrt{2 / \pi}\, \sigma + \sigma^2 / 2)\, (|x|^2 + 1)$.

Proof: a pre-activation is $y = g + c$ with $c = \beta \tilde x_j \ge 0$ and g normal of variance at most
$s^2 = \sigma^2 |\tilde x|^2 / n$, so $\mathrm{relu}(y)^2 \le (\mathrm{relu}(g) + c)^2$ with mean at most
$s^2 / 2 + 2 E[c] s / \sqrt{2 \pi} + E[c^2]$. Here $E[c^2] = \mu_2 |\tilde x|^2 / (n + 1)$ and, by Cauchy and Schwarz,
$E[c] = \mu_1 \sum_j \tilde x_j / (n + 1) \le \mu_1 |\tilde x| / \sqrt{n + 1}$. Sum over n units.

The scale is the positive root of $\mu_2 + \mu_1 \sqrt{2 / \pi}\, \sigma + \sigma^2 / 2 = 1$. The law has no sign
symmetry, so the bounds of `survival.bounds` do not hold for it, and no bound on its survival is known.
"""

import math

from neurondeath_theory.foundation.validation import check_real

__all__ = ["beta_moments", "rai_constant", "rai_second_moment_bound"]

LARGEST = 1e6  # far beyond any use, far below overflow


def beta_moments(a: float, b: float) -> tuple[float, float]:
    """Return the first two moments of a Beta(a, b) law.

    Parameters
    ----------
    a, b : float
        Shape parameters, in (0, 1e6].

    Returns
    -------
    tuple of float
        E[X] and E[X^2].

    Raises
    ------
    InvalidArgumentError
        If a parameter does not lie in (0, 1e6].

    Examples
    --------
    >>> beta_moments(2.0, 1.0)
    (0.6666666666666666, 0.5)
    """
    a = check_real("a", a, low=0, high=LARGEST, low_open=True)
    b = check_real("b", b, low=0, high=LARGEST, low_open=True)
    mean = a / (a + b)
    return mean, mean * (a + 1.0) / (a + b + 1.0)


def rai_second_moment_bound(sigma: float, *, a: float = 2.0, b: float = 1.0) -> float:
    """Bound the mean factor by which one RAI layer increases |x|^2 + 1.

    Parameters
    ----------
    sigma : float
        Scale of the normal entries, in [0, 1e6].
    a, b : float
        Shape of the Beta law of the redrawn entry.

    Returns
    -------
    float
        mu2 + mu1 sqrt(2/pi) sigma + sigma^2/2.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    An upper bound for fan_out = fan_in and x >= 0; the true factor is smaller. Source: lu2019 (arXiv 1903.06733), RAI.

    Examples
    --------
    >>> round(rai_second_moment_bound(0.0), 12), round(rai_second_moment_bound(rai_constant()), 12)
    (0.5, 1.0)
    """
    sigma = check_real("sigma", sigma, low=0, high=LARGEST)
    mean, second = beta_moments(a, b)
    return second + mean * math.sqrt(2.0 / math.pi) * sigma + sigma**2 / 2.0


def rai_constant(*, a: float = 2.0, b: float = 1.0) -> float:
    """Solve for the scale at which the bound on the second moment's growth is one.

    Parameters
    ----------
    a, b : float
        Shape of the Beta law of the redrawn entry, in (0, 1e6].

    Returns
    -------
    float
        The positive root of mu2 + mu1 sqrt(2/pi) sigma + sigma^2/2 = 1; it exists since mu2 < 1.

    Raises
    ------
    InvalidArgumentError
        If a parameter does not lie in (0, 1e6].

    Notes
    -----
    Accurate to a few rounding errors. Source: lu2019 (arXiv 1903.06733), RAI.

    Examples
    --------
    >>> round(rai_constant(), 6)
    0.600747
    """
    mean, second = beta_moments(a, b)
    half = mean * math.sqrt(2.0 / math.pi)
    # the form of the root that does not subtract nearly equal numbers
    return 2.0 * (1.0 - second) / (half + math.sqrt(half**2 + 2.0 * (1.0 - second)))
