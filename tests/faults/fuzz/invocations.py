"""Valid invocations that are cheap, valid values of options, and pairs of options that contradict each other."""

import tomllib
from pathlib import Path

__all__ = ["ALWAYS_REFUSED", "BASES", "CONTRADICTIONS", "LONG", "NUMERIC_TEXT", "hostile_words", "values"]

FOLDER = Path(__file__).parent


def _read(name):
    return tomllib.loads((FOLDER / name).read_text())


_TABLES = _read("invocations.toml")
BASES, CONTRADICTIONS, LONG = _TABLES["bases"], _TABLES["contradictions"], _TABLES["long"]
ALWAYS_REFUSED = tuple(_TABLES["refused"])
NUMERIC_TEXT = frozenset(_TABLES["numeric_text"])
KNOWN_OF_KIND = {"int": ["1", "2"], "float": ["0.5", "1"], "path": ["new_file"], "text": ["x"]}

hostile_words = _read("hostile_words.toml")


def values(subcommand, parameter):
    """Return valid values of an option or argument, as far as they are known."""
    name = parameter.option.lstrip("-")
    special = _TABLES["values_of"].get(subcommand, {})
    if name in special:
        return special[name]
    if parameter.choices:
        return list(parameter.choices)
    return _TABLES["values"].get(name) or KNOWN_OF_KIND.get(parameter.kind, [])
