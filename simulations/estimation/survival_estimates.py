r"""P(alive), P(dead) and the mean living ratio with their intervals, from the summed statistics of each estimator.

- crude: P(alive) is a share of independent trials, with the exact interval of Clopper and Pearson (1934). Where no
  network died, or none lived, its upper limit is all that the trials say: the logarithm of the rarer one is NaN.
- conditional: see `chain_estimates`.
- splitting: P(alive) is a mean over independent populations, with Student's interval; where hardly a network died, or
  none lived, the interval is widened to the exact one of as many independent networks.
- older versions of the last two: the estimates they gave, without an interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.engines import POPULATION
from neurondeath.simulations.estimation.contradictions import contradictions, joint_confidence
from neurondeath.simulations.estimation.expectations import Expectation
from neurondeath.simulations.estimation.log_averages import student_quantile
from neurondeath_theory.foundation.intervals import CONFIDENCE, exact_interval
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.networks.network import Network

__all__ = ["SurvivalEstimates", "from_counts", "from_populations", "log10_or_nan", "withhold", "without_interval"]

Floats = npt.NDArray[np.float64]
Totals = Mapping[str, npt.NDArray[Any]]
FEW_DEATHS = 30.0  # of networks in all populations; below it their mean is not normal
LN10 = float(np.log(10.0))


@dataclass(frozen=True, kw_only=True)
class SurvivalEstimates:
    """Estimates of one task, shape (k,).

    `reasons` says why a layer's interval is withheld, "" where it is not; `unseen` that no network died, or that none
    lived.
    """

    alive: Floats
    low: Floats
    high: Floats
    alive_stderr: Floats
    death: Floats
    log10_alive: Floats
    log10_death: Floats
    log10_death_low: Floats
    log10_death_high: Floats
    effective_chains: Floats
    living_ratio: Floats
    living_ratio_stderr: Floats
    reasons: tuple[str, ...]
    unseen: tuple[str, ...]


def from_counts(totals: Totals, trials: int, network: Network, n_points: int, theory: Expectation) -> SurvivalEstimates:
    """Estimate from counts of networks with a living point and of living points."""
    alive, death = totals["alive"] / trials, (trials - totals["alive"]) / trials
    low, high = exact_interval(totals["alive"], trials)
    death_low, death_high = exact_interval(trials - totals["alive"], trials)
    ratio, ratio_stderr = _living_ratio(totals["living"], totals["living_squares"], trials, n_points)
    spread = np.sqrt(alive * death / (trials - 1)) if trials > 1 else np.full(network.depth, np.nan)
    log10_death_low = np.fmax(log10_or_nan(death_low), _log10_death_at_least(theory))
    estimates = SurvivalEstimates(
        alive=alive,
        low=low,
        high=high,
        alive_stderr=spread,
        death=death,
        log10_alive=log10_or_nan(alive),
        log10_death=log10_or_nan(death),
        log10_death_low=np.where(death > 0.0, log10_death_low, np.nan),
        log10_death_high=np.log10(death_high),
        effective_chains=np.full(network.depth, np.nan),
        living_ratio=ratio,
        living_ratio_stderr=ratio_stderr,
        reasons=("",) * network.depth,
        unseen=_unseen(alive, low, high, f"{trials} trials"),
    )
    limits = exact_interval(totals["alive"], trials, joint_confidence(network.depth))
    return withhold(estimates, contradictions(alive, *limits, theory), theory)


def _unseen(alive: Floats, low: Floats, high: Floats, seen: str) -> tuple[str, ...]:
    """Return where no network died, or none lived, in words with the upper limit."""
    words = []
    for value, least, most in zip(alive.tolist(), low.tolist(), high.tolist(), strict=True):
        word = f"no death seen in {seen}, P(dead) below {format_number(1.0 - least, 3)}" if value == 1.0 else ""
        words.append(f"no living network in {seen}, P(alive) below {format_number(most, 3)}" if value == 0.0 else word)
    return tuple(words)


def _log10_death_at_least(theory: Expectation) -> Floats:
    """Return the decimal logarithm of the lower bound on P(dead), NaN where there is none."""
    bound = np.asarray(theory.log_death_at_least / LN10)
    return np.where(np.isfinite(bound), bound, np.nan)


def _living_ratio(
    living: npt.NDArray[np.int64], squares: npt.NDArray[np.int64], trials: int, n_points: int
) -> tuple[Floats, Floats]:
    """Mean and standard error of the living ratio from sums of counts and of their squares, in exact integers."""
    if trials < 2:
        return living / (trials * n_points), np.full(len(living), np.nan)
    # trials * sum of squares - (sum)^2 can overflow 64 bits, but not Python integers
    spread = [trials * int(square) - int(count) ** 2 for count, square in zip(living, squares, strict=True)]
    variance = np.array([value / (trials * (trials - 1)) for value in spread])
    return living / (trials * n_points), np.sqrt(variance / trials) / n_points


def from_populations(
    totals: Totals, trials: int, network: Network, n_points: int, theory: Expectation
) -> SurvivalEstimates:
    """Estimate from sums over populations, in units of a single point's survival."""
    log10_unit = np.cumsum(np.log1p(-np.exp2(-np.array(network.widths, dtype=np.float64)))) / LN10
    unit = 10.0**log10_unit
    relative, relative_stderr = _average(totals["alive"], totals["alive_squares"], trials)
    living, living_stderr = _average(totals["living"], totals["living_squares"], trials)
    alive, stderr = np.minimum(relative * unit, 1.0), relative_stderr * unit  # above 1 by rounding only
    networks = trials * POPULATION
    deaths = np.minimum(np.rint((1.0 - alive) * networks), networks).astype(np.int64)
    alive = np.where(deaths == 0, 1.0, alive)  # of equal shares rounding may have left less
    death = 1.0 - alive
    log10_alive = np.where(deaths == 0, 0.0, np.minimum(log10_or_nan(relative) + log10_unit, 0.0))
    low, high = _population_limits(alive, stderr, deaths, trials, CONFIDENCE)
    log10_death_low = np.fmax(log10_or_nan(1.0 - high), _log10_death_at_least(theory))
    estimates = SurvivalEstimates(
        alive=alive,
        low=low,
        high=high,
        alive_stderr=stderr,
        death=death,
        log10_alive=log10_alive,
        log10_death=log10_or_nan(death),
        log10_death_low=np.where(deaths > 0, log10_death_low, np.nan),
        log10_death_high=log10_or_nan(1.0 - low),
        effective_chains=np.full(network.depth, np.nan),
        living_ratio=living * unit / n_points,
        living_ratio_stderr=living_stderr * unit / n_points,
        reasons=("one population: more trials are needed" if trials < 2 else "",) * network.depth,
        unseen=_unseen(alive, low, high, f"{networks} networks"),
    )
    limits = _population_limits(alive, stderr, deaths, trials, joint_confidence(network.depth))
    return withhold(estimates, contradictions(alive, *limits, theory), theory)


