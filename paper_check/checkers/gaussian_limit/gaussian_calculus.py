r"""The same moments by symbolic integration, and a decision whether a symbolic expression is zero.

sympy integrates the definition of each activation over the normal density, and differentiates the result in q. An
expression of q, tau, m > 0 made of polynomials, roots, exp and erf is zero if and only if, once every exp and erf is
written in one way, the coefficient of each is zero: they are linearly independent over the algebraic functions. If this
fails, the expression is evaluated: a value that is not zero refutes.
"""

from functools import lru_cache
from typing import Any

import sympy
from mpmath import mp, mpf
from sympy import exp, oo, pi, sqrt

from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import Moments
from neurondeath.paper_check.evidence import Verdict

__all__ = ["SYMBOLS", "identity_verdict", "symbolic_moments"]

q, tau, m = sympy.symbols("q tau m", positive=True)
SYMBOLS = {"q": q, "tau": tau, "m": m}

SAMPLE = {q: sympy.Rational(13, 10), tau: sympy.Rational(7, 10), m: sympy.Rational(11, 10)}  # any point will do
DIGITS = 60  # of its evaluation; zero evaluates to about 10^-DIGITS


@lru_cache(maxsize=8)
def symbolic_moments(kind: str) -> Moments:
    """Integrate the definition of an activation piece by piece; the derivatives are those of the integral."""
    x = sympy.Symbol("x", real=True)
    density = exp(-(x**2) / (2 * q)) / sqrt(2 * pi * q)
    clipped = "clipped" in kind
    end = tau + m if clipped else oo
    pieces = [((x - tau) ** 2, tau, end)] + ([(m**2, end, oo)] if clipped else [])
    sloped = [(tau, end)]
    silent = [(-oo, tau)]
    if "soft" in kind:
        pieces += [((-x - tau) ** 2, -end, -tau)] + ([(m**2, -oo, -end)] if clipped else [])
        sloped += [(-end, -tau)]
        silent = [(-tau, tau)]
    moment = sum((sympy.integrate(term * density, (x, left, right)) for term, left, right in pieces), sympy.Integer(0))
    gain = sum((sympy.integrate(density, (x, left, right)) for left, right in sloped), sympy.Integer(0))
    sparsity = sum((sympy.integrate(density, (x, left, right)) for left, right in silent), sympy.Integer(0))
    return Moments(moment, sympy.diff(moment, q), sympy.diff(moment, q, 2), gain, sparsity)


@lru_cache(maxsize=256)  # a claim and its mutations share most of their formulas
def identity_verdict(difference: Any) -> Verdict:
    """Decide whether an expression of q, tau, m and further positive symbols is zero everywhere.

    Examples
    --------
    >>> str(identity_verdict(sympy.erf(-q) + 1 - sympy.erfc(q)))
    'CONFIRMED'
    >>> str(identity_verdict(exp(-q) - exp(-2 * q)))
    'REFUTED'
    """
    others = sorted(difference.free_symbols - set(SAMPLE), key=str)
    point = SAMPLE | {symbol: sympy.Rational(17 + i, 10) for i, symbol in enumerate(others)}
    with mp.workdps(DIGITS):
        value = sympy.lambdify(list(point), difference, "mpmath")(*(mpf(x.p) / x.q for x in point.values()))
    if abs(value) > mpf(10) ** -(DIGITS // 2):
        return Verdict.REFUTED
    numerator = sympy.fraction(sympy.together(difference))[0]
    return Verdict.CONFIRMED if _vanishes(numerator) else Verdict.INCONCLUSIVE


def _vanishes(expression: Any) -> bool:
    flat = expression.rewrite(sympy.erf).expand()
    flat = flat.replace(exp, lambda power: exp(sympy.factor(sympy.expand(power))))
    flat = flat.replace(sympy.erf, lambda at: _odd_erf(sympy.factor(at))).expand()
    flat = sympy.powsimp(flat, combine="exp").replace(exp, lambda power: exp(sympy.factor(sympy.expand(power))))
    atoms = sorted(flat.atoms(exp) | flat.atoms(sympy.erf), key=str)
    names = {atom: sympy.Dummy(f"f{i}") for i, atom in enumerate(atoms)}
    plain = flat.subs(names)
    if plain.atoms(exp, sympy.erf):
        return False
    coefficients = sympy.Poly(plain, *names.values()).coeffs() if names else [plain]
    return all(sympy.simplify(coefficient) == 0 for coefficient in coefficients)


def _odd_erf(argument: Any) -> Any:
    return -sympy.erf(-argument) if argument.could_extract_minus_sign() else sympy.erf(argument)
