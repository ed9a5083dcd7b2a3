"""Subcommands."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Command] = {}
