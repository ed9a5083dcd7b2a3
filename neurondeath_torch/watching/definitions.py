r"""Definitions of dead units, each by its name, as functions of per-unit statistics.

A unit i of a layer of n units is observed on N samples, each with P positions (P = 1 in fully connected layers, the
pixels of a feature map in convolutions). Its activation h is *active* where it is not zero. The definitions use the
number of active positions $c_i$, the mean absolute activation $m_i = E|h_i|$, the step at which the unit last fired and
its incoming weights:

    dead            c_i = 0: never active on the data
    APoZ            1 - c_i / (N P): average share of zeros
    tau-dormant     m_i / (mean of m over the layer) <= tau; all units of a layer without live units
    silent          not active during the last `window` steps
    pruned          no incoming weight is left
    static DNR      share of pruned units
    dynamic DNR     mean over samples (and positions) of the share of units that are zero and not pruned

For ReLU on the same data, APoZ = 1, dead, and 0-dormant are equivalent. A pruned unit need not be dead: its bias may
keep it active.

Sources: Hu et al. 2016 (arXiv 1607.03250) for APoZ; Sokar et al. 2023 (arXiv 2302.12902) for tau-dormant; liu2022
(arXiv 2212.06145) for static and dynamic DNR. This module uses numpy only, not PyTorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, invalid

__all__ = [
    "Overlap",
    "apoz",
    "dead",
    "dormancy",
    "dormant",
    "dynamic_dnr",
    "overlap",
    "pruned",
    "silent",
    "static_dnr",
]

Flags = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]


def dead(n_active: npt.ArrayLike) -> Flags:
    """Return which units were never active.

    Parameters
    ----------
    n_active : array_like of int, shape (n_units,)
        Number of positions, over all samples, at which each unit was active.

    Returns
    -------
    bool array, shape (n_units,)

    Raises
    ------
    InvalidArgumentError
        If the counts are not one whole number of at least 0 per unit.

    Examples
    --------
    >>> dead([3, 0, 1]).tolist()
    [False, True, False]
    """
    return np.asarray(_counts("n_active", n_active) == 0)


def apoz(n_active: npt.ArrayLike, n_positions: int) -> Array:
    """Compute the average percentage of zeros of every unit, as a share in [0, 1].

    Parameters
    ----------
    n_active : array_like of int, shape (n_units,)
        Number of positions at which each unit was active.
    n_positions : int
        Number of positions, samples times positions per sample, at least 1.

    Returns
    -------
    float array, shape (n_units,)

    Raises
    ------
    InvalidArgumentError
        If a count exceeds the number of positions or an argument is out of its domain.

    Notes
    -----
    Source: Hu et al. 2016 (arXiv 1607.03250), definition of APoZ.

    Examples
    --------
    >>> apoz([3, 0, 1], 4).tolist()
    [0.25, 1.0, 0.75]
    """
    counts, positions = _counts("n_active", n_active), check_count("n_positions", n_positions, most=2**62)
    if (counts > positions).any():
        raise invalid("n_active", f"be at most n_positions = {positions}", int(counts.max()))
    return np.asarray((positions - counts) / positions)


def dormancy(mean_size: npt.ArrayLike) -> Array:
    """Compute every unit's score, its mean |h| over the layer's mean; all 0 in a layer whose units are all dead.

    Parameters
    ----------
    mean_size : array_like of float, shape (n_units,)
        Mean of |h| of each unit over the data, at least 0.

    Returns
    -------
    float array, shape (n_units,)

    Raises
    ------
    InvalidArgumentError
        If a mean is negative or not finite.

    Notes
    -----
    Source: Sokar et al. 2023 (arXiv 2302.12902), definition of the score.

    Examples
    --------
    >>> dormancy([0.0, 1.0, 3.0, 4.0]).tolist(), dormancy([0.0, 0.0]).tolist()
    ([0.0, 0.5, 1.5, 2.0], [0.0, 0.0])
    """
    sizes = np.asarray(mean_size, dtype=np.float64)
    if sizes.ndim != 1 or sizes.size == 0 or not np.isfinite(sizes).all() or (sizes < 0).any():
        raise invalid("mean_size", "hold one finite number of at least 0 per unit", mean_size)
    largest = sizes.max()
    if largest == 0.0:
        return np.zeros_like(sizes)
    scaled = sizes / largest  # so that the mean of very large or small numbers neither overflows nor underflows
    return np.asarray(scaled / scaled.mean())


def dormant(mean_size: npt.ArrayLike, tau: float = 0.0) -> Flags:
    """Return which units are tau-dormant; arguments as in `dormancy`, `tau` at least 0.

    Raises
    ------
    InvalidArgumentError
        If a mean or `tau` is negative or not finite.

    Examples
    --------
    >>> dormant([0.0, 1.0, 3.0, 4.0], tau=0.5).tolist()
    [True, True, False, False]
    """
    return np.asarray(dormancy(mean_size) <= check_real("tau", tau, low=0.0))


def silent(last_fired: npt.ArrayLike, n_steps: int, window: int) -> Flags:
    """Return which units did not fire during the last `window` of `n_steps` steps.

    Parameters
    ----------
    last_fired : array_like of int, shape (n_units,)
        Step, counted from 1, at which each unit was last active; 0 for never.
    n_steps : int
        Number of steps so far, at least 1.
    window : int
        Number of last steps that count, at least 1; all steps if it exceeds `n_steps`.

    Returns
    -------
    bool array, shape (n_units,)

    Raises
    ------
    InvalidArgumentError
        If a step lies beyond `n_steps` or an argument is out of its domain.

    Examples
    --------
    >>> silent([0, 5, 8, 10], n_steps=10, window=3).tolist()
    [True, True, False, False]
    """
    last, steps = _counts("last_fired", last_fired), check_count("n_steps", n_steps)
    if (last > steps).any():
        raise invalid("last_fired", f"be at most n_steps = {steps}", int(last.max()))
    return np.asarray(last <= max(steps - check_count("window", window), 0))


def pruned(weight: npt.ArrayLike) -> Flags:
    """Return which units have no incoming weight left.

    Parameters
    ----------
    weight : array_like, shape (n_units, ...)
        Incoming weights, one row per unit, exactly zero where pruned; biases do not count.

    Returns
    -------
    bool array, shape (n_units,)

    Raises
    ------
    InvalidArgumentError
        If the weights are not an array of numbers with at least one row.

    Examples
    --------
    >>> pruned([[0.0, 0.2], [0.0, 0.0]]).tolist()
    [False, True]
    """
    rows = np.asarray(weight)
    if rows.ndim < 1 or rows.shape[0] == 0 or rows.dtype.kind not in "biuf":
        raise invalid("weight", "hold one row of numbers per unit", f"shape {rows.shape}, dtype {rows.dtype}")
    return np.asarray(~(rows.reshape(rows.shape[0], -1) != 0).any(axis=1))


def static_dnr(pruned_units: npt.ArrayLike) -> float:
    """Compute the static dead neuron rate: the share of units without an unpruned input.

    Raises
    ------
    InvalidArgumentError
        If the argument is not an array of flags or is empty.

    Notes
    -----
    Source: liu2022 (arXiv 2212.06145), static DNR.

    Examples
    --------
    >>> static_dnr([True, False, False, False])
    0.25
    """
    return float(_flags("pruned_units", pruned_units).mean())


def dynamic_dnr(zero_shares: npt.ArrayLike, pruned_units: npt.ArrayLike) -> float:
    """Compute the dynamic dead neuron rate: the mean share of units that are zero although they have unpruned inputs.

    Parameters
    ----------
    zero_shares : array_like of float, shape (n_units,)
        Share of zeros of each unit, as returned by `apoz`; averages over samples and over units commute.
    pruned_units : array_like of bool, shape (n_units,)
        Units without an unpruned input, as returned by `pruned`.

    Returns
    -------
    float
        The rate over all units of the layer, including pruned ones in the number of units.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ or a share is outside [0, 1].

    Notes
    -----
    Source: liu2022 (arXiv 2212.06145), dynamic DNR.

    Examples
    --------
    >>> dynamic_dnr([1.0, 0.5, 0.5, 0.0], [True, False, False, False])
    0.25
    """
    flags = _flags("pruned_units", pruned_units)
    shares = np.asarray(zero_shares, dtype=np.float64)
    if shares.shape != flags.shape:
        raise invalid("zero_shares", f"have one entry per unit, {flags.size}", f"shape {shares.shape}")
    if not ((shares >= 0.0) & (shares <= 1.0)).all():
        raise invalid("zero_shares", "lie in [0, 1]", zero_shares)
    return float(np.where(flags, 0.0, shares).mean())


@dataclass(frozen=True, kw_only=True)
class Overlap(Result):
    """Agreement of two sets of dead units.

    Attributes
    ----------
    n_before, n_after, n_both, n_units : int
        Dead units in the first set, in the second and in both, and the total number of units.
    """

    n_before: int
    n_after: int
    n_both: int
    n_units: int

    @property
    def jaccard(self) -> float:
        """Units in both sets over units in either; 1 if both are empty."""
        either = self.n_before + self.n_after - self.n_both
        return self.n_both / either if either else 1.0

    @property
    def persistence(self) -> float:
        """Share of the units of the first set that are in the second; 1 if the first is empty."""
        return self.n_both / self.n_before if self.n_before else 1.0

    @property
    def by_chance(self) -> float:
        """Expected persistence if the second set were a random set of its size: n_after / n_units."""
        return self.n_after / self.n_units

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, with one row."""
        names = ("n_before", "n_after", "n_both", "n_units", "jaccard", "persistence", "by_chance")
        return {name: [getattr(self, name)] for name in names}

    def __str__(self) -> str:
        return (
            f"{self.n_both} of {self.n_before} dead units are still dead (persistence {format_number(self.persistence)}"
            f", by chance {format_number(self.by_chance)}; Jaccard {format_number(self.jaccard)})"
        )


