r"""Dead features of sparse autoencoders at birth: how many, why, and what remains after each remedy.

Model and formulas: `survival.never_firing`. Encoder rows of equal length and uniform direction, TopK or ReLU, M inputs.
The share of features that never fire has three parts, which add up:

- *few points*: what isotropic inputs without a mean leave, $(1 - s)^M$, with s the share of features that fire at a
  point;
- *rank*: what centred inputs leave beyond that. Where a few directions carry the variance, all inputs lie near them,
  and an encoder row that lies away from them has a small cosine with every input;
- *mean*: what a mean adds. All inputs share its direction, so the same features, the rows near it, win at every input.

Remedies, each computed in the same way:

- *centred*: subtract the mean of the inputs, as a pre-encoder bias set to it does;
- *active subspace* [arXiv 2508.16929]: draw encoder rows in the span of the r leading principal components of the
  inputs. Rows $e = V u$ read $e \cdot x = u \cdot V^T x$, so the problem is the same with the projections $V^T x$
  in $R^r$. The default r is the entropy rank of the covariance, rounded up: a smaller r leaves fewer dead features
  and more variance that no feature sees at birth (`variance_kept`);
- both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_points, check_real, invalid
from neurondeath_theory.survival.never_firing import isotropic_never_firing, never_firing
from neurondeath_theory.trainability.feature_rank import entropy_of_spectrum

__all__ = ["FeatureRemedy", "SparseAutoencoderDeath", "sparse_autoencoder_death"]

Array = npt.NDArray[np.float64]

DIRECTIONS_PER_BLOCK = 4096
MOST_DRAWS = 2**24
EQUAL_POINTS = 1e-13  # largest difference of points, relative to the largest coordinate, that is rounding
CAUSES = ("few points", "rank", "mean")
CLEAR_SHARE = 0.005  # of dead features, below which no cause is named
CALLS = {
    "none": "",
    "centred": "set the pre-encoder bias to the mean of the inputs",
    "active subspace": "draw encoder rows in the span of the leading {rank} principal components",
    "both": "set the pre-encoder bias, and draw the rows in the span of the leading {rank} principal components",
}


@dataclass(frozen=True, kw_only=True)
class FeatureRemedy:
    """Share of features that never fire after a remedy.

    Attributes
    ----------
    remedy : str
        "none", "centred", "active subspace" or "both".
    dead, stderr, low, high : float
        The share, its standard error and its 95 % interval (exact binomial); error 0 for a closed form.
    variance_kept : float
        Share of the variance of the inputs in the span of the encoder rows.
    call : str
        What to do.
    """

    remedy: str
    dead: float
    stderr: float
    low: float
    high: float
    variance_kept: float
    call: str


@dataclass(frozen=True, kw_only=True)
class SparseAutoencoderDeath(Result):
    """Dead features of a sparse autoencoder at birth, their causes and the remedies.

    Attributes
    ----------
    firing_share : float
        Share of features that fire at a point: k/n for TopK, 1/2 for ReLU.
    n_points : int
        Inputs M.
    gamma : float
        |mean| over the root of the total variance of the inputs.
    dimension : int or None
        Dimension d; None without inputs.
    effective_rank : float or None
        Entropy rank of the covariance of the inputs; None without inputs, which are then isotropic.
    few_points, rank, mean : float
        Parts of the share of dead features by cause; they add up to `dead`.
    rank_stderr, mean_stderr : float
        Their standard errors.
    remedies : tuple of FeatureRemedy
        "none" first.
    """

    firing_share: float
    n_points: int
    gamma: float
    dimension: int | None
    effective_rank: float | None
    few_points: float
    rank: float
    mean: float
    rank_stderr: float
    mean_stderr: float
    remedies: tuple[FeatureRemedy, ...]

    @property
    def dead(self) -> float:
        """Share of features that never fire, as it is."""
        return self.remedies[0].dead

    @property
    def stderr(self) -> float:
        """Standard error of `dead`; 0 for a closed form."""
        return self.remedies[0].stderr

    @property
    def cause(self) -> str:
        """The largest part: "few points", "rank" or "mean"; "" if hardly a feature is dead."""
        if self.dead < CLEAR_SHARE:
            return ""
        parts = dict(zip(CAUSES, (self.few_points, self.rank, self.mean), strict=True))
        return max(parts, key=parts.__getitem__)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per remedy."""
        names = [field.name for field in fields(FeatureRemedy)]
        return {name: [getattr(one, name) for one in self.remedies] for name in names}

    def __str__(self) -> str:
        best = min(self.remedies, key=lambda one: one.dead)
        parts = f"few points {_percent(self.few_points)}, rank {_percent(self.rank)}, mean {_percent(self.mean)}"
        error = f" ± {_percent(self.stderr)}" if self.stderr else ""
        remedy = f"; {best.remedy}: {_percent(best.dead)}" if best.remedy != "none" else ""
        return f"{_percent(self.dead)}{error} of the features never fire on {self.n_points} points ({parts}){remedy}"


