"""Logarithms of normal tail probabilities, and normals above a limit, however far out."""

import math

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["FAR_OUT", "log_tail", "log_two_tails", "normal_above"]

SQRT_HALF = math.sqrt(0.5)
LOG_SQRT_2_PI = 0.5 * math.log(2.0 * math.pi)
FAR_OUT = 25.0  # from here on the asymptotic series is exact to rounding
NEWTON_STEPS = 6


@kernel
def log_tail(z):
    """Return log P(Z > z) of a standard normal, z at least 0."""
    if z < FAR_OUT:
        return math.log(0.5 * math.erfc(SQRT_HALF * z))
    t = 1.0 / (z * z)
    series = -t * (1.0 - t * (3.0 - t * (15.0 - t * (105.0 - t * 945.0))))
    return -0.5 * z * z - math.log(z) - LOG_SQRT_2_PI + math.log1p(series)


@kernel
def log_two_tails(a, b):
    """Return log(P(Z > a) + P(Z > b)), both limits at least 0."""
    if a < FAR_OUT and b < FAR_OUT:
        return math.log(0.5 * math.erfc(SQRT_HALF * a) + 0.5 * math.erfc(SQRT_HALF * b))
    near, far = log_tail(min(a, b)), log_tail(max(a, b))
    return near + math.log1p(math.exp(far - near))


@kernel
def normal_above(limit, u):
    """Return the normal above a limit of at least 0 whose tail is u in (0, 1) times that of the limit (Newton)."""
    goal = log_tail(limit) + math.log(u)
    z = math.sqrt(limit * limit - 2.0 * math.log(u))
    for _ in range(NEWTON_STEPS):
        log_density = -0.5 * z * z - LOG_SQRT_2_PI
        tail = log_tail(z)
        z = max(z + (tail - goal) * math.exp(tail - log_density), limit)
    return z
