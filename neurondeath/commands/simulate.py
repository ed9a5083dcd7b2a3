"""`neurondeath simulate`: Monte Carlo over a grid of networks and input sets, into a store."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from neurondeath.commands.grid_arguments import grid_option, option_name, study_of
from neurondeath.commands.layer_tables import KNOWN_COLUMNS, show_layers, show_summary
from neurondeath.commands.messages import message
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.run_plan import show_plan
from neurondeath.commands.show import show
from neurondeath.commands.store_reading import exit_if_damaged
from neurondeath.commands.tables import Layout
from neurondeath.simulations.engines import is_plain_gaussian
from neurondeath.simulations.estimation.estimates import Simulation, read_each
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import check_workers, run_tasks
from neurondeath.simulations.sweeps.goals import check_goal
from neurondeath.simulations.sweeps.grid import Study, make_grid
from neurondeath.simulations.sweeps.grid_files import read_grid_file
from neurondeath.simulations.sweeps.grid_guide import grid_keys, grid_template
from neurondeath.simulations.sweeps.grid_options import OPTIONS
from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath.simulations.sweeps.pools import LOCAL, open_pool
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.validation import check_count, invalid
from neurondeath_theory.foundation.widths import short_widths

__all__ = ["simulate"]

FEW_EVENTS = 100  # of the rarer outcome, below which crude sampling is inefficient
MOST_LINES = 12  # of messages about engines, and of hints

Text = str | None


def simulate(
    width: Annotated[Text, grid_option("width")] = None,
    depth: Annotated[Text, grid_option("depth")] = None,
    widths: Annotated[Text, grid_option("widths")] = None,
    inputs: Annotated[list[str] | None, grid_option("inputs")] = None,
    input_dim: Annotated[Text, grid_option("input_dim")] = None,
    input_seed: Annotated[Text, grid_option("input_seed")] = None,
    resample_inputs: Annotated[
        bool, typer.Option("--resample-inputs", help=OPTIONS["resample_inputs"].meaning)
    ] = False,
    data_dir: Annotated[Text, grid_option("data_dir")] = None,
    architecture: Annotated[Text, grid_option("architecture")] = None,
    block_depth: Annotated[Text, grid_option("block_depth")] = None,
    effective_depth: Annotated[Text, grid_option("effective_depth")] = None,
    input_mean_square: Annotated[Text, grid_option("input_mean_square")] = None,
    activation: Annotated[Text, grid_option("activation")] = None,
    tau: Annotated[Text, grid_option("tau")] = None,
    m: Annotated[Text, grid_option("m")] = None,
    slope: Annotated[Text, grid_option("slope")] = None,
    init: Annotated[Text, grid_option("init", "or FILE.py:NAME, a Law of your own")] = None,
    weight_variance: Annotated[Text, grid_option("weight_variance")] = None,
    degrees_of_freedom: Annotated[Text, grid_option("degrees_of_freedom")] = None,
    zero_share: Annotated[Text, grid_option("zero_share")] = None,
    bias_variance: Annotated[Text, grid_option("bias_variance")] = None,
    bias_law: Annotated[Text, grid_option("bias_law")] = None,
    sign_flip: Annotated[Text, grid_option("sign_flip")] = None,
    estimator: Annotated[Text, grid_option("estimator")] = None,
    engine: Annotated[Text, grid_option("engine")] = None,
    outputs: Annotated[Text, grid_option("outputs")] = None,
    stream: Annotated[Text, grid_option("stream")] = None,
    dtype: Annotated[Text, grid_option("dtype")] = None,
    grid: Annotated[
        Text, typer.Option(help="A TOML file of [[study]] tables with lists of these options, in place of the options.")
    ] = None,
    template: Annotated[
        bool, typer.Option("--grid-template", help="Print a grid file that shows every key, and exit.")
    ] = False,
    keys: Annotated[
        bool,
        typer.Option("--grid-keys", help="List every key of a grid file with its values, default and meaning; exit."),
    ] = False,
    trials: Annotated[
        int | None, typer.Option(help="Networks to sample per task.  [default: 1000, if no other rule is given]")
    ] = None,
    relative_error: Annotated[
        float | None,
        typer.Option(help="Stop at this relative standard error of the rarer of alive and dead at the last layer."),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Most networks per task with --relative-error.  [default: 1000000]")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Stop after this time; run the command again to continue.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the networks.")] = 0,
    workers: Annotated[str, typer.Option(metavar="N|all", help="Number of threads.")] = "all",
    scheduler: Annotated[
        str, typer.Option(metavar="local|ADDRESS", help="Address of a Dask scheduler, e.g. tcp://HOST:8786.")
    ] = LOCAL,
    part: Annotated[
        Text,
        typer.Option(metavar="I/N", help="Do the I-th of N parts of the work; `neurondeath merge` joins their stores."),
    ] = None,
    store: Annotated[
        str, typer.Option(help="Results store; created if missing, extended otherwise.")
    ] = "neurondeath.sqlite",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the tasks, with their stored trials and those to sample; write nothing."),
    ] = False,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Tables of every layer also where there are several tasks.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no hints on stderr.")] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Estimate P(alive) and the mean living ratio of random rectifier networks, layer by layer.

    Every option of the networks and input sets may be a list, numbers also ranges first:last[:step]; every combination
    is a task. Give --inputs several times for several input sets. Trials in the store are not sampled again.
    """
    if template:
        print(grid_template(), end="")
        return
    if keys:
        layout = Layout(keys=("key",), priority=("default", "meaning", "values"), prose=("values", "meaning"))
        show(grid_keys(), output, chosen=columns, layout=layout)
        return
    given = {option: value for option, value in locals().items() if option in OPTIONS and value not in (None, False)}
    goal = check_goal(trials, relative_error, max_trials, max_seconds, option=True)
    seed = check_count("--seed", seed, least=0)
    n_workers = check_workers("--workers", workers)
    if scheduler != LOCAL and workers != "all":
        raise invalid("--workers", "be used without --scheduler, whose cluster has its own", workers)
    share = WHOLE if part is None else Part.parse(part, "--part")
    made = make_grid(_studies(given, grid))
    if dry_run:
        show_plan(made.tasks, store, output, columns, seed=seed, goal=goal, part=share, workers=n_workers)
        return
    check_columns(columns, output, KNOWN_COLUMNS)
    with open_pool(n_workers, scheduler) as pool, Store(store) as results:
        run_tasks(made.tasks, results, goal=goal, seed=seed, pool=pool, part=share, quiet=quiet)
        sampled = [task for task in made.tasks if results.effort(task.task_id, seed)[0]]
        simulations, errors = read_each(results, [(task.task_id, seed, task.description()) for task in sampled])
    if errors and not simulations:
        raise errors[0]
    if not quiet:
        _write_messages(made.choices)  # not before the store is read: a refusal is one line
        _write_messages(_hints(simulations, {task.task_id: task for task in sampled}))
        if relative_error is not None:
            _write_messages(_missed_goals(simulations, relative_error))
        if len(sampled) < len(made.tasks):
            why = "in other parts" if share != WHOLE else "not begun when the time was up: run the same command again"
            message(f"{len(made.tasks) - len(sampled)} of {len(made.tasks)} tasks have no trials here yet: {why}")
    read = f"stored in {store}; read with `neurondeath results {store}`, draw with `neurondeath plot {store}`"
    if output is Format.table and columns is None and len(simulations) > 1 and not per_layer:
        show_summary(simulations, notes=("every layer: --per-layer", read))
    else:
        show_layers(simulations, output, columns, notes=(read,))
    exit_if_damaged(errors)


