r"""Scores by which whole units are pruned, from the weights that write, normalise and read them.

A unit u of a layer is written by rows $w_u$ of one or several weight layers (several along a residual stream), which a
norm with a scale $\gamma_u$ may follow, and read by columns $r_u$:

    weights   $(\sum |w_u|^2)^{1/2}$ over the layers that write u, whatever follows them
    scale     as weights, but a layer that a norm follows counts with $|\gamma_u|$, or with 1 if the norm has no scale:
              behind a norm the size of the row has no effect [liu2017]
    group     $\sum |w_u|^2 + \sum \gamma_u^2 + \sum |r_u|^2$ over all that belongs to u [fang2023]
    taylor    the same with $|w g|$ in place of every $w^2$, g the gradient of a loss: to first order a bound on the
              change of the loss without the weights of u [molchanov2019]

Every score is divided by its mean over the layer, so that layers of different scale are comparable.

Sources: Liu et al. 2017 (arXiv 1708.06519), Fang et al. 2023 (arXiv 2301.12900), Molchanov et al. 2019 (arXiv
1906.10771). `group` and `taylor` are Torch-Pruning's `GroupMagnitudeImportance` and `GroupTaylorImportance`, except
that the latter leaves out batch norm and both leave out depthwise convolutions.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice
from neurondeath_torch.networks.weight_layers import unit_axis
from neurondeath_torch.surgery.unit_coupling import Coupling, Part

__all__ = ["SCORES", "scored_parameters", "unit_scores"]

SCORES = ("scale", "weights", "group", "taylor")

Scores = npt.NDArray[np.float64]


@torch.no_grad()
def unit_scores(
    coupling: Coupling, by: str = "group", gradients: Mapping[nn.Parameter, Tensor] | None = None
) -> Scores:
    """Score the units of one layer, relative to the layer's mean.

    Parameters
    ----------
    coupling : Coupling
        The weights that belong to the units, without an obstacle.
    by : {"scale", "weights", "group", "taylor"}
        The score.
    gradients : mapping, optional
        Parameter -> gradient for those of `scored_parameters`; needed for "taylor".

    Returns
    -------
    float array, shape (n_units,)
        Zeros if all scores are.

    Raises
    ------
    InvalidArgumentError
        If the score is not known.
    """
    kind = check_choice("score", by, SCORES)
    total = np.zeros(coupling.n_units)
    if kind in ("scale", "weights"):
        for part in coupling.writers:
            norm = _following(coupling, part) if kind == "scale" else None
            if norm is None:
                _add(total, part, part.module.weight, _writing_axis(part))
            elif isinstance(norm.module.weight, nn.Parameter):
                _add(total, norm, norm.module.weight, 0)
            else:
                np.add.at(total, part.units, 1.0)
        total = np.sqrt(total)
    else:
        chosen = gradients if kind == "taylor" else None
        for part, axis in _parts(coupling):
            _add(total, part, part.module.weight, axis, chosen)
    mean = total.mean()
    return total / mean if mean > 0 else total


def scored_parameters(couplings: Iterable[Coupling]) -> list[nn.Parameter]:
    """Return the parameters whose gradients the score "taylor" needs, each once."""
    weights = (part.module.weight for coupling in couplings for part, _ in _parts(coupling))
    return list(dict.fromkeys(weight for weight in weights if isinstance(weight, nn.Parameter)))


def _parts(coupling: Coupling) -> list[tuple[Part, int]]:
    """Return all that belongs to the units, with the axis that holds their channels."""
    writers = [(part, _writing_axis(part)) for part in coupling.writers]
    readers = [(part, 1 - _writing_axis(part)) for part in coupling.readers]
    norms = [
        (part, 0)
        for part in coupling.norms
        if not isinstance(part.module, nn.PReLU) and isinstance(part.module.weight, nn.Parameter)
    ]
    return [*writers, *norms, *readers]


def _writing_axis(part: Part) -> int:
    return unit_axis(part.module)


def _following(coupling: Coupling, writer: Part) -> Part | None:
    """Return the norm that alone reads a layer that writes units."""
    return next((norm for norm in coupling.norms if norm.follows == writer.name), None)


def _add(
    total: Scores, part: Part, weight: object, axis: int, gradients: Mapping[nn.Parameter, Tensor] | None = None
) -> None:
    """Add the squares (or the products with the gradient) of each unit's weights."""
    assert isinstance(weight, nn.Parameter)  # a coupling with computed weights has an obstacle
    values = weight.detach().double()
    values = values.square() if gradients is None else (values * gradients[weight].double()).abs()
    rows = values.transpose(0, axis).flatten(1).sum(1) if values.dim() > 1 else values
    np.add.at(total, part.units, rows.cpu().numpy()[part.channels])
