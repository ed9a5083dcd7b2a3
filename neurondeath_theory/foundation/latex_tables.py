r"""Tables in LaTeX: escaped words, numbers with their standard errors in parentheses.

A value with a standard error is written with two digits of the error, which stand in parentheses and count in the last
digits of the value: 0.3042(15) is 0.3042 +- 0.0015. Very large and very small numbers are written with a power of ten.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurondeath_theory.foundation.validation import check_choice

__all__ = ["escape_latex", "latex_number", "latex_table"]

Column = Sequence[Any] | np.ndarray[Any, Any]

ERROR_ENDINGS = ("_stderr", "_error")
PLAIN_FROM, PLAIN_TO = 1e-4, 1e4  # sizes of numbers that are written without a power of ten
DIGITS = 5  # significant digits of a number without an error
SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def latex_table(columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]], names: Sequence[str] | None = None) -> str:
    r"""Return columns as a `tabular`; a column `x` and its error `x_stderr` or `x_error` become one column.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns of one length.
    names : sequence of str, optional
        Which of them, in this order; all by default.

    Raises
    ------
    InvalidArgumentError
        If there is no such column.

    Examples
    --------
    >>> print(latex_table({"depth": [1, 2], "living_ratio": [0.5, 0.3042], "living_ratio_stderr": [0.02, 0.0015]}))
    \begin{tabular}{rr}
    \hline
    depth & living\_ratio \\
    \hline
    $1$ & $0.500(20)$ \\
    $2$ & $0.3042(15)$ \\
    \hline
    \end{tabular}
    """
    errors = {name: error for name in columns if (error := _error_of(name, columns)) is not None}
    wanted = [name for name in columns if name not in errors.values()] if names is None else list(names)
    for index, name in enumerate(wanted):
        check_choice(f"columns[{index}]", name, tuple(columns))
    cells = {name: _cells(columns[name], columns[errors[name]] if name in errors else None) for name in wanted}
    n_rows = len(next(iter(cells.values()), []))
    alignment = "".join("l" if any(isinstance(value, str) for value in columns[name]) else "r" for name in wanted)
    lines = [
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\hline",
        " & ".join(escape_latex(name) for name in wanted) + r" \\",
        r"\hline",
        *(" & ".join(cells[name][row] for name in wanted) + r" \\" for row in range(n_rows)),
        r"\hline",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def latex_number(value: float, error: float | None = None) -> str:
    r"""Write a number in math mode, with its standard error if there is one.

    Examples
    --------
    >>> latex_number(0.3042, 0.0015), latex_number(1.234e-12, 4.5e-14), latex_number(12.0, 30.0)
    ('$0.3042(15)$', '$1.234(45) \\times 10^{-12}$', '$12(30)$')
    >>> latex_number(-math.inf), latex_number(math.nan), latex_number(0.25)
    ('$-\\infty$', '--', '$0.25$')
    """
    value = float(value)
    if math.isnan(value):
        return "--"
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    known = error is not None and math.isfinite(error) and error > 0.0
    size = max(abs(value), float(error) if known and error is not None else 0.0)
    power = 0 if size == 0.0 or PLAIN_FROM <= size < PLAIN_TO else math.floor(math.log10(size))
    scaled = value / 10.0**power
    if known and error is not None:
        width = error / 10.0**power
        decimals = max(1 - math.floor(math.log10(width)), 0)
        if round(width, decimals) * 10**decimals >= 100.0:  # 0.0996 rounds to three digits
            decimals = max(decimals - 1, 0)
        text = f"{scaled:.{decimals}f}({round(width * 10**decimals)})"
    else:
        text = f"{scaled:.{DIGITS}g}"
    return f"${text}$" if power == 0 else rf"${text} \times 10^{{{power}}}$"


def escape_latex(text: str) -> str:
    r"""Escape what LaTeX would read as a command.

    Examples
    --------
    >>> print(escape_latex("a_b & 50 %"))
    a\_b \& 50 \%
    """
    return "".join(SPECIAL.get(character, character) for character in text)


def _error_of(name: str, columns: Mapping[str, Any]) -> str | None:
    """Return the column with the standard error of a column."""
    if name.endswith(ERROR_ENDINGS):
        return None
    return next((f"{name}{ending}" for ending in ERROR_ENDINGS if f"{name}{ending}" in columns), None)


def _cells(values: Column, errors: Column | None) -> list[str]:
    return [_cell(value, None if errors is None else errors[row]) for row, value in enumerate(values)]


def _cell(value: Any, error: Any) -> str:
    if value is None:
        return "--"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)) and error is None:
        return f"${int(value)}$"
    if isinstance(value, (int, float, np.number)):
        return latex_number(float(value), None if error is None else float(error))
    return escape_latex(str(value))