def overlap(before: npt.ArrayLike, after: npt.ArrayLike) -> Overlap:
    """Compare the dead units at two times.

    Parameters
    ----------
    before, after : array_like of bool, shape (n_units,)
        Dead units at the two times, the same units in the same order.

    Returns
    -------
    Overlap
        Counts, persistence and Jaccard index.

    Raises
    ------
    InvalidArgumentError
        If the arguments are not arrays of flags of the same length.

    Examples
    --------
    >>> print(overlap([True, True, False, False], [False, True, True, False]))
    1 of 2 dead units are still dead (persistence 0.5, by chance 0.5; Jaccard 0.33333)
    """
    first, second = _flags("before", before), _flags("after", after)
    if first.shape != second.shape:
        raise invalid("after", f"hold as many units as before, {first.size}", f"{second.size} units")
    return Overlap(
        n_before=int(first.sum()),
        n_after=int(second.sum()),
        n_both=int((first & second).sum()),
        n_units=first.size,
    )


def _counts(name: str, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    counts = np.asarray(values)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise invalid(name, "hold one whole number of at least 0 per unit", values)
    return counts.astype(np.int64)


def _flags(name: str, values: npt.ArrayLike) -> Flags:
    flags = np.asarray(values)
    if flags.ndim != 1 or flags.size == 0 or flags.dtype != np.bool_:
        raise invalid(name, "hold True or False for every unit", values)
    return flags
