"""How training runs are shown on stdout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath_torch.training.configuration import varying_settings
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.run_store import StoredRun
from neurondeath_torch.training.task_choice import all_epochs

__all__ = ["run_columns", "show_epochs", "show_runs", "stored_forecast"]

Forecast = Callable[[StoredRun], Mapping[str, Any]]

FORECASTS = ("forecast_living_ratio", "forecast_leaving")
VERDICTS = ("forecast_verdict", "forecast_score")  # of runs that are listed before they are trained
MEASURED = (
    "test_accuracy",
    "train_loss",
    "dead_units",
    "units",
    "dynamic_dnr",
    "activation_sparsity",
    "weight_sparsity",
    "live_parameters",
)
ON_TASKS = (  # only where there are tasks
    "task",
    "task_accuracy",
    "past_accuracy",
    "task_online_accuracy",
    "online_accuracy",
    "test_loss",
    "running_loss",
    "feature_rank",
    "uncentred_rank",
    "weight_size",
    "dormant_units",
    "gradient_dormant_units",
    "cloned_units",
)
RESULTS = ("test_accuracy", "epochs", ("dead_units", "units"), *VERDICTS, *FORECASTS)
DETAILS = ("train_loss", "live_parameters", "activation_sparsity", "weight_sparsity", "dynamic_dnr")


def stored_forecast(run: StoredRun) -> Mapping[str, Any]:
    """Return what was forecast of a run before it was trained."""
    return run.epochs[0] if run.epochs else {}


def run_columns(runs: Sequence[StoredRun], forecast_of: Forecast = stored_forecast) -> dict[str, list[Any]]:
    """Lay out one row per run: the settings in which the runs differ, the forecast, and the last epoch."""
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
            "epochs": f"{max(len(run.epochs) - 1, 0)}/{all_epochs(run.description)}",
            **_forecast(run, forecast_of),
            **{name: last.get(name) for name in _measured(runs)},
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return rows


def show_runs(
    runs: Sequence[StoredRun],
    output: Format,
    columns: str | None = None,
    forecast_of: Forecast = stored_forecast,
) -> None:
    """Write one row per run; JSON holds all epochs."""
    rows = {} if output is Format.json else run_columns(runs, forecast_of)
    fixed = {"experiment", "name", "seed", "epochs", *FORECASTS, *VERDICTS, *MEASURED, *ON_TASKS}
    settings = [name for name in rows if name not in fixed]
    show(
        rows,
        output,
        chosen=columns,
        title="last epoch of every run" if any(run.epochs for run in runs) else "runs",
        layout=Layout(
            keys=("experiment", "seed"),
            priority=(*RESULTS[:2], *ON_TASKS[:3], *settings, *RESULTS[2:], "name", *DETAILS, *ON_TASKS[3:]),
            shown=tuple(name for name, cells in rows.items() if any(cell not in ("", None) for cell in cells)),
        ),
        json=lambda: _document(runs, forecast_of),
    )


def show_epochs(runs: Sequence[StoredRun], output: Format, columns: str | None = None) -> None:
    """Write one row per epoch."""
    rows: dict[str, list[Any]] = {}
    for run in runs:
        for epoch, measured in enumerate(run.epochs):
            row = {"experiment": run.experiment_id, "seed": run.seed, "epoch": epoch}
            for name, value in {**row, **{name: measured.get(name) for name in _measured(runs)}}.items():
                rows.setdefault(name, []).append(value)
    show(
        rows,
        output,
        chosen=columns,
        layout=Layout(
            keys=("experiment", "seed", "epoch"), priority=(*ON_TASKS[:3], *RESULTS, *DETAILS, *ON_TASKS[3:])
        ),
        json=lambda: _document(runs, stored_forecast),
    )


def _document(runs: Sequence[StoredRun], forecast_of: Forecast) -> dict[str, Any]:
    return {"runs": [{**asdict(run), "forecast": _forecast(run, forecast_of)} for run in runs]}


def _forecast(run: StoredRun, forecast_of: Forecast) -> dict[str, Any]:
    found = forecast_of(run)
    return {name: found.get(name) for name in (*FORECASTS, *(name for name in VERDICTS if name in found))}


def _measured(runs: Sequence[StoredRun]) -> tuple[str, ...]:
    """Return the measurements to show; those on tasks where a run has tasks."""
    return (*MEASURED, *ON_TASKS) if any("tasks" in run.description for run in runs) else MEASURED


def _short(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
