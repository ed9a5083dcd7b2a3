"""`python -m neurondeath_theory`: the theory's subcommands alone."""

import sys

from neurondeath_theory._console import command_line, run
from neurondeath_theory.commands import COMMANDS

if __name__ == "__main__":
    NAME = "neurondeath_theory"
    sys.exit(run(command_line(NAME, COMMANDS, help=__doc__ or ""), NAME))
