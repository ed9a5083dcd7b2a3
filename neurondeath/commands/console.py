"""How every command of the house reads its arguments, prints its data and reports errors.

Data go to stdout as table, JSON or CSV; progress and messages to stderr. Bad input is one line on stderr and exit code
2, never a traceback. Subcommands stand in static tables name -> "module:attribute" and are imported when called.
"""

import csv
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Annotated, Any

import numpy as np
import typer
from typer.core import TyperGroup

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.progress import Display, use_display
from neurondeath_theory.foundation.results import format_number
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.widths import MOST_LAYERS, parse_counts

__all__ = [
    "Command",
    "Format",
    "FormatOption",
    "command_line",
    "print_csv",
    "print_json",
    "print_table",
    "read_layers",
    "run",
    "shown_layers",
]

BAD_INPUT = 2
INTERRUPTED = 130
SHOWN_LAYERS = 50  # layers of a table before it thins out
PIPE_WIDTH = 250  # columns of a table that no terminal limits


@dataclass(frozen=True)
class Command:
    """A subcommand: where it lives and its line in the help."""

    target: str
    help: str


class Format(StrEnum):
    """How a command writes its data on stdout."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="How to write the data on stdout.")]


def command_line(name: str, commands: Mapping[str, Command], *, help: str) -> typer.Typer:
    """Build a command line whose subcommands are imported when they are called."""

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return None
            return _load(cmd_name, commands[cmd_name])

        def format_commands(self, ctx: Any, formatter: Any) -> None:  # the help, without importing a thing
            with formatter.section("Commands"):
                formatter.write_dl([(label, command.help) for label, command in commands.items()])

    app = typer.Typer(name=name, cls=LazyGroup, add_completion=False, rich_markup_mode=None, help=help)

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    ) -> None:
        if show_version:
            from neurondeath_theory.foundation.version import __version__

            typer.echo(f"{name} {__version__}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
            raise typer.Exit

    return app


def _load(name: str, command: Command) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(_resolve(command.target))
    return typer.main.get_command(app)


def _resolve(target: str) -> Any:
    module, attribute = target.split(":")
    return getattr(import_or_explain(module), attribute)


def run(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code; every error a user can cause becomes one line on stderr."""
    if sys.stderr.isatty():
        use_display(_progress_bar)
    try:
        code = typer.main.get_command(app).main(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name=name, standalone_mode=False
        )
        sys.stdout.flush()
        if code == INTERRUPTED:  # the command core makes an exit code of a Ctrl-C, without a word
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except NeuronDeathError as error:
        _complain(name, str(error))
        return error.exit_code
    except typer.TyperException as error:
        return _complain(name, f"{error.format_message()} (see `{name} --help`)")
    except (KeyboardInterrupt, typer.Abort):
        _complain(name, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        return _complain(name, f"the system refused{where}: {error.strerror or error}")


def _progress_bar() -> Display:
    from neurondeath.commands.progress_bar import ProgressBar

    return ProgressBar()


def _complain(name: str, message: str) -> int:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT


def read_layers(width: str | None, depth: str | None, widths: str | None) -> list[Sequence[int]]:
    """List networks as hidden widths: all combinations of `--width` and `--depth`, or the one of `--widths`."""
    if widths is not None:
        if width is not None or depth is not None:
            raise invalid("--widths", "stand alone, without --width and --depth", widths)
        return [parse_counts("--widths", widths)]
    if width is None or depth is None:
        missing = "--width" if width is None else "--depth"
        raise invalid(missing, "be given", None, "give --width W --depth K, or --widths 8,8,16")
    grid = list(product(parse_counts("--width", width), parse_counts("--depth", depth)))
    if sum(layers for _, layers in grid) > MOST_LAYERS:
        raise invalid("--depth", f"ask for at most {MOST_LAYERS} layers in all", depth)
    return [[units] * layers for units, layers in grid]


def shown_layers(depth: int) -> list[int]:
    """Pick the layers a table shows, as indices from 0: all, or 1, 2, 5, 10, ... and the last of a deep network.

    Examples
    --------
    >>> [index + 1 for index in shown_layers(120)]
    [1, 2, 5, 10, 20, 50, 100, 120]
    """
    if depth <= SHOWN_LAYERS:
        return list(range(depth))
    ladder = (step * 10**power for power in range(len(str(depth))) for step in (1, 2, 5))
    return [layer - 1 for layer in ladder if layer < depth] + [depth - 1]


def print_json(data: Any) -> None:
    """Write one JSON document; numbers that JSON lacks (NaN, infinity) become null."""
    print(json.dumps(_plain(data), indent=2, allow_nan=False))


def print_csv(columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]) -> None:
    """Write columns as CSV with a header line."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_plain(value) for value in row])


def print_table(
    columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]], *, title: str = "", notes: Sequence[str] = ()
) -> None:
    """Write columns as an aligned table, a title above it and notes below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    numeric = [all(isinstance(v, (int, float, np.number)) or v is None for v in c) for c in columns.values()]
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(Text(format_number(value)) for value in row))
    if title:
        console.print(Text(title, style="bold"))
    console.print(table)
    for note in notes:
        console.print(Text(note), soft_wrap=True)


def _plain(value: Any) -> Any:
    """Turn numpy scalars, arrays and non-finite numbers into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
