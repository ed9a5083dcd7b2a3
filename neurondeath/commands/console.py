"""How the command line reads its arguments and reports errors.

Data go to stdout, progress and messages to stderr. Bad input is one line on stderr and exit code 2, never a traceback.
Subcommands are listed in static tables name -> "module:attribute" and are imported when they are called.
"""

import errno
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from neurondeath.commands.arguments import check_arguments, is_argument
from neurondeath.commands.command import Command
from neurondeath.commands.help_pages import WrappedHelpCommand, help_page
from neurondeath.commands.messages import message
from neurondeath.commands.option_names import option_names, option_values
from neurondeath.commands.option_rules import OptionRules, check_rules
from neurondeath.commands.rule_table import RULES
from neurondeath.commands.streams import ReaderEnded, drop_output
from neurondeath.commands.work_progress import signs_of_life
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.interruption import Stopped, raised_signal, signal_of, stop_word
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.progress import Display, PlainLines, use_display
from neurondeath_theory.foundation.validation import check_choice, shorten

__all__ = ["Command", "command_line", "report_refusal", "run"]

BAD_INPUT = 2
FAULT = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
EPILOG = "Symbols are explained below each table that has them; all terms are in docs/glossary.md of the sources."
LONGEST_LINE = 400  # characters of a message
HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
TRACEBACK_VARIABLE = "NEURONDEATH_TRACEBACK"
_begun = 0.0  # when this run began; the import of a command can take seconds


class _Carried(BaseException):
    """Carries what a command raised through the command core, which would handle some of it in its own way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def command_line(name: str, commands: Mapping[str, Command], *, help: str) -> typer.Typer:
    """Build a command line whose subcommands are imported when they are called."""

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return None
            return _load(cmd_name, commands[cmd_name])

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            check_arguments(name, self.get_params(ctx), args)
            return super().parse_args(ctx, args)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            check_choice("COMMAND", args[0], list(commands))
            return super().resolve_command(ctx, args)

        def invoke(self, ctx: Any) -> Any:
            try:
                return super().invoke(ctx)
            except (typer.Exit, typer.TyperException):
                raise
            except BaseException as error:
                raise _Carried(error) from error

        def format_commands(self, ctx: Any, formatter: Any) -> None:  # without importing any of them
            with formatter.section("Commands"):
                formatter.write_dl([(label, one.help) for label, one in commands.items() if not one.alias_of])

        def get_help(self, ctx: Any) -> str:
            return help_page(self, ctx)

    app = typer.Typer(
        name=name, cls=LazyGroup, rich_markup_mode=None, help=help, epilog=EPILOG, context_settings=HELP_OPTIONS
    )

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
    function = _resolve(command.target)
    rules = RULES.get(command.alias_of or name, OptionRules())

    class CheckedCommand(WrappedHelpCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            check_rules(rules, check_arguments(ctx.command_path, self.get_params(ctx), args, function))
            return super().parse_args(ctx, args)

        def invoke(self, ctx: Any) -> Any:
            options = {one.name: one.opts[0] for one in self.params if not is_argument(one)}
            values = {option: str(ctx.params.get(name, "")) for name, option in options.items()}
            silent = nullcontext() if ctx.params.get("quiet") else signs_of_life(ctx.command_path, _begun)
            with option_names(options), option_values(values), silent:
                return super().invoke(ctx)

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=CheckedCommand, context_settings=HELP_OPTIONS)(function)
    return typer.main.get_command(app)


def _resolve(target: str) -> Any:
    module, attribute = target.split(":")
    return getattr(import_or_explain(module), attribute)


def run(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; every error becomes one line on stderr.

    Exit code 2 is an error that a user can cause, 70 a fault of this program, 128 + N an end by the signal N.
    """
    global _begun
    _begun = time.monotonic()
    try:
        use_display(_progress_bar if sys.stderr.isatty() else PlainLines)
        code = _run(app, name, list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except NeuronDeathError as error:
        return _complain(name, str(error), error.exit_code)
    except typer.TyperException as error:
        return _complain(name, error.format_message(), BAD_INPUT)
    except KeyboardInterrupt as error:
        number = signal_of(error)
        return _complain(name, stop_word(number), 128 + number)
    except typer.Abort:
        number = raised_signal() or INTERRUPTED - 128
        return _complain(name, stop_word(number), 128 + number)
    except ReaderEnded:
        return 0
    except OSError as error:
        return report_refusal(error, name)
    except BaseException as error:
        if lost := raised_signal():  # a library has turned the interruption into another error, as in an import
            return _complain(name, stop_word(lost), 128 + lost)
        return _fault(name, error)


def report_refusal(error: OSError, name: str) -> int:
    """Report what the system refused in one line, and return the exit code."""
    if error.errno == errno.ENOMEM:
        return _fault(name, error)
    where = f" {shorten(error.filename)}" if error.filename else ""
    return _complain(name, f"the system refused{where}: {error.strerror or error}", BAD_INPUT)


def _run(app: typer.Typer, name: str, arguments: list[str]) -> int:
    """Run a command line in the command core; what the command raises comes out unchanged."""
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name=name, standalone_mode=False)
    except _Carried as carried:
        raise carried.error from carried.error.__cause__
    if code == INTERRUPTED:  # the command core turns any signal into this exit code, without a message
        raise Stopped(raised_signal() or INTERRUPTED - 128)
    return code if isinstance(code, int) else 0


def _progress_bar() -> Display:
    from neurondeath.commands.progress_bar import ProgressBar

    return ProgressBar()


def _complain(name: str, problem: str, code: int) -> int:
    """Write an error as one line; what is left of the data is dropped if it cannot be written."""
    try:
        sys.stdout.flush()
    except (OSError, ReaderEnded):
        drop_output()
    text = f"{name}: {' '.join(problem.split())}"
    message(text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 3]}...")
    return code


def _fault(name: str, error: BaseException) -> int:
    """Report an error that should not occur; with a variable set, with its traceback."""
    wants_traceback = bool(os.environ.get(TRACEBACK_VARIABLE))
    if wants_traceback:
        traceback.print_exception(error)
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        advice = "ask for less at a time"
        what = "the memory is exhausted"
    else:
        what = f"a fault of this program, {type(error).__name__}: {shorten(str(error))}"
        advice = "please report it" + ("" if wants_traceback else f" with what {TRACEBACK_VARIABLE}=1 shows")
    return _complain(name, f"{what}; {advice}", FAULT)
