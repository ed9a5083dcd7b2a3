"""Arithmetic of formulas in doubles, in high precision and in computer algebra.

In high precision the cost of an operation is bounded before it is done: a number keeps its digits, but its exponent can
grow with every power, and exp or a power of such a number needs as many digits as its exponent has. Every value
therefore stays within 2^(+-2^EXPONENT_BITS), arguments of functions that reduce their argument are bounded, and what
is not a real number is NaN, as in doubles. What computer algebra may hold is bounded by `formula_limits`.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from neurondeath.paper_check.formula_text import TooLargeError

__all__ = ["Arithmetic", "doubles", "magnitude", "multiprecision", "symbols", "whole"]

EXPONENT_BITS = 256  # of an exponent of two in high precision
# function -> largest exponent of two of its arguments: the bits that it must reduce, or half of those of its exponent
LARGEST_ARGUMENTS = {
    "exp": EXPONENT_BITS,
    "sin": 4096,
    "cos": 4096,
    "erf": EXPONENT_BITS // 2 - 1,
    "erfc": EXPONENT_BITS // 2 - 1,
    "Phi": EXPONENT_BITS // 2 - 1,
    "pdf": EXPONENT_BITS // 2 - 1,
    "binomial": 64,
}
FUNCTION_COST = {False: 2, True: 10}  # of a function in doubles and in high precision, in units of an addition
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Arithmetic:
    """One kind of number: how to write a constant, combine two numbers and call a function.

    Attributes
    ----------
    number : callable
        Converts a number, given as its value and as its text.
    binary : mapping
        Operators of the syntax tree to functions of two numbers.
    functions : mapping
        Names to functions.
    constants : mapping
        Names to functions without arguments: the precision may change between two calls.
    wrap : callable
        Converts an index of a range.
    cost : int
        Of a function, in units of an addition.
    over_range : callable, optional
        Returns a sum or product that is not computed term by term.
    """

    number: Callable[[int | float, str], Any]
    binary: Mapping[type[ast.operator], Callable[[Any, Any], Any]]
    functions: Mapping[str, Callable[..., Any]]
    constants: Mapping[str, Callable[[], Any]]
    wrap: Callable[[int], Any]
    cost: int
    over_range: Callable[[str, Callable[[Any], Any], str, Any, Any], Any] | None = None


def whole(value: Any) -> int | None:
    """Return a value as an integer, or None if it is none of at most 53 bits."""
    try:
        if not abs(value) <= 2**53:  # before it is converted: the integer may have any number of digits
            return None
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if value == number else None


def magnitude(value: Any) -> int:
    """Return the exponent of two just above the absolute value of an mpmath number; 0 for 0, infinity and NaN."""
    _, mantissa, exponent, bits = value._mpf_
    return int(exponent + bits) if mantissa else 0


@lru_cache(maxsize=1)
def doubles() -> Arithmetic:
    """Return numpy's arithmetic, with arrays."""
    from scipy import special

    def smallest(*values: Any) -> Any:
        return np.minimum.reduce(np.broadcast_arrays(*values))

    def largest(*values: Any) -> Any:
        return np.maximum.reduce(np.broadcast_arrays(*values))

    return Arithmetic(
        number=lambda value, _: np.float64(value),
        binary={**BINARY, ast.Pow: np.float_power},
        functions={
            "exp": np.exp,
            "log": np.log,
            "log2": np.log2,
            "log10": np.log10,
            "sqrt": np.sqrt,
            "abs": np.abs,
            "sign": np.sign,
            "floor": np.floor,
            "ceil": np.ceil,
            "sin": np.sin,
            "cos": np.cos,
            "acos": np.arccos,
            "erf": special.erf,
            "erfc": special.erfc,
            "Phi": special.ndtr,
            "pdf": lambda x: np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi),
            "quantile": special.ndtri,
            "binomial": special.binom,
            "min": smallest,
            "max": largest,
        },
        constants={
            "pi": lambda: np.float64(math.pi),
            "e": lambda: np.float64(math.e),
            "oo": lambda: np.float64(math.inf),
        },
        wrap=np.float64,
        cost=FUNCTION_COST[False],
    )


