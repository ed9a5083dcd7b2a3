"""Every key of an experiment file: a template of the file, and a table of keys.

Keys of `[model]` and `[method]` that depend on the kind are the keywords of the builder or method; their values and
meanings are read from its docstring.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from neurondeath_theory.foundation.configuration import REQUIRED, Key, key_columns, keys_of, toml_template
from neurondeath_torch.training.configuration import PARTS, Experiment
from neurondeath_torch.training.experiment_files import CASES
from neurondeath_torch.training.method_building import METHODS, NOT_CONFIGURABLE, SCHEDULES, SPAN
from neurondeath_torch.training.model_building import SET_BY_EXPERIMENT
from neurondeath_torch.training.models import MODELS

__all__ = ["experiment_keys", "experiment_template"]

KINDS = {
    "int": "whole number",
    "float": "number",
    "bool": "true | false",
    "int or None": "whole number",
    "sequence of int": "list of whole numbers",
}


def _as_it_is(_: str, value: Any) -> Any:
    """Leave the check to whoever reads the key."""
    return value


SEEDS = Key(
    kind="list of whole numbers", meaning="Seeds; every experiment runs with each.", check=_as_it_is, default=[0]
)
GRID = Key(
    kind="list of values",
    meaning='Any key in quotes, as "model.width" = [64, 128]; every combination of the lists is an experiment.',
    check=_as_it_is,
    default=None,
)
CASES_KEY = Key(
    kind="list of tables",
    meaning="Settings of several parts that belong together, as {model = {width = 8}, optimiser = {momentum = 0.5}}.",
    check=_as_it_is,
    default=None,
)
DEMON_KEYS = {
    "span": Key(
        kind="number in (0, 1]", meaning="Length of the schedule, as a share of the run.", check=_as_it_is, default=SPAN
    ),
    "schedule": Key(
        kind=" | ".join(SCHEDULES), meaning="Penalty and noise over time.", check=_as_it_is, default=SCHEDULES[0]
    ),
}


def experiment_keys() -> dict[str, list[str]]:
    """Return every key with its values, default and meaning, as columns.

    Examples
    --------
    >>> experiment_keys()["key"][:4]
    ['epochs', 'measure', 'name', 'seeds']
    """
    keys = _top_keys()
    for part, choice in PARTS.items():
        keys |= {f"{part}.{name}": key for name, key in keys_of(choice).items()}
        for kind, further in _further_keys(part).items():
            keys |= {f"{part}.{name} ({kind})": key for name, key in further.items()}
    return key_columns(keys | {"grid.KEY": GRID, f"grid.{CASES}": CASES_KEY})


def experiment_template() -> str:
    """Return an experiment file that shows every key.

    Examples
    --------
    >>> experiment_template().splitlines()[2]
    'epochs = 10'
    """
    sections = [("", "An experiment file: `neurondeath train FILE`. Keys in comments have defaults.", _top_keys())]
    for part, choice in PARTS.items():
        sections.append((f"[{part}]", _summary(choice), keys_of(choice)))
        for kind, further in _further_keys(part).items():
            if further:
                sections.append(("#", f'Further keys of [{part}] for kind = "{kind}":', further))
    sections.append(("[grid]", GRID.meaning, {}))
    example = "# cases = [{model = {width = 8}, optimiser = {momentum = 0.5}}, {model = {width = 64}}]"
    return toml_template(sections) + f'# "optimiser.learning_rate" = [0.01, 0.1]\n{example}\n'


def _summary(choice: type[Any]) -> str:
    """Return the first sentence about a part of the file, without what concerns Python only."""
    first = str(inspect.getdoc(choice)).splitlines()[0]
    return first.partition("; `options`")[0].partition(": see")[0].removesuffix(".") + "."


def _top_keys() -> dict[str, Key]:
    return keys_of(Experiment) | {"seeds": SEEDS}


def _further_keys(part: str) -> dict[str, dict[str, Key]]:
    """Return the keys that each kind of a part adds."""
    if part == "model":
        return {kind: _keywords(builder, SET_BY_EXPERIMENT) for kind, builder in MODELS.items()}
    if part == "method":
        found = {kind: _keywords(method, NOT_CONFIGURABLE) for kind, method in METHODS.items() if kind != "none"}
        found["demon-pruning"] |= DEMON_KEYS
        return found
    return {}


def _keywords(function: Callable[..., Any], left_out: tuple[str, ...]) -> dict[str, Key]:
    documented = _documented(str(inspect.getdoc(function)))
    keys = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in left_out:
            continue
        kind, meaning = documented.get(name, ("value", ""))
        default = REQUIRED if parameter.default is inspect.Parameter.empty else parameter.default
        keys[name] = Key(kind=kind, meaning=meaning, check=_as_it_is, default=default)
    return keys


def _documented(docstring: str) -> Mapping[str, tuple[str, str]]:
    """Read types and descriptions from the Parameters section of a numpydoc docstring."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+$|\Z)", docstring, re.M | re.S)
    found: dict[str, tuple[str, str]] = {}
    for entry in re.split(r"\n(?=\S)", section[1].strip() if section else ""):
        head, _, text = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        meaning = " ".join(text.split())
        words = re.fullmatch(r"\{(.*)\}", kind)
        if words:
            values = " | ".join(word.strip(' "') for word in words[1].split(","))
        else:
            values = KINDS.get(kind.removesuffix(", optional"), kind)
        found |= {name.strip(): (values, meaning) for name in names.split(",")}
    return found
