"""Write a table of results to a file that is either whole or not there: CSV, JSON or Parquet."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["EXPORT_FORMATS", "check_export", "export_table"]

EXPORT_FORMATS = ("csv", "json", "parquet")


def check_export(path: str | Path, name: str = "export") -> Path:
    """Accept a file to write, before anything is computed.

    Raises
    ------
    InvalidArgumentError
        If the ending names no format, or the folder does not exist.
    MissingExtraError
        If it is Parquet and pandas or PyArrow are missing.
    """
    target = Path(path)
    check_choice(f"{name} ending", target.suffix.lstrip(".").lower(), EXPORT_FORMATS)
    if not target.parent.is_dir():
        raise invalid(name, "name a file in a folder that exists", str(target), f"make {target.parent} first")
    if target.is_dir():
        raise invalid(name, "name a file", str(target), "this is a folder")
    if target.suffix.lower() == ".parquet":
        import_or_explain("neurondeath.simulations.estimation.parquet")
    return target


def export_table(columns: Mapping[str, Sequence[Any]], path: str | Path, *, name: str = "export") -> Path:
    """Write columns of one length in the format the file's ending names.

    Parameters
    ----------
    columns : mapping of str to sequence
        Numbers, words or None. In CSV what is unknown is empty and in JSON null; JSON is a list of objects.
    path : path
        The file, ending in .csv, .json or .parquet; what was there is replaced at one stroke.
    name : str
        What the argument is called in error messages.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidArgumentError
        If the ending names no format, or the folder does not exist.
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
    writer.writerows([_known(value) for value in row] for row in zip(*columns.values(), strict=True))
    return buffer.getvalue()


def _json(columns: Mapping[str, Sequence[Any]]) -> str:
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, (_known(value) for value in row), strict=True)) for row in rows]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"


def _known(value: Any) -> Any:
    """Give a value, None for what JSON cannot say: NaN and the logarithm of zero."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
