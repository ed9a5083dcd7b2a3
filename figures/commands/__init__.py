"""The figures' subcommands: name -> where it lives; nothing is imported before it is called."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS = {
    "figures": Command("figures.commands.figures:figures", "Make the figures again, with their data."),
    "plot": Command("figures.commands.plot:plot", "Draw the estimates of a results store beside the bounds."),
}
