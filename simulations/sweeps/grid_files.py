"""Task grids in TOML files.

    [defaults]                        # values for every study
    inputs = ["gaussian:64", "digits:256"]

    [[study]]                         # every combination is a task
    name = "biases"
    width = "2:64:2"
    depth = [10, 100]
    bias_variance = [0.0, 0.1]

    [[study]]
    init = ["he", "orthogonal"]
    zip = { width = [4, 8], depth = [10, 100] }   # vary together: (4, 10) and (8, 100)

Keys are the options of `simulate` with underscores. Stop rules, seed and store belong to the run, not to the grid, and
are set on the command line. `neurondeath.simulations.sweeps.grid_guide` writes a file that shows every key.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurondeath.simulations.sweeps.grid import Setting, Study
from neurondeath.simulations.sweeps.grid_options import OPTIONS, read_values
from neurondeath_theory.foundation.configuration import Key
from neurondeath_theory.foundation.input_files import read_toml
from neurondeath_theory.foundation.validation import invalid

__all__ = ["STUDY_KEYS", "read_grid_file"]


def _check_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(name, "be text", value)
    return value


def _check_table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(name, "be a table of lists", value)
    return value


# Keys of a [[study]] table beside the options of the grid.
STUDY_KEYS: dict[str, Key] = {
    "name": Key(
        kind="text", meaning="Name of the study in error messages.", check=_check_text, default=None, example="biases"
    ),
    "zip": Key(
        kind="table of lists of equal length",
        meaning="Options that vary together: the first values of all lists are one setting, the second values the next "
        "one, and so on; each setting is combined with every combination of the other options.",
        check=_check_table,
        default=None,
        example={"width": [4, 8], "depth": [10, 100]},
    ),
}


def read_grid_file(path: str | Path) -> list[Study]:
    """Read the studies of a grid file.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read, is not TOML, or a key or value is not valid; the message names file, table and key.
    """
    plain = read_toml("--grid", path)
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


def _place(path: str | Path, number: int, table: Mapping[str, Any]) -> str:
    name = STUDY_KEYS["name"].check(f"{path}: study {number}, name", table.get("name", ""))
    return f"{path}: study {number}" + (f" ({name})" if name else "")


def _study(table: Mapping[str, Any], defaults: Mapping[str, list[Any]], place: str) -> Study:
    own = _values({key: value for key, value in table.items() if key not in STUDY_KEYS}, place)
    together = STUDY_KEYS["zip"].check(f"{place}, zip", table.get("zip", {}))
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
    """Drop the defaults that a study replaces; widths replaces width and depth, and vice versa."""
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
