"""`sweep` and `read_results`: many tasks at once, sampled or read from a store, as one table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from neurondeath.simulations.estimation.estimates import Simulation, read_simulation, read_tasks
from neurondeath.simulations.estimation.layer_table import check_layer, layer_table, parse_condition
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import check_workers, run_tasks
from neurondeath.simulations.sweeps.goals import check_goal
from neurondeath.simulations.sweeps.grid import Study, make_grid
from neurondeath.simulations.sweeps.grid_files import read_grid_file
from neurondeath.simulations.sweeps.grid_options import OPTIONS, read_values
from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath.simulations.sweeps.pools import LOCAL, open_pool
from neurondeath_theory.foundation.progress import is_quiet
from neurondeath_theory.foundation.results import Columns, Result
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid

__all__ = ["SimulationResults", "read_results", "sweep"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulationResults(Result):
    """Estimates of many tasks; iterate over it, or index it, for the `Simulation` of each.

    Attributes
    ----------
    simulations : tuple of Simulation
        One per task, in the order of the grid or of the store.
    layer : str or int
        Layers that the table shows: "last", "all", or a number counted from 1.
    where : tuple of str
        Conditions that the rows of the table meet.
    damaged : tuple of str
        One message per task of the store that is damaged, and therefore not among `simulations`.
    """

    priority: ClassVar[tuple[str, ...]] = (
        *("width", "n_layers", "inputs", "depth", "alive", "low", "high"),
        *("living_ratio", "living_ratio_stderr", "trials"),
    )

    simulations: tuple[Simulation, ...]
    layer: str | int = "last"
    where: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def columns(self) -> Columns:
        """Columns of the table, one row per task and layer."""
        conditions = [parse_condition(text, f"where[{i}]") for i, text in enumerate(self.where)]
        return layer_table(self.simulations, layer=self.layer, where=conditions)

    def __len__(self) -> int:
        return len(self.simulations)

    def __iter__(self) -> Iterator[Simulation]:
        return iter(self.simulations)

    def __getitem__(self, index: int) -> Simulation:
        return self.simulations[index]

    def __str__(self) -> str:
        if len(self) == 1:
            return str(self[0])
        trials = sum(simulation.trials for simulation in self)
        return f"{len(self)} tasks, {trials} trials" + (f", {len(self.damaged)} damaged" if self.damaged else "")


def sweep(
    *,
    grid: str | Path | None = None,
    trials: int | None = None,
    relative_error: float | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    workers: int | str | None = None,
    scheduler: str = LOCAL,
    part: str | None = None,
    store: str | Path | None = None,
    quiet: bool | None = None,
    **options: Any,
) -> SimulationResults:
    """Sample every combination of options of networks and inputs, as `neurondeath simulate` does.

    Parameters
    ----------
    grid : path, optional
        A TOML file of [[study]] tables, in place of the options.
    trials, relative_error, max_trials, max_seconds
        Stop rules, as in `simulate`.
    seed : int
        Seed of the networks, at least 0.
    workers, scheduler
        Where to sample, as in `simulate`.
    part : str, optional
        "I/N": only the I-th of N parts of the work; `merge_stores` merges their stores.
    store : path, optional
        A results store: trials that it contains are not sampled again. By default the trials are kept in memory only.
    quiet : bool, optional
        Show no progress; by default a notebook shows a bar, and nothing else does.
    **options
        Options of networks and inputs, each a value, a list of values or a text such as "2:16:2": width, depth, widths,
        inputs, input_dim, input_seed, resample_inputs, data_dir, architecture, block_depth, effective_depth,
        input_mean_square, activation, tau, m, slope, init (a `Law` too), weight_variance, degrees_of_freedom,
        zero_share, bias_variance, bias_law, sign_flip, estimator, engine, outputs, stream, dtype.

    Returns
    -------
    SimulationResults
        One `Simulation` per combination; tasks without sampled trials (other parts, time limit reached) are left out.

    Raises
    ------
    InvalidArgumentError
        If an option is unknown, a value leaves its domain, or a combination is not possible.
    StoreError
        If the store cannot be used.
    SchedulerError
        If a cluster cannot be used.
    Interrupted
        On Ctrl-C or SIGTERM; the sampled trials are in the store.

    Examples
    --------
    >>> results = sweep(width=[2, 4], depth=10, inputs="gaussian:16", trials=100)
    >>> [str(simulation.network) for simulation in results]
    ['plain relu network 2 -> 2x10, he init', 'plain relu network 4 -> 4x10, he init']
    >>> results.columns()["width"], results.columns()["depth"]
    ([2, 4], [10, 10])
    """
    for name in options:
        check_choice("option", name, tuple(OPTIONS))
    given = {name: value for name, value in options.items() if value is not None}
    goal = check_goal(trials, relative_error, max_trials, max_seconds)
    number = check_count("seed", seed, least=0)
    threads = check_workers("workers", workers)
    share = WHOLE if part is None else Part.parse(part)
    quiet = is_quiet(quiet)
    if grid is not None and given:
        raise invalid("grid", "be given without further options", str(grid), "the file names all options")
    if grid is not None:
        studies = read_grid_file(grid)
    else:
        factors = [
            [{name: value} for value in read_values(name, name, given[name])] for name in OPTIONS if name in given
        ]
        studies = [Study(factors=factors, spell=str)]
    tasks = make_grid(studies).tasks
    with open_pool(threads, scheduler) as pool, Store(":memory:" if store is None else store) as results:
        run_tasks(tasks, results, goal=goal, seed=number, pool=pool, part=share, quiet=quiet)
        simulations = tuple(
            read_simulation(results, task.task_id, number, task.description(), task.inputs)
            for task in tasks
            if results.effort(task.task_id, number)[0]
        )
    return SimulationResults(simulations=simulations)


def read_results(
    store: str | Path, *, task: str | None = None, layer: str | int = "last", where: str | Sequence[str] = ()
) -> SimulationResults:
    """Read the estimates of a results store.

    Parameters
    ----------
    store : path
        The store.
    task : str, optional
        Only tasks whose id begins with this text.
    layer : "last", "all" or int
        Layers that the table shows; a number counts from 1.
    where : str or sequence of str
        Conditions on columns that the rows of the table must meet, as "width=4,8", "init!=he" or "alive<0.5".

    Returns
    -------
    SimulationResults
        Estimates; `.to_dataframe()` has every column. Tasks that are damaged are left out and named in `damaged`.

    Raises
    ------
    StoreError
        If there is no such store, no task of it is readable, or it contains no such task.
    InvalidArgumentError
        If a condition or the layer cannot be read.
    """
    conditions = (where,) if isinstance(where, str) else tuple(where)
    for index, text in enumerate(conditions):
        parse_condition(text, f"where[{index}]")
    shown = check_layer(str(layer), "layer")
    with Store(store, readonly=True) as opened:
        simulations, errors = read_tasks(opened, task)
    if errors and not simulations:
        raise errors[0]
    return SimulationResults(
        simulations=tuple(simulations),
        layer="last" if shown is None else shown,
        where=conditions,
        damaged=tuple(map(str, errors)),
    )
