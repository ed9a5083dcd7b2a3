"""`neurondeath simulate`: Monte Carlo over a grid of networks and input sets, into a store."""

import sys
from collections.abc import Sequence
from itertools import product
from typing import Annotated

import typer

from neurondeath_theory._console import Format, FormatOption, read_layers, short_widths
from neurondeath_theory._validation import check_count
from neurondeath_theory.network import Network
from simulations.commands._activations import ACTIVATIONS, read_activation
from simulations.commands._show import show_layers
from simulations.driver import check_workers, run_tasks
from simulations.engine_choice import choose_engine, is_plain_gaussian
from simulations.estimates import Simulation, read_simulation
from simulations.inputs import InputSet, input_set, own_dimension
from simulations.outputs import OUTPUTS, check_outputs
from simulations.store import Store
from simulations.task import Task

__all__ = ["simulate"]

FEW_EVENTS = 100  # of the rarer outcome, below which crude sampling is a poor tool


def simulate(
    width: Annotated[str | None, typer.Option(help="Widths to try, as 2,4,8 or 2:16:2.")] = None,
    depth: Annotated[str | None, typer.Option(help="Numbers of hidden layers, as 50 or 10,100.")] = None,
    widths: Annotated[str | None, typer.Option(help="Widths of one network, layer by layer, as 8,8,16.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            help="Input set, repeatable: gaussian:M, sphere:M, cube:M, orthant:M, orthant, rays, interval:M, "
            "digits[:M], mnist[:M], cifar10[:M], a .npy or .npz file.  [default: gaussian:64]"
        ),
    ] = None,
    input_dim: Annotated[
        int | None, typer.Option(help="Input dimension; by default the data's, for random sets the first width.")
    ] = None,
    input_seed: Annotated[int, typer.Option(help="Seed of random input sets.")] = 0,
    resample_inputs: Annotated[
        bool, typer.Option("--resample-inputs", help="Draw a fresh random input set for every network.")
    ] = False,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of the MNIST and CIFAR-10 files.  [default: $NEURONDEATH_DATA]")
    ] = None,
    architecture: Annotated[str, typer.Option(help="plain, residual, skip, dense or batch_norm.")] = "plain",
    block_depth: Annotated[int | None, typer.Option(help="Layers of a block of the skip architecture.")] = None,
    activation: Annotated[str, typer.Option(help=f"{', '.join(ACTIVATIONS)}.")] = "relu",
    tau: Annotated[float | None, typer.Option(help="Threshold of shifted and soft-threshold activations.")] = None,
    m: Annotated[float | None, typer.Option(help="Clipping height, or limit of hard-tanh.")] = None,
    slope: Annotated[float | None, typer.Option(help="Negative slope of leaky-relu.")] = None,
    init: Annotated[str, typer.Option(help="he, gaussian, uniform, orthogonal or rai.")] = "he",
    weight_variance: Annotated[float | None, typer.Option(help="sigma_w^2 of the weights, over the fan-in.")] = None,
    bias_variance: Annotated[float, typer.Option(help="sigma_b^2 of Gaussian biases; 0 for none.")] = 0.0,
    sign_flip: Annotated[str, typer.Option(help="none, layer or neuron.")] = "none",
    estimator: Annotated[str, typer.Option(help="crude, conditional or splitting.")] = "crude",
    engine: Annotated[str, typer.Option(help="auto, dense, gram or single.")] = "auto",
    outputs: Annotated[str | None, typer.Option(help=f"Measure also, as a,b: {', '.join(OUTPUTS)}.")] = None,
    stream: Annotated[
        str, typer.Option(help="Name of a random stream; tasks of one name draw common random numbers.")
    ] = "",
    trials: Annotated[int, typer.Option(help="Networks to sample for every task.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the networks.")] = 0,
    workers: Annotated[str, typer.Option(help="Threads, or all.")] = "all",
    store: Annotated[
        str, typer.Option(help="Results store; made if missing, topped up if not.")
    ] = "neurondeath.sqlite",
    dtype: Annotated[str, typer.Option(help="float32, or float64 to check it.")] = "float32",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no hints on stderr.")] = False,
    output: FormatOption = Format.table,
) -> None:
    """Estimate P(alive) and the mean living ratio of random rectifier networks, layer by layer.

    Every combination of width, depth and input set is a task. What the store already holds is not sampled again.
    """
    trials = check_count("--trials", trials)
    seed = check_count("--seed", seed, least=0)
    n_workers = check_workers("--workers", workers)
    phi = read_activation(activation, tau=tau, m=m, slope=slope)
    wanted = check_outputs("--outputs", outputs.split(",") if outputs else ())
    sets: dict[tuple[str, int | None], InputSet] = {}
    tasks: dict[str, Task] = {}
    choices: list[str] = []
    for layers, spec in product(read_layers(width, depth, widths), inputs or ["gaussian:64"]):
        key = (spec, input_dim or own_dimension(spec, layers[0]))
        if key not in sets:
            sets[key] = input_set(
                spec, dimension=key[1], seed=input_seed, name="--inputs", resample=resample_inputs, data_dir=data_dir
            )
        points = sets[key]
        network = Network(
            layers,
            input_dim=points.dimension,
            architecture=architecture,
            activation=phi,
            init=init,
            weight_variance=weight_variance,
            bias_variance=bias_variance,
            sign_flip=sign_flip,
            block_depth=block_depth,
        )
        picked = engine
        if engine == "auto":
            picked = "dense"
            if estimator == "crude":
                picked, reason = choose_engine(network, points, wanted)
                choices.append(f"engine {picked} for widths {short_widths(layers)} on {spec}: {reason}")
        task = Task(network, points, estimator=estimator, engine=picked, dtype=dtype, outputs=wanted, stream=stream)
        tasks[task.task_id] = task
    with Store(store) as results:
        if not quiet:
            print(*choices, sep="\n", end="\n" if choices else "", file=sys.stderr)
        run_tasks(list(tasks.values()), results, trials=trials, seed=seed, workers=n_workers, quiet=quiet)
        simulations = [read_simulation(results, task_id, seed, task.description()) for task_id, task in tasks.items()]
    if not quiet:
        _hint(simulations, list(tasks.values()))
    show_layers(
        simulations,
        output,
        notes=(f"stored in {store}; read with `neurondeath results {store}`, draw with `neurondeath plot {store}`",),
    )


def _hint(simulations: Sequence[Simulation], tasks: Sequence[Task]) -> None:
    """Name a better estimator where crude sampling has seen too few of the rarer outcome."""
    for simulation, task in zip(simulations, tasks, strict=True):
        rarer = min(simulation.alive[-1], simulation.death[-1]) * simulation.trials
        able = is_plain_gaussian(task.network, task.inputs, task.outputs) and task.engine != "single"
        if simulation.estimator == "crude" and able and rarer < FEW_EVENTS:
            outcome = "survival" if simulation.alive[-1] < 0.5 else "death"
            print(
                f"hint: {outcome} of widths {short_widths(task.network.widths)} on {task.inputs.spec} came up "
                f"{rarer:.0f} times; --estimator conditional is far more precise",
                file=sys.stderr,
            )
