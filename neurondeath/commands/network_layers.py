"""Layers of networks on the command line: hidden widths from options, and the layers that a table shows."""

from collections.abc import Sequence
from itertools import product

from neurondeath.commands.output_options import Format
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.widths import MOST_LAYERS, parse_counts

__all__ = ["LARGEST_PAIR_WIDTH", "MOST_PAIR_LAYERS", "check_exact", "check_listed", "read_layers", "shown_layers"]

LARGEST_PAIR_WIDTH = 100_000  # of bounds on points and of exact values
MOST_PAIR_LAYERS = 100_000  # of bounds on points, some seconds
MOST_LISTED = 100_000  # layers that are written one by one, as JSON or CSV
MOST_NETWORKS = 20_000  # bounded in some ten seconds
SHOWN_LAYERS = 50  # layers of a network that a table shows all


def read_layers(width: str | None, depth: str | None, widths: str | None) -> list[Sequence[int]]:
    """List networks as hidden widths: all combinations of `--width` and `--depth`, or the one of `--widths`."""
    if widths is not None:
        return [parse_counts("--widths", widths)]
    if width is None or depth is None:
        missing = "--width" if width is None else "--depth"
        raise invalid(missing, "be given", None, "give --width W --depth K, or --widths 8,8,16")
    all_widths, depths = parse_counts("--width", width), parse_counts("--depth", depth)
    if max(depths) > MOST_LAYERS or len(all_widths) * sum(depths) > MOST_LAYERS:
        raise invalid("--depth", f"ask for at most {MOST_LAYERS} layers in all", depth)
    if len(all_widths) * len(depths) > MOST_NETWORKS:
        raise invalid("--width", f"ask for at most {MOST_NETWORKS} networks", f"{width} x {depth}")
    return [[units] * layers for units, layers in product(all_widths, depths)]


def check_exact(networks: Sequence[Sequence[int]], most: int, where: str) -> None:
    """Refuse networks with layers that are too wide, or more than `most` of them; `where` says for what."""
    widest = max(map(max, networks))
    if widest > LARGEST_PAIR_WIDTH:
        raise invalid("--width", f"be at most {LARGEST_PAIR_WIDTH} {where}", widest)
    total = sum(map(len, networks))
    if total > most:
        raise invalid("--depth", f"ask for at most {most} layers in all {where}", total)


def check_listed(n_layers: int, output: Format) -> None:
    """Refuse to write more than MOST_LISTED layers one by one."""
    if output is not Format.table and n_layers > MOST_LISTED:
        raise invalid("--depth", f"ask for at most {MOST_LISTED} layers in {output}", n_layers)


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
