"""Formulas as text: the small language of the claims, parsed with a whitelist and never by `eval`.

Numbers, names, + - * / **, subscripts `n[j]` (from 0, so that n[0] can be the input dimension), `pi`, `e`, `oo`
(infinity), the functions of `formula_text.FUNCTIONS`, and `Sum(term, j, first, last)` and
`Product(term, j, first, last)`. `Phi`, `pdf` and `quantile` are the standard normal distribution, its density and its
inverse. Nothing else: no attribute, no comparison, no other call.

One parser, three kinds of number: `evaluate` computes in doubles and arrays, or with mpmath to any number of digits;
`parse_formula` returns a sympy expression. In each, time and memory are bounded: the number of operations of a
formula, and of all formulas of a check (`work_limit`), and the size of every value before it is computed.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from neurondeath.paper_check._arithmetics import Arithmetic, doubles, multiprecision, symbols, whole
from neurondeath.paper_check.formula_limits import check_expanded_size
from neurondeath.paper_check.formula_text import (
    CONSTANTS,
    RANGES,
    RefusedError,
    TooLargeError,
    called,
    number_text,
    read_formula,
    refusal,
)
from neurondeath_theory.foundation.validation import check_count

__all__ = ["evaluate", "names_in", "parse_formula", "work_limit"]

MOST_STEPS = 200_000  # of one formula, in additions: less than a second
MOST_STEPS_PER_CHECK = 20_000_000
MOST_DIGITS = 10_000
GUARD_DIGITS = 20
ELEMENTS_PER_STEP = 256  # of an array, computed in the time of one number
NAMES_SHOWN = 12

Names = Mapping[str, Any]

_remaining: ContextVar[list[int] | None] = ContextVar("remaining steps of a check", default=None)


@contextmanager
def work_limit(most: int = MOST_STEPS_PER_CHECK) -> Iterator[None]:
    """Bound the steps of all formulas that are evaluated within a block; beyond it they are refused."""
    token = _remaining.set([most])
    try:
        yield
    finally:
        _remaining.reset(token)


def evaluate(text: str, names: Names, *, digits: int | None = None, name: str = "formula") -> Any:
    """Evaluate a formula.

    Parameters
    ----------
    text : str
        The formula.
    names : mapping of str to number or array
        Values of its names; arrays broadcast, subscripted ones are sequences.
    digits : int, optional
        Compute with mpmath to this many decimal digits (with 20 guard digits), from numbers or texts of numbers; by
        default in doubles.
    name : str
        Name of the formula in error messages.

    Returns
    -------
    float, float array, or mpmath number
        The value; NaN or infinity at poles, NaN where the value is not real.

    Raises
    ------
    InvalidArgumentError
        If the text is not a formula, uses a name that has no value, or would take too many steps or too large values.

    Examples
    --------
    >>> evaluate("(1 - 2**(-n))**k", {"n": 3, "k": 20}).round(6).item()
    0.069209
    >>> evaluate("Product(1 - 2**(-n[j]*(n[j-1] + 1)), j, 1, k)", {"n": [2, 3, 5], "k": 2}).round(6).item()
    0.998046
    >>> from mpmath import nstr
    >>> nstr(evaluate("(1 - exp(-x))/x", {"x": "1e-9"}, digits=30), 25)
    '0.9999999995000000001666667'
    """
    if digits is not None:
        digits = check_count("digits", digits, most=MOST_DIGITS)
    try:
        tree = read_formula(text)
        if digits is None:
            known = {key: np.asarray(value, dtype=np.float64)[()] for key, value in names.items()}
            with np.errstate(all="ignore"):
                return _computed(tree, known, doubles(), text)
        return _precisely(tree, names, text, digits)
    except RefusedError as error:
        raise refusal(error, name, text) from None
    except RecursionError:
        raise refusal(TooLargeError("be nested less deeply"), name, text) from None
    except (TypeError, ValueError, OverflowError) as error:  # sequences of unlike lengths, or where a number belongs
        broken = RefusedError("combine numbers, or arrays that broadcast", None, str(error))
        raise refusal(broken, name, text) from None


def parse_formula(text: str, names: Iterable[str] | Names, *, name: str = "formula") -> Any:
    """Parse a formula into a sympy expression.

    Parameters
    ----------
    text : str
        The formula.
    names : iterable of str, or mapping of str to sympy object
        The names it may use; as a mapping, the object for each (a symbol with assumptions, an IndexedBase). Bare
        names become positive symbols.
    name : str
        Name of the formula in error messages.

    Returns
    -------
    sympy expression
        With exact numbers: 0.5 is read as 1/2.

    Raises
    ------
    InvalidArgumentError
        If the text is not a formula, uses another name, or would be too large when it is expanded.

    Examples
    --------
    >>> parse_formula("1 - 2**(-log2(k))", ["k"]).simplify()
    (k - 1)/k
    """
    import sympy

    known = dict(names) if isinstance(names, Mapping) else {each: sympy.Symbol(each, positive=True) for each in names}
    try:
        tree = read_formula(text)
        check_expanded_size(tree, text, known)
        return _computed(tree, known, symbols(), text)
    except RefusedError as error:
        raise refusal(error, name, text) from None
    except RecursionError:
        raise refusal(TooLargeError("be nested less deeply"), name, text) from None
    except Exception as error:  # sympy may raise anything for numbers and functions that do not fit together
        broken = RefusedError("be a formula that computer algebra can hold", None, f"{type(error).__name__}: {error}")
        raise refusal(broken, name, text) from None


def names_in(text: str, *, name: str = "formula") -> set[str]:
    """List the names that a formula needs values of.

    Examples
    --------
    >>> sorted(names_in("Sum(2**(-n[j]), j, 1, k)"))
    ['k', 'n']
    """
    try:
        tree = read_formula(text)
    except RefusedError as error:
        raise refusal(error, name, text) from None
    found: set[str] = set()

    def visit(node: ast.expr, bound: frozenset[str]) -> None:
        if isinstance(node, ast.Name):
            found.update({node.id} - bound - set(CONSTANTS))
        elif isinstance(node, ast.Call) and called(node) in RANGES:
            term, index, *ends = node.args
            visit(term, bound | {index.id} if isinstance(index, ast.Name) else bound)
            for end in ends:
                visit(end, bound)
        else:
            for child in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    visit(child, bound)

    visit(tree, frozenset())
    return found


def _precisely(tree: ast.expr, names: Names, text: str, digits: int) -> Any:
    import mpmath

    with mpmath.workdps(digits + GUARD_DIGITS):
        try:
            known = {key: _exactly(value) for key, value in names.items()}
            value = _computed(tree, known, multiprecision(), text, cost=1 + digits // 200)
        except ZeroDivisionError:
            value = mpmath.nan
    with mpmath.workdps(digits):
        return +value


def _exactly(value: Any) -> Any:
    import mpmath

    if isinstance(value, (list, tuple, np.ndarray)):
        return [_exactly(item) for item in value]
    if isinstance(value, str):  # read with the limits of a formula: "1e999999999" has a billion digits
        return _computed(read_formula(value), {}, multiprecision(), value)
    return mpmath.mpf(value.item() if isinstance(value, np.generic) else value)


def _computed(tree: ast.expr, names: Names, numbers: Arithmetic, text: str, cost: int = 1) -> Any:
    value = _Walk(numbers, text, cost).value(tree, names)
    if isinstance(value, list):
        raise TypeError("a sequence is not a number")
    return value


class _Walk:
    """Evaluate a tree and count the steps."""

    def __init__(self, numbers: Arithmetic, text: str, cost: int) -> None:
        self.numbers, self.text, self.cost = numbers, text, cost
        self._left = [MOST_STEPS]

    def spend(self, steps: int) -> None:
        """Count steps before they are done."""
        for budget in (self._left, _remaining.get()):
            if budget is not None:
                if budget[0] < steps:
                    most = MOST_STEPS if budget is self._left else MOST_STEPS_PER_CHECK
                    where = "" if budget is self._left else " at all points of a check"
                    raise TooLargeError(f"take at most {most} steps{where}")
                budget[0] -= steps

    def value(self, node: ast.expr, names: Names) -> Any:
        """Return the value of one node."""
        self.spend(self.cost)
        if isinstance(node, ast.Constant):
            return self.numbers.number(node.value, number_text(node, self.text))  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return self._named(node.id, names)
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand, names)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            left, right = self.value(node.left, names), self.value(node.right, names)
            return self._sized(self.numbers.binary[type(node.op)](left, right))
        if isinstance(node, ast.Subscript):
            return self._element(self.value(node.value, names), self.value(node.slice, names), node)
        assert isinstance(node, ast.Call)
        if called(node) in RANGES:
            return self._range(node, names)
        self.spend(self.cost * self.numbers.cost)
        return self._sized(self.numbers.functions[called(node)](*(self.value(each, names) for each in node.args)))

    def _named(self, name: str, names: Names) -> Any:
        if name in names:
            return names[name]
        if name in CONSTANTS:
            return self.numbers.constants[name]()
        known = sorted(names)
        listed = ", ".join(known[:NAMES_SHOWN]) + (", ..." if len(known) > NAMES_SHOWN else "")
        raise RefusedError(f"use known names only ({listed or 'none'})", name)

    def _sized(self, value: Any) -> Any:
        """Count the steps of an array that has many elements."""
        size = getattr(value, "size", 1)
        if isinstance(size, int) and size > ELEMENTS_PER_STEP:
            self.spend(size // ELEMENTS_PER_STEP)
        return value

    def _range(self, node: ast.Call, names: Names) -> Any:
        term, index, *ends = node.args
        assert isinstance(index, ast.Name)
        first, last = (self.value(end, names) for end in ends)
        if self.numbers.over_range is not None:
            return self.numbers.over_range(
                called(node), lambda at: self.value(term, {**names, index.id: at}), index.id, first, last
            )
        low, high = whole(first), whole(last)
        if low is None or high is None:
            raise RefusedError(f"take a {called(node)} between integers", f"{first} to {last}")
        self.spend(max(0, high - low + 1) * self.cost)  # refused before the first term is computed
        total = self.numbers.wrap(0 if called(node) == "Sum" else 1)
        combine = self.numbers.binary[ast.Add if called(node) == "Sum" else ast.Mult]
        for at in range(low, high + 1):
            total = combine(total, self.value(term, {**names, index.id: self.numbers.wrap(at)}))
        return total

    def _element(self, values: Any, index: Any, node: ast.Subscript) -> Any:
        if type(values).__name__ == "IndexedBase":  # sympy's sequence of symbols
            return values[index]
        where = whole(index)
        sequence = isinstance(values, list) or (isinstance(values, np.ndarray) and values.ndim > 0)
        if where is None or not sequence or not 0 <= where < len(values):
            received = ast.get_source_segment(self.text.strip(), node)
            raise RefusedError("take subscripts within their sequence, from 0", received)
        return values[where]
