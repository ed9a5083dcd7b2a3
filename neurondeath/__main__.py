"""Root of the `neurondeath` command."""

import sys

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run

__all__ = ["main"]

NAME = "neurondeath"
HELP = "Decide before training whether a rectifier network will live."


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return run(command_line(NAME, COMMANDS, help=HELP), NAME)


if __name__ == "__main__":
    sys.exit(main())
