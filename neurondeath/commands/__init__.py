"""The command line: name -> place of a subcommand; nothing is imported before it is called."""

from neurondeath.commands.command import Command

__all__ = ["COMMANDS"]

COMMANDS = {
    "bounds": Command("neurondeath.commands.bounds:bounds", "Bound the probability that a ReLU network is born alive."),
    "size": Command(
        "neurondeath.commands.size:size", "Find the least width for a depth, or the greatest depth for a width."
    ),
    "design": Command("neurondeath.commands.size:size", "The earlier name of size.", alias_of="size"),
    "eoc": Command(
        "neurondeath.commands.eoc:eoc", "Design a sparse activation at the edge of chaos, and report its stability."
    ),
    "forecast": Command("neurondeath.commands.forecast:forecast", "Forecast whether a network will live and learn."),
    "advise": Command(
        "neurondeath.commands.advise:advise", "Simulate and rank the remedies against neuron death for one network."
    ),
    "speed": Command(
        "neurondeath.commands.speed:speed", "Measure how much faster zeros make a sparse network on this machine."
    ),
    "explore": Command(
        "neurondeath.commands.explore:explore",
        "Change a network in the browser and see what follows: bounds, verdicts, pictures.",
    ),
    "simulate": Command(
        "neurondeath.commands.simulate:simulate", "Estimate survival by Monte Carlo over a grid of networks."
    ),
    "results": Command("neurondeath.commands.results:results", "Read the estimates of a results store."),
    "merge": Command("neurondeath.commands.merge:merge", "Add the shards or training runs of other stores to one."),
    "fetch": Command("neurondeath.commands.fetch:fetch", "Fetch MNIST or CIFAR-10 into the data folder."),
    "figures": Command("neurondeath.commands.figures:figures", "Make the figures, with their data."),
    "plot": Command("neurondeath.commands.plot:plot", "Draw the estimates of a results store with the bounds."),
    "check": Command("neurondeath.commands.check:check", "Verify the papers' claims by machine, with the evidence."),
    "cite": Command("neurondeath.commands.cite:cite", "Print the BibTeX of the papers behind a claim or a function."),
    "lint": Command(
        "neurondeath.commands.lint:lint", "Fail when a network is born dead or collapsed too often: for hooks and CI."
    ),
    "audit": Command("neurondeath.commands.audit:audit", "Diagnose a PyTorch model on data (extra torch)."),
    "train": Command("neurondeath.commands.train:train", "Run training experiments (extra torch)."),
    "study": Command("neurondeath.commands.study:study", "Repeat the studies behind the claims (extra torch)."),
    "runs": Command("neurondeath.commands.runs:runs", "Read a store of training runs (extra torch)."),
}
