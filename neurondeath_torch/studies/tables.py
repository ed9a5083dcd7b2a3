"""The shipped studies: configurations of trainings, and tables of their results.

A study NAME is a configuration `shipped/NAME.toml`, as `neurondeath train` reads it, and a table `shipped/NAME.csv`:
one row per epoch of a run, with the settings that vary between its runs and the measurements; studies that are not a
grid of trainings have only a table (see `running`). The first line of a table is a comment with its provenance as JSON:
versions, device, threads, seconds, date. Reading a table does not need PyTorch.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice

__all__ = ["STUDIES", "StudyTable", "read_study", "study_configuration", "write_study"]

STUDIES = {
    "alive_and_learning": "which networks learn, over widths, depths and remedies, beside forecasts made at birth",
    "absolute_value": "deep narrow networks learning |x| from four initialisations",
    "sparse_training": "100 layers of width 300, 85 % sparse, clipped and not",
    "sparse_designs": "50 layers of width 300, 85 % sparse, over activations and clips",
    "sparse_grid": "50 layers of width 300 over sparsities, activations and clips, with clipped gradients",
    "sparse_seeds": "50 layers of width 300, 85 % sparse, clipped and not, over seeds",
    "sparse_long": "50 layers of width 300, 85 % sparse, clipped and not, on all of MNIST",
    "sparse_convolutions": "30 convolutions of 64 channels, 85 % sparse, clipped and not",
    "larger_variance": "50 layers of width 300, 90 % sparse, over the variance q*",
    "sparse_and_deep": "100 layers of width 300 in critical residual streams, dense and 85 to 90 % sparse",
    "sparse_and_deep_rates": "the learning rates and weight decays from which those of sparse_and_deep are chosen",
    "sparse_and_deep_holding": "what holds the zeros of sparse deep streams in training",
    "sparse_and_deep_depths": "sparse deep streams over the effective depth, beside the forecast at birth",
    "sparse_and_deep_plain": "100 layers of width 300, 85 % sparse, without a residual stream",
    "sparse_and_deep_thousand": "1000 layers of width 100 in critical residual streams, dense and 85 % sparse",
    "sparse_and_deep_convolutions": "32 convolutions in critical residual streams, dense and 85 % sparse",
    "sparse_and_deep_precisions": "100 layers of width 300, dense and 85 % sparse, each in float32 and in bfloat16",
    "sparse_and_deep_centred": "silent units of 100 layers at 90 % of zeros, with and without the mean image",
    "dead_units": "dead units against learning rate, batch size and weight decay",
    "dead_units_batches": "dead units against batch size, on thirty other seeds",
    "noise_only": "a trained perceptron under updates of pure noise",
    "stripping": "Synaptic Stripping over width and depth",
    "stripping_widths": "the gain of Synaptic Stripping by width, on twelve other seeds",
    "stripping_transformer": "Synaptic Stripping on a small vision transformer",
    "stripping_transformer_seeds": "the same on sixteen other seeds",
    "demon_pruning": "Demon Pruning, its ablations and a structured baseline",
    "demon_noise": "Demon Pruning with noise on no, live or all units",
    "removal_speed": "what removing dead units saves: multiply-adds and seconds of a step",
    "inference_speed": "how much faster zeros make inference: layers and a deep stream, dense and sparse in turns",
    "activation": "Activate-while-Pruning on top of global magnitude pruning",
    "activation_seeds": "the same on fifteen other seeds",
    "weight_drift": "where the weights behind rectifiers drift, and their zeros, over optimisers and losses",
    "sparsity_cliff": "accuracy over activation sparsity: default weights, edge of chaos, critical residual streams",
    "continual_methods": "methods against loss of plasticity, on 60 tasks of permuted digits",
    "continual_methods_mnist": "the same on 100 tasks of permuted MNIST",
    "dead_count_worth": "what dead, dormant and cloned units and ranks say about the accuracy on the next task",
}


class StudyTableError(NeuronDeathError):
    """The table of a study is missing or incomplete."""


@dataclass(frozen=True, kw_only=True)
class StudyTable(Result):
    """Results of a study.

    Attributes
    ----------
    name : str
        The study.
    provenance : dict
        Versions, device, threads, seconds and date of the runs.
    rows : tuple of dict
        One row per epoch of a run, with numbers as numbers; empty cells are None.
    """

    name: str
    provenance: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row per epoch of a run."""
        return {name: [row[name] for row in self.rows] for name in self.rows[0]}

    def where(self, **equal: Any) -> list[Mapping[str, Any]]:
        """Select the rows whose cells equal the given values; dots in a column's name are written `__`."""
        wanted = {name.replace("__", "."): value for name, value in equal.items()}
        return [row for row in self.rows if all(row[name] == value for name, value in wanted.items())]

    def last_epochs(self) -> list[Mapping[str, Any]]:
        """Select the last row of every run."""
        last = {(row["experiment"], row["seed"]): row for row in self.rows}
        return list(last.values())

    def __str__(self) -> str:
        runs = len(self.last_epochs())
        return f"{self.name}: {STUDIES[self.name]}; {runs} runs, {self.provenance.get('seconds', 0):.0f} s of training"


