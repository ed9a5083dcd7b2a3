"""`python -m simulations`: its subcommands alone."""

import sys

from neurondeath_theory._console import command_line, run
from simulations.commands import COMMANDS

if __name__ == "__main__":
    NAME = "simulations"
    sys.exit(run(command_line(NAME, COMMANDS, help=__doc__ or "", point_reader="simulations.inputs:read_points"), NAME))
