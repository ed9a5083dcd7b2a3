r"""`trainability`: will networks of a law live and learn? A forecast from networks drawn at birth.

Of every drawn network: whether points live, the root rank of the features of its last hidden layer on the inputs, their
size and correlation, and what the first step of Adam gains of what its gradient promises (on up to 50 of the inputs,
with random classes). `neurondeath_theory.trainability.learning_verdict` turns rank and gain into a score and a verdict;
the verdict of the law is that of the median rank and the median gain.

Limits: thresholds come from perceptrons on digits under a budget of 420 steps. They say nothing about layer norm, gated
units or attention. Gaussian inputs, the default, span more directions than images do.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inputs.input_sets import InputSet, check_fit, input_set
from neurondeath.simulations.law_remedies import LawOfRemedy, remedy_laws
from neurondeath.simulations.samplers.birth_measurements import LARGEST_LOG, N_CLASSES, STEP_POINTS, measure_network
from neurondeath.simulations.samplers.drawn_networks import draw_network
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.progress import PatientProgress
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_flag, check_real, invalid
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import bounds_that_hold
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.trainability.learning_verdict import VERDICTS, learning_score, learning_verdict

__all__ = ["LawRemedy", "Trainability", "trainability"]

LEAST_NETWORKS, MOST_NETWORKS = 8, 32
MULTIPLICATIONS = 4e9  # that the number of networks is chosen for; seconds on one core
MOST_POINTS = 256
PATIENCE = 2.0  # seconds without a word
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LawRemedy:
    """A remedy with the forecast of its networks; numbers are None where it does not apply.

    Attributes
    ----------
    name, call : str
        The remedy, and the Python call of its law.
    verdict : str
        As in `Trainability`; "refused" where it does not apply.
    score : float or None
        As in `Trainability`.
    reason : str
        The reason of the verdict, or why it does not apply.
    """

    name: str
    call: str
    verdict: str
    score: float | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Trainability(Result):
    """Forecast of the networks of a law.

    Attributes
    ----------
    network : Network
        The law.
    inputs : str
        The inputs.
    n_points, n_networks : int
        Points of the inputs that were used, and networks drawn.
    verdict : str
        "learns", "slow", "collapsed" or "dead" within the reference budget of `learning_verdict`, for the medians.
    reason : str
        Why, in a sentence.
    shares : dict of float
        Share of the networks with each verdict.
    score : float
        Score of the median rank and the median gain.
    score_low, score_high : float
        Quartiles of the scores of single networks.
    alive_at_least : float or None
        Lower bound on P(alive), None where no theorem gives one.
    alive : float
        Share of the networks in which some point reaches the last layer.
    living_ratio : float
        Mean share of the points that do.
    root_rank, root_rank_stderr : float
        Mean root rank over networks, and its standard error.
    entropy_rank, entropy_rank_stderr : float
        Mean entropy rank of the centred features.
    step_gain : float
        Median step gain.
    log_size_mean, log_size_sd : float or None
        Mean and standard deviation over living networks of the logarithm of the mean square feature.
    correlation : float or None
        Mean cosine of the features of two living points.
    effective_depth : float
        Sum of the squared factors of the branches: D of a critical residual stream, the number of layers of others.
    scores : float array, shape (n_networks,)
        Score of every network.
    remedies : tuple of LawRemedy
        Remedies, best first; those that do not apply at the end.
    """

    network: Network
    inputs: str
    n_points: int
    n_networks: int
    verdict: str
    reason: str
    shares: Mapping[str, float]
    score: float
    score_low: float
    score_high: float
    alive_at_least: float | None
    alive: float
    living_ratio: float
    root_rank: float
    root_rank_stderr: float
    entropy_rank: float
    entropy_rank_stderr: float
    step_gain: float
    log_size_mean: float | None
    log_size_sd: float | None
    correlation: float | None
    effective_depth: float
    scores: Array
    remedies: tuple[LawRemedy, ...]

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table: the law as it is, then every remedy."""
        rows: list[Any] = [self, *self.remedies]
        return {
            "remedy": ["as it is", *(remedy.name for remedy in self.remedies)],
            **{name: [getattr(row, name) for row in rows] for name in ("verdict", "score", "reason")},
            "call": ["", *(remedy.call for remedy in self.remedies)],
        }

    def __str__(self) -> str:
        better = [one for one in self.remedies if one.verdict == "learns" and self.verdict != "learns"]
        advice = f"; {better[0].name} would give {format_number(better[0].score, 3)}" if better else ""
        return f"{self.verdict}, score {format_number(self.score, 3)}: {self.reason}{advice}"


