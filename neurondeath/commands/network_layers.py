"""Layers of networks on the command line: hidden widths from options, and the layers that a table shows."""

from collections.abc import Sequence
from itertools import product

from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.widths import MOST_LAYERS, parse_counts

__all__ = ["read_layers", "shown_layers"]

SHOWN_LAYERS = 50  # layers of a network that a table shows all


def read_layers(width: str | None, depth: str | None, widths: str | None) -> list[Sequence[int]]:
    """List networks as hidden widths: all combinations of `--width` and `--depth`, or the one of `--widths`."""
    if widths is not None:
        if width is not None or depth is not None:
            raise invalid("--widths", "be used without --width and --depth", widths)
        return [parse_counts("--widths", widths)]
    if width is None or depth is None:
        missing = "--width" if width is None else "--depth"
        raise invalid(missing, "be given", None, "give --width W --depth K, or --widths 8,8,16")
    grid = list(product(parse_counts("--width", width), parse_counts("--depth", depth)))
    if sum(layers for _, layers in grid) > MOST_LAYERS:
        raise invalid("--depth", f"ask for at most {MOST_LAYERS} layers in all", depth)
    return [[units] * layers for units, layers in grid]


def shown_layers(depth: int) -> list[int]:
    """Pick the layers a table shows, as indices from 0: all, or 1, 2, 5, 10, ... and the last of a deep network.

    Examples
    --------
    >>> [index + 1 for index in shown_layers(120)]
    [1, 2, 5, 10, 20, 50, 100, 120]
    """
    if depth <= SHOWN_LAYERS:
        return list(range(depth))
    ladder = (step * 10**power for power in range(len(str(depth))) for step in (1, 2, 5))
    return [layer - 1 for layer in ladder if layer < depth] + [depth - 1]
