"""How the command line reads its arguments and reports errors.

Data go to stdout, progress and messages to stderr. Bad input is one line on stderr and exit code 2, never a traceback.
Subcommands are listed in static tables name -> "module:attribute" and are imported when they are called.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from neurondeath.commands.help_pages import WrappedHelpCommand, help_page
from neurondeath.commands.messages import message
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.progress import Display, PlainLines, use_display
from neurondeath_theory.foundation.validation import did_you_mean, invalid

__all__ = ["Command", "command_line", "run"]

BAD_INPUT = 2
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """A subcommand: the place of its function, its line in the help, and the name of which it is an alias."""

    target: str
    help: str
    alias_of: str = ""


def command_line(name: str, commands: Mapping[str, Command], *, help: str) -> typer.Typer:
    """Build a command line whose subcommands are imported when they are called."""

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return None
            return _load(cmd_name, commands[cmd_name])

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            if args and args[0] not in commands and not args[0].startswith("-"):
                remedy = did_you_mean(args[0], list(commands))
                raise invalid("COMMAND", f"be one of {', '.join(commands)}", args[0], remedy)
            return super().resolve_command(ctx, args)

        def format_commands(self, ctx: Any, formatter: Any) -> None:  # without importing any of them
            with formatter.section("Commands"):
                formatter.write_dl([(label, one.help) for label, one in commands.items() if not one.alias_of])

        def get_help(self, ctx: Any) -> str:
            return help_page(self, ctx)

    app = typer.Typer(name=name, cls=LazyGroup, rich_markup_mode=None, help=help, context_settings=HELP_OPTIONS)

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
    app.command(name, cls=WrappedHelpCommand, context_settings=HELP_OPTIONS)(_resolve(command.target))
    return typer.main.get_command(app)


def _resolve(target: str) -> Any:
    module, attribute = target.split(":")
    return getattr(import_or_explain(module), attribute)


def run(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; every error a user can cause becomes one line on stderr."""
    use_display(_progress_bar if sys.stderr.isatty() else PlainLines)
    try:
        code = typer.main.get_command(app).main(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name=name, standalone_mode=False
        )
        sys.stdout.flush()
        if code == INTERRUPTED:  # the command core turns a Ctrl-C into an exit code, without a message
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except NeuronDeathError as error:
        _complain(name, str(error))
        return error.exit_code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        where = name if context is None else context.command_path
        return _complain(name, f"{_without_candidates(error.format_message())} (see `{where} --help`)")
    except (KeyboardInterrupt, typer.Abort):
        _complain(name, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has ended, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        return _complain(name, f"the system refused{where}: {error.strerror or error}")


def _without_candidates(text: str) -> str:
    """Rephrase the candidates for an unknown option as a question."""
    head, found, options = text.partition(" (Possible options: ")
    return f"{head}; did you mean {' or '.join(options.rstrip(')').split(', '))}?" if found else text


def _progress_bar() -> Display:
    from neurondeath.commands.progress_bar import ProgressBar

    return ProgressBar()


def _complain(name: str, problem: str) -> int:
    message(f"{name}: {' '.join(problem.split())}")
    return BAD_INPUT
