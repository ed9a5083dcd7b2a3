"""How large a formula may become in computer algebra, bounded from its text before anything is computed.

For every part of a formula: T, the number of terms of its expansion; D, its degree in all names and irrational numbers
together; B, the bits of all its coefficients; and its value if it has no names. With the parts a and b,

    a + b:  T = Ta + Tb,   D = max(Da, Db),   B = Ba + Bb + 1
    a * b:  T = Ta Tb,     D = Da + Db,       B = Ba + Bb         (a / b the same)
    a ** c: T = Ta ** |c|, D = Da |c|,        B = Ba |c|          for a number c; p/q counts as |p| + q - 1
    f(a):   T = 1,         D = 1,             B = Ba + 1

so that ((x + 1)**50)**50, 9**9**9 and a product of fifty sums are refused for what they would become, not for what
they look like. Functions of numbers are only simplified at moderate values: their largest exponent is bounded too.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Any

from neurondeath.paper_check._arithmetics import magnitude, multiprecision
from neurondeath.paper_check.formula_text import CONSTANTS, RANGES, TooLargeError, called, number_text

__all__ = ["check_expanded_size"]

MOST_TERMS = 1000
LARGEST_DEGREE = 100
MOST_BITS = 2000  # of exact numbers: sympy looks for roots of each
MOST_IN_RANGE = 1000  # terms of a Sum or Product between numbers
LARGEST_CHOICE = 30  # k of binomial(n, k), a product of k factors
COMPARING = ("abs", "sign", "floor", "ceil", "min", "max")  # functions that evaluate their arguments
DIGITS = 30  # of the values of parts without names


@dataclass(frozen=True)
class _Size:
    terms: int = 1
    degree: int = 0
    bits: int = 1
    value: Any = None  # an mpmath number, if the part has no names
    exact: Fraction | None = None  # its value, if it is a known rational number


def check_expanded_size(tree: ast.expr, text: str, names: Mapping[str, Any]) -> None:
    """Refuse a formula that would be too large in computer algebra.

    Parameters
    ----------
    tree : ast.expr
        As `read_formula` returns it.
    text : str
        The formula.
    names : mapping of str to object
        What its names stand for; whole numbers among them are computed with.

    Raises
    ------
    TooLargeError
        If its terms, its degree, its exact numbers or its values are too large.
    """
    import mpmath

    with mpmath.workdps(DIGITS):
        _size(tree, text, {name: value for name, value in names.items() if isinstance(value, int)})


def _size(node: ast.expr, text: str, numbers: Mapping[str, int]) -> _Size:
    arithmetic = multiprecision()
    if isinstance(node, ast.Constant):
        written = number_text(node, text)
        found = _number(Fraction(written), arithmetic.number(node.value, written))  # type: ignore[arg-type]
    elif isinstance(node, ast.Name):
        if node.id in numbers:
            found = _number(Fraction(numbers[node.id]), arithmetic.wrap(numbers[node.id]))
        else:
            constant = arithmetic.constants[node.id]() if node.id in CONSTANTS else None
            found = _Size(degree=1, value=constant)
    elif isinstance(node, ast.UnaryOp):
        found = _size(node.operand, text, numbers)
        if isinstance(node.op, ast.USub):
            found = _Size(
                found.terms,
                found.degree,
                found.bits,
                None if found.value is None else -found.value,
                None if found.exact is None else -found.exact,
            )
    elif isinstance(node, ast.BinOp):
        found = _combined(node.op, _size(node.left, text, numbers), _size(node.right, text, numbers))
    elif isinstance(node, ast.Subscript):
        _size(node.slice, text, numbers)
        found = _Size(degree=1)
    else:
        assert isinstance(node, ast.Call)
        found = _range(node, text, numbers) if called(node) in RANGES else _function(node, text, numbers)
    _check(found)
    return found


def _combined(sign: ast.operator, left: _Size, right: _Size) -> _Size:
    if isinstance(sign, ast.Pow):
        return _power(left, right)
    value = _value(left, right, sign)
    if left.exact is not None and right.exact is not None and not (isinstance(sign, ast.Div) and right.exact == 0):
        operations = {ast.Add: Fraction.__add__, ast.Sub: Fraction.__sub__, ast.Mult: Fraction.__mul__}
        operation = operations.get(type(sign), Fraction.__truediv__)
        return _number(Fraction(operation(left.exact, right.exact)), value)
    bits = left.bits + right.bits + 1
    if isinstance(sign, (ast.Add, ast.Sub)):
        return _Size(left.terms + right.terms, max(left.degree, right.degree), bits, value)
    return _Size(left.terms * right.terms, left.degree + right.degree, bits, value)


def _power(base: _Size, exponent: _Size) -> _Size:
    if exponent.value is None:  # with names: kept as it is written, or split at its terms
        return _Size(exponent.terms, base.degree + exponent.degree + 1, base.bits + exponent.bits)
    if exponent.exact is not None:
        power = abs(exponent.exact.numerator) + exponent.exact.denominator - 1
    else:  # a function may have an exact value that is not known here, as abs(3)
        power = _rounded(exponent.value)
    bits, degree = base.bits * power, base.degree * power
    terms = comb(base.terms + power - 1, power) if base.terms > 1 and power <= LARGEST_DEGREE else base.terms
    if base.terms > 1:
        degree = max(degree, power)
    _check(_Size(terms, degree, bits))  # before the value is computed
    value = _value(base, exponent, ast.Pow())
    rational = base.exact is not None and exponent.exact is not None and exponent.exact.denominator == 1
    if rational and base.exact is not None and exponent.exact is not None and (base.exact or exponent.exact >= 0):
        return _number(Fraction(base.exact**exponent.exact.numerator), value)
    return _Size(terms, max(degree, 1), bits, value)


def _rounded(value: Any) -> int:
    """Return an integer at least as large as a number, or beyond all bounds; 1 for infinity and NaN."""
    import mpmath

    return int(mpmath.ceil(abs(value))) if mpmath.isfinite(value) and magnitude(value) < 64 else 1 + magnitude(value)


def _function(node: ast.Call, text: str, numbers: Mapping[str, int]) -> _Size:
    import mpmath

    name = called(node)
    parts = [_size(argument, text, numbers) for argument in node.args]
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and called(part) in RANGES:
            ends = [_size(end, text, numbers) for end in part.args[2:]]
            if name in COMPARING or any(end.value == mpmath.inf for end in ends):
                raise TooLargeError(f"have no such {called(part)} within {name}, which computer algebra would evaluate")
    value = None
    if name == "binomial":
        _check_binomial(*parts)
    if all(part.value is not None for part in parts):
        value = multiprecision().functions[name](*(part.value for part in parts))
    size = LARGEST_CHOICE if name == "binomial" and value is None else 1
    return _Size(size, size, 1 + sum(part.bits for part in parts), value)


def _check_binomial(n: _Size, k: _Size) -> None:
    """Refuse a binomial that would be multiplied out, or computed as a product of very many factors."""
    wholes = [part.exact for part in (n, k) if part.exact is not None and part.exact.denominator == 1]
    if len(wholes) == 2:
        if min(abs(wholes[1]), abs(wholes[0] - wholes[1])) * n.bits > MOST_BITS:
            raise TooLargeError(f"hold binomials of at most {MOST_BITS} bits")
    elif any(abs(part.value) > LARGEST_CHOICE for part in (n, k) if part.value is not None):
        raise TooLargeError(f"hold binomials of numbers up to {LARGEST_CHOICE} unless both are whole")


def _range(node: ast.Call, text: str, numbers: Mapping[str, int]) -> _Size:
    import mpmath

    term, index, *ends = node.args
    assert isinstance(index, ast.Name)
    inside = _size(term, text, {name: value for name, value in numbers.items() if name != index.id})
    first, last = (_size(end, text, numbers) for end in ends)
    for end in (first, last):
        whole = end.exact is not None and end.exact.denominator == 1
        if end.value is not None and not whole and not (end is last and end.value == mpmath.inf):
            raise TooLargeError(f"take a {called(node)} between names and whole numbers, or to oo")
    if first.exact is None or last.exact is None:
        return _Size(1, inside.degree + 1, inside.bits + first.bits + last.bits)
    count = int(last.exact - first.exact) + 1
    if not 0 <= count <= MOST_IN_RANGE:
        raise TooLargeError(f"take a {called(node)} over at most {MOST_IN_RANGE} terms between numbers")
    count = max(1, count)
    if called(node) == "Sum":
        return _Size(inside.terms * count, inside.degree + 1, inside.bits)
    return _power(inside, _number(Fraction(count), mpmath.mpf(count)))


def _number(exact: Fraction, value: Any) -> _Size:
    bits = exact.numerator.bit_length() + exact.denominator.bit_length() - 1
    return _Size(1, 0, max(1, bits), value, exact)


def _value(left: _Size, right: _Size, sign: ast.operator) -> Any:
    if left.value is None or right.value is None:
        return None
    import mpmath

    try:
        return multiprecision().binary[type(sign)](left.value, right.value)
    except ZeroDivisionError:
        return mpmath.nan


def _check(size: _Size) -> None:
    if size.terms > MOST_TERMS:
        raise TooLargeError(f"expand to at most {MOST_TERMS} terms")
    if size.degree > LARGEST_DEGREE:
        raise TooLargeError(f"have a degree of at most {LARGEST_DEGREE} when it is expanded")
    if size.bits > MOST_BITS or (size.value is not None and abs(magnitude(size.value)) > MOST_BITS):
        raise TooLargeError(f"hold exact numbers of at most {MOST_BITS} bits")
