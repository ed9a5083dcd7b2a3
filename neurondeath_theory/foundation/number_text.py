"""Numbers in text: ASCII digits only, as a person writes them.

Python's own `int` and `float` accept more: `1_0`, digits of other scripts, spaces around a number, `infinity`. On a
command line these are slips, and reading them as numbers would hide them.
"""

import math
import re

from neurondeath_theory.foundation.validation import invalid

__all__ = ["read_real", "read_whole", "real_number", "whole_number"]

WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
MOST_DIGITS = 1000  # Python itself refuses more than 4300


def whole_number(text: str) -> int | None:
    """Read a whole number: ASCII digits with an optional sign; None for anything else.

    Examples
    --------
    >>> whole_number("-12"), whole_number("1_0"), whole_number(" 3"), whole_number("1e3")
    (-12, None, None, None)
    """
    return int(text) if WHOLE.fullmatch(text) and len(text) <= MOST_DIGITS else None


def real_number(text: str) -> float | None:
    """Read a decimal number that a double can hold; None for anything else.

    Examples
    --------
    >>> real_number("0.5"), real_number("1e-3"), real_number("nan"), real_number("1e999"), real_number("1e-999")
    (0.5, 0.001, None, None, None)
    """
    found = REAL.fullmatch(text)
    if not found or len(text) > MOST_DIGITS:
        return None
    number = float(text)
    vanishes = number == 0.0 and any(digit in "123456789" for digit in found[1])
    return None if vanishes or not math.isfinite(number) else number


def read_whole(name: str, text: str) -> int:
    """Read a whole number from the value of an option.

    Raises
    ------
    InvalidArgumentError
        If it is anything but ASCII digits with an optional sign.
    """
    number = whole_number(text)
    if number is None:
        raise invalid(name, "be a whole number", text)
    return number


def read_real(name: str, text: str) -> float:
    """Read a finite number from the value of an option.

    Raises
    ------
    InvalidArgumentError
        If it is anything but a decimal number, or too large or too small for a double.
    """
    number = real_number(text)
    if number is None:
        raise invalid(name, "be a finite number", text)
    return number
