r"""`advise`: remedies against neuron death, simulated on the inputs and ranked by what happens.

Every remedy is a law of networks of k layers: `remedy_network` says which. All are simulated with one random stream:
plain networks, sign flips, residual streams and batch norm draw the same weights in the same trial, so that trials in
which a remedy changes nothing cancel from the difference.

Residual streams are as wide as their inputs. Where the inputs have another dimension than the layers, those of the two
residual remedies go through one linear map of independent normal entries first, drawn from the seed.

Numbers of networks follow from sizes alone, in operations per network (`operations`) over all remedies.
"""

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import PURPOSE_INPUTS, stream_key, stream_normals
from neurondeath.simulations.inputs.input_sets import InputSet, input_set, own_dimension
from neurondeath.simulations.monte_carlo import simulate as estimate
from neurondeath.simulations.samplers.last_ranks import last_ranks
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.interruption import Interrupted, stop_word
from neurondeath_theory.foundation.progress import Display, is_quiet, new_display
from neurondeath_theory.foundation.validation import check_count, check_flag, invalid
from neurondeath_theory.networks.network import Network
from neurondeath_theory.remedies.advice import Advice
from neurondeath_theory.remedies.advice import advise as guaranteed_advice
from neurondeath_theory.remedies.guaranteed_remedies import Remedy
from neurondeath_theory.survival.safe_sizes import min_width

__all__ = ["STREAM", "advise", "default_trials", "operations", "rank_trials", "remedy_network"]

STREAM = "advice"  # the name of the common random stream
DEFAULT_INPUTS = "gaussian:64"
TRIALS, LEAST_TRIALS = 400, 20
OPERATIONS = 2e10  # operations that the default number of networks is chosen for, some seconds on one core
MOST_OPERATIONS = 2e11  # above this for LEAST_TRIALS networks nothing is simulated unless `trials` is given
LEAST_RANKS, RANK_SHARE = 10, 8  # effective ranks are measured in an eighth of the networks: each takes far longer
PATIENCE = 2.0  # seconds without a word

# in multiply-adds of the forward pass: drawing a weight, a unit at a point, and orthogonalising h x h entries, by h^3
DRAWING, UNIT_AT_POINT, ORTHOGONAL = 32, 8, 16

SIMULATED = tuple(field.name for field in fields(Remedy) if field.default is None)
LAWS: dict[str, dict[str, Any]] = {
    "plain": {},
    "wider": {},
    "residual": {"architecture": "residual"},
    "critical residual": {"architecture": "residual", "effective_depth": 1.0},
    "layer sign flip": {"sign_flip": "layer"},
    "neuron sign flip": {"sign_flip": "neuron"},
    "looks-linear": {"init": "looks-linear"},
    "batch norm": {"architecture": "batch_norm"},
    "RAI": {"init": "rai"},
}


