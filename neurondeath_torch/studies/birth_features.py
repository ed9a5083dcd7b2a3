"""What the features of the last hidden layer say before training, for a stack of networks."""

from typing import Any

import torch
from torch import Tensor

from neurondeath_theory.trainability.feature_rank import RESOLVED
from neurondeath_torch.studies.stacked_networks import StackedNetworks

__all__ = ["birth_features", "entropy_ranks"]

SPREAD = 1e-15  # root mean square difference of unit-length features that is rounding, as in `entropy_rank`


@torch.no_grad()
def birth_features(networks: StackedNetworks, points: Tensor) -> dict[str, list[Any]]:
    """Measure every network's last features on points, in double precision.

    Parameters
    ----------
    networks : StackedNetworks
        The networks.
    points : tensor, shape (n_points, input_dim)
        Inputs.

    Returns
    -------
    dict of list
        `entropy_rank` and `participation` ratio of the centred unit-length features, `uncentred_rank` (entropy) and
        `root_rank` before centring, as in `neurondeath_theory.trainability.feature_rank`;
        `correlation`, mean cosine of pairs of living points; `living_ratio`, share of points with a feature that is not
        0; `log_size`, mean over living points of the logarithm of the mean square feature, None without any.
    """
    features = networks.features(points[None]).double()
    square = features.square().mean(dim=2)
    finite = torch.isfinite(square)
    living = (square > 0) & finite
    unit = torch.where(living[..., None], features, torch.zeros(())) / features.norm(dim=2, keepdim=True).clamp(
        min=1e-300
    )
    unit = torch.where(living[..., None], unit, torch.zeros((), dtype=unit.dtype))
    centred = unit - unit.mean(dim=1, keepdim=True)
    spectrum, whole = _spectra(centred), _spectra(unit)
    living_pairs = living.double().sum(dim=1)
    sums = unit.sum(dim=1).square().sum(dim=1)
    pairs = living_pairs * (living_pairs - 1)
    logs = torch.where(living, square.clamp(min=1e-300).log(), 0.0).sum(dim=1) / living_pairs.clamp(min=1)
    measured = {
        "entropy_rank": entropy_ranks(spectrum),
        "root_rank": entropy_ranks(_root_shares(whole)),
        "uncentred_rank": entropy_ranks(whole),
        "participation": 1.0 / spectrum.square().sum(dim=1).clamp(min=1e-300),
        "correlation": torch.where(pairs > 0, (sums - living_pairs) / pairs.clamp(min=1), torch.nan),
        "living_ratio": living_pairs / len(points),
        "log_size": torch.where(living_pairs > 0, logs, torch.nan),
    }
    measured["participation"] = torch.where(spectrum.sum(dim=1) > 0, measured["participation"], 0.0)
    return {name: [None if value != value else value for value in values.tolist()] for name, values in measured.items()}


def entropy_ranks(spectra: Tensor) -> Tensor:
    """Compute exp(-sum p log p) of every row of shares; 0 for a row of zeros."""
    entropies = -(spectra * spectra.clamp(min=1e-300).log()).sum(dim=1)
    return torch.where(spectra.sum(dim=1) > 0, entropies.exp(), 0.0)


def _spectra(features: Tensor) -> Tensor:
    """Return the shares of the eigenvalues of every network's Gram matrix; zeros where all features are equal."""
    values = torch.linalg.svdvals(features).square()
    total = values.sum(dim=1, keepdim=True)
    least = SPREAD**2 * features.shape[1]
    return torch.where(total > least, values / total.clamp(min=1e-300), 0.0)


def _root_shares(shares: Tensor) -> Tensor:
    """Return the shares of the cube roots of singular values, given those of their squares."""
    largest = shares.amax(dim=1, keepdim=True)
    roots = torch.where(shares > RESOLVED**2 * largest, shares, 0.0) ** (1.0 / 6.0)
    return roots / roots.sum(dim=1, keepdim=True).clamp(min=1e-300)
