"""Options of networks and input sets on the command line, as the keys of grid files describe them."""

from collections.abc import Mapping
from typing import Any

import typer

from neurondeath.commands.law_files import with_laws
from neurondeath.simulations.sweeps.grid import Study
from neurondeath.simulations.sweeps.grid_options import OPTIONS, read_values

__all__ = ["grid_option", "option_name", "study_of"]

LONGEST_METAVAR = 45  # characters; longer lists of choices stand in the help text


def grid_option(name: str, more: str = "") -> Any:
    """Describe an option of the grid by its key in grid files; the command line may know one more kind of value."""
    key = OPTIONS[name]
    choices = key.kind.split(" | ")
    text, metavar = key.meaning, "|".join(choices) if len(choices) > 1 else None
    if metavar and len(metavar) > LONGEST_METAVAR:
        text, metavar = f"{text.removesuffix('.')}: {', '.join([*choices, more] if more else choices)}.", None
    if key.default is not None and key.default != []:
        text += f"  [default: {key.default}]"
    return typer.Option(metavar=metavar, help=text)


def option_name(option: str) -> str:
    """Return the name of an option on the command line."""
    return f"--{option.replace('_', '-')}"


def study_of(given: Mapping[str, Any]) -> Study:
    """Read the values of all options that were given; every combination is a network on an input set."""
    values = {option: read_values(option_name(option), option, given[option]) for option in OPTIONS if option in given}
    if "init" in values:
        values["init"] = with_laws(values["init"])
    factors = [[{option: value} for value in values[option]] for option in values]
    return Study(factors=factors, spell=option_name)