def advise(
    width: int,
    depth: int,
    inputs: str | Path | npt.ArrayLike | InputSet | None = None,
    *,
    survival: float = 0.99,
    simulate: bool = True,
    trials: int | None = None,
    seed: int = 0,
    quiet: bool | None = None,
) -> Advice:
    """Rank the remedies against neuron death for a network of this width and depth by what happens to them.

    Parameters
    ----------
    width : int
        Width n of every hidden layer, at least 1.
    depth : int
        Number of hidden layers k, from 1 to a million.
    inputs : str, path, float array of shape (n_points, dimension), or InputSet, optional
        Input points or their specification, as for `simulate`; random sets have the dimension of the width. Without
        inputs the guarantees hold for any, and the simulation takes "gaussian:64".
    survival : float
        Goal for P(alive), in (0, 1): the remedy "wider" is the least width that guarantees it.
    simulate : bool
        Whether to simulate. Without it remedies are ranked by what theorems guarantee (`neurondeath_theory.advise`).
    trials : int, optional
        Networks per remedy, at least 2. 400 by default, fewer for large networks, at least 20: see `default_trials`.
    seed : int
        Seed of the networks, at least 0.
    quiet : bool, optional
        Show no progress; by default a notebook shows a bar, and nothing else does.

    Returns
    -------
    Advice
        All remedies, the one with the largest simulated P(alive) first; among equals the largest effective rank of the
        last layer, then the order of the theory.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or the inputs are not a fixed, finite set.
    AssumptionError
        If every input is zero: without biases such a network is dead on them with every remedy.

    Notes
    -----
    Simulated P(alive) is the share of networks in which some point is alive through all layers; in residual streams a
    point is alive once some layer was active at it. The guarantee of batch norm is of another kind, layer by layer
    (`notion`), and may be above it. The standard error is 0 where all networks agree; then P is within 3/trials of what
    was seen, at 95 %. Effective ranks come from an eighth of the networks, at least 10. Remedies share random numbers
    (`simulate(..., stream="advice")`). RAI draws its own biases; nothing else has any.

    About a second for 20 units and 60 layers. Above 2e11 operations for 20 networks nothing is simulated, and
    `not_simulated` says so, unless `trials` is given.

    Examples
    --------
    >>> advice = advise(4, 30, trials=100)
    >>> [remedy.name for remedy in advice.remedies if remedy.simulated < 0.9]
    ['plain']
    >>> advice.simulated_inputs, advice.trials
    ('gaussian:64', 100)
    >>> advise(4, 100, simulate=False).remedies[0].guaranteed
    1.0
    """
    n, wanted = check_count("width", width), check_flag("simulate", simulate)
    count = None if trials is None else check_count("trials", trials, least=2)
    seed, quiet = check_count("seed", seed, least=0), is_quiet(quiet)
    points = None if inputs is None else _fixed_points(inputs, n)
    advice = guaranteed_advice(n, depth, None if points is None else points.points, survival=survival)
    if not wanted:
        return advice
    points = input_set(DEFAULT_INPUTS, dimension=n) if points is None else points
    laws = {
        remedy.name: remedy_network(remedy.name, n, advice.depth, points.dimension, advice.survival)
        for remedy in advice.remedies
    }
    work = sum(operations(network, points.n_points) for network in laws.values())
    if count is None and work * LEAST_TRIALS > MOST_OPERATIONS:
        reason = f"{LEAST_TRIALS} networks per remedy would take {work * LEAST_TRIALS:.1e} operations"
        return replace(
            advice, not_simulated=f"{reason}, above {MOST_OPERATIONS:.0e}; pass trials to simulate all the same"
        )
    count = default_trials(work) if count is None else count
    found = _simulate(advice.remedies, laws, points, count, seed, quiet)
    ranked = sorted(found, key=lambda one: (-(one.simulated or 0.0), -(one.effective_rank or 0.0)))  # a stable sort
    return replace(advice, remedies=tuple(ranked), simulated_inputs=points.spec, trials=count, seed=seed)


def remedy_network(name: str, width: int, depth: int, input_dim: int, survival: float = 0.99) -> Network:
    """Return the law of the networks that a remedy is simulated by.

    Examples
    --------
    >>> print(remedy_network("wider", 4, 100, 8))
    plain relu network 8 -> 14x100, he init
    """
    units = max(width, min_width(depth, survival)) if name == "wider" else width
    dimension = width if LAWS[name].get("architecture") == "residual" else input_dim
    return Network(width=units, depth=depth, input_dim=dimension, **LAWS[name])


def operations(network: Network, n_points: int) -> float:
    """Count about how many multiply-adds a network takes, drawing and ranks included.

    Examples
    --------
    >>> operations(Network([20] * 60), 64)
    2925600.0
    """
    pairs = list(zip(network.widths, network.fan_ins, strict=True))
    work = float(sum(w * f * (n_points + DRAWING) + UNIT_AT_POINT * w * n_points for w, f in pairs))
    if network.init == "looks-linear":
        work += sum(ORTHOGONAL * (w / 2) ** 2 * max(w, f) / 2 for w, f in pairs)
    last = network.widths[-1]
    least, most = min(last, n_points), max(last, n_points)
    return work + least * least * (most + 4 * least) / RANK_SHARE


