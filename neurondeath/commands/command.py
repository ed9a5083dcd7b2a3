"""What the command line knows of a subcommand before it is imported."""

from dataclasses import dataclass

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """A subcommand: the place of its function, its line in the help, and the name of which it is an alias."""

    target: str
    help: str
    alias_of: str = ""
