"""`neurondeath study`: repeat the studies behind the claims about training."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption
from neurondeath.commands.run_progress import RunLines
from neurondeath.commands.show import show, show_path
from neurondeath.commands.tables import Layout
from neurondeath_theory.foundation.interruption import stop_requests
from neurondeath_theory.foundation.output_files import check_output_file
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid
from neurondeath_torch.studies.running import MADE_HERE, planned_runs, run_study
from neurondeath_torch.studies.tables import STUDIES, StudyTableError, read_study
from neurondeath_torch.training.campaign import checkpoint_folder, checkpoint_path, run_campaign, runs_of_part
from neurondeath_torch.training.campaign_checks import check_checkpoint_folder, check_runs, check_store
from neurondeath_torch.training.loop import find_device, train
from neurondeath_torch.training.run_store import RunStore
from neurondeath_torch.training.trained_models import save_trained

__all__ = ["study"]

LAYOUT = Layout(keys=("study",), priority=("runs", "seconds", "device"), prose=("what",))


def study(
    name: Annotated[str, typer.Argument(metavar="list|NAME", help="Which study; list shows them.")],
    out: Annotated[Path, typer.Option(help="Folder for the table NAME.csv.")] = Path(),
    store: Annotated[Path | None, typer.Option(help="Store of its runs.  [default: OUT/NAME.sqlite]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Reduced: a few minutes.")] = False,
    run: Annotated[
        int | None, typer.Option(help="Train this one of its runs only, 1 the first; no table is written.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="File for the trained network of --run (by default the first).")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of the MNIST files.  [default: $NEURONDEATH_DATA]")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[int, typer.Option(help="Number of simultaneous runs, each with its share of the cores.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Run a study and write its table; stored runs are not repeated, interrupted ones are continued.

    `neurondeath check --studies OUT` compares the claims with the new table.
    """
    if name == "list":
        _show_list(columns, output)
        return
    check_choice("study", name, ["list", *STUDIES])
    jobs = check_count("--jobs", jobs, most=256)
    find_device(device)
    if not out.is_dir():
        raise invalid("--out", "name a folder that exists", str(out), f"make {out} first")
    store = store or out / f"{name}.sqlite"
    table = out / f"{name}.csv"
    if os.path.lexists(table) and not table.is_file():
        raise invalid("--out", f"name a folder in which {name}.csv is a file", str(out))
    if not os.access(out, os.W_OK | os.X_OK):
        raise invalid("--out", "name a folder that you can write", str(out))
    if save is not None:
        check_output_file("--save", save)
    if name in MADE_HERE:
        show_path(run_study(name, store=store, folder=out, quick=quick))
        return
    _, experiments, seeds = planned_runs(name, quick=quick)
    runs = runs_of_part(experiments, seeds)
    if run is not None or save is not None:
        number = 1 if run is None else check_count("--run", run, most=len(runs))
        runs = [runs[number - 1]]
    check_store("--store", store, runs)
    check_checkpoint_folder("--store", checkpoint_folder(store))
    check_runs(runs, data_dir)
    lines = RunLines(len(runs), quiet=quiet)
    with stop_requests() as stop_signal:
        work: dict[str, Any] = {
            "data_dir": data_dir,
            "device": device,
            "stop_signal": stop_signal,
            "epoch_done": lines.epoch_done,
            "run_done": lines.run_done,
        }
        if run is None and save is None:
            show_path(run_study(name, store=store, folder=out, quick=quick, jobs=jobs, **work))
            return
        ((experiment, seed),) = runs
        run_campaign([experiment], [seed], store, checkpoints=checkpoint_folder(store), **work)
    if save is not None:
        path = checkpoint_path(checkpoint_folder(store), experiment, seed)
        with RunStore(store, readonly=True) as opened:
            trained = train(experiment, seed=seed, store=opened, checkpoint=path, data_dir=data_dir, device=device)
        if trained.model is None:
            raise invalid("--save", f"have the checkpoint {path}", str(save), "delete the store to train the run again")
        show_path(save_trained(save, experiment, seed, trained.model))


def _show_list(columns: str | None, output: Format) -> None:
    rows: dict[str, list[object]] = {"study": [], "runs": [], "seconds": [], "device": [], "what": []}
    for name, what in STUDIES.items():
        runs: int | None = None
        made: Mapping[str, Any] = {}
        with suppress(StudyTableError):  # a study that has not been run yet
            table = read_study(name)
            runs, made = len(table.last_epochs()), table.provenance
        for key, value in zip(rows, (name, runs, made.get("seconds"), _words(made.get("device")), what), strict=True):
            rows[key].append(value)
    show(rows, output, chosen=columns, layout=LAYOUT, json=lambda: rows)


def _words(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
