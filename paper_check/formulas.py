"""Formulas as text: the small language of the claims, parsed with a whitelist and never by `eval`.

Numbers, names, + - * / **, subscripts `n[j]` (from 0, so that n[0] can be the input dimension), `pi`, `e`, `oo`
(infinity), the functions of `FUNCTIONS`, and `Sum(term, j, first, last)` and `Product(term, j, first, last)`. `Phi`,
`pdf` and `quantile` are the standard normal distribution, its density and its inverse. Nothing else: no attribute, no
comparison, no other call.

One parser, three kinds of number: `evaluate` computes in doubles and arrays, or with mpmath to any number of digits;
`parse_formula` returns a sympy expression.
"""

import ast
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from neurondeath.paper_check._arithmetics import Arithmetic, doubles, multiprecision, symbols, whole
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import check_count, invalid

__all__ = ["FUNCTIONS", "evaluate", "names_in", "parse_formula"]

# name -> number of arguments; None for one or more
FUNCTIONS: dict[str, int | None] = {
    "exp": 1,
    "log": 1,
    "log2": 1,
    "log10": 1,
    "sqrt": 1,
    "abs": 1,
    "sign": 1,
    "floor": 1,
    "ceil": 1,
    "sin": 1,
    "cos": 1,
    "acos": 1,
    "erf": 1,
    "erfc": 1,
    "Phi": 1,
    "pdf": 1,
    "quantile": 1,
    "binomial": 2,
    "min": None,
    "max": None,
}
CONSTANTS = ("pi", "e", "oo")
RANGES = ("Sum", "Product")
MOST_CHARACTERS = 2000

Names = Mapping[str, Any]


def evaluate(text: str, names: Names, *, digits: int | None = None) -> Any:
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

    Returns
    -------
    float, float array, or mpmath number
        The value; NaN or infinity at poles.

    Raises
    ------
    InvalidArgumentError
        If the text is not a formula, or uses a name that has no value.

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
    tree = _read(text)
    if digits is None:
        known = {name: np.asarray(value, dtype=np.float64)[()] for name, value in names.items()}
        with np.errstate(all="ignore"):
            return _compute(tree, known, doubles(), text)
    import mpmath

    with mpmath.workdps(check_count("digits", digits) + 20):
        try:
            value = _compute(tree, {name: _exactly(value) for name, value in names.items()}, multiprecision(), text)
        except ZeroDivisionError:
            value = mpmath.nan
    with mpmath.workdps(digits):
        return +value


def parse_formula(text: str, names: Iterable[str] | Names) -> Any:
    """Parse a formula into a sympy expression.

    Parameters
    ----------
    text : str
        The formula.
    names : iterable of str, or mapping of str to sympy object
        The names it may use; as a mapping, the object for each (a symbol with assumptions, an IndexedBase). Bare
        names become positive symbols.

    Returns
    -------
    sympy expression
        With exact numbers: 0.5 is read as 1/2.

    Raises
    ------
    InvalidArgumentError
        If the text is not a formula, or uses another name.

    Examples
    --------
    >>> parse_formula("1 - 2**(-log2(k))", ["k"]).simplify()
    (k - 1)/k
    """
    import sympy

    known = dict(names) if isinstance(names, Mapping) else {name: sympy.Symbol(name, positive=True) for name in names}
    return _compute(_read(text), known, symbols(), text)


def names_in(text: str) -> set[str]:
    """List the names that a formula needs values of.

    Examples
    --------
    >>> sorted(names_in("Sum(2**(-n[j]), j, 1, k)"))
    ['k', 'n']
    """
    found: set[str] = set()

    def visit(node: ast.expr, bound: frozenset[str]) -> None:
        if isinstance(node, ast.Name):
            found.update({node.id} - bound - set(CONSTANTS))
        elif isinstance(node, ast.Call):
            called, arguments = _call(node, text)
            if called in RANGES:
                visit(arguments[0], bound | {_index(arguments[1], text)})
                arguments = arguments[2:]
            for argument in arguments:
                visit(argument, bound)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    visit(child, bound)

    visit(_read(text), frozenset())
    return found