def sparse_autoencoder_death(
    inputs: npt.ArrayLike | None = None,
    *,
    n_features: int | None = None,
    k: int | None = None,
    n_points: int | None = None,
    gamma: float | None = None,
    subspace: int | None = None,
    draws: int = DIRECTIONS_PER_BLOCK,
    seed: int = 0,
) -> SparseAutoencoderDeath:
    """Compute how many features of a sparse autoencoder never fire at birth, why, and what remedies leave.

    Parameters
    ----------
    inputs : array_like, shape (n_points, d), optional
        Activations that the autoencoder reads, d at least 2, after the subtraction of a pre-encoder bias if there is
        one. Without them, isotropic Gaussian inputs of `n_points` and `gamma`.
    n_features, k : int, optional
        TopK: number of features, and how many of them fire at a point, fewer than `n_features`; ReLU without `k`.
        Features that are chosen with a negative value count as silent.
    n_points : int, optional
        Number of isotropic inputs, at least 1, in place of `inputs`.
    gamma : float, optional
        Their mean over their scale, |mean| / (sigma sqrt(d)), at least 0.
    subspace : int, optional
        Dimension of the active subspace, from 2 to the dimension; the effective rank by default. With `inputs` only.
    draws : int
        Encoder rows drawn, at least 100; the standard error is at most 1/(2 sqrt(draws)).
    seed : int
        Seed of the rows.

    Returns
    -------
    SparseAutoencoderDeath
        Share of dead features, parts by cause, remedies.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, or inputs are given both ways or neither.

    Notes
    -----
    The mean over autoencoders in the limit n to infinity at fixed k/n: within .02 of the mean of simulated ones at
    k/n = 1/128 from k = 32 on (isotropic and power-law inputs with and without a mean, digits, hidden activations of a
    trained network). Single autoencoders vary, by .13, .03, .01 (standard deviation) at n = 1024, 4096, 16384 where
    gamma is 1, by a fifth of that on digits. At birth only: training may revive features, or kill more.
    Sources: ours; arXiv 2508.16929 for the active subspace, arXiv 2605.31518 for the role of gamma.

    Examples
    --------
    >>> print(sparse_autoencoder_death(n_features=8192, k=32, n_points=4000, gamma=1.0))
    55.5 % of the features never fire on 4000 points (few points 0 %, rank 0 %, mean 55.5 %); centred: 0 %
    >>> points = np.random.default_rng(0).normal(size=(500, 16)) * np.arange(1, 17) ** -2.0 + 1.0
    >>> death = sparse_autoencoder_death(points, n_features=1024, k=16)
    >>> death.cause, [one.remedy for one in death.remedies if one.dead < 0.05]
    ('rank', ['both'])
    """
    share = _firing_share(n_features, k)
    check_count("draws", draws, least=100, most=MOST_DRAWS)
    check_count("seed", seed, least=0)
    if inputs is None:
        if n_points is None or gamma is None:
            raise invalid("inputs", "be given, or `n_points` and `gamma`", None)
        if subspace is not None:
            raise invalid("subspace", "be left out without `inputs`", subspace, "isotropic inputs have none")
        size = check_real("gamma", gamma, low=0.0)
        return _isotropic(share, check_count("n_points", n_points), size)
    for name, value in (("n_points", n_points), ("gamma", gamma)):
        if value is not None:
            raise invalid(name, "be left out with `inputs`, which have one", value)
    points = check_points("inputs", inputs)
    if points.shape[1] < 2:
        raise invalid("inputs", "have a dimension of at least 2", f"shape {points.shape}")
    return _measured(points, share, subspace, draws, seed)


def _firing_share(n_features: int | None, k: int | None) -> float:
    if k is None:
        if n_features is not None:
            check_count("n_features", n_features)
        return 0.5
    if n_features is None:
        raise invalid("n_features", "be given with `k`", None)
    n, chosen = check_count("n_features", n_features, least=2), check_count("k", k)
    if chosen >= n:
        raise invalid("k", f"be less than n_features = {n}", chosen)
    return min(chosen / n, 0.5)


