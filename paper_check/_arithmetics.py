"""Arithmetic of formulas in doubles, in high precision and in computer algebra."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from neurondeath_theory.foundation.validation import invalid

__all__ = ["Arithmetic", "doubles", "multiprecision", "symbols", "whole"]

MOST_TERMS = 1_000_000  # of a sum or product
MOST_BITS = 100_000  # of an exact power


@dataclass(frozen=True)
class Arithmetic:
    """One kind of number: how to write a constant, raise to a power, call a function and add up a range."""

    number: Callable[[int | float, str], Any]
    power: Callable[[Any, Any], Any]
    functions: Mapping[str, Callable[..., Any]]
    constants: Mapping[str, Any]
    over_range: Callable[[str, Callable[[Any], Any], str, Any, Any], Any]


def whole(value: Any) -> int | None:
    """Return a value as an integer, or None if it is not one."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= 2**53 and value == number else None


def _loop(called: str, term: Callable[[Any], Any], first: Any, last: Any, wrap: Callable[[int], Any]) -> Any:
    low, high = whole(first), whole(last)
    if low is None or high is None or high - low >= MOST_TERMS:
        raise invalid("formula", f"take a {called} between integers over at most {MOST_TERMS} terms", (first, last))
    total = wrap(0 if called == "Sum" else 1)
    for value in range(low, high + 1):
        total = total + term(wrap(value)) if called == "Sum" else total * term(wrap(value))
    return total


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
        power=np.float_power,
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
        constants={"pi": np.float64(math.pi), "e": np.float64(math.e), "oo": np.float64(math.inf)},
        over_range=lambda called, term, _, first, last: _loop(called, term, first, last, np.float64),
    )


@lru_cache(maxsize=1)
def multiprecision() -> Arithmetic:
    """Return mpmath's arithmetic, at its current precision."""
    import mpmath

    return Arithmetic(
        number=lambda value, written: mpmath.mpf(value if isinstance(value, int) else written.replace("_", "")),
        power=mpmath.power,
        functions={
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
            "quantile": lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1),
            "binomial": mpmath.binomial,
            "min": min,
            "max": max,
        },
        constants={"pi": mpmath.pi, "e": mpmath.e, "oo": mpmath.inf},
        over_range=lambda called, term, _, first, last: _loop(called, term, first, last, mpmath.mpf),
    )


@lru_cache(maxsize=1)
def symbols() -> Arithmetic:
    """Return sympy's arithmetic, with exact numbers."""
    import sympy

    def power(base: Any, exponent: Any) -> Any:
        if base.is_Rational and exponent.is_Rational:
            bits = (abs(base.p) * base.q).bit_length() * abs(exponent)
            if bits > MOST_BITS:
                raise invalid("formula", f"hold exact powers of at most {MOST_BITS} bits", f"{base}**{exponent}")
        return base**exponent

    def over_range(called: str, term: Callable[[Any], Any], index: str, first: Any, last: Any) -> Any:
        symbol = sympy.Symbol(index, integer=True)
        return (sympy.Sum if called == "Sum" else sympy.Product)(term(symbol), (symbol, first, last))

    return Arithmetic(
        number=lambda value, written: sympy.Rational(value if isinstance(value, int) else written.replace("_", "")),
        power=power,
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
        constants={"pi": sympy.pi, "e": sympy.E, "oo": sympy.oo},
        over_range=over_range,
    )
