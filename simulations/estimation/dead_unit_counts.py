r"""The expected number of dead units of every layer: from populations of rows, or from counts over networks.

With n units and B independent estimates $y_b$ of the mean over networks of q, the probability that one unit is dead
given its layer's inputs, the number is $n \bar y$, its standard error $n\, sd(y) / \sqrt B$, the interval Student's. It
is withheld, with the reason, where the estimates cannot be trusted to show their own spread: below two of them, where
few networks carry them, and where they differ by more than their mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.estimation.log_averages import student_quantile
from neurondeath_theory.foundation.intervals import CONFIDENCE
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.networks.network import Network

__all__ = ["DeadUnitCount", "LayerCount", "exact_count", "from_networks", "from_populations", "none_found"]

Floats = npt.NDArray[np.float64]

LEAST_EFFECTIVE = 40.0  # networks, or dead units counted
NONE_FOUND = "no row of weights was found dead: the share is 0 or below 1e-25"
LARGEST_SPREAD = 1.0  # of the estimates of populations, relative to their mean


class LayerCount(NamedTuple):
    """One layer's share of dead units: estimate, standard error, interval, what dead networks add, and how."""

    share: float
    stderr: float
    low: float
    high: float
    from_dead: float
    method: str
    withheld: str


@dataclass(frozen=True, kw_only=True)
class DeadUnitCount(Result):
    """Expected number of dead units per layer; arrays have shape (k,), one entry per layer.

    Attributes
    ----------
    network : Network
        The law of the networks.
    inputs : str
        Specification of the input set.
    n_points : int
        Number of points.
    dead_units, dead_units_stderr : float array
        Expected number of units whose output is 0 at every point, over all networks, and its standard error: 0 where it
        is exact up to rounding, NaN where it is not known.
    low, high : float array
        95 % interval; NaN where it is withheld.
    share : float array
        `dead_units` over the width.
    in_dead_networks : float array
        The part of `dead_units` from networks that no point was alive in before the layer. NaN where it is not
        separated (counting).
    method : tuple of str
        How each layer was found: "exact", "splitting" over rows of weights, or "counting" dead units of sampled
        networks, whose relative error grows as the number gets small.
    withheld : tuple of str
        Why the interval of a layer is withheld, "" where it is not.
    seconds : float
        Processor time spent.
    """

    network: Network
    inputs: str
    n_points: int
    dead_units: Floats
    dead_units_stderr: Floats
    low: Floats
    high: Floats
    share: Floats
    in_dead_networks: Floats
    method: tuple[str, ...]
    withheld: tuple[str, ...]
    seconds: float

    priority = ("depth", "dead_units", "dead_units_stderr", "low", "high", "share", "method")

    @classmethod
    def from_layers(
        cls, network: Network, inputs: str, n_points: int, layers: Sequence[LayerCount], seconds: float
    ) -> "DeadUnitCount":
        """Collect the layers of a network."""
        widths = np.array(network.widths, dtype=np.float64)
        table = {name: np.array([getattr(layer, name) for layer in layers]) for name in LayerCount._fields[:5]}
        return cls(
            network=network,
            inputs=inputs,
            n_points=n_points,
            dead_units=widths * table["share"],
            dead_units_stderr=widths * table["stderr"],
            low=widths * table["low"],
            high=widths * table["high"],
            share=table["share"],
            in_dead_networks=widths * table["share"] * table["from_dead"],
            method=tuple(layer.method for layer in layers),
            withheld=tuple(layer.withheld for layer in layers),
            seconds=seconds,
        )

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, self.network.depth + 1),
            "width": np.array(self.network.widths),
            "dead_units": self.dead_units,
            "dead_units_stderr": self.dead_units_stderr,
            "low": self.low,
            "high": self.high,
            "share": self.share,
            "in_dead_networks": self.in_dead_networks,
            "method": list(self.method),
            "withheld": [reason or None for reason in self.withheld],
        }

    def __str__(self) -> str:
        last = f"{format_number(float(self.dead_units[-1]))} ± {format_number(float(self.dead_units_stderr[-1]), 2)}"
        where = f"layer {self.network.depth} of {self.network} on {self.inputs}"
        reason = f"; interval withheld: {self.withheld[-1]}" if self.withheld[-1] else ""
        return f"expected dead units = {last} of {self.network.widths[-1]} in {where} ({self.method[-1]}){reason}"


def exact_count(share: float, from_dead: float) -> LayerCount:
    """Return a share that is known."""
    return LayerCount(share, 0.0, share, share, from_dead, "exact", "")


def none_found() -> LayerCount:
    """Return a layer whose dead units are too rare to be found, if there are any."""
    return LayerCount(0.0, np.nan, np.nan, np.nan, 0.0, "splitting", NONE_FOUND)


def from_populations(shares: Floats, from_dead: Floats, effective: float, networks: int) -> LayerCount:
    """Estimate a layer's share from independent populations of rows.

    Parameters
    ----------
    shares, from_dead : float array, shape (populations,)
        Each population's estimate, and the part of it (0 to 1) from dead networks.
    effective : float
        How many equally weighted networks would be worth as much as those that carry the estimates.
    networks : int
        Networks per population.
    """
    n = len(shares)
    mean = float(shares.mean()) if n else np.nan
    spread = float(shares.std(ddof=1)) if n > 1 else np.nan
    stderr = spread / np.sqrt(n) if n > 1 else np.nan
    dead = float((shares * from_dead).sum() / shares.sum()) if n and mean > 0.0 else 0.0
    reason = ""
    if n < 2:
        reason = "the time was up before two populations of networks; allow more by max_seconds"
    elif mean == 0.0:
        stderr = np.nan
        reason = NONE_FOUND
    elif spread > LARGEST_SPREAD * mean:
        reason = f"populations of networks differ by {spread / mean:.2g} times their mean; allow more time"
    elif effective < LEAST_EFFECTIVE:
        reason = f"{effective:.0f} effective networks, fewer than {LEAST_EFFECTIVE:.0f}; ask for a smaller error"
    if reason:
        return LayerCount(mean, stderr, np.nan, np.nan, dead, "splitting", reason)
    half = float(student_quantile(float(n), CONFIDENCE)) * stderr
    low, high = max(mean - half, 0.0), min(mean + half, 1.0)
    if mean == 1.0:  # every row of every network was dead
        low = ((1.0 - CONFIDENCE) / 2.0) ** (1.0 / (n * networks))
    return LayerCount(mean, stderr, low, high, dead, "splitting", "")


def from_networks(share: float, stderr: float, width: int, trials: int) -> LayerCount:
    """Estimate a layer's share from the mean over networks and its standard error."""
    counted = share * width * trials
    if counted < LEAST_EFFECTIVE:
        reason = f"{counted:.0f} dead units in {trials} networks, fewer than {LEAST_EFFECTIVE:.0f}"
        return LayerCount(share, stderr if counted else np.nan, np.nan, np.nan, np.nan, "counting", reason)
    half = float(student_quantile(float(trials), CONFIDENCE)) * stderr
    return LayerCount(share, stderr, max(share - half, 0.0), min(share + half, 1.0), np.nan, "counting", "")
