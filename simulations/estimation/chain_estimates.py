r"""Estimates of the conditional estimator, from logarithms of the estimates of independent populations of chains.

P(dead) and P(alive) are means of nearly log-normal estimates (`log_averages`); the logarithm has Student's interval.
Where death is rare P(alive) follows from P(dead), where it is the rule P(dead) from P(alive): the rarer one keeps its
digits.

With a fixed set of points the first layer dies with probability $D_1 = q^n$, from the same q in all chains:
$\ln D_1 = n \ln q$ has n times the error of $\ln q$, and P(dead through l) = $D_1 + (1 - D_1) R_l$ with R_l from the
chains, which start alive behind it.

An interval is withheld where fewer than LEAST_EFFECTIVE chains carry the estimate or the populations differ too much
(the tail of their law is then unseen), below two populations, and where the estimate contradicts the bounds of the
theory. `benchmarks/interval_coverage.py` measures what these limits are worth.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.estimation.contradictions import ABOVE, BELOW
from neurondeath.simulations.estimation.expectations import Expectation
from neurondeath.simulations.estimation.log_averages import log_average, student_quantile
from neurondeath.simulations.estimation.survival_estimates import LN10, SurvivalEstimates, Totals, withhold
from neurondeath_theory.foundation.intervals import CONFIDENCE
from neurondeath_theory.networks.network import Network

__all__ = ["from_chains"]

Floats = npt.NDArray[np.float64]
LEAST_EFFECTIVE = 40.0  # chains
LARGEST_SPREAD = 2.0  # standard deviation of the logarithm between populations
LEAST_HALF_WIDTH = 1e-12  # of a logarithm, relative to it: no interval is narrower
BOUND_MARGIN = 1e-6  # relative and absolute, of logarithms
CONTRADICTION = 6.0  # standard errors beyond a bound, which chance does not explain


class _Death(NamedTuple):
    """ln P(dead) layer by layer, its standard error, spread between populations and effective number of chains."""

    log_mean: Floats
    error: Floats
    spread: Floats
    effective: Floats


def from_chains(
    totals: Totals, trials: int, network: Network, inputs: Mapping[str, Any], theory: Expectation
) -> SurvivalEstimates:
    """Estimate from the sums of `ChainSums`."""
    if not totals["living"].any():
        return _dead_from_the_start(network)
    populations = totals["populations"]
    alive = log_average(totals["log_alive"], totals["log_alive_squares"], trials, populations)
    fixed = not inputs.get("resample")
    death, log_later = _death(totals, trials, network.widths[0], fixed=fixed)
    log_alive = np.minimum(alive.log_mean + log_later, 0.0)
    rare = ~(death.log_mean > np.log(0.5))
    with np.errstate(divide="ignore"):
        log_dead = np.where(rare, death.log_mean, np.log(-np.expm1(log_alive)))
        log_alive = np.where(rare, np.log1p(-np.exp(np.nan_to_num(death.log_mean, nan=-np.inf))), log_alive)
    error = np.where(rare, death.error, alive.error)
    half = np.where(error == 0.0, 0.0, student_quantile(populations, CONFIDENCE) * np.where(error == 0.0, 1.0, error))
    half = np.fmax(half, LEAST_HALF_WIDTH * np.maximum(np.abs(np.where(rare, log_dead, log_alive)), 1.0))
    half = np.where(np.isinf(log_dead), 0.0, half)  # where death is impossible
    limits = _limits(log_dead, log_alive, half, rare, theory)
    living, living_stderr = _living(totals, trials, populations)
    scale = np.exp(np.cumsum(np.log1p(-np.exp2(-np.array(network.widths, dtype=np.float64)))) + log_later)
    estimates = SurvivalEstimates(
        alive=np.exp(log_alive),
        low=limits[0],
        high=limits[1],
        alive_stderr=np.exp(np.where(rare, log_dead, log_alive)) * error,
        death=np.exp(log_dead),
        log10_alive=log_alive / LN10,
        log10_death=log_dead / LN10,
        log10_death_low=limits[2] / LN10,
        log10_death_high=limits[3] / LN10,
        effective_chains=death.effective,
        living_ratio=living * scale / inputs["n_points"],
        living_ratio_stderr=living_stderr * scale / inputs["n_points"],
        reasons=("",) * network.depth,
        unseen=("",) * network.depth,
    )
    complete = totals["deadly"] >= populations if not fixed else np.ones(network.depth, dtype=bool)
    spread = np.where(rare, death.spread, alive.spread)
    reasons = _reasons(log_dead, error, spread, death.effective, populations, complete, theory)
    return withhold(estimates, reasons, theory)


def _death(totals: Totals, trials: int, width: int, *, fixed: bool) -> tuple[_Death, Floats]:
    """Estimate ln P(dead), and ln P(alive through the first layer) where the chains start behind it, else 0."""
    chains = log_average(totals["log_dead"], totals["log_dead_squares"], trials, totals["deadly"])
    death = _Death(*chains, totals["effective"])
    if not fixed:
        return death, np.zeros(len(death.error))
    if totals["deadly"][0] > 0:
        first = width * chains.log_mean[0], width * chains.error[0], chains.spread[0], totals["effective"][0]
    else:
        first = -np.inf, 0.0, 0.0, np.inf  # no open half-space holds the points
    # no unit is inactive on all points with more than 1/2, however uncertain the estimate
    log_first = min(first[0], -width * np.log(2.0))
    first = log_first, *first[1:]
    log_later = np.log1p(-np.exp(log_first))
    joint = np.logaddexp(log_first, log_later + chains.log_mean[1:])
    share = np.exp(log_first - joint)  # of the first layer in P(dead)
    rest = 1.0 - share
    values = (
        joint,
        np.hypot(share * first[1], rest * chains.error[1:]),
        np.hypot(share * width * first[2], rest * chains.spread[1:]),
        1.0 / (share**2 / first[3] + rest**2 / totals["effective"][1:]),
    )
    merged = (np.concatenate([[one], more]) for one, more in zip(first, values, strict=True))
    return _Death(*merged), np.full(len(death.error), log_later)


def _limits(log_dead: Floats, log_alive: Floats, half: Floats, rare: Floats, theory: Expectation) -> tuple[Floats, ...]:
    """Return the limits of P(alive) and of ln P(dead), no wider than the bounds of the theory."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        dead_low, dead_high = log_dead - half, np.minimum(log_dead + half, 0.0)
        alive_low, alive_high = log_alive - half, np.minimum(log_alive + half, 0.0)
        low = np.where(rare, -np.expm1(dead_high), np.exp(alive_low))
        high = np.where(rare, -np.expm1(dead_low), np.exp(alive_high))
        dead_low = np.where(rare, dead_low, np.log(-np.expm1(alive_high)))
        dead_high = np.where(rare, dead_high, np.log(-np.expm1(alive_low)))
    # a bound may be the truth, so it keeps a margin; one beyond the estimate is left to the check for contradictions
    least = theory.log_death_at_least * (1.0 + BOUND_MARGIN) - BOUND_MARGIN
    most = theory.log_death_at_most * (1.0 - BOUND_MARGIN) + BOUND_MARGIN
    dead_low = np.where(least < log_dead, np.fmax(dead_low, least), dead_low)
    dead_high = np.where(most > log_dead, np.fmin(dead_high, most), dead_high)
    return low, high, dead_low, dead_high