def _studies(given: dict[str, Any], grid: str | None) -> list[Study]:
    """Read the grid from the options or from a file."""
    if grid is not None:
        if given:
            raise invalid(
                "--grid",
                "be used without other options of the grid, which the file names",
                option_name(next(iter(given))),
            )
        return read_grid_file(grid)
    return [study_of(given)]


def _write_messages(texts: Sequence[str]) -> None:
    """Write messages on stderr, of many only the first."""
    for text in texts[:MOST_LINES]:
        message(text)
    if len(texts) > MOST_LINES:
        message(f"... and {len(texts) - MOST_LINES} more lines like these")


def _missed_goals(simulations: Sequence[Simulation], goal: float) -> list[str]:
    """Report the tasks whose relative error is above the goal, and why."""
    missed = []
    for simulation in simulations:
        error = simulation.relative_error
        if error <= goal:
            continue
        why = f"it is {error:.2g}" if math.isfinite(error) else simulation.interval_withheld[-1]
        if not why:
            why = "death never came up" if simulation.alive[-1] > 0.5 else "survival never came up"
        missed.append(
            f"--relative-error {goal:g} is not reached for widths {short_widths(simulation.network.widths)} on "
            f"{simulation.inputs['spec']}: {why} after {simulation.trials} trials; ask for more by --max-trials or "
            "--trials, or choose another --estimator"
        )
    return missed


def _hints(simulations: Sequence[Simulation], tasks: Mapping[str, Task]) -> list[str]:
    """Name a better estimator where crude sampling has seen too few of the rarer outcome."""
    hints = []
    for simulation in simulations:
        task = tasks[simulation.task_id]
        rarer = min(simulation.alive[-1], simulation.death[-1]) * simulation.trials
        able = is_plain_gaussian(task.network, task.inputs, task.outputs) and task.engine != "single"
        if simulation.estimator == "crude" and able and rarer < FEW_EVENTS:
            outcome = "survival" if simulation.alive[-1] < 0.5 else "death"
            hints.append(
                f"hint: {outcome} of widths {short_widths(task.network.widths)} on {task.inputs.spec} came up "
                f"{rarer:.0f} times; --estimator conditional is far more precise"
            )
    return hints
