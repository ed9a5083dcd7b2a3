r"""Find clones: units of one layer that compute the same function on the data [Joudaki et al. 2026, arXiv 2510.00304].

Clones get the same gradient as far as their readers do not distinguish them; once they do not, no gradient step parts
them again, and the layer learns like a narrower one. Two units i, j are clones when

    |h_i - h_j|^2 <= tolerance^2 max(|h_i|^2, |h_j|^2)

over all samples and positions; with `scaled`, when that holds for a positive multiple of one of them, that is for a
cosine of at least sqrt(1 - tolerance^2). Units that are dead on the data are no clones. The sums of products are taken
in double precision: rounding hides differences below 1e-7 of a unit's size.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_flag, check_real, invalid
from neurondeath_torch.networks.data_passes import run_over
from neurondeath_torch.networks.layer_units import LayerUnits, chosen_layers, follow_units
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.networks.tensor_flow import Flow

__all__ = ["Clones", "clone_groups", "find_clones"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Clones(Result):
    """Clones of every layer, one row per layer.

    Attributes
    ----------
    layers : tuple of str
        Layers that were examined, in the order of execution.
    n_units : tuple of int
        Units of each layer.
    groups : mapping of str to tuple of tuple of int
        Layer -> groups of units that compute the same, each with at least two, ascending.
    n_samples : int
        Samples seen.
    """

    layers: tuple[str, ...]
    n_units: tuple[int, ...]
    groups: Mapping[str, tuple[tuple[int, ...], ...]]
    n_samples: int

    @property
    def n_clones(self) -> int:
        """Number of units that could be left out: those of every group but one."""
        return sum(len(group) - 1 for groups in self.groups.values() for group in groups)

    def redundant(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Return, by layer, all units of every group but its first, as flags."""
        flags = {name: np.zeros(count, dtype=bool) for name, count in zip(self.layers, self.n_units, strict=True)}
        for name, groups in self.groups.items():
            for group in groups:
                flags[name][list(group[1:])] = True
        return flags

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        groups = [self.groups[name] for name in self.layers]
        return {
            "layer": self.layers,
            "units": self.n_units,
            "clones": [sum(len(group) - 1 for group in found) for found in groups],
            "groups": ["; ".join(" ".join(map(str, group)) for group in found) for found in groups],
        }

    def __str__(self) -> str:
        n_groups = sum(len(groups) for groups in self.groups.values())
        return (
            f"{self.n_clones} of {sum(self.n_units)} units are clones of another one ({n_groups} groups) on "
            f"{self.n_samples} samples, in {len(self.layers)} layers"
        )


def find_clones(
    model: nn.Module,
    data: Any,
    *,
    tolerance: float = 1e-3,
    scaled: bool = False,
    layers: Iterable[str] | None = None,
) -> Clones:
    """Find the units that compute the same as another unit of their layer on the data.

    Parameters
    ----------
    model : torch.nn.Module
        The model, run in evaluation mode; not changed.
    data : Tensor or iterable of batches
        A tensor (one batch), or batches that are tensors, (inputs, targets) or dicts of keyword arguments.
    tolerance : float
        Largest difference relative to the larger unit, in [0, 1).
    scaled : bool
        Whether units that are positive multiples of each other are clones too.
    layers : iterable of str, optional
        Only these layers; all weight layers that an activation follows if not given.

    Returns
    -------
    Clones
        Groups of clones; relations are completed to groups through common members.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, a named layer is followed by no activation, or activations are not finite.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> with torch.no_grad():
    ...     model[0].weight[2], model[0].bias[2] = model[0].weight[0], model[0].bias[0]
    ...     _ = model[0].bias.fill_(3.0)
    >>> print(find_clones(model, torch.randn(50, 2)))
    1 of 3 units are clones of another one (1 groups) on 50 samples, in 1 layers
    """
    limit = check_real("tolerance", tolerance, low=0.0, high=1.0, high_open=True)
    of_any_scale = check_flag("scaled", scaled)
    recorder = _Products(check_model(model))
    names, n_samples = follow_units(model, recorder, lambda: run_over(model, data))
    wanted = chosen_layers(model, [name for name in names if name in recorder.products], layers)
    products = {name: recorder.products[name].cpu().numpy() for name in wanted}
    for name, gram in products.items():
        if not np.isfinite(gram).all():
            raise invalid("model", "have finite activations on the data", f"NaN or infinity after `{name}`")
    return Clones(
        layers=tuple(wanted),
        n_units=tuple(len(products[name]) for name in wanted),
        groups={name: clone_groups(gram, limit, scaled=of_any_scale) for name, gram in products.items()},
        n_samples=n_samples,
    )


def clone_groups(products: Array, tolerance: float, *, scaled: bool = False) -> tuple[tuple[int, ...], ...]:
    """Group units by the products of their activations.

    Parameters
    ----------
    products : float array, shape (n_units, n_units)
        Sums of h_i h_j over samples and positions.
    tolerance : float
        As for `find_clones`.
    scaled : bool
        As for `find_clones`.

    Returns
    -------
    tuple of tuple of int
        Groups of at least two units.

    Examples
    --------
    >>> h = np.array([[1.0, 2.0, 1.0, 0.0], [3.0, 6.0, 3.0, 0.0]])
    >>> clone_groups(h.T @ h, 1e-6), clone_groups(h.T @ h, 1e-6, scaled=True)
    (((0, 2),), ((0, 1, 2),))
    """
    squares = np.diag(products)
    larger = np.maximum.outer(squares, squares)
    if scaled:
        both = np.multiply.outer(squares, squares)
        gaps = 1.0 - np.where(products > 0, products**2 / np.where(both > 0, both, 1.0), 0.0)
    else:
        distances = np.add.outer(squares, squares) - 2.0 * products
        gaps = distances / np.where(larger > 0, larger, 1.0)
    alive = squares > 0
    rounding = 16.0 * np.finfo(np.float64).eps
    same = (gaps <= tolerance**2 + rounding) & alive & alive[:, None]
    groups: list[tuple[int, ...]] = []
    free = np.ones(len(squares), dtype=bool)
    for unit in range(len(squares)):
        if not free[unit]:
            continue
        group = np.zeros(len(squares), dtype=bool)
        group[unit] = True
        while (wider := group | same[group].any(0)).sum() > group.sum():
            group = wider
        free &= ~group
        if group.sum() > 1:
            groups.append(tuple(int(member) for member in np.flatnonzero(group)))
    return tuple(groups)


class _Products(LayerUnits):
    """Listener that sums the products of the activations of every layer's units."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.products: dict[str, Tensor] = {}

    def activated(self, site: str, h: Tensor, flow: Flow | None) -> None:
        for layer, units in self.layer_units(h, flow):
            kind = torch.float32 if h.device.type == "mps" else torch.float64  # MPS has no float64
            columns = units.movedim(2, -1).flatten(0, -2).to(kind)
            found = columns.T @ columns
            before = self.products.get(layer)
            self.products[layer] = found.clone() if before is None else before + found