def default_trials(work: float) -> int:
    """Return the number of networks per remedy for a number of operations per network, over all remedies.

    Examples
    --------
    >>> default_trials(1e6), default_trials(1e9), default_trials(1e10)
    (400, 20, 20)
    """
    return max(LEAST_TRIALS, min(TRIALS, int(OPERATIONS / work)))


def rank_trials(trials: int) -> int:
    """Return in how many of the networks effective ranks are measured.

    Examples
    --------
    >>> rank_trials(400), rank_trials(12), rank_trials(5)
    (50, 10, 5)
    """
    return min(trials, max(LEAST_RANKS, trials // RANK_SHARE))


def _fixed_points(inputs: Any, width: int) -> InputSet:
    named = isinstance(inputs, (str, Path))
    made = input_set(inputs, dimension=own_dimension(str(inputs), width) if named else None)
    if made.infinite or made.resample:
        remedy = "use orthant:M" if made.infinite else "pass them without resample"
        raise invalid("inputs", "be a fixed, finite set of points", made.spec, remedy)
    return made


def _embedded(points: InputSet, width: int, seed: int) -> InputSet:
    """Map the directions of the points to `width` dimensions; zeros stay zero."""
    if points.dimension == width:
        return points
    largest = np.abs(points.points).max(axis=1, keepdims=True)
    units = np.divide(points.points, largest, out=np.zeros(points.points.shape), where=largest > 0.0)
    key = stream_key(seed, f"{STREAM} embedding")
    entries = stream_normals(key, points.dimension * width, purpose=PURPOSE_INPUTS)
    return InputSet(points.spec, units @ entries.reshape(points.dimension, width) / np.sqrt(points.dimension))


def _simulate(
    remedies: tuple[Remedy, ...], laws: dict[str, Network], points: InputSet, trials: int, seed: int, quiet: bool
) -> list[Remedy]:
    """Fill in what the networks of every remedy do."""
    display: Display | None = None
    begun = last = time.monotonic()
    found: list[Remedy] = []
    filled: dict[Network, Remedy] = {}  # a wider network that is not needed is the plain one
    try:
        for done, remedy in enumerate(remedies):
            now = time.monotonic()
            if not quiet and now - begun > PATIENCE and (display is None or now - last > display.seconds):
                display, last = display or new_display(), now
                display.update(done / len(remedies), "remedies", f"{done}/{len(remedies)}, {remedy.name}")
            network = laws[remedy.name]
            here = points if network.architecture != "residual" else _embedded(points, network.input_dim, seed)
            if network not in filled:
                filled[network] = _filled(remedy, network, here, trials, seed)
            found.append(replace(remedy, **{name: getattr(filled[network], name) for name in SIMULATED}))
    except Interrupted as error:
        raise Interrupted(f"{stop_word(error.exit_code - 128)}; no advice", error.exit_code - 128) from None
    finally:
        if display is not None:
            display.close()
    return found


def _filled(remedy: Remedy, network: Network, points: InputSet, trials: int, seed: int) -> Remedy:
    seen = estimate(network, points, trials=trials, seed=seed, stream=STREAM, engine="dense")
    ranks = last_ranks(Task(network, points, outputs=("effective_rank",), stream=STREAM), seed, rank_trials(trials))
    ranks = ranks[np.isfinite(ranks)]
    several = len(ranks) > 1
    return replace(
        remedy,
        simulated=float(seen.alive[-1]),
        simulated_stderr=float(seen.alive_stderr[-1]),
        simulated_living_ratio=float(seen.living_ratio[-1]),
        simulated_living_ratio_stderr=float(seen.living_ratio_stderr[-1]),
        effective_rank=float(ranks.mean()) if len(ranks) else None,
        effective_rank_stderr=float(ranks.std(ddof=1) / np.sqrt(len(ranks))) if several else None,
    )