def _isotropic(share: float, n_points: int, gamma: float) -> SparseAutoencoderDeath:
    dead, centred = (isotropic_never_firing(size, n_points, share) for size in (gamma, 0.0))
    remedies = tuple(
        FeatureRemedy(remedy=name, dead=value, stderr=0.0, low=value, high=value, variance_kept=1.0, call=CALLS[name])
        for name, value in (("none", dead), ("centred", centred))
    )
    return SparseAutoencoderDeath(
        firing_share=share,
        n_points=n_points,
        gamma=gamma,
        dimension=None,
        effective_rank=None,
        few_points=centred,
        rank=0.0,
        mean=dead - centred,
        rank_stderr=0.0,
        mean_stderr=0.0,
        remedies=remedies,
    )


def _measured(points: Array, share: float, subspace: int | None, draws: int, seed: int) -> SparseAutoencoderDeath:
    n_points, dimension = points.shape
    scale = float(np.abs(points).max()) or 1.0
    points = points / scale  # so that no square overflows or underflows
    centre = points.mean(axis=0)
    centred = points - centre
    if float(np.abs(centred).max()) <= EQUAL_POINTS:
        centred = np.zeros_like(points)
    variances, axes = np.linalg.eigh(centred.T @ centred / n_points)
    variances, axes = np.maximum(variances[::-1], 0.0), axes[:, ::-1]
    total = float(variances.sum())
    effective_rank = entropy_of_spectrum(variances)
    rank = _subspace(subspace, dimension, effective_rank)
    span = axes[:, :rank]
    kept = float(variances[:rank].sum()) / total if total else 0.0
    versions = {
        "none": (points, 1.0),
        "centred": (centred, 1.0),
        "active subspace": (points @ span, kept),
        "both": (centred @ span, kept),
    }
    silent = _silent({name: rows for name, (rows, _) in versions.items()}, share, draws, seed)
    remedies = tuple(
        _remedy(name, silent[name], share_kept, CALLS[name].format(rank=rank))
        for name, (_, share_kept) in versions.items()
    )
    few = isotropic_never_firing(0.0, n_points, share)
    differences = silent["none"].astype(np.float64) - silent["centred"]
    length = float(np.linalg.norm(centre))
    return SparseAutoencoderDeath(
        firing_share=share,
        n_points=n_points,
        gamma=length / math.sqrt(total) if total > 0.0 else math.inf if length > 0.0 else 0.0,
        dimension=dimension,
        effective_rank=effective_rank,
        few_points=few,
        rank=remedies[1].dead - few,
        mean=remedies[0].dead - remedies[1].dead,
        rank_stderr=remedies[1].stderr,
        mean_stderr=float(differences.std(ddof=1)) / math.sqrt(draws),
        remedies=remedies,
    )


def _subspace(subspace: int | None, dimension: int, effective_rank: float) -> int:
    if subspace is None:
        return min(max(2, math.ceil(effective_rank)), dimension)
    return check_count("subspace", subspace, least=2, most=dimension)


def _silent(versions: Mapping[str, Array], share: float, draws: int, seed: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Draw encoder rows, the same for all versions of the inputs, and return which of them never fire."""
    rng = np.random.default_rng(seed)
    dimension = versions["none"].shape[1]
    found: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in versions}
    for start in range(0, draws, DIRECTIONS_PER_BLOCK):
        rows = rng.standard_normal((min(DIRECTIONS_PER_BLOCK, draws - start), dimension))
        for name, points in versions.items():
            found[name].append(never_firing(points, rows[:, : points.shape[1]], share))
    return {name: np.concatenate(blocks) for name, blocks in found.items()}


def _remedy(name: str, silent: npt.NDArray[np.bool_], variance_kept: float, call: str) -> FeatureRemedy:
    draws, count = len(silent), int(silent.sum())
    low, high = exact_interval(np.array([count]), draws)
    dead = count / draws
    error = math.sqrt(dead * (1.0 - dead) / draws)
    return FeatureRemedy(
        remedy=name,
        dead=dead,
        stderr=error,
        low=float(low[0]),
        high=float(high[0]),
        variance_kept=variance_kept,
        call=call,
    )


def _percent(value: float) -> str:
    percent = 100.0 * value
    return f"{0.0 if abs(percent) < 5e-3 else percent:.3g} %"