def _reasons(
    log_dead: Floats,
    error: Floats,
    spread: Floats,
    effective: Floats,
    populations: Floats,
    complete: npt.NDArray[np.bool_],
    theory: Expectation,
) -> tuple[str, ...]:
    """Return why the interval of each layer is withheld, "" where it is not."""
    slack = CONTRADICTION * np.nan_to_num(error) + BOUND_MARGIN * (1.0 + np.nan_to_num(np.abs(log_dead), posinf=0.0))
    most = np.broadcast_to(theory.log_death_at_most, log_dead.shape)
    least = np.broadcast_to(theory.log_death_at_least, log_dead.shape)
    reasons = []
    for layer in range(len(log_dead)):
        reason = ""
        if populations[layer] < 2:
            reason = "one population of chains; more trials are needed"
        elif not complete[layer]:
            reason = "in some populations no chain could die; more trials are needed"
        elif effective[layer] < LEAST_EFFECTIVE:
            reason = (
                f"{effective[layer]:.0f} effective chains, fewer than {LEAST_EFFECTIVE:.0f}; more trials are needed"
            )
        elif spread[layer] > LARGEST_SPREAD:
            reason = f"populations of chains differ by factors of {np.exp(spread[layer]):.2g}; more trials do not help"
        elif log_dead[layer] - slack[layer] > most[layer]:
            reason = ABOVE
        elif log_dead[layer] + slack[layer] < least[layer]:
            reason = BELOW
        reasons.append(reason)
    return tuple(reasons)


def _living(totals: Totals, trials: int, populations: Floats) -> tuple[Floats, Floats]:
    """Average the number of living points over populations; return it and its standard error."""
    mean = totals["living"] / trials
    deviations = np.maximum(totals["living_squares"] - trials * mean**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean, np.where(populations < 2, np.nan, np.sqrt(deviations / (populations - 1.0) / trials))


def _dead_from_the_start(network: Network) -> SurvivalEstimates:
    """Return the estimates of points that are all at zero, without biases."""
    zero, one, never = np.zeros(network.depth), np.ones(network.depth), np.full(network.depth, -np.inf)
    return SurvivalEstimates(
        alive=zero,
        low=zero,
        high=zero,
        alive_stderr=zero,
        death=one,
        log10_alive=never,
        log10_death=zero,
        log10_death_low=zero,
        log10_death_high=zero,
        effective_chains=np.full(network.depth, np.inf),
        living_ratio=zero,
        living_ratio_stderr=zero,
        reasons=("",) * network.depth,
        unseen=("",) * network.depth,
    )
