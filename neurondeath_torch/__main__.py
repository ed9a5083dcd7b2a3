"""`python -m neurondeath_torch`: its subcommands alone (extra `torch`)."""

import sys

from neurondeath_theory._console import command_line, run
from neurondeath_torch.commands import COMMANDS

if __name__ == "__main__":
    NAME = "neurondeath_torch"
    sys.exit(run(command_line(NAME, COMMANDS, help=__doc__ or ""), NAME))
