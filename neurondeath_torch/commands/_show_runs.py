"""How training runs are shown on stdout."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from neurondeath_theory._console import Format, print_csv, print_json, print_table
from neurondeath_torch.training.configuration import read_experiment
from neurondeath_torch.training.run_store import StoredRun

__all__ = ["show_epochs", "show_runs"]

SHOWN = (
    "test_accuracy",
    "train_loss",
    "dead_units",
    "units",
    "dynamic_dnr",
    "activation_sparsity",
    "weight_sparsity",
    "live_parameters",
)


def show_runs(runs: Sequence[StoredRun], output: Format) -> None:
    """Write a row a run: what sets it apart, what was forecast of it, and its last epoch; JSON holds all epochs."""
    if output is Format.json:
        print_json({"runs": [asdict(run) for run in runs]})
        return
    settings = [read_experiment(run.description).settings() for run in runs]
    varying = _varying(settings)
    rows: dict[str, list[Any]] = {}
    for run, chosen in zip(runs, settings, strict=True):
        last: Mapping[str, Any] = run.epochs[-1] if run.epochs else {}
        row = {
            "experiment": run.experiment_id,
            "name": run.name,
            **{key: _short(chosen.get(key)) for key in varying},
            "seed": run.seed,
            "epochs": f"{max(len(run.epochs) - 1, 0)}/{run.description['epochs']}",
            "forecast_leaving": run.epochs[0].get("forecast_leaving") if run.epochs else None,
            **{name: last.get(name) for name in SHOWN},
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    for name in ("name", "forecast_leaving"):
        if not any(value not in ("", None) for value in rows.get(name, [])):
            rows.pop(name, None)
    if output is Format.csv:
        print_csv(rows)
    else:
        print_table(rows, title="last epoch of every run")


def show_epochs(runs: Sequence[StoredRun], output: Format) -> None:
    """Write a row an epoch."""
    if output is Format.json:
        show_runs(runs, output)
        return
    rows: dict[str, list[Any]] = {}
    for run in runs:
        for measured in run.epochs:
            row = {"experiment": run.experiment_id, "seed": run.seed, "epoch": measured["epoch"]}
            for name, value in {**row, **{name: measured.get(name) for name in SHOWN}}.items():
                rows.setdefault(name, []).append(value)
    (print_csv if output is Format.csv else print_table)(rows)


def _varying(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the settings in which the runs differ."""
    keys = dict.fromkeys(key for each in settings for key in each if key != "epochs")
    return [key for key in keys if len({repr(each.get(key)) for each in settings}) > 1]


def _short(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