def _population_limits(
    alive: Floats, stderr: Floats, deaths: npt.NDArray[np.int64], trials: int, confidence: float
) -> tuple[Floats, Floats]:
    """Return Student's interval of P(alive) over populations, widened where hardly a network died or none lived."""
    if trials < 2:
        return np.zeros(len(alive)), np.ones(len(alive))
    half = student_quantile(trials, confidence) * stderr
    low, high = np.clip(alive - half, 0.0, 1.0), np.clip(alive + half, 0.0, 1.0)
    # few deaths among the networks of all populations, which hardly share ancestors then
    death_low, death_high = exact_interval(deaths, trials * POPULATION, confidence)
    few = deaths < FEW_DEATHS
    low = np.where(few, np.minimum(low, 1.0 - death_high), low)
    high = np.where(few, np.maximum(high, 1.0 - death_low), high)
    # where every population died out: upper limit of the mean share of living networks, each share being at most 1
    no_survivor_limit = -np.expm1(np.log((1.0 - confidence) / 2.0) / trials)
    return low, np.where(alive == 0.0, no_survivor_limit, high)


def without_interval(
    totals: Totals, trials: int, network: Network, n_points: int, theory: Expectation, reason: str
) -> SurvivalEstimates:
    """Estimate from the sums of an older version, `dead` in units of 2^-n, n the smallest width."""
    estimates = from_populations(totals, trials, network, n_points, theory)
    if "dead" in totals:
        least = min(network.widths)
        with np.errstate(divide="ignore"):
            log10_death = np.log10(totals["dead"] / trials) - least * np.log10(2.0)
        estimates = replace(estimates, death=10.0**log10_death, log10_death=log10_death)
    estimates = replace(estimates, alive_stderr=np.full(network.depth, np.nan))
    return withhold(estimates, (reason,) * network.depth, theory)


def withhold(estimates: SurvivalEstimates, reasons: tuple[str, ...], theory: Expectation) -> SurvivalEstimates:
    """Take back the interval of every layer that has a reason; the bounds of the theory take its place."""
    gone = np.array([bool(reason) for reason in reasons])
    lower = np.zeros(len(gone)) if theory.lower is None else theory.lower
    upper = np.ones(len(gone)) if theory.upper is None else theory.upper
    return replace(
        estimates,
        low=np.where(gone, lower, estimates.low),
        high=np.where(gone, upper, estimates.high),
        log10_death_low=np.where(gone, np.nan, estimates.log10_death_low),
        log10_death_high=np.where(gone, np.nan, estimates.log10_death_high),
        reasons=tuple(new or old for new, old in zip(reasons, estimates.reasons, strict=True)),
    )


def log10_or_nan(values: Floats) -> Floats:
    """Return decimal logarithms, NaN in place of that of 0."""
    with np.errstate(divide="ignore"):
        return np.where(values > 0.0, np.log10(values), np.nan)


def _average(total: Floats, squares: Floats, trials: int) -> tuple[Floats, Floats]:
    """Average over trials and its standard error, from sums."""
    mean = total / trials
    if trials < 2:
        return mean, np.full(len(mean), np.nan)
    variance = np.maximum(squares / trials - mean**2, 0.0) * trials / (trials - 1)
    return mean, np.sqrt(variance / trials)
