"""`neurondeath train`: training experiments from a file, into a store."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from neurondeath.commands.messages import message
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.run_progress import RunLines
from neurondeath.commands.run_tables import run_columns, show_runs, stored_forecast
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.commands.work_progress import with_progress
from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.interruption import stop_requests
from neurondeath_theory.foundation.validation import check_count, invalid, shorten
from neurondeath_torch.training.campaign import Run, checkpoint_folder, run_campaign, runs_of_part
from neurondeath_torch.training.campaign_checks import check_checkpoint_folder, check_runs, check_store
from neurondeath_torch.training.configuration_guide import experiment_keys, experiment_template
from neurondeath_torch.training.experiment_files import read_experiment, read_experiments
from neurondeath_torch.training.forecasts import forecast
from neurondeath_torch.training.labelled_data import WITHOUT_FILES
from neurondeath_torch.training.learning_forecasts import LearningForecasts
from neurondeath_torch.training.loop import find_device
from neurondeath_torch.training.run_store import RunStore, StoredRun

__all__ = ["train"]


def train(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG.toml", help="The experiments.")] = None,
    store: Annotated[Path, typer.Option(help="Store of the runs; created if missing.")] = Path("training.sqlite"),
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints and trained models.  [default: STORE.checkpoints]")
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of the MNIST and CIFAR-10 files.  [default: $NEURONDEATH_DATA]")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to train.")] = "auto",
    jobs: Annotated[int, typer.Option(help="Number of simultaneous runs, each with its share of the cores.")] = 1,
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Do the I-th of N parts of the runs; `neurondeath merge` joins their stores."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="List the runs, the forecast of whether they live and learn, and their stored epochs.",
        ),
    ] = False,
    template: Annotated[
        bool, typer.Option("--template", help="Print an experiment file that shows every key, and exit.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="List every key with its values, default and meaning, and exit.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Train every experiment of a file with every seed; stored runs are not repeated, interrupted ones continue.

    Several processes with the same command share the work; a run that another process is training is left to it.
    """
    if template:
        print(experiment_template(), end="")
        return
    if explain:
        layout = Layout(keys=("key",), priority=("default", "meaning", "values"), prose=("values", "meaning"))
        show(experiment_keys(), output, chosen=columns, layout=layout)
        return
    if config is None:
        raise invalid("CONFIG.toml", "be given", None, "`neurondeath train --template` prints one")
    jobs = check_count("--jobs", jobs, most=256)
    share = WHOLE if part is None else Part.parse(part, "--part")
    experiments, seeds = read_experiments(config)
    find_device(device)
    runs = runs_of_part(experiments, seeds, share)
    folder = checkpoints or checkpoint_folder(store)
    check_columns(columns, output, run_columns(_planned(runs or runs_of_part(experiments, seeds), None)))
    if data_dir is not None and all(experiment.data.name in WITHOUT_FILES for experiment in experiments):
        raise invalid("--data-dir", "be left out where all data are digits or bits", data_dir)
    check_store("--store", store, runs)
    if dry_run:
        planned = _planned(runs, store)
        learning = LearningForecasts(data_dir)
        with _named_file(config):
            verdicts = {
                (experiment.experiment_id, seed): learning.of(experiment, seed)
                for experiment, seed in with_progress(runs, "forecasts")
            }
            foreseen = {run.experiment_id: _forecast(run) for run in planned}
        more = lambda run: {**foreseen[run.experiment_id], **verdicts[run.experiment_id, run.seed]}  # noqa: E731
        show_runs(planned, output, columns, more)
        return
    check_checkpoint_folder("--checkpoints", folder)
    with _named_file(config):
        check_runs(runs, data_dir)
    lines = RunLines(len(runs), quiet=quiet)
    with stop_requests() as stop_signal:
        run_campaign(
            experiments,
            seeds,
            store,
            checkpoints=folder,
            data_dir=data_dir,
            device=device,
            jobs=jobs,
            part=share,
            stop_signal=stop_signal,
            epoch_done=lines.epoch_done,
            run_done=lines.run_done,
        )
    if not runs and not quiet:
        message(f"no runs belong to part {share.index} of {share.count}")
    show_runs(_planned(runs, store), output, columns)


@contextmanager
def _named_file(config: Path) -> Iterator[None]:
    """Name the file of the experiments in errors about their parts."""
    try:
        yield
    except InvalidArgumentError as error:
        if str(error).startswith("`--"):
            raise
        raise InvalidArgumentError(f"{shorten(str(config))}: {error}") from None


def _forecast(run: StoredRun) -> Mapping[str, Any]:
    """Return the forecast of a run, also of one that has not begun."""
    return stored_forecast(run) or forecast(read_experiment(run.description).model)


def _planned(runs: list[Run], store: Path | None) -> list[StoredRun]:
    """Return every run with its stored epochs; without any if there is no store."""
    planned = []
    with ExitStack() as stack:
        opened = stack.enter_context(RunStore(store, readonly=True)) if store is not None and store.exists() else None
        for experiment, seed in runs:
            stored = None if opened is None else opened.run(experiment.experiment_id, seed)
            planned.append(
                stored
                or StoredRun(
                    experiment_id=experiment.experiment_id,
                    seed=seed,
                    name=experiment.name,
                    description=experiment.description(),
                    provenance={},
                    epochs=[],
                )
            )
    return planned
