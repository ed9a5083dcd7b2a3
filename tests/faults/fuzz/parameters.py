"""The parameters of every subcommand, read from its definition, so that new options are covered by themselves."""

import enum
import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typer

from neurondeath.commands import COMMANDS

__all__ = ["SUBCOMMANDS", "Parameter", "parameters"]

SUBCOMMANDS = tuple(COMMANDS)


@dataclass(frozen=True)
class Parameter:
    """An option or an argument of a subcommand."""

    name: str
    option: str  # "" for an argument
    off: str  # the option that switches a flag off, or ""
    kind: str  # flag, int, float, choice, path or text
    choices: tuple[str, ...]
    multiple: bool
    help: str

    @property
    def is_action(self) -> bool:
        """Whether the option prints something and ends the command."""
        return self.kind == "flag" and self.help.rstrip(".").endswith("exit")


@cache
def parameters(subcommand: str) -> tuple[Parameter, ...]:
    """Read the parameters of a subcommand."""
    module, attribute = COMMANDS[subcommand].target.split(":")
    app = typer.Typer(add_completion=False)
    app.command(subcommand)(getattr(importlib.import_module(module), attribute))
    return tuple(_read(one) for one in typer.main.get_command(app).params if one.name != "help")


def _read(parameter):
    is_option = parameter.param_type_name == "option"
    annotation = parameter.type_descriptor.annotation
    several = getattr(annotation, "__origin__", None) is list
    if several:
        annotation = annotation.__args__[0]
    kind, choices = _kind(annotation, parameter.metavar or "")
    return Parameter(
        name=parameter.name,
        option=parameter.opts[0] if is_option else "",
        off=parameter.secondary_opts[0] if parameter.secondary_opts else "",
        kind=kind,
        choices=choices,
        multiple=several or parameter.multiple or parameter.nargs == -1,
        help=parameter.help or "",
    )


def _kind(annotation, metavar):
    if annotation is bool:
        return "flag", ()
    if annotation in (int, float):
        return annotation.__name__, ()
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "choice", tuple(str(one.value) for one in annotation)
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return "path", ()
    return "text", tuple(metavar.split("|")) if "|" in metavar and metavar.islower() else ()
