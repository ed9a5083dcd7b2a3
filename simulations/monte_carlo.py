"""`simulate`: estimate the survival of one random network by Monte Carlo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from neurondeath.simulations.engines import choose_engine
from neurondeath.simulations.estimation.estimates import Simulation, read_simulation
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.outputs import check_outputs
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import check_workers, run_tasks
from neurondeath.simulations.sweeps.goals import check_goal
from neurondeath.simulations.sweeps.pools import LOCAL, open_pool
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.progress import is_quiet
from neurondeath_theory.foundation.validation import check_count, invalid
from neurondeath_theory.networks.network import Network

__all__ = ["simulate"]


def simulate(
    network: Network,
    inputs: str | Path | npt.NDArray[Any] | InputSet = "gaussian:64",
    *,
    trials: int | None = None,
    relative_error: float | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    input_seed: int = 0,
    resample_inputs: bool = False,
    data_dir: str | Path | None = None,
    estimator: str = "crude",
    engine: str = "auto",
    outputs: Sequence[str] = (),
    stream: str = "",
    workers: int | str | None = None,
    scheduler: str = LOCAL,
    store: str | Path | None = None,
    dtype: str = "float32",
    quiet: bool | None = None,
) -> Simulation:
    """Sample networks and estimate, layer by layer, P(alive) and the mean living ratio.

    Parameters
    ----------
    network : Network
        The law to sample from.
    inputs : str, path, float array of shape (n_points, input_dim), or InputSet
        The points on which the networks must stay alive, or their specification (see
        `neurondeath.simulations.inputs.input_sets`).
    trials : int, optional
        Number of networks, at least 1; 1000 if no other stop rule is set. The first rule that is met ends the run.
    relative_error : float, optional
        Sample until the relative standard error of the rarer of P(alive) and P(dead) at the last layer is this small,
        in (0, 1). A pilot run with other random numbers fixes the number of networks beforehand, so that the estimate
        stays unbiased and the interval valid (see `neurondeath.simulations.sweeps.stopping`).
    max_trials : int, optional
        Largest number of networks that `relative_error` may require, 1,000,000 by default.
    max_seconds : float, optional
        Start no more networks after this time; the next call with the same store continues.
    seed : int
        Seed of the networks, at least 0; the same seed gives the same result with any number of workers.
    input_seed : int
        Seed of a random input set.
    resample_inputs : bool
        Draw a fresh random input set for every network.
    data_dir : path, optional
        Folder of the MNIST and CIFAR-10 files; by default the environment variable NEURONDEATH_DATA.
    estimator : {"crude", "conditional", "splitting"}
        How survival is estimated. "crude" counts networks; "conditional" estimates rare death and rare survival of
        plain Gaussian ReLU networks with full relative precision; "splitting" is an independent check of it, whose
        trials are populations of 1024 networks.
    engine : {"auto", "dense", "gram", "single", "numpy"}
        How networks are sampled; "auto" chooses the one that is likely the fastest (see `simulations.engines`), for a
        network with a `Law` "numpy".
    outputs : sequence of str
        Extra per-layer outputs: "layerwise_alive", "dead_units", "sparsity", "variance", "correlation",
        "effective_rank", "log_gradient" (see `neurondeath.simulations.estimation.outputs`).
    stream : str
        Name of a random stream: simulations with the same name and seed use common random numbers, the same weights
        where their networks have the same layers, which reduces the variance of differences (flip minus no flip).
    workers : int, optional
        Threads of this machine; all cores by default. The sampler of a `Law` is Python: one thread at a time runs it.
    scheduler : str
        "local", or the address of a Dask scheduler to run on (extra `distributed`); the numbers are the same.
    store : path, optional
        A results store for the trials: trials that it already contains are not sampled again. By default the trials
        are kept in memory only.
    dtype : {"float32", "float64"}
        Arithmetic of the forward pass; "effective_rank" needs "float64", and sets it.
    quiet : bool, optional
        Show no progress; by default a notebook shows a bar, and nothing else does.

    Returns
    -------
    Simulation
        Estimates with errors and the bounds of the theory, one entry per layer.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain or the inputs do not fit the network.
    StoreError
        If the store cannot be used.
    SchedulerError
        If a cluster cannot be used.

    Examples
    --------
    >>> result = simulate(Network([3] * 10), "gaussian:32", trials=200, seed=1)
    >>> bool(result.lower_bound[-1] <= result.high[-1] and result.low[-1] <= result.upper_bound[-1])
    True
    >>> rare = simulate(Network([30] * 50), "gaussian:32", trials=200, estimator="conditional")
    >>> -9 < float(rare.log10_death[-1]) < -8
    True

    A law of weights of your own, drawn by a function:

    >>> from neurondeath_theory.networks.law import Law
    >>> cauchy = Law("cauchy", lambda rng, fan_in, fan_out: rng.standard_cauchy((fan_out, fan_in)), symmetric=True)
    >>> result = simulate(Network([3] * 2, init=cauchy), "gaussian:16", trials=100)
    >>> result.engine, result.lower_bound.round(6).tolist()
    ('numpy', [0.875, 0.765625])
    """
    if not isinstance(network, Network):
        raise invalid("network", "be a Network", network)
    goal = check_goal(trials, relative_error, max_trials, max_seconds)
    seed = check_count("seed", seed, least=0)
    n_workers = check_workers("workers", workers)
    quiet = is_quiet(quiet)
    points = input_set(
        inputs, dimension=network.input_dim, seed=input_seed, resample=resample_inputs, data_dir=data_dir
    )
    wanted = check_outputs("outputs", outputs)
    if engine == "auto":
        engine = choose_engine(network, points, wanted)[0] if estimator == "crude" else "dense"
    task = Task(network, points, estimator=estimator, engine=engine, dtype=dtype, outputs=wanted, stream=stream)
    with open_pool(n_workers, scheduler) as pool, Store(":memory:" if store is None else store) as results:
        run_tasks([task], results, goal=goal, seed=seed, pool=pool, quiet=quiet)
        return read_simulation(results, task.task_id, seed, task.description(), task.inputs)
