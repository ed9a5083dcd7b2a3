"""The data of a picture: a tidy table of numbers and words, stored in a file beside the picture.

The file is CSV after one comment line with the figure, its quality and its number of rows, so that an incomplete file
is recognised (`pandas.read_csv(path, comment="#")` reads it). Numbers are written with all their digits: a picture
drawn from the file equals the picture drawn from memory.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.input_files import read_input_bytes
from neurondeath_theory.foundation.validation import shorten

__all__ = [
    "Record",
    "Table",
    "TableError",
    "distinct",
    "estimate_record",
    "read_table",
    "rows",
    "tabulate",
    "write_table",
]

MOST_TABLE_BYTES = 2**26

Record = Mapping[str, Any]
Table = Mapping[str, npt.NDArray[Any]]


class TableError(NeuronDeathError):
    """A saved table is missing, incomplete or edited."""


def tabulate(records: Iterable[Record]) -> Table:
    """Turn records, which may lack fields, into columns of float64 or of words.

    Examples
    --------
    >>> table = tabulate([{"set": "rays", "alive": 1}, {"set": "cube"}])
    >>> table["set"].tolist(), table["alive"].tolist()
    (['rays', 'cube'], [1.0, nan])
    """
    listed = list(records)
    names = list(dict.fromkeys(name for record in listed for name in record))
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        values = [record.get(name) for record in listed]
        if any(isinstance(value, str) for value in values):
            columns[name] = np.array([value or "" for value in values], dtype=np.str_)
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return columns


def rows(table: Table, **equal: Any) -> Table:
    """Pick the rows whose columns equal the values given.

    Examples
    --------
    >>> rows({"width": np.array([2.0, 3.0]), "alive": np.array([0.5, 0.9])}, width=3)["alive"].tolist()
    [0.9]
    """
    wanted = np.ones(len(next(iter(table.values()))), dtype=bool)
    for name, value in equal.items():
        wanted &= table[name] == value
    return {name: values[wanted] for name, values in table.items()}


def distinct(values: npt.NDArray[Any]) -> list[Any]:
    """List the distinct values in order of appearance."""
    return list(dict.fromkeys(values.tolist()))


def estimate_record(simulation: Simulation, layer: int = -1) -> Record:
    """Return the estimate of P(alive) through one layer, with its 95 % interval."""
    return {
        "alive": float(simulation.alive[layer]),
        "low": float(simulation.low[layer]),
        "high": float(simulation.high[layer]),
        "trials": simulation.trials,
    }


def write_table(table: Table, path: Path, *, figure: str, quality: str) -> None:
    """Write a table as CSV atomically."""
    n_rows = len(next(iter(table.values())))
    buffer = io.StringIO()
    buffer.write(f"# {figure}, {quality}, {n_rows} rows\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table)
    for row in zip(*(values.tolist() for values in table.values()), strict=True):
        writer.writerow([value if isinstance(value, str) else repr(value) for value in row])
    write_atomically(path, buffer.getvalue())


def read_table(path: Path, *, figure: str) -> tuple[Table, str]:
    """Read a table and its quality.

    Raises
    ------
    TableError
        If the file is missing, incomplete, or belongs to another figure.
    InvalidArgumentError
        If it is no regular file, or larger than 64 MiB.
    """
    if not path.exists():
        raise TableError(f"no table {shorten(str(path))} to redraw {figure} from; make it without --redraw first")
    try:
        text = read_input_bytes("table", path, most_bytes=MOST_TABLE_BYTES, what="table").decode()
    except UnicodeDecodeError:
        raise _torn(path, "it is not text") from None
    head, _, body = text.partition("\n")
    parts = head.removeprefix("# ").split(", ")
    if not head.startswith("# ") or len(parts) != 3 or parts[0] != figure or not parts[2].endswith(" rows"):
        raise _torn(path, f"its first line should name {figure}")
    try:
        lines = list(csv.reader(io.StringIO(body), strict=True))
    except csv.Error as error:
        raise _torn(path, str(error)) from None
    found = len(lines) - 1
    if parts[2] != f"{found} rows" or not text.endswith("\n"):
        raise _torn(path, f"it has {max(found, 0)} of {parts[2]}")
    if found < 1 or any(len(line) != len(lines[0]) for line in lines):
        raise _torn(path, "its rows differ in length")
    return {name: _column(values) for name, values in zip(lines[0], zip(*lines[1:], strict=True), strict=True)}, parts[
        1
    ]


def _column(values: Sequence[str]) -> npt.NDArray[Any]:
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return np.array(values, dtype=np.str_)


def _torn(path: Path, reason: str) -> TableError:
    name = shorten(str(path))
    return TableError(f"table {name} is incomplete or edited: {reason}; delete it and make the figure again")