def trainability(
    network: Network,
    inputs: str | Path | npt.NDArray[Any] | InputSet = "gaussian:64",
    *,
    networks: int | None = None,
    learning_rate: float = 1e-3,
    remedies: bool = True,
    seed: int = 0,
    input_seed: int = 0,
    data_dir: str | Path | None = None,
) -> Trainability:
    """Forecast whether networks of a law live and learn, and what would help.

    Parameters
    ----------
    network : Network
        The law.
    inputs : str, path, float array of shape (n_points, input_dim), or InputSet
        The points, or their specification (see `neurondeath.simulations.inputs.input_sets`); 256 of them are used.
    networks : int, optional
        Networks to draw, at least 2; by default 8 to 64, by the work that one takes.
    learning_rate : float
        Learning rate of Adam, above 0.
    remedies : bool
        Whether to forecast remedies as well.
    seed, input_seed : int
        Seeds of the networks and of a random input set.
    data_dir : path, optional
        Folder of the MNIST and CIFAR-10 files; by default the environment variable NEURONDEATH_DATA.

    Returns
    -------
    Trainability
        Verdict, reason, measurements and remedies.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain or the inputs do not fit the network; a single point, or the infinite orthant,
        has no features to compare.

    Notes
    -----
    Standard errors are those of means over networks. The verdict's worth: `learning_verdict`.

    Examples
    --------
    >>> found = trainability(Network(width=16, depth=40), networks=8)
    >>> found.verdict, found.remedies[0].verdict
    ('collapsed', 'learns')
    """
    if not isinstance(network, Network):
        raise invalid("network", "be a Network", network)
    rate = check_real("learning_rate", learning_rate, low=0.0, low_open=True)
    seed, wanted = check_count("seed", seed, least=0), check_flag("remedies", remedies)
    chosen = input_set(inputs, dimension=network.input_dim, seed=input_seed, data_dir=data_dir)
    check_fit(network, chosen)
    if chosen.infinite:
        raise invalid("inputs", "be points, for their features to be compared", chosen.spec)
    points = np.asarray(chosen.points[:MOST_POINTS], dtype=np.float64)
    if len(points) < 2:
        raise invalid("inputs", "hold at least 2 points, for their features to be compared", len(points))
    count = _count(network, len(points)) if networks is None else check_count("networks", networks, least=2)
    tried = remedy_laws(network) if wanted else []
    progress = PatientProgress("networks", sum(one.law is not None for one in tried) * count + count, patience=PATIENCE)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            measured = _measure(network, points, count, rate, seed, progress)
            found = tuple(_remedy(one, points, count, rate, seed, progress) for one in tried)
    finally:
        progress.close()
    ranked = tuple(sorted(found, key=lambda one: -math.inf if one.score is None else one.score, reverse=True))
    return Trainability(
        network=network, inputs=chosen.spec, n_points=len(points), n_networks=count, **measured, remedies=ranked
    )


def _count(network: Network, n_points: int) -> int:
    """Choose how many networks are drawn, from the work that one takes."""
    work = sum(width * fan_in for width, fan_in in zip(network.widths, network.fan_ins, strict=True))
    return int(np.clip(MULTIPLICATIONS / (work * (n_points + 5.0 * STEP_POINTS)), LEAST_NETWORKS, MOST_NETWORKS))


def _measure(
    network: Network,
    points: Array,
    count: int,
    rate: float,
    seed: int,
    progress: PatientProgress,
    embedded: bool = False,
) -> dict[str, Any]:
    """Draw networks, behind an embedding of their own if asked for, and summarise what is measured of them."""
    rows = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        read = points
        if embedded:
            read = points @ rng.standard_normal((points.shape[1], network.input_dim))
        drawn = draw_network(network, read, seed=seed, number=number, n_outputs=N_CLASSES, stream="trainability")
        rows.append(measure_network(drawn, read, rate, rng))
        progress.step()
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    verdicts = [learning_verdict(row["rank"], row["gain"], row["living"]) for row in rows]
    rank, gain, living = (float(np.median(columns[name])) for name in ("rank", "gain", "living"))
    median, scores = learning_verdict(rank, gain, living), columns["score"]
    logs = columns["log_size"][np.isfinite(columns["log_size"])]
    cosines = columns["correlation"][np.isfinite(columns["correlation"])]
    low, high = np.quantile(scores, [0.25, 0.75])
    deep = network.effective_depth
    return {
        "verdict": median.verdict,
        "reason": _reason(median.reason, logs),
        "shares": {name: float(np.mean([one.verdict == name for one in verdicts])) for name in VERDICTS},
        "score": learning_score(rank, gain),
        "score_low": float(low),
        "score_high": float(high),
        "alive_at_least": _alive_at_least(network),
        "alive": float(np.mean(columns["living"] > 0.0)),
        "living_ratio": float(columns["living"].mean()),
        **_mean("root_rank", columns["rank"]),
        **_mean("entropy_rank", columns["entropy"]),
        "step_gain": gain,
        "log_size_mean": float(logs.mean()) if logs.size else None,
        "log_size_sd": float(logs.std(ddof=1)) if logs.size > 1 else None,
        "correlation": float(cosines.mean()) if cosines.size else None,
        "effective_depth": float(network.depth if deep is None else deep),
        "scores": scores,
    }


def _reason(reason: str, logs: Array) -> str:
    """Name an overflow, which no step can follow."""
    if logs.size and float(np.median(logs)) > LARGEST_LOG:
        return f"features of mean square e^{float(np.median(logs)):.0f} overflow single precision"
    return reason


def _mean(name: str, values: Array) -> dict[str, float]:
    return {name: float(values.mean()), f"{name}_stderr": float(values.std(ddof=1) / math.sqrt(values.size))}


def _alive_at_least(network: Network) -> float | None:
    holding = bounds_that_hold(network)
    if holding.always_active:
        return 1.0
    if holding.lower:
        return None
    return float(survival_bounds(network.widths, input_dim=network.input_dim, bias=network.has_bias).lower[-1])


def _remedy(
    remedy: LawOfRemedy, points: Array, count: int, rate: float, seed: int, progress: PatientProgress
) -> LawRemedy:
    if remedy.law is None:
        return LawRemedy(name=remedy.name, call=remedy.call, verdict="refused", score=None, reason=remedy.refused)
    found = _measure(remedy.law, points, count, rate, seed, progress, remedy.embedded)
    kept = {key: found[key] for key in ("verdict", "score", "reason")}
    return LawRemedy(name=remedy.name, call=remedy.call, **kept)
