"""The simulation's subcommands: name -> where it lives; nothing is imported before it is called."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS = {
    "simulate": Command(
        "simulations.commands.simulate:simulate", "Estimate survival by Monte Carlo over a grid of networks."
    ),
    "results": Command("simulations.commands.results:results", "Read the estimates of a results store."),
    "merge": Command("simulations.commands.merge:merge", "Add the shards of other results stores to one."),
    "fetch": Command("simulations.commands.fetch:fetch", "Fetch MNIST or CIFAR-10 into the data folder."),
}
