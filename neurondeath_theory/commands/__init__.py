"""The theory's subcommands: name -> where it lives; nothing is imported before it is called."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS = {
    "bounds": Command(
        "neurondeath_theory.commands.bounds:bounds",
        "Bound the probability that a ReLU network is born alive.",
    ),
    "design": Command(
        "neurondeath_theory.commands.design:design",
        "Give the least width for a depth, or the greatest depth for a width.",
    ),
    "eoc": Command(
        "neurondeath_theory.commands.eoc:eoc", "Design a sparse activation at the edge of chaos and judge it."
    ),
    "advise": Command(
        "neurondeath_theory.commands.advise:advise", "Rank the remedies against neuron death for one network."
    ),
}
