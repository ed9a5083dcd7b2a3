"""The PyTorch subcommands: name -> where it lives; nothing is imported before it is called."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Command] = {}
