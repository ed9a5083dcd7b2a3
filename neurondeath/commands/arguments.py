"""The words of a command line, checked before the command core converts them.

The command core takes the last of several values of an option, reads `1_0` and digits of other scripts as numbers, and
words its own errors. Here every word is assigned to its option or argument first, and what breaks a rule is an error in
the form of all others: the option as written, the rule, the value received.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_type_hints

from neurondeath_theory.foundation.number_text import read_real, read_whole
from neurondeath_theory.foundation.validation import check_choice, did_you_mean, invalid

__all__ = ["Given", "check_arguments", "is_argument"]

# other dashes, which word processors and web pages put in place of ASCII ones
DASHES = tuple("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")


@dataclass(frozen=True)
class Given:
    """An option or argument with its value, as it stands on the command line.

    Attributes
    ----------
    parameter : object
        The parameter of the command core.
    name : str
        The option as written, or the name of the argument as the help page shows it.
    value : str or None
        Its value; None for a flag.
    """

    parameter: Any
    name: str
    value: str | None

    def __str__(self) -> str:
        if is_argument(self.parameter):
            return str(self.value)
        return self.name if self.value is None else f"{self.name} {self.value}"


def check_arguments(
    command: str, parameters: Sequence[Any], words: Sequence[str], function: Callable[..., Any] | None = None
) -> list[Given]:
    """Assign words to the parameters of a command, and check each by itself.

    Parameters
    ----------
    command : str
        Name of the command, for errors.
    parameters : sequence of parameters of the command core
        What the command accepts.
    words : sequence of str
        Its part of the command line.
    function : callable, optional
        The function of the command, whose annotations say what are numbers and choices. Without one the command is a
        group: its options end before the first word that is not one.

    Returns
    -------
    list of Given
        In the order of the command line; empty if help was asked for.

    Raises
    ------
    InvalidArgumentError
        If an option is unknown, has no value or one too many, is repeated although it is not a list, or its value is
        empty, contains control characters, or is not of its type.
    """
    given = list(_assigned(command, parameters, words, is_group=function is None))
    if any(one.parameter.name == "help" for one in given):
        return []
    kinds = {} if function is None else _kinds(function)
    seen: dict[str, Given] = {}
    for one in given:
        former = seen.setdefault(one.parameter.name, one)
        if former is not one and not _is_list(one.parameter):
            raise invalid(one.name, "be given once", f"{former} {one}")
    for one in given:
        if one.value is not None:
            _check_value(one, kinds.get(one.parameter.name, ()))
    for parameter in parameters:
        if parameter.required and parameter.name not in seen:
            raise invalid(_name(parameter), "be given", None, f"see `{command} --help`")
    return given


def is_argument(parameter: Any) -> bool:
    """Return whether a parameter of the command core is an argument, not an option."""
    return bool(parameter.param_type_name == "argument")


def _assigned(command: str, parameters: Sequence[Any], words: Sequence[str], *, is_group: bool) -> Iterator[Given]:
    """Generate the options of a command line in their order, then the arguments."""
    options = {
        name: parameter
        for parameter in parameters
        if not is_argument(parameter)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    rest = list(words)
    free: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            free += rest
            break
        if word.startswith(DASHES):
            remedy = f"write --{word.lstrip(''.join(DASHES) + '-')}, or ./{word} for a file of that name"
            raise invalid("arguments", "begin with ASCII dashes where they are options", word, remedy)
        if not word.startswith("-") or word == "-":
            if is_group:
                return
            free.append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in options:
            near = did_you_mean(name, list(options))
            raise invalid(name, f"be an option of `{command}`", word, near or f"see `{command} --help`")
        parameter = options[name]
        if parameter.is_flag:
            if equals:
                raise invalid(name, "be given without a value", value)
            yield Given(parameter, name, None)
            continue
        if not equals:
            if not rest or rest[0] in options or rest[0] == "--":
                raise invalid(name, "be followed by a value", rest[0] if rest else None)
            value = rest.pop(0)
        yield Given(parameter, name, value)
    arguments = [one for one in parameters if is_argument(one)]
    yield from _assigned_arguments(command, arguments, free, selects="--only" in options)


def _assigned_arguments(
    command: str, arguments: Sequence[Any], words: Sequence[str], *, selects: bool
) -> Iterator[Given]:
    """Generate the arguments of a command; a list of values takes all that the arguments behind it leave."""
    rest = list(words)
    for number, argument in enumerate(arguments, start=1):
        taken = max(len(rest) - (len(arguments) - number), 0) if argument.nargs == -1 else 1
        for _ in range(min(taken, len(rest))):
            yield Given(argument, _name(argument), rest.pop(0))
    if rest:
        most = f"at most {len(arguments)} argument{'s' * (len(arguments) > 1)}" if arguments else "options only"
        raise invalid(
            command, f"be given {most}", rest[0], f"try --only {rest[0]}" if selects else "options begin with --"
        )


def _name(parameter: Any) -> str:
    """Return the name of a parameter in errors."""
    return str((parameter.metavar or parameter.name.upper()) if is_argument(parameter) else parameter.opts[0])


def _is_list(parameter: Any) -> bool:
    return bool(parameter.nargs == -1 if is_argument(parameter) else parameter.multiple)


def _kinds(function: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """Return the types that each parameter of a command may have."""
    return {
        name: get_args(hint) if isinstance(hint, UnionType) else (hint,)
        for name, hint in get_type_hints(function).items()
    }


def _check_value(one: Given, kinds: Sequence[Any]) -> None:
    value = one.value or ""
    if not value:
        raise invalid(one.name, "have a value that is not empty", value)
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise invalid(one.name, "have a value without control characters", value)
    if int in kinds:
        read_whole(one.name, value)
    elif float in kinds:
        read_real(one.name, value)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            check_choice(one.name, value, [choice.value for choice in kind])
