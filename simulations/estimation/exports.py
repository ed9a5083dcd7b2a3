"""Write a table of results to a file atomically: CSV, JSON or Parquet."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.output_files import check_ending, check_output_file

__all__ = ["EXPORT_FORMATS", "check_export", "export_table"]

EXPORT_FORMATS = ("csv", "json", "parquet")


def check_export(path: str | Path, name: str = "export") -> Path:
    """Validate the name of a file to write, before anything is computed.

    Raises
    ------
    InvalidArgumentError
        If the ending is not a known format, or the folder does not exist.
    MissingExtraError
        If it is Parquet and pandas or PyArrow are missing.
    """
    target = Path(path)
    check_ending(name, target, EXPORT_FORMATS)
    check_output_file(name, target)
    if target.suffix.lower() == ".parquet":
        import_or_explain("neurondeath.simulations.estimation.parquet")
    return target


def export_table(columns: Mapping[str, Sequence[Any]], path: str | Path, *, name: str = "export") -> Path:
    """Write columns of equal length in the format of the file's ending.

    Parameters
    ----------
    columns : mapping of str to sequence
        Numbers, words or None. Unknown values are empty in CSV and null in JSON; JSON is a list of objects.
    path : path
        The file, ending in .csv, .json or .parquet; an existing file is replaced atomically.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidArgumentError
        If the ending is not a known format, or the folder does not exist.
    MissingExtraError
        If it is Parquet and pandas or PyArrow are missing.
    """
    target = check_export(path, name)
    kind = target.suffix.lstrip(".").lower()
    if kind == "parquet":
        content = import_or_explain("neurondeath.simulations.estimation.parquet").parquet_bytes(columns)
    else:
        content = (_csv(columns) if kind == "csv" else _json(columns)).encode()
    return write_atomically(target, content)


def _csv(columns: Mapping[str, Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_finite_or_none(value) for value in row] for row in zip(*columns.values(), strict=True))
    return buffer.getvalue()


def _json(columns: Mapping[str, Sequence[Any]]) -> str:
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, (_finite_or_none(value) for value in row), strict=True)) for row in rows]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"


def _finite_or_none(value: Any) -> Any:
    """Return a value, None in place of NaN and infinity (the logarithm of zero), which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
