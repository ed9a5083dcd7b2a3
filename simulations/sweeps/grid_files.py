"""Task grids in TOML files.

    [defaults]                        # of every study
    inputs = ["gaussian:64", "digits:256"]

    [[study]]                         # all combinations
    name = "biases"
    width = "2:64:2"
    depth = [10, 100]
    bias_variance = [0.0, 0.1]

    [[study]]
    init = ["he", "orthogonal"]
    zip = { width = [4, 8], depth = [10, 100] }   # these move together: (4, 10) and (8, 100)

Keys are the options of `simulate` with underscores. Stop rules, seed and store belong to the run, not to the grid, and
are given on the command line.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurondeath.simulations.sweeps.grid import Setting, Study
from neurondeath.simulations.sweeps.grid_options import OPTIONS, read_values
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import invalid

__all__ = ["read_grid_file"]

LARGEST_FILE = 2**24  # bytes: more is no grid


def read_grid_file(path: str | Path) -> list[Study]:
    """Read the studies of a grid file.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read, is no TOML, or a key or value is none of ours; names file, table and key.
    """
    plain = _read(Path(path))
    tables = plain.pop("study", None)
    defaults = plain.pop("defaults", {})
    if plain:
        raise invalid(f"{path}", "hold [defaults] and [[study]] tables only", next(iter(plain)))
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise invalid(f"{path}", "hold at least one [[study]] table", tables)
    if not isinstance(defaults, dict):
        raise invalid(f"{path}: defaults", "be a table", defaults)
    known = _values(defaults, f"{path}: defaults")
    return [_study(table, known, _place(path, number, table)) for number, table in enumerate(tables, start=1)]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise invalid("--grid", "name a TOML file that exists", str(path))
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise invalid("--grid", f"be at most {LARGEST_FILE} bytes long", f"{path}: {path.stat().st_size} bytes")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"`--grid` must be TOML; {path}: {error}") from None


def _place(path: str | Path, number: int, table: Mapping[str, Any]) -> str:
    name = table.get("name", "")
    if not isinstance(name, str):
        raise invalid(f"{path}: study {number}, name", "be text", name)
    return f"{path}: study {number}" + (f" ({name})" if name else "")


def _study(table: Mapping[str, Any], defaults: Mapping[str, list[Any]], place: str) -> Study:
    own = _values({key: value for key, value in table.items() if key not in ("name", "zip")}, place)
    together = table.get("zip", {})
    if not isinstance(together, dict):
        raise invalid(f"{place}, zip", "be a table of lists", together)
    zipped = _values(together, f"{place}, zip")
    for option in own.keys() & zipped.keys():
        raise invalid(f"{place}, {option}", "be given once, in the study or in its zip", together[option])
    for option, values in zipped.items():
        first = next(iter(zipped))
        if len(values) != len(zipped[first]):
            rule = f"have as many values as {first}, {len(zipped[first])}"
            raise invalid(f"{place}, zip, {option}", rule, len(values))
    settled = _without_conflicts(defaults, {*own, *zipped}) | own
    factors: list[Sequence[Setting]] = [
        [{option: value} for value in settled[option]] for option in OPTIONS if option in settled
    ]
    if zipped:
        rows = [dict(zip(zipped, values, strict=True)) for values in zip(*zipped.values(), strict=True)]
        factors.insert(0, rows)
    return Study(factors=factors, spell=lambda option: f"{place}, {option}", place=place)


def _without_conflicts(defaults: Mapping[str, list[Any]], given: set[str]) -> dict[str, list[Any]]:
    """Drop the defaults a study replaces; widths replace width and depth, and the other way round."""
    replaced = set(given)
    if "widths" in given:
        replaced |= {"width", "depth"}
    if given & {"width", "depth"}:
        replaced.add("widths")
    return {option: values for option, values in defaults.items() if option not in replaced}


def _values(table: Mapping[str, Any], place: str) -> dict[str, list[Any]]:
    for key in table:
        if key not in OPTIONS:
            raise invalid(f"{place}, {key}", "be an option of a grid", key, f"they are {', '.join(OPTIONS)}")
    return {option: read_values(f"{place}, {option}", option, value) for option, value in table.items()}
