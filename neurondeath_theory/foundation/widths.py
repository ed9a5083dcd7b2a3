"""Widths of layers: from an argument, from text, and as text in few characters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_text import whole_number
from neurondeath_theory.foundation.validation import LARGEST_COUNT, check_count, check_widths, invalid
from neurondeath_theory.foundation.width_text import short_widths

__all__ = ["MOST_LAYERS", "Widths", "layer_widths", "parse_counts", "short_widths"]

MOST_NUMBERS = 100_000  # in a list
MOST_LAYERS = 10_000_000  # layers of all networks together that fit in memory with their bounds


Widths = Sequence[int] | npt.NDArray[np.integer[Any]]


def layer_widths(widths: Widths | None, width: int | None = None, depth: int | None = None) -> npt.NDArray[np.int64]:
    """Accept the widths of a network layer by layer, or one width and the number of layers.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Width of each layer, at least 1.
    width, depth : int, optional
        Width of every layer and number of layers, in place of `widths`.

    Returns
    -------
    int array, shape (k,)
        Width of each layer.

    Raises
    ------
    InvalidArgumentError
        If both or neither are given, or a number leaves its domain.

    Examples
    --------
    >>> layer_widths([8, 8, 16]).tolist(), layer_widths(None, width=3, depth=4).tolist()
    ([8, 8, 16], [3, 3, 3, 3])
    """
    if widths is not None:
        for name, value in (("width", width), ("depth", depth)):
            if value is not None:
                raise invalid(name, "be left out where widths are given", value)
        return check_widths("widths", widths)
    if width is None and depth is None:
        raise invalid("widths", "be given", None, "pass widths=[8, 8, 16], or width=W, depth=K")
    if width is None or depth is None:
        raise invalid("depth" if depth is None else "width", "be given", None, "pass width=W, depth=K")
    return np.full(check_count("depth", depth, most=MOST_LAYERS), check_count("width", width), dtype=np.int64)


def parse_counts(name: str, text: str, *, least: int = 1) -> list[int]:
    """Parse a list of whole numbers and ranges `first:last[:step]`, ends included.

    Examples
    --------
    >>> parse_counts("--width", "2,4:8:2,10")
    [2, 4, 6, 8, 10]
    """
    counts: list[int] = []
    rule = f"be whole numbers or ranges first:last[:step], separated by commas, each of at least {least}"
    for part in text.split(","):
        ends = [number for piece in part.split(":") if (number := whole_number(piece)) is not None]
        if part.count(":") >= min(len(ends), 3) or min(ends) < least or ends[0] > ends[min(1, len(ends) - 1)]:
            raise invalid(name, rule, text)
        if len(ends) == 3 and ends[2] < 1:
            raise invalid(name, "have steps of at least 1", text)
        if max(ends) > LARGEST_COUNT:
            raise invalid(name, f"be at most {LARGEST_COUNT}", part)
        picked = range(ends[0], ends[min(1, len(ends) - 1)] + 1, ends[2] if len(ends) == 3 else 1)
        if len(counts) + len(picked) > MOST_NUMBERS:
            raise invalid(name, f"name at most {MOST_NUMBERS} numbers", text)
        counts.extend(picked)
    return counts
