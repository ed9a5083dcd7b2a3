"""The PyTorch subcommands: name -> where it lives; nothing is imported before it is called."""

from neurondeath_theory._console import Command

__all__ = ["COMMANDS"]

COMMANDS = {
    "audit": Command("neurondeath_torch.commands.audit:audit", "Diagnose a PyTorch model on data (extra torch)."),
    "train": Command("neurondeath_torch.commands.train:train", "Run training experiments (extra torch)."),
    "study": Command("neurondeath_torch.commands.study:study", "Run the studies behind the claims anew (extra torch)."),
    "runs": Command("neurondeath_torch.commands.runs:runs", "Read a store of training runs (extra torch)."),
}
