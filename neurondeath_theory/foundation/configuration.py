"""Keys of configuration files: one definition per key validates its values and documents it.

A key has a kind in words, a meaning, a default and a check. Dataclasses define keys as fields (`count_field`,
`real_field`, ...), which `check_fields` validates; files that are read without a dataclass hold keys in a mapping.
`key_columns` lists keys as a table, `toml_template` writes a file that shows them all.
"""

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from neurondeath_theory.foundation.validation import check_choice, check_count, check_flag, check_real, invalid

__all__ = [
    "REQUIRED",
    "Key",
    "check_fields",
    "check_table",
    "choice_field",
    "count_field",
    "flag_field",
    "key_columns",
    "keys_of",
    "real_field",
    "text_field",
    "toml_template",
    "toml_value",
]

LINE = 100  # characters of a comment in a template


class _Required:
    """Default of a key that must be given."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a configuration file.

    Parameters
    ----------
    kind : str
        What values it takes, in words.
    meaning : str
        What it sets.
    check : callable
        `check(name, value)` returns the value as it is used, or raises `InvalidArgumentError`.
    default : object
        Value where the key is left out; REQUIRED if it may not be. A key with the default None also accepts None.
    example : object, optional
        Value shown in a template where there is no default; made up from the kind if not given.
    """

    kind: str
    meaning: str
    check: Callable[[str, Any], Any]
    default: Any = REQUIRED
    example: Any = None


def count_field(meaning: str, default: Any = REQUIRED, *, least: int = 1) -> Any:
    """Define a dataclass field for a whole number."""
    return _field(f"whole number, at least {least}", meaning, default, lambda n, v: check_count(n, v, least=least))


def real_field(
    meaning: str,
    default: Any = REQUIRED,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> Any:
    """Define a dataclass field for a real number in an interval."""
    if low == 0.0 and high == math.inf:
        kind = "number above 0" if low_open else "number, at least 0"
    elif (low, high) == (-math.inf, math.inf):
        kind = "number"
    else:
        kind = f"number in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"

    def check(name: str, value: Any) -> float:
        return check_real(name, value, low=low, high=high, low_open=low_open, high_open=high_open)

    return _field(kind, meaning, default, check)


def choice_field(meaning: str, choices: Sequence[str], default: Any = REQUIRED) -> Any:
    """Define a dataclass field for one of a few words."""
    return _field(" | ".join(choices), meaning, default, lambda name, value: check_choice(name, value, choices))


def flag_field(meaning: str, default: Any = REQUIRED) -> Any:
    """Define a dataclass field for true or false."""
    return _field("true | false", meaning, default, check_flag)


def text_field(meaning: str, default: Any = REQUIRED) -> Any:
    """Define a dataclass field for a text."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise invalid(name, "be a text", value)
        return value

    return _field("text", meaning, default, check)


def _field(kind: str, meaning: str, default: Any, check: Callable[[str, Any], Any]) -> Any:
    key = Key(kind=kind, meaning=meaning, check=check, default=default)
    return field(default=MISSING if default is REQUIRED else default, metadata={"key": key})


def keys_of(configuration: Any) -> dict[str, Key]:
    """Return the keys that a dataclass, or an object of it, defines as fields, in order."""
    return {each.name: _key(each) for each in fields(configuration) if "key" in each.metadata}


def _key(each: "Field[Any]") -> Key:
    key: Key = each.metadata["key"]
    return key


def check_fields(configuration: Any, prefix: str = "") -> None:
    """Validate every key of a dataclass object, named `prefix` and the key in errors.

    Raises
    ------
    InvalidArgumentError
        If a value leaves the domain of its key.
    """
    for name, key in keys_of(configuration).items():
        value = getattr(configuration, name)
        if value is not None or key.default is not None:
            key.check(f"{prefix}{name}", value)


def check_table(place: str, table: Mapping[str, Any], keys: Mapping[str, Key]) -> None:
    """Validate a table of a file: every key known, every value in its domain, every required key given.

    Parameters
    ----------
    place : str
        Where the table stands, for errors.
    table : mapping
        The table as read.
    keys : mapping of str to Key
        Its keys.

    Raises
    ------
    InvalidArgumentError
        Naming the place and the key.
    """
    for name, value in table.items():
        if name not in keys:
            raise invalid(f"{place}, {name}", f"be one of the fields {', '.join(keys)}", value)
        keys[name].check(f"{place}, {name}", value)
    for name, key in keys.items():
        if key.default is REQUIRED and not table.get(name):
            raise invalid(f"{place}, {name}", "be given", table.get(name))


def key_columns(keys: Mapping[str, Key]) -> dict[str, list[str]]:
    """Return keys as columns: key, values, default, meaning."""
    return {
        "key": list(keys),
        "values": [key.kind for key in keys.values()],
        "default": [default_text(key) for key in keys.values()],
        "meaning": [key.meaning for key in keys.values()],
    }


def default_text(key: Key) -> str:
    """Write the default of a key as in a file; "-" where leaving it out means that there is none."""
    if key.default is REQUIRED:
        return "required"
    return "-" if key.default is None else toml_value(key.default)


def toml_template(sections: Iterable[tuple[str, str, Mapping[str, Key]]]) -> str:
    """Write a TOML file that shows every key: required ones to be filled in, the others as comments.

    Parameters
    ----------
    sections : iterable of (header, comment, keys)
        The header of a table with its brackets ("" for the top of the file, "#" for keys that only some files have,
        which are all comments), what it is, and its keys.

    Returns
    -------
    str
        The file.
    """
    lines: list[str] = []
    for header, comment, keys in sections:
        lines += _wrapped(comment) + ([header] if header.startswith("[") else [])
        for name, key in keys.items():
            missing = key.default is REQUIRED or key.default is None
            note = " No default." if key.default is None else ""
            lines += _wrapped(f"{key.meaning.removesuffix('.')}: {key.kind}.{note}")
            value = _example(key) if missing else toml_value(key.default)
            lines.append(f"{'' if key.default is REQUIRED and not header.startswith('#') else '# '}{name} = {value}")
        lines.append("")
    return "\n".join(lines)


def toml_value(value: Any) -> str:
    """Write a value in TOML.

    Examples
    --------
    >>> toml_value("he"), toml_value(True), toml_value([1, 2.5]), toml_value({"a": 1})
    ('"he"', 'true', '[1, 2.5]', '{ a = 1 }')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return repr(value)


def _example(key: Key) -> str:
    """Write a value of the right kind."""
    if key.example is not None:
        return toml_value(key.example)
    if " | " in key.kind:
        first = key.kind.split(" | ")[0]
        return first if first in ("true", "false") else f'"{first}"'
    for start, example in (("whole number", "10"), ("number", "0.5"), ("list", "[10]"), ("table", "{}")):
        if key.kind.startswith(start):
            return example
    return '""'


def _wrapped(comment: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(comment, LINE, break_on_hyphens=False)]