def _exactly(value: Any) -> Any:
    import mpmath

    if isinstance(value, (list, tuple, np.ndarray)):
        return [_exactly(item) for item in value]
    return mpmath.mpf(value.item() if isinstance(value, np.generic) else value)


@lru_cache(maxsize=1024)
def _read(text: Any) -> ast.expr:
    if not isinstance(text, str) or not text.strip() or len(text) > MOST_CHARACTERS:
        raise invalid("formula", f"be a text of 1 to {MOST_CHARACTERS} characters", text)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise invalid("formula", "be an arithmetic expression", text) from None


def _compute(tree: ast.expr, names: Names, numbers: Arithmetic, text: str) -> Any:
    try:
        value = _walk(tree, names, numbers, text)
        if isinstance(value, list):
            raise TypeError("a sequence is not a number")
        return value
    except InvalidArgumentError:
        raise
    except RecursionError:
        raise invalid("formula", "be nested less deeply", text) from None
    except (TypeError, ValueError) as error:  # sequences of unlike lengths, or a sequence where a number belongs
        raise invalid("formula", "combine numbers, or arrays that broadcast", text, str(error)) from None


def _walk(node: ast.expr, names: Names, numbers: Arithmetic, text: str) -> Any:
    """Evaluate one node of the tree; nodes that are not listed here are refused."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return numbers.number(node.value, ast.get_source_segment(text.strip(), node) or repr(node.value))
    if isinstance(node, ast.Name):
        if node.id in names:
            return names[node.id]
        if node.id in CONSTANTS:
            return numbers.constants[node.id]
        raise invalid("formula", f"use known names only ({', '.join(sorted(names)) or 'none'})", node.id, f"in {text}")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        value = _walk(node.operand, names, numbers, text)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = (_walk(side, names, numbers, text) for side in (node.left, node.right))
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
        if isinstance(node.op, ast.Pow):
            return numbers.power(left, right)
    if isinstance(node, ast.Subscript):
        return _element(_walk(node.value, names, numbers, text), _walk(node.slice, names, numbers, text), node, text)
    if isinstance(node, ast.Call):
        called, arguments = _call(node, text)
        if called in RANGES:
            index = _index(arguments[1], text)
            first, last = (_walk(argument, names, numbers, text) for argument in arguments[2:])
            return numbers.over_range(
                called, lambda value: _walk(arguments[0], {**names, index: value}, numbers, text), index, first, last
            )
        return numbers.functions[called](*(_walk(argument, names, numbers, text) for argument in arguments))
    raise invalid("formula", "hold numbers, names, + - * / **, subscripts and known functions only", text)


def _call(node: ast.Call, text: str) -> tuple[str, list[ast.expr]]:
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called not in FUNCTIONS and called not in RANGES:
        known = ", ".join([*FUNCTIONS, *RANGES])
        raise invalid("formula", f"call known functions only ({known})", ast.unparse(node.func), f"in {text}")
    wanted = 4 if called in RANGES else FUNCTIONS[called]
    starred = node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args)
    if starred or not node.args or (wanted is not None and len(node.args) != wanted):
        count = f"{wanted} plain argument" + ("s" if wanted != 1 else "") if wanted else "plain arguments"
        raise invalid("formula", f"give {called} {count}", text)
    return called, node.args


def _index(node: ast.expr, text: str) -> str:
    if not isinstance(node, ast.Name):
        raise invalid("formula", "name the index of a Sum or a Product", text, "as in Sum(2**(-j), j, 1, k)")
    return node.id


def _element(values: Any, index: Any, node: ast.Subscript, text: str) -> Any:
    if type(values).__name__ == "IndexedBase":  # sympy's sequence of symbols
        return values[index]
    where = whole(index)
    if isinstance(values, np.ndarray):
        values = list(values) if values.ndim else None
    if where is None or not isinstance(values, list) or not 0 <= where < len(values):
        raise invalid("formula", "take subscripts within their sequence, from 0", ast.unparse(node), f"in {text}")
    return values[where]
