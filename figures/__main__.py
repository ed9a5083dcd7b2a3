"""`python -m figures`: its subcommands alone."""

import sys

from figures.commands import COMMANDS
from neurondeath_theory._console import command_line, run

if __name__ == "__main__":
    NAME = "figures"
    sys.exit(run(command_line(NAME, COMMANDS, help=__doc__ or ""), NAME))
