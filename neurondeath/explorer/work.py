"""Answers about a design that take seconds: a simulation, the verdict on training, the units that batches need.

Each is a generator of plain data, better with every item, with the share of the work that is done; whoever runs it may
stop between items, and a simulation also between two shards.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from neurondeath.explorer.choices import Choice, design_of, network_of, points_of
from neurondeath.explorer.closed_forms import plain_number, thinned_layers
from neurondeath.explorer.recipes import BATCHES, simulation_trials, trial_work
from neurondeath.simulations.engines import choose_engine
from neurondeath.simulations.estimation.estimates import Simulation, read_simulation
from neurondeath.simulations.learning_forecast import Trainability, trainability
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import run_tasks
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.trainability.needed_units import needed_units

__all__ = ["WORKS", "Abandoned", "Progress"]

Progress = tuple[float, dict[str, Any]]  # share of the work that is done, and what is known by then
IsWanted = Callable[[], bool]

FIRST_TRIALS = 10  # of a simulation, after which there is a first estimate
MOST_TRIAL_WORK = 1e9  # multiply-adds of one network, about a second
MOST_FORECAST_WORK = 4e9
MOST_REMEDY_WORK = 4e8  # of the forecast alone; remedies take some five times as long
FORECAST_NETWORKS = 8
STEP_COST = 250  # points that the first step of training counts for
MOST_NEEDED_LAYERS = 300  # some seconds


class Abandoned(Exception):  # noqa: N818 - not an error
    """Nobody waits for the answer any more."""


class _HerePool:
    """A pool of one thread, the caller's own: nothing outlives the call, and it ends when nobody waits any more."""

    compiles_here = True

    def __init__(self, is_wanted: IsWanted) -> None:
        self._is_wanted = is_wanted

    def room(self) -> int:
        """Return how many batches of shards may be in flight."""
        return 1

    def batch_size(self) -> int:
        """Return how many shards to submit at a time."""
        return 1

    def submit(self, task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> Future[list[Shard]]:
        """Run shards at once."""
        if not self._is_wanted():
            raise Abandoned
        done: Future[list[Shard]] = Future()
        try:
            done.set_result([run_shard(task, seed, start, stop) for start, stop in stretches])
        except Exception as error:
            done.set_exception(error)
        return done

    def explain(self, error: BaseException) -> BaseException:
        """Return the error unchanged."""
        return error


def _simulation(choice: Choice, is_wanted: IsWanted) -> Iterator[Progress]:
    """Sample networks, twice as many for every estimate; the last is that of `simulate` with the same trials."""
    network, points = network_of(choice), points_of(choice)
    if trial_work(choice) > MOST_TRIAL_WORK:
        raise _too_large("simulate")
    engine = choose_engine(network, points, ())[0]
    task = Task(network, points, estimator="crude", engine=engine, dtype="float32", outputs=(), stream="")
    trials, goal = simulation_trials(choice), FIRST_TRIALS
    with Store(":memory:") as store:
        while True:
            goal = min(goal, trials)
            run_tasks([task], store, seed=0, trials=goal, pool=_HerePool(is_wanted), quiet=True)
            found = read_simulation(store, task.task_id, 0, task.description(), task.inputs)
            yield goal / trials, _estimates(found)
            if goal == trials:
                return
            goal *= 2


def _estimates(found: Simulation) -> dict[str, Any]:
    layers = thinned_layers(found.network.depth)
    columns = {name: getattr(found, name)[layers].tolist() for name in ("alive", "low", "high", "living_ratio")}
    return {
        "trials": found.trials,
        "depth": [layer + 1 for layer in layers],
        **{name: [plain_number(value) for value in values] for name, values in columns.items()},
        "sentence": str(found),
    }


def _forecast(choice: Choice, is_wanted: IsWanted) -> Iterator[Progress]:
    """Forecast the networks, and then the remedies where they do not take long."""
    network, points = network_of(choice), points_of(choice)
    work = trial_work(choice) / points.n_points * (points.n_points + STEP_COST) * FORECAST_NETWORKS
    if work > MOST_FORECAST_WORK:
        raise _too_large("forecast")
    found = trainability(network, points, networks=FORECAST_NETWORKS, remedies=False)
    if work > MOST_REMEDY_WORK:
        yield 1.0, _verdict(found) | {"note": "remedies take longer: see `neurondeath forecast`"}
        return
    yield 0.2, _verdict(found)
    yield 1.0, _verdict(trainability(network, points, networks=FORECAST_NETWORKS))


def _verdict(found: Trainability) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "score": plain_number(found.score),
        "root_rank": plain_number(found.root_rank),
        "living_ratio": found.living_ratio,
        "reason": found.reason,
        "sentence": str(found),
        "remedies": [
            {"name": one.name, "verdict": one.verdict, "score": plain_number(one.score), "reason": one.reason}
            for one in found.remedies
        ],
    }


def _needed(choice: Choice, is_wanted: IsWanted) -> Iterator[Progress]:
    """Compute the share of units that batches of independent inputs need."""
    network_of(choice)  # the parts of the design fit together
    if choice.architecture != "plain" and choice.effective_depth is None:
        raise invalid("architecture", "be plain, or have an effective depth, for the units needed", choice.architecture)
    if choice.depth > MOST_NEEDED_LAYERS:
        raise invalid("depth", f"be at most {MOST_NEEDED_LAYERS} for the units needed", choice.depth)
    length = choice.effective_depth
    found = needed_units(design_of(choice), BATCHES, depth=choice.depth, effective_depth=length)
    yield 1.0, {"batches": list(found.batches), "mean_shares": list(found.mean_shares), "sentence": str(found)}


def _too_large(command: str) -> Exception:
    return invalid("design", "be small enough to answer within seconds", "more", f"use `neurondeath {command}`")


WORKS: dict[str, Callable[[Choice, IsWanted], Iterator[Progress]]] = {
    "needed": _needed,
    "simulation": _simulation,
    "forecast": _forecast,
}
