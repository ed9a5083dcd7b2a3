"""Gaussian expectations of piecewise-linear functions by high-precision quadrature split at every kink."""

from itertools import pairwise

from mpmath import mp, mpf

CUTS = (-40, -20, -10, -6, -4, -2, -1, 0, 1, 2, 4, 6, 10, 20, 40)


def value_and_slope(activation, x):
    """Return phi(x) and phi'(x), from the numbers that define phi."""
    edges = [-mp.inf, *(mpf(k) for k in activation.kinks), mp.inf]
    value = mpf(activation.value_at_zero)
    for left, right, slope in zip(edges, edges[1:], activation.slopes, strict=False):
        if slope:
            value += mpf(slope) * (min(max(x, left), right) - min(max(mpf(0), left), right))
    return value, mpf(activation.slopes[sum(x > k for k in edges[1:-1])])


def expectation(activation, q, function):
    """Compute E function(phi(u), phi'(u), z), u = sqrt(q) z; intervals are scaled so that tails keep their digits."""
    root = mp.sqrt(mpf(q))
    cuts = sorted({mpf(c) for c in CUTS} | {mpf(k) / root for k in activation.kinks if abs(mpf(k) / root) < 40})
    total = mpf(0)
    for left, right in pairwise(cuts):
        peak = min(abs(left), abs(right))
        scale = mp.exp(-peak * peak / 2)

        def integrand(z, scale=scale):
            return function(*value_and_slope(activation, root * z), z) * mp.npdf(z) / scale

        n_parts = max(1, min(20, int((right - left) * max(peak, 1) / 8)))
        total += mp.quad(integrand, mp.linspace(left, right, n_parts + 1), method="gauss-legendre") * scale
    return total


def product_expectation(activation, q1, q2, correlation, *, slopes=False):
    """Compute E phi(u1) phi(u2), or of the slopes: inner expectation in closed form by pieces, outer by quadrature."""
    root1, root2, rho = mp.sqrt(mpf(q1)), mp.sqrt(mpf(q2)), mpf(correlation)
    rest = mp.sqrt(1 - rho * rho)
    kinks = [mpf(k) for k in activation.kinks]
    edges = [-mp.inf, *kinks, mp.inf]
    middles = (
        [
            (left + right) / 2
            if mp.isfinite(left) and mp.isfinite(right)
            else (left + 1 if mp.isfinite(left) else right - 1)
            for left, right in pairwise(edges)
        ]
        if kinks
        else [mpf(0)]
    )
    heights = [value_and_slope(activation, x)[0] - mpf(s) * x for x, s in zip(middles, activation.slopes, strict=True)]

    def inner(z):
        centre, spread = rho * root2 * z, root2 * rest
        total = mpf(0)
        for left, right, slope, height in zip(edges, edges[1:], activation.slopes, heights, strict=False):
            a, b = (left - centre) / spread, (right - centre) / spread
            mass = (mp.erfc(a / mp.sqrt(2)) - mp.erfc(b / mp.sqrt(2))) / 2
            first = centre * mass + spread * (mp.npdf(a) - mp.npdf(b))
            total += slope * mass if slopes else height * mass + slope * first
        return total

    def integrand(z):
        value, slope = value_and_slope(activation, root1 * z)
        outer = slope if slopes else value
        return outer * inner(z) * mp.npdf(z) if outer else mpf(0)

    cuts = {mpf(c) for c in (-14, -8, -4, -2, -1, 0, 1, 2, 4, 8, 14)} | {k / root1 for k in kinks}
    if rho:
        cuts |= {k / (root2 * rho) + t * rest for k in kinks for t in (-9, -3, -1, 0, 1, 3, 9)}
    return mp.quad(integrand, sorted(c for c in cuts if abs(c) <= 14))
