"""Root of the `neurondeath` command."""

import os
import signal
import sys
import warnings

from neurondeath_theory.foundation.interruption import raise_on_signals, signal_of, stop_word

__all__ = ["main"]

NAME = "neurondeath"
HELP = "Decide before training whether a rectifier network will live."


def main() -> int:
    """Run the command line of this process and return its exit code."""
    own_process = sys.stdout in (None, sys.__stdout__)  # not captured by a test, say
    try:
        raise_on_signals()  # before any other import
        from neurondeath.commands import COMMANDS
        from neurondeath.commands.streams import prepare_streams

        if own_process:
            os.environ["MPLBACKEND"] = "agg"  # pictures go to files; a backend that is not there would be an error
            prepare_streams()
            if not os.environ.get("NEURONDEATH_TRACEBACK"):
                warnings.simplefilter("ignore")  # they are for who writes programs, as the variable is
        if not _has_working_folder():
            print(f"{NAME}: the working folder does not exist any more; change to another one", file=sys.stderr)
            return 2
        if own_process and (code := _quick_code(sys.argv[1:])) is not None:
            return code
        from neurondeath.commands.console import command_line, run  # signals during these imports are reported, too

        return run(command_line(NAME, COMMANDS, help=HELP), NAME)
    except KeyboardInterrupt as error:
        number = signal_of(error)
        print(f"{NAME}: {stop_word(number)}", file=sys.stderr)
        return 128 + number
    finally:
        if own_process:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to be reported while Python shuts down


def _quick_code(words: list[str]) -> int | None:
    """Answer what can be answered without the command core; None if that is not possible."""
    if words[:1] != ["lint"]:
        return None
    from neurondeath.commands.quick_lint import quick_lint
    from neurondeath.commands.streams import ReaderEnded

    try:
        code = quick_lint(words[1:])
        if code is not None:
            sys.stdout.flush()
        return code
    except ReaderEnded:
        return 0
    except OSError as error:
        from neurondeath.commands.console import report_refusal

        return report_refusal(error, NAME)


def _has_working_folder() -> bool:
    """Whether the working folder exists; libraries of PyTorch end the process if it does not."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
