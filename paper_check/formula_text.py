"""Formulas read from text: Python's expression syntax with a whitelist, checked whole before anything is computed.

Numbers, names, + - * / **, subscripts, and calls of the functions in `FUNCTIONS` and of the ranges in `RANGES`. The
text, its nesting and its numbers are bounded here; the sizes of the values are bounded where they are computed
(`_arithmetics`, `formula_limits`).
"""

import ast
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import invalid

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "RANGES",
    "RefusedError",
    "TooLargeError",
    "called",
    "number_text",
    "read_formula",
    "refusal",
]

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
DEEPEST = 100  # operations within each other
LARGEST_EXPONENT = 400  # decimal, of a number as it is written
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
SIGNS = (ast.UAdd, ast.USub)
NUMBER = re.compile(r"\d[\d_]*\.?[\d_]*(?:[eE]([+-]?[\d_]+))?|\.\d[\d_]*(?:[eE]([+-]?[\d_]+))?", re.ASCII)


class RefusedError(Exception):
    """A formula breaks a rule; `refusal` turns it into the error of the argument that holds the formula."""

    def __init__(self, rule: str, received: object = None, reason: str = "") -> None:
        super().__init__(rule)
        self.rule, self.received, self.reason = rule, received, reason


class TooLargeError(RefusedError):
    """A formula, or a value that it would compute, is too large."""


def refusal(error: RefusedError, name: str, text: Any) -> InvalidArgumentError:
    """Format a refused formula as the error of the argument `name` that holds its text."""
    if error.received is None:
        return invalid(name, error.rule, text, reason=error.reason)
    return invalid(name, error.rule, error.received, reason=error.reason or f"in {text}")


@lru_cache(maxsize=1024)
def read_formula(text: Any) -> ast.expr:
    """Read a formula.

    Parameters
    ----------
    text : str
        The formula.

    Returns
    -------
    ast.expr
        Its tree, which holds nothing but what the language has, at most DEEPEST levels deep.

    Raises
    ------
    RefusedError
        If the text is not a formula.
    TooLargeError
        If it is too long or too deep, or a number in it too large.
    """
    if not isinstance(text, str) or not text.strip():
        raise RefusedError("be a formula, as text")
    if len(text) > MOST_CHARACTERS:
        raise TooLargeError(f"be a formula of at most {MOST_CHARACTERS} characters", None, f"{len(text)} characters")
    if "#" in text or not all(letter.isprintable() or letter in "\n\r\t" for letter in text):
        raise RefusedError("be an arithmetic expression", None, "a comment or a control character")
    try:
        with warnings.catch_warnings():  # of the Python compiler, about what the whitelist refuses
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (RecursionError, MemoryError):
        raise TooLargeError(f"be nested at most {DEEPEST} levels deep") from None
    except (SyntaxError, ValueError) as error:
        if "nested parentheses" in str(error):
            raise TooLargeError(f"be nested at most {DEEPEST} levels deep") from None
        raise RefusedError("be an arithmetic expression") from None
    level = [tree]
    for _ in range(DEEPEST):
        level = [part for node in level for part in _parts(node, text)]
        if not level:
            return tree
    raise TooLargeError(f"be nested at most {DEEPEST} levels deep")


def called(node: ast.Call) -> str:
    """Return the name of the function that a call in a formula calls."""
    return node.func.id if isinstance(node.func, ast.Name) else ""


def number_text(node: ast.Constant, text: str) -> str:
    """Return a number as it is written in a formula, without underscores."""
    written = ast.get_source_segment(text.strip(), node) or repr(node.value)
    return str(node.value) if isinstance(node.value, int) else written.replace("_", "")


def _parts(node: ast.expr, text: str) -> Iterator[ast.expr]:
    """Check one node and yield the formulas that it consists of."""
    if isinstance(node, ast.Constant):
        _check_number(node, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, SIGNS):
        yield node.operand
    elif isinstance(node, ast.BinOp) and isinstance(node.op, OPERATORS):
        yield from (node.left, node.right)
    elif isinstance(node, ast.Subscript):
        yield from (node.value, node.slice)
    elif isinstance(node, ast.Call):
        yield from _arguments(node, text)
    elif not isinstance(node, ast.Name):
        raise RefusedError("hold numbers, names, + - * / **, subscripts and known functions only")


def _arguments(node: ast.Call, text: str) -> list[ast.expr]:
    name = called(node)
    if name not in FUNCTIONS and name not in RANGES:
        unknown = ast.get_source_segment(text.strip(), node.func)
        raise RefusedError(f"call known functions only ({', '.join([*FUNCTIONS, *RANGES])})", unknown)
    wanted = 4 if name in RANGES else FUNCTIONS[name]
    starred = node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args)
    if starred or not node.args or (wanted is not None and len(node.args) != wanted):
        count = f"{wanted} plain argument" + ("s" if wanted != 1 else "") if wanted else "plain arguments"
        raise RefusedError(f"give {name} {count}")
    if name in RANGES and not isinstance(node.args[1], ast.Name):
        raise RefusedError("name the index of a Sum or a Product", None, "as in Sum(2**(-j), j, 1, k)")
    return node.args


def _check_number(node: ast.Constant, text: str) -> None:
    """Refuse a number whose exact value would have more than LARGEST_EXPONENT digits before or after the point."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RefusedError("hold numbers, names, + - * / **, subscripts and known functions only")
    if isinstance(value, int):
        if value.bit_length() > 4 * LARGEST_EXPONENT:
            raise TooLargeError(f"hold numbers of at most {LARGEST_EXPONENT} digits")
        return
    found = NUMBER.fullmatch(number_text(node, text))
    if found is None:
        raise RefusedError("hold decimal numbers", ast.get_source_segment(text.strip(), node))
    exponent = (found.group(1) or found.group(2) or "0").lstrip("+-").lstrip("0")
    if len(found.group()) > LARGEST_EXPONENT or len(exponent) > 3 or int(exponent or 0) > LARGEST_EXPONENT:
        raise TooLargeError(f"hold numbers of at most {LARGEST_EXPONENT} digits and exponents up to {LARGEST_EXPONENT}")
