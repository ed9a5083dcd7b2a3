"""Widths and depths as text: parsing of lists of whole numbers, and a short form of widths."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import invalid

__all__ = ["MOST_LAYERS", "parse_counts", "short_widths"]

MOST_LAYERS = 10_000_000  # layers of all networks together that fit in memory with their bounds


def parse_counts(name: str, text: str) -> list[int]:
    """Parse a list of whole numbers and ranges `first:last[:step]`, ends included.

    Examples
    --------
    >>> parse_counts("--width", "2,4:8:2,10")
    [2, 4, 6, 8, 10]
    """
    counts: list[int] = []
    rule = "be whole numbers or ranges first:last[:step], separated by commas, each of at least 1"
    for part in text.split(","):
        try:
            ends = [int(piece) for piece in part.split(":")]
        except ValueError:
            raise invalid(name, rule, text) from None
        if not 1 <= len(ends) <= 3 or min(ends) < 1 or ends[0] > ends[min(1, len(ends) - 1)]:
            raise invalid(name, rule, text)
        if len(ends) == 1:
            counts.append(ends[0])
            continue
        picked = range(ends[0], ends[1] + 1, ends[2] if len(ends) == 3 else 1)
        if len(picked) > 100_000:
            raise invalid(name, "name at most 100000 numbers", part)
        counts.extend(picked)
    return counts


def short_widths(widths: Sequence[int] | npt.NDArray[np.integer[Any]]) -> str:
    """Format widths in few characters.

    Examples
    --------
    >>> short_widths([8] * 50), short_widths([3, 5])
    ('8 x 50', '3,5')
    """
    if min(widths) == max(widths):
        return f"{widths[0]} x {len(widths)}"
    return ",".join(str(width) for width in widths[:8]) + (",..." if len(widths) > 8 else "")
