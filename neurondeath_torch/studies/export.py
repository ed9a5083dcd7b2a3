"""Convert stored training runs to the table of a study: one row per epoch, with the settings that vary."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from neurondeath_theory.foundation.version import __version__
from neurondeath_torch.training.configuration import varying_settings
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.run_store import StoredRun

__all__ = ["ON_TASKS", "provenance", "study_rows"]

NEAR = 0.05  # largest distance of an activation's share of zeros from the design's to count as near
ON_TASKS = (  # what a study of sequences of tasks compares
    "task",
    "task_accuracy",
    "task_online_accuracy",
    "units",
    "dead_units",
    "dormant_units",
    "gradient_dormant_units",
    "cloned_units",
    "feature_rank",
    "uncentred_rank",
    "weight_size",
    "activation_sparsity",
    "dead_share",
)
LEFT_OUT = ("epoch", "learning_rate")  # measurements: the epoch is a column already, the rate depends on the step


def study_rows(
    runs: Sequence[StoredRun], *, every: int = 1, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """List the epochs of runs as the rows of a table.

    Parameters
    ----------
    runs : sequence of StoredRun
        Finished runs of one study.
    every : int
        Interval of the epochs to keep; the last epoch is always kept.
    columns : sequence of str, optional
        Measurements to keep; all by default.

    Returns
    -------
    list of dict
        `experiment`, the settings that vary between the runs under their dotted keys, `seed`, `epoch` (0: before
        training), every measurement that is a single number, and `dead_share`, the share of dead units among all units.
        Where runs have tasks, last epochs have means over the last third of the tasks: of the accuracy at their end,
        `late_accuracy`, of the accuracy and the loss before the steps, `late_online_accuracy` and `late_running_loss`,
        and of the share of dead units, `late_dead_share`. Where one of the runs has a sparse design, last epochs have
        the zeros on test images by activation, `test_zeros`, and the least of them, `test_zeros_least`; those of the
        designs have the mean less the design's, `test_zeros_off`, and the share of activations within 0.05 of it,
        `test_zeros_near`.

    Examples
    --------
    >>> run = StoredRun(experiment_id="a", seed=0, name="", description={"epochs": 1}, provenance={}, epochs=[])
    >>> run.epochs.append({"epoch": 0, "units": 12, "dead_units": 3, "test_loss": 2.3})
    >>> study_rows([run])
    [{'experiment': 'a', 'seed': 0, 'epoch': 0, 'units': 12, 'dead_units': 3, 'test_loss': 2.3, 'dead_share': 0.25}]
    """
    settings = [read_experiment(run.description).settings() for run in runs]
    varying = varying_settings(settings)
    sparse = any(chosen.get("model.sparsity") is not None for chosen in settings)
    rows = []
    for run, chosen in zip(runs, settings, strict=True):
        head = {"experiment": run.experiment_id, **{key: _cell(chosen.get(key)) for key in varying}, "seed": run.seed}
        for epoch, measured in enumerate(run.epochs):
            if epoch % every and measured is not run.epochs[-1]:
                continue
            numbers = {
                name: value
                for name, value in measured.items()
                if not isinstance(value, (list, dict)) and name not in LEFT_OUT
            }
            if (share := _share(measured)) is not None:
                numbers["dead_share"] = share
            zeros = measured.get("test_sparsity_by_activation")
            if zeros and sparse and measured is run.epochs[-1]:
                numbers |= _zeros(zeros, chosen.get("model.sparsity"))
            if chosen["tasks.kind"] != "none" and measured is run.epochs[-1]:
                numbers |= _late(run.epochs, chosen["epochs"])
            rows.append({**head, "epoch": epoch, **numbers})
            if columns is not None:
                rows[-1] = {name: value for name, value in rows[-1].items() if name in (*head, "epoch", *columns)}
    kept = {name for row in rows for name, value in row.items() if value is not None}
    return [{name: value for name, value in row.items() if name in kept} for row in rows]


def provenance(runs: Sequence[StoredRun] = (), **more: Any) -> dict[str, Any]:
    """Describe how a table was made: versions, device, threads, seconds of training, and today's date.

    Parameters
    ----------
    runs : sequence of StoredRun
        Runs whose devices, threads and seconds are reported; none for a table made in this process.
    **more
        Further entries, such as sizes; they replace entries of the same name.
    """
    made = [run.provenance for run in runs] or [
        {"torch": torch.__version__, "device": "cpu", "threads": torch.get_num_threads()}
    ]
    seconds = sum(float(epoch.get("train_seconds") or 0.0) for run in runs for epoch in run.epochs)
    return {
        "neurondeath": __version__,
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        **_machine(),
        **{name: _one_or_all([each.get(name) for each in made]) for name in ("torch", "device", "threads")},
        "seconds": round(seconds, 1),
        "date": datetime.now(UTC).date().isoformat(),
        **more,
    }


def _machine() -> dict[str, Any]:
    """Describe the processor and what else it does: the processes that wanted it in the last 15 minutes, on average."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except (OSError, UnicodeDecodeError):  # other systems than Linux
        name = ""
    load = {"load": round(os.getloadavg()[2], 1)} if hasattr(os, "getloadavg") else {}
    return {"processor": name or platform.processor() or platform.machine(), "cores": os.cpu_count(), **load}


def _zeros(zeros: Sequence[float], design: float | None) -> dict[str, Any]:
    """Describe the zeros of the activations on test images, beside those of the design, if there is one."""
    found = {"test_zeros_least": min(zeros), "test_zeros": " ".join(f"{share:.3f}" for share in zeros)}
    if design is None:
        return found
    near = sum(abs(share - design) <= NEAR for share in zeros)
    return {"test_zeros_off": sum(zeros) / len(zeros) - design, "test_zeros_near": near / len(zeros), **found}


def _late(epochs: Sequence[Mapping[str, Any]], each: int) -> dict[str, float | None]:
    """Average what a run measured at the end of each task, over the last third of the tasks."""
    ends = epochs[each::each]
    late = ends[-max(len(ends) // 3, 1) :]
    found = {
        "late_accuracy": [end.get("task_accuracy") for end in late],
        "late_online_accuracy": [end.get("task_online_accuracy") for end in late],
        "late_running_loss": [end.get("task_running_loss") for end in late],
        "late_dead_share": [_share(end) for end in late],
    }
    known = {name: [value for value in values if value is not None] for name, values in found.items()}
    return {name: sum(values) / len(values) if values else None for name, values in known.items()}


def _share(measured: Mapping[str, Any]) -> float | None:
    dead, units = measured.get("dead_units"), measured.get("units")
    return dead / units if units and dead is not None else None


def _one_or_all(values: Sequence[Any]) -> Any:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else distinct


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