@lru_cache(maxsize=1)
def multiprecision() -> Arithmetic:
    """Return mpmath's arithmetic, at its current precision, with bounded cost."""
    import mpmath

    functions: dict[str, Callable[..., Any]] = {
        "exp": mpmath.exp,
        "log": mpmath.log,
        "log2": lambda x: mpmath.log(x) / mpmath.log(2),
        "log10": mpmath.log10,
        "sqrt": mpmath.sqrt,
        "abs": abs,
        "sign": mpmath.sign,
        "floor": mpmath.floor,
        "ceil": mpmath.ceil,
        "sin": mpmath.sin,
        "cos": mpmath.cos,
        "acos": mpmath.acos,
        "erf": mpmath.erf,
        "erfc": mpmath.erfc,
        "Phi": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
        "pdf": mpmath.npdf,
        "quantile": lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1) if 0 <= p <= 1 else mpmath.nan,
        "binomial": mpmath.binomial,
        "min": lambda *values: min(values),
        "max": lambda *values: max(values),
    }

    def bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        most = LARGEST_ARGUMENTS.get(name)

        def call(*values: Any) -> Any:
            if any(mpmath.isnan(value) for value in values):
                return mpmath.nan
            if most is not None and any(magnitude(value) > most for value in values):
                raise TooLargeError(f"keep the arguments of {name} below 2^{most}")
            if name == "binomial" and not all(mpmath.isfinite(value) for value in values):
                return mpmath.nan
            try:
                return _real(function(*values))
            except mpmath.libmp.NoConvergence:
                raise TooLargeError(f"give {name} an argument at which it can be computed") from None

        return call

    def power(base: Any, exponent: Any) -> Any:
        if magnitude(exponent) > EXPONENT_BITS:
            raise TooLargeError(f"keep exponents below 2^{EXPONENT_BITS}")
        return _real(mpmath.power(base, exponent))

    def checked(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda left, right: _real(operation(left, right))

    return Arithmetic(
        number=lambda value, written: mpmath.mpf(value if isinstance(value, int) else written),
        binary={**{sign: checked(operation) for sign, operation in BINARY.items()}, ast.Pow: power},
        functions={name: bounded(name, function) for name, function in functions.items()},
        constants={"pi": lambda: +mpmath.pi, "e": lambda: +mpmath.e, "oo": lambda: mpmath.inf},
        wrap=mpmath.mpf,
        cost=FUNCTION_COST[True],
    )


def _real(value: Any) -> Any:
    """Return a real number within the bounds; NaN for a complex one."""
    import mpmath

    if isinstance(value, mpmath.mpc):
        return mpmath.nan
    if magnitude(value).bit_length() > EXPONENT_BITS:
        raise TooLargeError(f"keep all values between 2^(-2^{EXPONENT_BITS}) and 2^(2^{EXPONENT_BITS})")
    return value


@lru_cache(maxsize=1)
def symbols() -> Arithmetic:
    """Return sympy's arithmetic, with exact numbers, for formulas that `formula_limits` accepts."""
    import sympy

    def over_range(name: str, term: Callable[[Any], Any], index: str, first: Any, last: Any) -> Any:
        symbol = sympy.Symbol(index, integer=True)
        return (sympy.Sum if name == "Sum" else sympy.Product)(term(symbol), (symbol, first, last))

    return Arithmetic(
        number=lambda value, written: sympy.Rational(value if isinstance(value, int) else written),
        binary={**BINARY, ast.Pow: operator.pow},
        functions={
            "exp": sympy.exp,
            "log": sympy.log,
            "log2": lambda x: sympy.log(x) / sympy.log(2),
            "log10": lambda x: sympy.log(x) / sympy.log(10),
            "sqrt": sympy.sqrt,
            "abs": sympy.Abs,
            "sign": sympy.sign,
            "floor": sympy.floor,
            "ceil": sympy.ceiling,
            "sin": sympy.sin,
            "cos": sympy.cos,
            "acos": sympy.acos,
            "erf": sympy.erf,
            "erfc": sympy.erfc,
            "Phi": lambda x: (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
            "pdf": lambda x: sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi),
            "quantile": lambda p: sympy.sqrt(2) * sympy.erfinv(2 * p - 1),
            "binomial": sympy.binomial,
            "min": sympy.Min,
            "max": sympy.Max,
        },
        constants={"pi": lambda: sympy.pi, "e": lambda: sympy.E, "oo": lambda: sympy.oo},
        wrap=sympy.Integer,
        cost=0,
        over_range=over_range,
    )