def study_configuration(name: str) -> Path:
    """Return the path of a study's configuration, for `neurondeath train`.

    Raises
    ------
    InvalidArgumentError
        If there is no such study.
    """
    return Path(str(_folder() / f"{check_choice('study', name, tuple(STUDIES))}.toml"))


def read_study(name: str, folder: Path | None = None, *, unfinished: bool = False) -> StudyTable:
    """Read the table of a study.

    Parameters
    ----------
    name : str
        One of `STUDIES`.
    folder : path, optional
        Folder of the table; the shipped tables by default.
    unfinished : bool
        Whether to read the table of a study that was interrupted, too.

    Returns
    -------
    StudyTable
        Its rows.

    Raises
    ------
    InvalidArgumentError
        If there is no such study.
    StudyTableError
        If its table is missing or incomplete.
    """
    path = (folder or Path(str(_folder()))) / f"{check_choice('study', name, tuple(STUDIES))}.csv"
    try:
        head, _, body = path.read_text(encoding="utf-8").partition("\n")
        provenance = json.loads(head.removeprefix("# "))
        rows = tuple({key: _value(cell) for key, cell in row.items()} for row in csv.DictReader(io.StringIO(body)))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StudyTableError(f"the table {str(path)!r} cannot be read ({error}); run the study again") from None
    if len(rows) != provenance.get("rows"):
        raise StudyTableError(f"the table {str(path)!r} is incomplete: {len(rows)} rows; run the study again")
    if provenance.get("unfinished") and not unfinished:
        raise StudyTableError(f"the table {str(path)!r} is unfinished: {len(rows)} rows; run the study again")
    return StudyTable(name=name, provenance=provenance, rows=rows)


def write_study(
    name: str, rows: Iterable[Mapping[str, Any]], provenance: Mapping[str, Any], folder: Path | None = None
) -> Path:
    """Write the table of a study, replacing an existing one.

    Parameters
    ----------
    name : str
        One of `STUDIES`.
    rows : iterable of mapping
        Cells by column; columns that a row lacks stay empty.
    provenance : mapping
        Entries that JSON can represent.
    folder : path, optional
        Folder of the table; the folder of the shipped tables by default.

    Returns
    -------
    Path
        The table.
    """
    listed = list(rows)
    names = list(dict.fromkeys(key for row in listed for key in row))
    text = io.StringIO()
    text.write(f"# {json.dumps({**provenance, 'rows': len(listed)}, sort_keys=True)}\n")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in listed:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    path = (folder or Path(str(_folder()))) / f"{check_choice('study', name, tuple(STUDIES))}.csv"
    return write_atomically(path, text.getvalue())


def _folder() -> Any:
    return resources.files("neurondeath_torch.studies") / "shipped"


def _cell(value: Any) -> Any:
    """Format numbers with six digits, which is finer than the spread over seeds."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def _value(cell: str) -> Any:
    if cell == "":
        return None
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return {"True": True, "False": False}.get(cell, cell)
