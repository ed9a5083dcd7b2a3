"""Root of the `neurondeath` command: a table of subcommands, each imported when it is called."""

import sys

from figures.commands import COMMANDS as FIGURE_COMMANDS
from neurondeath_theory._console import command_line, run
from neurondeath_theory.commands import COMMANDS as THEORY_COMMANDS
from neurondeath_torch.commands import COMMANDS as TORCH_COMMANDS
from paper_check.commands import COMMANDS as CHECK_COMMANDS
from simulations.commands import COMMANDS as SIMULATION_COMMANDS

__all__ = ["main"]

NAME = "neurondeath"
HELP = "Decide, before anyone trains, whether a rectifier network will live."
POINT_READER = "simulations.inputs:read_points"
COMMANDS = {**THEORY_COMMANDS, **SIMULATION_COMMANDS, **FIGURE_COMMANDS, **CHECK_COMMANDS, **TORCH_COMMANDS}


def main() -> int:
    """Run the command line of this process and give its exit code."""
    return run(command_line(NAME, COMMANDS, help=HELP, point_reader=POINT_READER), NAME)


if __name__ == "__main__":
    sys.exit(main())
