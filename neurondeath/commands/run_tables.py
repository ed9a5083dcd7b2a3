"""How training runs are shown on stdout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from neurondeath.commands.console import Format, print_csv, print_json, print_table
from neurondeath_torch.training.configuration import read_experiment, varying_settings
from neurondeath_torch.training.run_store import StoredRun

__all__ = ["show_epochs", "show_runs", "stored_forecast"]

FORECASTS = ("forecast_living_ratio", "forecast_leaving")
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


def stored_forecast(run: StoredRun) -> Mapping[str, Any]:
    """Give what was forecast of a run before it was trained."""
    return run.epochs[0] if run.epochs else {}


def show_runs(
    runs: Sequence[StoredRun],
    output: Format,
    forecast_of: Callable[[StoredRun], Mapping[str, Any]] = stored_forecast,
) -> None:
    """Write a row a run: what sets it apart, what was forecast of it, and its last epoch; JSON holds all epochs."""
    if output is Format.json:
        print_json({"runs": [{**asdict(run), "forecast": _forecast(run, forecast_of)} for run in runs]})
        return
    settings = [read_experiment(run.description).settings() for run in runs]
    varying = varying_settings(settings)
    rows: dict[str, list[Any]] = {}
    for run, chosen in zip(runs, settings, strict=True):
        last: Mapping[str, Any] = run.epochs[-1] if run.epochs else {}
        row = {
            "experiment": run.experiment_id,
            "name": run.name,
            **{key: _short(chosen.get(key)) for key in varying},
            "seed": run.seed,
            "epochs": f"{max(len(run.epochs) - 1, 0)}/{run.description['epochs']}",
            **_forecast(run, forecast_of),
            **{name: last.get(name) for name in SHOWN},
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    if output is Format.csv:
        print_csv(rows)
        return
    told = {name: cells for name, cells in rows.items() if any(cell not in ("", None) for cell in cells)}
    print_table(told, title="last epoch of every run" if any(run.epochs for run in runs) else "runs")


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


def _forecast(run: StoredRun, forecast_of: Callable[[StoredRun], Mapping[str, Any]]) -> dict[str, Any]:
    said = forecast_of(run)
    return {name: said.get(name) for name in FORECASTS}


def _short(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
