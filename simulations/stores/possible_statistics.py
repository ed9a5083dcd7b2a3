r"""Statistics that the trials of a task can have: signs, bounds and inequalities between sums.

Of n trials with numbers $x_i$ in [0, m], a shard contains $s = \sum x_i$ and $q = \sum x_i^2$: so $0 \le s \le n m$,
$s^2 \le n q$ (Cauchy and Schwarz) and $q \le m s$; for whole numbers also $s \le q$. In plain networks and with batch
norm a point that has died stays dead, so that the numbers of living points and networks cannot grow with depth.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.outputs import POWERS
from neurondeath.simulations.stores.shards import Statistics
from neurondeath.simulations.stores.task_records import TaskRecord

__all__ = ["impossible"]

TOLERANCE = 1e-6  # relative; far above that of the sums of a shard
NEVER_REVIVE = ("plain", "batch_norm")

Floats = npt.NDArray[np.float64]


def impossible(statistics: Statistics, record: TaskRecord, trials: int) -> str | None:
    """Return why a number of trials of a task cannot have these statistics; None if they can.

    Parameters
    ----------
    statistics : mapping of str to array, shape (k,)
        Names and types as in `record.layout`.
    record : TaskRecord
        The task.
    trials : int
        Number of trials.
    """
    sums = {name: values.astype(np.float64) for name, values in statistics.items()}
    with np.errstate(over="ignore", invalid="ignore"):
        if record.estimator == "crude":
            return _impossible_counts(sums, record, trials)
        if "log_alive" in sums:
            return _impossible_logarithms(sums, trials)
        return _impossible_averages(sums, record, trials)


def _impossible_counts(sums: dict[str, Floats], record: TaskRecord, trials: int) -> str | None:
    alive, n_points = sums["alive"], record.n_points
    if not _within(alive, trials):
        return "alive networks are not among the trials"
    if not _moments(sums, "living", alive, n_points, whole=True) or (sums["living"] < alive).any():
        return "living points do not fit to the alive networks"
    fading = ["alive", "living", "living_squares"] if record.network.architecture in NEVER_REVIVE else []
    if "layerwise_alive" in sums:
        fading.append("layerwise_alive")
        if not _within(sums["layerwise_alive"], trials):
            return "layerwise_alive networks are not among the trials"
        if record.network.architecture in NEVER_REVIVE and (sums["layerwise_alive"] < alive).any():
            return "more networks are alive than layerwise_alive"
    if any((np.diff(sums[name]) > 0).any() for name in fading):
        return "the dead come to life in deeper layers"
    for name, most in (("dead_units", record.widths), ("sparsity", record.widths * record.n_columns)):
        if name in sums and not _moments(sums, name, trials, most, whole=True):
            return f"the sums of {name} are not possible"
    if "variance" in sums and not _moments(sums, "variance", trials, np.inf):
        return "the sums of variance are not possible"
    for name in ("log_variance", "log_gradient"):
        if name in sums and not _possible_powers(sums, name, trials):
            return f"the sums of {name} are not possible"
    if "correlation" in sums:
        defined = sums["correlation_trials"]
        squares = sums["correlation_squares"]
        possible = (
            (np.abs(sums["correlation"]) <= _above(defined))
            & (squares >= 0)
            & (squares <= _above(defined))
            & (sums["correlation"] ** 2 <= _above(defined * squares))
        )
        if not (_within(defined, trials) and possible.all()):
            return "the sums of correlation are not possible"
    if "effective_rank" in sums and not _possible_rank(sums, record, trials):
        return "the sums of effective_rank are not possible"
    return None


def _possible_powers(sums: dict[str, Floats], name: str, trials: int) -> bool:
    """Whether sums of the first four powers are those of so many numbers."""
    first, second, third, fourth = (sums[f"{name}{power}"] for power in POWERS)
    defined = sums[f"{name}_trials"]
    possible = (
        (first**2 <= _above(defined * second))
        & (second**2 <= _above(defined * fourth))
        & (third**2 <= _above(second * fourth))
    )
    return _within(defined, trials) and bool(possible.all())


def _possible_rank(sums: dict[str, Floats], record: TaskRecord, trials: int) -> bool:
    """Whether ranks lie between 0 and the number of points less one, or of features."""
    defined, network = sums["effective_rank_trials"], record.network
    features = record.widths
    if network.architecture == "dense":
        features = network.input_dim + np.cumsum(record.widths)
    most = np.minimum(float(max(record.n_columns - 1, 1)), features)
    return _within(defined, trials) and _moments(sums, "effective_rank", defined, most)


def _impossible_averages(sums: dict[str, Floats], record: TaskRecord, trials: int) -> str | None:
    """Check sums of estimates: `alive` and `living` in units of the survival of one point, `dead` of 2^-n."""
    if not all(np.isfinite(values).all() for values in sums.values()):
        return "a sum is not finite"
    for name, most, log_scale in (
        ("alive", 1.0, record.log_survival),
        ("living", float(record.n_points), record.log_survival),
        ("dead", 1.0, -record.widths.min() * np.log(2.0)),
    ):
        if name not in sums:
            continue
        if not _moments(sums, name, trials, np.inf):
            return f"the sums of {name} are not possible"
        with np.errstate(divide="ignore"):
            if (np.log(sums[name] / trials) + log_scale > np.log(most) + TOLERANCE).any():
                return f"the sum of {name} exceeds that of a certain outcome"
    return None


def _impossible_logarithms(sums: dict[str, Floats], trials: int) -> str | None:
    """Check sums over populations of logarithms of probabilities, weighted by the trials of a population."""
    if not all(np.isfinite(values).all() for values in sums.values()):
        return "a sum is not finite"
    for name in ("log_dead", "log_alive"):
        if (sums[name] > TOLERANCE * trials).any():
            return f"the sum of {name} exceeds that of a certain outcome"
    for name, sign in (("log_dead", -1.0), ("log_alive", -1.0), ("living", 1.0)):
        size = np.maximum(sign * sums[name], 0.0) if sign < 0 else sums[name]
        if not _moments({name: size, f"{name}_squares": sums[f"{name}_squares"]}, name, trials, np.inf):
            return f"the sums of {name} are not possible"
    populations, deadly = sums["populations"], sums["deadly"]
    if not (_within(populations, trials) and _within(deadly, populations)) or (sums["effective"] < 0).any():
        return "the numbers of populations are not possible"
    return None


def _within(counts: Floats, most: Any) -> bool:
    return bool(((counts >= 0) & (counts <= most)).all())


def _moments(sums: dict[str, Floats], name: str, trials: Any, most: Any, *, whole: bool = False) -> bool:
    """Whether a sum and the sum of squares are those of so many numbers in [0, most]; infinite sums are."""
    total, squares = sums[name], sums[f"{name}_squares"]
    possible = (total >= 0) & (squares >= 0) & ((total**2 <= _above(trials * squares)) | np.isinf(squares))
    if not np.isscalar(most) or np.isfinite(most):
        possible &= (total <= _above(trials * most)) & (squares <= _above(most * total))
    if whole:
        possible &= total <= squares
    return bool(possible.all())


def _above(values: Any) -> Any:
    return values * (1.0 + TOLERANCE)
