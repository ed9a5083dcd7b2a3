"""Checks of arguments, with all their error messages in one place.

Each function takes the argument's public name first, returns the value in the type the code computes with, and raises
`InvalidArgumentError` with one line: the argument, the rule, the value received, the remedy if there is one.
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.visible_text import visible

__all__ = [
    "LARGEST_COUNT",
    "check_choice",
    "check_count",
    "check_flag",
    "check_instance",
    "check_points",
    "check_real",
    "check_reals",
    "check_widths",
    "did_you_mean",
    "invalid",
    "listed",
    "shorten",
]

LARGEST_COUNT = 2**31 - 1
LONGEST_VALUE = 60  # characters of a received value in a message
LONGEST_REASON = 120
LONGEST_LIST = 200  # characters of the names to choose from
ELLIPSIS = "..."

Instance = TypeVar("Instance")


def invalid(name: str, rule: str, received: object, remedy: str = "", *, reason: str = "") -> InvalidArgumentError:
    """Format one broken rule as an error: the argument, the rule, the value received, why it breaks it, the remedy."""
    because = f" ({visible(' '.join(reason.split()))[:LONGEST_REASON]})" if reason else ""
    return InvalidArgumentError(
        f"`{name}` must {rule}; got {shorten(received)}{because}" + (f"; {remedy}" if remedy else "")
    )


def shorten(received: object) -> str:
    r"""Write a received value for a message: controls escaped, and at most LONGEST_VALUE characters, both ends kept.

    Examples
    --------
    >>> print(shorten("two" + chr(10) + "lines"))
    'two\nlines'
    >>> shorten(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, ...94, 995, 996, 997, 998, 999]'
    """
    try:
        shown = visible(repr(received))
    except (MemoryError, RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        return f"<{type(received).__name__}: {type(error).__name__}>"
    if len(shown) <= LONGEST_VALUE:
        return shown
    half = (LONGEST_VALUE - len(ELLIPSIS)) // 2
    return shown[:half] + ELLIPSIS + shown[-half:]


def check_count(name: str, value: Any, *, least: int = 1, most: int = LARGEST_COUNT) -> int:
    """Accept a whole number in [least, most]; refuse booleans, fractions and NaN."""
    rule = f"be a whole number of at least {least}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        if isinstance(value, (float, np.floating)) and math.isfinite(value) and value == int(value):
            value = int(value)
        else:
            raise invalid(name, rule, value)
    if value < least:
        raise invalid(name, rule, int(value))
    if value > most:
        raise invalid(name, f"be at most {most}", int(value))
    return int(value)


def check_widths(name: str, widths: Any) -> npt.NDArray[np.int64]:
    """Accept a non-empty sequence of layer widths, each a whole number of at least 1."""
    rule = "be a non-empty sequence of whole numbers of at least 1"
    if isinstance(widths, (str, bytes)) or not isinstance(widths, (Iterable, np.ndarray)):
        raise invalid(name, rule, widths, "for depth K and width W pass [W] * K")
    try:
        array = np.asarray(widths if isinstance(widths, (np.ndarray, Sequence)) else list(widths))
    except ValueError:
        raise invalid(name, rule, widths) from None
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf":
        raise invalid(name, rule, widths)
    if array.dtype.kind == "f" and (not np.isfinite(array).all() or (array != np.floor(array)).any()):
        raise invalid(name, rule, widths)
    wrong = np.flatnonzero((array < 1) | (array > LARGEST_COUNT))
    if wrong.size:
        first = int(wrong[0])
        raise invalid(f"{name}[{first}]", f"be a whole number from 1 to {LARGEST_COUNT}", array[first].item())
    return array.astype(np.int64)


def check_real(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
    unit: str = "",
) -> float:
    """Accept a finite real number in an interval, closed at an end unless that end is marked as open."""
    left, right = (
        ("(" if low_open or low == -math.inf else "["),
        (")" if high_open or high == math.inf else "]"),
    )
    if low == 0 and high == math.inf:
        rule = "be a finite number " + ("above 0" if low_open else "of at least 0")
    elif (low, high) == (-math.inf, math.inf):
        rule = "be a finite number"
    else:
        rule = f"lie in {left}{low:g}, {high:g}{right}" + (f" {unit}" if unit else "")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise invalid(name, rule, value)
    number = float(value)
    inside = math.isfinite(number) and low <= number <= high
    if not inside or (low_open and number == low) or (high_open and number == high):
        raise invalid(name, rule, value)
    return number


def check_reals(
    name: str, values: Any, *, low: float = -math.inf, high: float = math.inf, low_open: bool = False
) -> npt.NDArray[np.float64]:
    """Accept a number or an array of finite real numbers in an interval, any shape, as float64."""
    edge = "above" if low_open else "of at least"
    rule = f"hold finite numbers {edge} {low:g}" if high == math.inf else f"hold numbers in [{low:g}, {high:g}]"
    if low == -math.inf and high == math.inf:
        rule = "hold finite numbers"
    try:
        array = np.asarray(values)
    except ValueError:
        raise invalid(name, rule, values) from None
    if array.dtype.kind not in "iuf":
        raise invalid(name, rule, values)
    array = array.astype(np.float64)
    wrong = ~np.isfinite(array) | (array < low) | (array > high) | (low_open & (array == low))
    if wrong.any():
        raise invalid(name, rule, array[wrong].flat[0].item())
    return array


def check_instance(name: str, value: Any, kind: type[Instance], what: str, remedy: str = "") -> Instance:
    """Accept an instance of one class; `what` describes the class in the message."""
    if not isinstance(value, kind):
        raise invalid(name, f"be {what}", value, remedy)
    return value


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Accept one of the listed strings."""
    if not isinstance(value, str) or value not in choices:
        raise invalid(name, f"be one of {listed(choices)}", value, did_you_mean(value, choices))
    return value


