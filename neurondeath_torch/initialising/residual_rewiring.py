"""The result of `residual_`: what was rewired, the variance it keeps, and how inputs reach it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.gaussian_limit.fixed_points import FixedPoints
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_torch.initialising.initialisation import Initialisation
from neurondeath_torch.networks.weight_layers import MODULES_SHOWN

__all__ = ["ResidualRewiring"]


@dataclass(frozen=True, kw_only=True)
class ResidualRewiring(Result):
    """What became of a model; sequences have one entry per layer of a stream, in the order of execution.

    Attributes
    ----------
    effective_depth : float
        D, the sum of a^2 over all branches.
    branch_scale : float
        Factor a of every branch; the stream's is sqrt(1 - a^2).
    activation : PiecewiseLinear
        The activation of the streams.
    names : tuple of str
        The layers.
    roles : tuple of str
        "start" for a layer that begins a stream, "branch" for the others.
    n_units : tuple of int
        Their widths.
    sigma_w2, sigma_b2 : tuple of float
        Mean square of their weights times fan-in, and of their biases.
    q : float
        The variance that the streams start from: q*.
    normalise : str
        What is brought to q*: every "input", all inputs by a factor measured on "data", or what all "layers" read.
    start_factors : tuple of float
        Factor of every stream's start; empty if every input is brought to q* by itself.
    fixed_points : FixedPoints
        Fixed points of the variance map with the branches' mean sigma_w2 and sigma_b2.
    initialisation : Initialisation or None
        The draw of the weights; None if they were kept.
    outside : mapping of str to str
        Other layers of the chain, and why they are in no stream; drawn with the others unless weights were kept.
    notes : tuple of str
        What the kept weights imply.
    """

    effective_depth: float
    branch_scale: float
    activation: PiecewiseLinear
    names: tuple[str, ...]
    roles: tuple[str, ...]
    n_units: tuple[int, ...]
    sigma_w2: tuple[float, ...]
    sigma_b2: tuple[float, ...]
    q: float
    normalise: str
    start_factors: tuple[float, ...]
    fixed_points: FixedPoints
    initialisation: Initialisation | None
    outside: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def n_branches(self) -> int:
        """Number of branches of all streams."""
        return self.roles.count("branch")

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer of a stream."""
        return {
            "name": self.names,
            "role": self.roles,
            "n_units": self.n_units,
            "sigma_w2": self.sigma_w2,
            "sigma_b2": self.sigma_b2,
        }

    def __str__(self) -> str:
        streams, shown = self.roles.count("start"), list(self.outside.items())[:MODULES_SHOWN]
        more = f"; {len(self.outside) - len(shown)} more in `outside`" if len(self.outside) > len(shown) else ""
        count = f"{self.n_branches} branch{'es' if self.n_branches > 1 else ''}"
        parts = [
            f"critical residual {self.activation}: {count} in {streams} stream{'s' if streams > 1 else ''}, effective "
            f"depth {self.effective_depth:g} (a = {self.branch_scale:.3g}), q* = {format_number(self.q)}",
            "inputs brought to q* " + ("by a fixed factor" if self.start_factors else "one by one"),
            *(["what every layer reads brought to mean 0 and q*"] if self.normalise == "layers" else []),
            "weights kept" if self.initialisation is None else f"weights drawn, seed {self.initialisation.seed}",
        ]
        parts += [f"outside: {'; '.join(f'{name}: {why}' for name, why in shown)}{more}"] if shown else []
        return "; ".join([*parts, *self.notes])
