"""Run a study again, at its shipped size or a reduced one, and write its table.

The reduced sizes (`QUICK`) take one or a few minutes per study: fewer images, epochs, seeds or networks. They show that
a study runs and the direction of its effect, but not its result at full size.
"""

import inspect
import json
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.validation import check_choice
from neurondeath_torch.studies.absolute_value import collapse_rows
from neurondeath_torch.studies.export import ON_TASKS, provenance, study_rows
from neurondeath_torch.studies.inference_speed import speed_rows
from neurondeath_torch.studies.learning_grid import learning_rows
from neurondeath_torch.studies.noise import noise_rows
from neurondeath_torch.studies.removal_speed import removal_rows
from neurondeath_torch.studies.tables import STUDIES, StudyTableError, read_study, study_configuration, write_study
from neurondeath_torch.studies.weight_drift import drift_rows
from neurondeath_torch.training.campaign import Report, checkpoint_folder, run_campaign
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.run_store import RunStore

__all__ = ["MADE_HERE", "QUICK", "planned_runs", "run_study"]

FEW_IMAGES = {"data.n_train": 1000, "data.n_test": 500}
DEEP = {"epochs": 3, "seeds": [0, 1], "data.n_train": 2000, "data.n_test": 500}
# study: changes to its configuration, or to the arguments of its function, at the reduced size
QUICK: dict[str, dict[str, Any]] = {
    "absolute_value": {"n_networks": 100, "steps": 1000},
    "alive_and_learning": {"widths": (8, 32), "depths": (5, 20), "seeds": (0,)},
    "noise_only": {"steps": 500, "seeds": (0, 1, 2)},
    "removal_speed": {"epochs": 6, "seeds": (0, 1, 2), "repeats": 10},
    "inference_speed": {"sparsities": (0.7, 0.85, 0.95), "batches": (1, 8, 64), "seeds": (0, 1, 2)},
    "dead_units": {"epochs": 10, "seeds": [0, 1, 2]},
    "dead_units_batches": {"epochs": 10, "seeds": [0, 1, 2]},
    "sparse_training": DEEP,
    "sparse_designs": DEEP,
    "sparse_seeds": DEEP,
    "sparse_grid": DEEP,
    "sparse_long": DEEP,
    "sparse_convolutions": DEEP,
    "sparse_and_deep": DEEP,
    "sparse_and_deep_rates": DEEP,
    "sparse_and_deep_holding": DEEP,
    "sparse_and_deep_depths": DEEP,
    "sparse_and_deep_plain": DEEP,
    "sparse_and_deep_thousand": {**DEEP, "seeds": [0], "model.depth": 200},
    "sparse_and_deep_convolutions": {**DEEP, "model.width": 16},
    "sparse_and_deep_precisions": DEEP,
    "sparse_and_deep_centred": DEEP,
    "larger_variance": DEEP,
    "stripping": {"epochs": 6, "seeds": [0, 1, 2], **FEW_IMAGES},
    "stripping_widths": {"epochs": 6, "seeds": [0, 1, 2], **FEW_IMAGES},
    "stripping_transformer_seeds": {"epochs": 4, "seeds": [0, 1, 2], **FEW_IMAGES},
    "stripping_transformer": {"epochs": 4, "seeds": [0, 1, 2], **FEW_IMAGES},
    "demon_pruning": {"epochs": 6, "seeds": [0, 1, 2], **FEW_IMAGES},
    "demon_noise": {"epochs": 20, "seeds": [0, 1, 2], **FEW_IMAGES},
    "activation_seeds": {"epochs": 12, "seeds": [0, 1, 2], **FEW_IMAGES},
    "activation": {"epochs": 12, "seeds": [0, 1, 2], **FEW_IMAGES},
    "weight_drift": {"steps": 300, "seeds": (0, 1, 2)},
    "sparsity_cliff": DEEP,
    "continual_methods": {"seeds": [0, 1], "tasks.number": 8},
    "continual_methods_mnist": {"seeds": [0], "tasks.number": 4, **FEW_IMAGES},
    "dead_count_worth": {"seeds": [0, 1], "tasks.number": 10},
}
# study: interval of the epochs kept in its table, where all epochs would make it large
EVERY = {
    "dead_units": 10,
    "dead_units_batches": 40,
    "activation_seeds": 60,
    "stripping_widths": 12,
    "stripping_transformer_seeds": 20,
    "demon_noise": 5,
    "demon_pruning": 5,
    "continual_methods": 40,  # epochs: ten tasks
    "continual_methods_mnist": 20,
    "dead_count_worth": 4,  # a task
}
# study: the measurements kept in its table, where all would make it large
COLUMNS = {"dead_count_worth": ON_TASKS}
Rows = list[dict[str, Any]]
MADE_HERE: dict[str, Callable[..., Rows]] = {  # studies that are not a grid of trainings
    "absolute_value": collapse_rows,
    "alive_and_learning": learning_rows,
    "noise_only": noise_rows,
    "removal_speed": removal_rows,
    "inference_speed": speed_rows,
    "weight_drift": drift_rows,
}