def listed(names: Sequence[str]) -> str:
    """Write names for a message: all of them, or the first ones and how many there are.

    Examples
    --------
    >>> listed(["png", "pdf", "svg"]), len(listed(["name"] * 1000))
    ('png, pdf, svg', 215)
    """
    text = ", ".join(names)
    if len(text) <= LONGEST_LIST:
        return text
    return f"{text[:LONGEST_LIST].rpartition(', ')[0]}, ... ({len(names)} in all)"


def did_you_mean(value: Any, choices: Sequence[str]) -> str:
    """Ask for the choice that resembles a value; "" if none does.

    Examples
    --------
    >>> did_you_mean("shifted_relu", ["relu", "shifted-relu"])
    'did you mean shifted-relu?'
    """
    near = difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0.7) if isinstance(value, str) else []
    return f"did you mean {near[0]}?" if near else ""


def check_flag(name: str, value: Any) -> bool:
    """Accept True or False only; refuse other values that convert to them."""
    if not isinstance(value, (bool, np.bool_)):
        raise invalid(name, "be True or False", value)
    return bool(value)


def check_points(name: str, points: Any) -> npt.NDArray[np.float64]:
    """Accept a finite matrix of shape (n_points, dimension), both at least 1, as float64."""
    rule = "be a numeric array of shape (n_points, dimension)"
    try:
        array = np.asarray(points)
    except ValueError:
        raise invalid(name, rule, points) from None
    if array.dtype.kind not in "biuf":
        raise invalid(name, rule, f"dtype {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise invalid(name, rule, f"shape {array.shape}", "one point in d dimensions has shape (1, d)")
    array = np.ascontiguousarray(array, dtype=np.float64)
    broken = np.argwhere(~np.isfinite(array))
    if broken.size:
        row, column = broken[0]
        where = f"{array[row, column]} at point {row}, coordinate {column}"
        raise invalid(name, "hold finite numbers only", where, "drop or repair those points")
    return array
