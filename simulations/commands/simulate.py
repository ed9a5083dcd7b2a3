"""`neurondeath simulate`: Monte Carlo over a grid of networks and input sets, into a store."""

import sys
from itertools import product
from typing import Annotated

import typer

from neurondeath_theory._console import Format, FormatOption, read_layers, short_widths
from neurondeath_theory._validation import check_count
from neurondeath_theory.network import Network
from simulations.commands._show import show_layers
from simulations.driver import check_workers, run_tasks
from simulations.engine_choice import choose_engine
from simulations.estimates import read_simulation
from simulations.inputs import InputSet, input_set, own_dimension
from simulations.store import Store
from simulations.task import Task

__all__ = ["simulate"]


def simulate(
    width: Annotated[str | None, typer.Option(help="Widths to try, as 2,4,8 or 2:16:2.")] = None,
    depth: Annotated[str | None, typer.Option(help="Numbers of hidden layers, as 50 or 10,100.")] = None,
    widths: Annotated[str | None, typer.Option(help="Widths of one network, layer by layer, as 8,8,16.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            help="Input set, repeatable: gaussian:M, sphere:M, cube:M, orthant:M, rays, interval:M, digits[:M], a .npy "
            "or .npz file.  [default: gaussian:64]"
        ),
    ] = None,
    input_dim: Annotated[
        int | None, typer.Option(help="Input dimension; by default the data's, for random sets the first width.")
    ] = None,
    input_seed: Annotated[int, typer.Option(help="Seed of random input sets.")] = 0,
    init: Annotated[str, typer.Option(help="he or gaussian.")] = "he",
    weight_variance: Annotated[float | None, typer.Option(help="sigma_w^2 of the gaussian init.")] = None,
    bias_variance: Annotated[float, typer.Option(help="sigma_b^2 of Gaussian biases; 0 for none.")] = 0.0,
    trials: Annotated[int, typer.Option(help="Networks to sample for every task.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the networks.")] = 0,
    engine: Annotated[str, typer.Option(help="auto, dense, gram or single.")] = "auto",
    workers: Annotated[str, typer.Option(help="Threads, or all.")] = "all",
    store: Annotated[
        str, typer.Option(help="Results store; made if missing, topped up if not.")
    ] = "neurondeath.sqlite",
    dtype: Annotated[str, typer.Option(help="float32, or float64 to check it.")] = "float32",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    output: FormatOption = Format.table,
) -> None:
    """Estimate P(alive) and the mean living ratio of random ReLU networks, layer by layer.

    Every combination of width, depth and input set is a task. What the store already holds is not sampled again.
    """
    trials = check_count("--trials", trials)
    seed = check_count("--seed", seed, least=0)
    n_workers = check_workers("--workers", workers)
    sets: dict[tuple[str, int | None], InputSet] = {}
    tasks: dict[str, Task] = {}
    choices: list[str] = []
    for layers, spec in product(read_layers(width, depth, widths), inputs or ["gaussian:64"]):
        key = (spec, input_dim or own_dimension(spec, layers[0]))
        if key not in sets:
            sets[key] = input_set(spec, dimension=key[1], seed=input_seed, name="--inputs")
        points = sets[key]
        network = Network(
            layers,
            input_dim=points.dimension,
            init=init,
            weight_variance=weight_variance,
            bias_variance=bias_variance,
        )
        picked = engine
        if engine == "auto":
            picked, reason = choose_engine(network, points)
            choices.append(f"engine {picked} for widths {short_widths(layers)} on {spec}: {reason}")
        task = Task(network, points, engine=picked, dtype=dtype)
        tasks[task.task_id] = task
    with Store(store) as results:
        if not quiet:
            print(*choices, sep="\n", file=sys.stderr)
        run_tasks(list(tasks.values()), results, trials=trials, seed=seed, workers=n_workers, quiet=quiet)
        simulations = [read_simulation(results, task_id, seed, task.description()) for task_id, task in tasks.items()]
    show_layers(
        simulations,
        output,
        notes=(
            f"stored in {store}; read it with `neurondeath results {store}`, draw it with `neurondeath plot {store}`",
        ),
    )
