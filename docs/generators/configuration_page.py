"""The reference of configuration files: every key of grid and experiment files, from what validates them."""

from collections.abc import Mapping, Sequence

from generators.markdown import escaped
from neurondeath.simulations.sweeps.grid_guide import grid_keys, grid_template
from neurondeath_torch.training.configuration_guide import experiment_keys, experiment_template

__all__ = ["configuration_page"]

EXPERIMENTS = """Read by [`neurondeath train`](commands/train.md) and {py:obj}`~neurondeath.read_experiments`. A key
with a word in brackets belongs to models or methods of that kind. `neurondeath train --template` prints the file below,
`--explain` the table."""
GRIDS = """Read by [`neurondeath simulate --grid`](commands/simulate.md). `neurondeath simulate --grid-template` prints
the file below, `--grid-keys` the table."""
CLAIMS = """`neurondeath check --claim-template` prints a claim file with every key; `neurondeath check --claims FILE`
reads it."""


def configuration_page() -> dict[str, str]:
    """Return the page: path below `docs/generated` -> text."""
    parts = ["# Configuration files", ""]
    for title, text, keys, template in (
        ("Experiments", EXPERIMENTS, experiment_keys(), experiment_template()),
        ("Grids of simulations", GRIDS, grid_keys(), grid_template()),
    ):
        parts += [f"## {title}", "", text, "", *_table(keys), "", f"### A file with every key: {title.lower()}", ""]
        parts += ["```toml", template.rstrip(), "```", ""]
    return {"reference/configuration.md": "\n".join([*parts, "## Claims", "", CLAIMS, ""])}


def _table(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Write columns as a Markdown table whose first three columns are code."""
    names = list(columns)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in zip(*columns.values(), strict=True):
        key, values, default, meaning = row
        lines.append(f"| `{key}` | {escaped(values)} | `{default}` | {escaped(meaning)} |")
    return lines
