"""The subcommands of paper_check: name -> where it lives; nothing is imported before it is called."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS = {
    "check": Command("paper_check.commands.check:check", "Verify the papers' claims by machine, with the evidence."),
    "cite": Command("paper_check.commands.cite:cite", "Give the BibTeX of the papers behind a claim or a function."),
}
