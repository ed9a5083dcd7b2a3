"""Data as JSON and as CSV on stdout."""

import csv
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurondeath.commands.terminal_text import visible
from neurondeath_theory.foundation.results import Columns

__all__ = ["print_csv", "print_json", "records"]


def records(columns: Columns) -> list[dict[str, Any]]:
    """Return the rows of a table, each as a mapping from the names of the columns.

    Examples
    --------
    >>> records({"width": [2, 3], "alive": [0.5, 0.75]})
    [{'width': 2, 'alive': 0.5}, {'width': 3, 'alive': 0.75}]
    """
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def print_json(data: Any) -> None:
    """Write one JSON document; numbers that JSON lacks (NaN, infinity) become null."""
    print(json.dumps(_plain(data), indent=2, allow_nan=False))


def print_csv(columns: Columns) -> None:
    """Write columns as CSV with a header line; on a terminal, with control characters escaped."""
    write_text = visible if sys.stdout.isatty() else str
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(write_text, columns))
    for row in zip(*columns.values(), strict=True):
        writer.writerow([write_text(value) if isinstance(value, str) else _plain(value) for value in row])


def _plain(value: Any) -> Any:
    """Turn numpy scalars, arrays and non-finite numbers into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
