"""`python -m paper_check`: its subcommands alone."""

import sys

from neurondeath_theory._console import command_line, run
from paper_check.commands import COMMANDS

if __name__ == "__main__":
    NAME = "paper_check"
    sys.exit(run(command_line(NAME, COMMANDS, help=__doc__ or ""), NAME))
