"""Numbers as short text."""

from typing import Any

import numpy as np

__all__ = ["format_number"]


def format_number(value: Any, digits: int = 5) -> str:
    """Write a number to a few significant digits, other values as they are.

    Examples
    --------
    >>> format_number(0.123456789), format_number(3), format_number(float("-inf"))
    ('0.12346', '3', '-inf')
    """
    if value is None:
        return "-"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.{digits}g}"
    return str(value)
