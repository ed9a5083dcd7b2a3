"""Experiments read from TOML files, or from descriptions of them, with their grids and seeds.

    epochs = 10                       [data]                  [model]                 [optimiser]
    seeds = [0, 1, 2]                 name = "digits"         kind = "mlp"            kind = "sgd"
                                      validation = 0.1        widths = [64, 64]       learning_rate = 0.1

    [method]                          [grid]
    kind = "synaptic-stripping"       "optimiser.learning_rate" = [0.01, 0.1]
    every = 2                         "model.widths" = [[64, 64], [128, 128]]

`[grid]` runs every combination of its lists; each table of a list of tables (`method = [{...}, {...}]`) overrides keys
of the table of that name, here `[method]`. The tables of the list `cases` hold such tables, for settings of several
parts that belong together: `cases = [{model = {width = 8}, optimiser = {learning_rate = 0.1}}, {...}]`. All keys except
`epochs` have defaults; see `configuration`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.input_files import read_toml
from neurondeath_theory.foundation.validation import check_count, invalid, shorten
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_torch.training.configuration import OPEN_PARTS, PARTS, Experiment

__all__ = ["CASES", "read_experiment", "read_experiments"]

MOST_RUNS = 100_000
LONGEST_KEY = 60  # characters of a key in a message
CASES = "cases"  # key of the grid whose tables override keys of several parts


def read_experiment(description: Mapping[str, Any]) -> Experiment:
    """Build an experiment from a description as returned by `Experiment.description`."""
    return _experiment(description)


def read_experiments(source: str | Path | Mapping[str, Any]) -> tuple[list[Experiment], list[int]]:
    """Read the experiments of a TOML file, one for every combination of its grid, and their seeds.

    Parameters
    ----------
    source : path or mapping
        The file, or the contents of such a file.

    Returns
    -------
    experiments : list of Experiment
        In the order of the grid; the last list varies fastest.
    seeds : list of int
        Seeds of each experiment; [0] by default.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read, a key is unknown or a value is out of its domain.

    Examples
    --------
    >>> document = {"epochs": 2, "seeds": [0, 1], "grid": {"optimiser.learning_rate": [0.01, 0.1]}}
    >>> experiments, seeds = read_experiments(document)
    >>> [experiment.optimiser.learning_rate for experiment in experiments], seeds
    ([0.01, 0.1], [0, 1])
    """
    if isinstance(source, Mapping):
        return _experiments(dict(source))
    document = read_toml("CONFIG.toml", source)
    try:
        return _experiments(document)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{shorten(str(source))}: {error}") from None


def _experiments(document: dict[str, Any]) -> tuple[list[Experiment], list[int]]:
    """Read the experiments of a document."""
    seeds = _read_seeds(document.pop("seeds", [0]))
    grid = document.pop("grid", {})
    if not isinstance(grid, Mapping) or not all(isinstance(values, list) and values for values in grid.values()):
        raise invalid("grid", 'hold non-empty lists, as "optimiser.learning_rate" = [0.01, 0.1]', grid)
    n_runs = len(seeds)
    for values in grid.values():
        n_runs *= len(values)
    if n_runs > MOST_RUNS:
        raise invalid("grid", f"define at most {MOST_RUNS} runs", n_runs)
    experiments = []
    for values in product(*grid.values()):
        chosen = {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
        for key, value in zip(grid, values, strict=True):
            for part, settings in _parts_of(value) if key == CASES else [(key, value)]:
                _place(chosen, part, settings)
        experiments.append(_experiment(chosen))
    return experiments, seeds


def _read_seeds(seeds: Any) -> list[int]:
    if not isinstance(seeds, Sequence) or isinstance(seeds, str) or not seeds:
        raise invalid("seeds", "be a non-empty list of whole numbers", seeds)
    checked = [check_count(f"seeds[{i}]", seed, least=0) for i, seed in enumerate(seeds)]
    if len(set(checked)) < len(checked):
        raise invalid("seeds", "be distinct", seeds)
    return checked


def _parts_of(case: Any) -> list[tuple[str, Any]]:
    if not isinstance(case, Mapping) or not case.keys() <= PARTS.keys():
        rule = f"hold tables of {', '.join(PARTS)}, as {{model = {{width = 8}}, optimiser = {{learning_rate = 0.1}}}}"
        raise invalid(f"grid.{CASES}", rule, case)
    return list(case.items())


def _place(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a table overrides keys of an existing one."""
    part, dot, name = key.partition(".")
    if not dot:
        held = document.get(part)
        document[part] = {**held, **value} if isinstance(held, dict) and isinstance(value, Mapping) else value
        return
    table = document.setdefault(part, {})
    if not isinstance(table, dict):
        raise invalid(_shown(part), "be a table", table)
    table[name] = value


def _experiment(document: Mapping[str, Any]) -> Experiment:
    known = [f.name for f in fields(Experiment)]
    for key in document:
        if key not in known:
            raise invalid(_shown(key), f"be one of {', '.join([*known, 'seeds', 'grid'])}", document[key])
    if "epochs" not in document:
        raise invalid("epochs", "be given", None)
    plain = {key: value for key, value in document.items() if key not in PARTS}
    return Experiment(**plain, **{name: _part(name, document.get(name, {})) for name in PARTS})


def _part(name: str, table: Any) -> Any:
    if not isinstance(table, Mapping):
        raise invalid(name, "be a table", table)
    known = [f.name for f in fields(PARTS[name]) if f.name != "options"]
    own = {key: value for key, value in table.items() if key in known}
    further = {key: value for key, value in table.items() if key not in known}
    if further and name not in OPEN_PARTS:
        key = next(iter(further))
        raise invalid(f"{name}.{_shown(key)}", f"be one of {', '.join(known)}", further[key])
    for key in further:
        if not str(key).isidentifier():
            raise invalid(f"{name}.{_shown(key)}", "be a word of letters, digits and _", key)
    return PARTS[name](**own, **({"options": further} if further else {}))


def _shown(key: object) -> str:
    """Return a key of a file as it is named in a message."""
    return visible(str(key)[:LONGEST_KEY])