def run_study(
    name: str,
    *,
    store: Path,
    folder: Path,
    quick: bool = False,
    data_dir: str | Path | None = None,
    device: str = "auto",
    jobs: int = 1,
    stop_signal: Callable[[], int | None] = lambda: None,
    epoch_done: Report = lambda experiment, seed, measured: None,
    run_done: Report = lambda experiment, seed, measured: None,
) -> Path:
    """Run a study and write its table.

    Parameters
    ----------
    name : str
        One of `STUDIES`.
    store : path
        Store of its runs; stored runs are not trained again. The studies of `MADE_HERE` run from scratch, except
        alive_and_learning and inference_speed, which go on from the rows of an unfinished table in `folder`.
    folder : path
        Folder of the table NAME.csv.
    quick : bool
        Run it at its reduced size.
    data_dir, device, jobs, stop_signal, epoch_done, run_done
        As in `run_campaign`.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    InvalidArgumentError
        If there is no such study, or its data are missing.
    Interrupted
        If a signal arrived; finished epochs are kept in the store.
    """
    check_choice("study", name, tuple(STUDIES))
    size: dict[str, Any] = {"study": name, "quick": quick}
    if name in MADE_HERE:
        return _made_here(name, size | {"changes": QUICK[name] if quick else {}}, folder)
    document, experiments, seeds = planned_runs(name, quick=quick)
    run_campaign(
        experiments,
        seeds,
        store,
        checkpoints=checkpoint_folder(store),
        data_dir=data_dir,
        device=device,
        jobs=jobs,
        stop_signal=stop_signal,
        epoch_done=epoch_done,
        run_done=run_done,
    )
    with RunStore(store, readonly=True) as opened:
        found = (opened.run(experiment.experiment_id, seed) for experiment in experiments for seed in seeds)
        runs = [run for run in found if run is not None]
    return write_study(
        name,
        study_rows(runs, every=EVERY.get(name, 1), columns=COLUMNS.get(name)),
        provenance(runs, **size, configuration=document),
        folder,
    )


def _made_here(name: str, size: Mapping[str, Any], folder: Path) -> Path:
    """Run a study that is not a grid of trainings; one that grows is written and resumed row by row."""
    make, started, before = MADE_HERE[name], time.perf_counter(), 0.0
    options = dict(size["changes"])

    def write(rows: Rows, *, unfinished: bool = False) -> Path:
        seconds = round(before + time.perf_counter() - started, 1)
        return write_study(name, rows, provenance(seconds=seconds, **size, unfinished=unfinished), folder)

    if "keep" not in inspect.signature(make).parameters:
        return write(make(**options))
    with suppress(StudyTableError):
        table = read_study(name, folder, unfinished=True)
        if table.provenance.get("unfinished") and _same(table.provenance, size):
            options["finished"], before = table.rows, float(table.provenance["seconds"])
    return write(make(**options, keep=partial(write, unfinished=True)))


def _same(provenance: Mapping[str, Any], size: Mapping[str, Any]) -> bool:
    """Whether a table was made at the same size, as JSON compares it."""
    return all(
        json.dumps(provenance.get(key), sort_keys=True) == json.dumps(value, sort_keys=True)
        for key, value in size.items()
    )


def planned_runs(name: str, *, quick: bool = False) -> tuple[dict[str, Any], list[Experiment], list[int]]:
    """Read the full or reduced configuration of a study, its experiments and its seeds.

    Examples
    --------
    >>> _, experiments, seeds = planned_runs("stripping", quick=True)
    >>> len(experiments) > 1, seeds, experiments[0].data.n_train
    (True, [0, 1, 2], 1000)
    """
    document = tomllib.loads(study_configuration(name).read_text(encoding="utf-8"))
    changed = _changed(document, QUICK[name] if quick else {})
    return changed, *read_experiments(changed)


def _changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with changed values of dotted keys."""
    changed = {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
    for key, value in changes.items():
        part, dot, rest = key.partition(".")
        if dot and changed.get(part, {}).get("name") != "digits":  # the digits are not reduced, since they are few
            changed[part][rest] = value
        elif not dot:
            changed[key] = value
    return changed
