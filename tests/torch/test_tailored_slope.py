"""The tailored leaky ReLU has the slope of the theory, and wide random networks reach its target correlation."""

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.tailored_slope import tailored_slope
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.networks.activations import to_theory
from neurondeath_torch.networks.tailored_leaky_relu import tailored_leaky_relu


@pytest.mark.parametrize(("depth", "slope"), [(20, 0.181), (60, 0.471), (100, 0.570), (150, 0.638)])
def test_slopes_of_zhang_et_al(depth: int, slope: float) -> None:
    module = tailored_leaky_relu(depth)
    assert type(module) is nn.LeakyReLU
    assert module.negative_slope == pytest.approx(slope, abs=6e-4)
    assert module.negative_slope == tailored_slope(depth, 0.9).negative_slope


def test_other_targets_and_refusals() -> None:
    assert tailored_leaky_relu(60, 0.5).negative_slope > tailored_leaky_relu(60, 0.9).negative_slope
    with pytest.raises(InvalidArgumentError, match="`target` must be at most"):
        tailored_leaky_relu(2)
    with pytest.raises(InvalidArgumentError, match="`depth`"):
        tailored_leaky_relu(0)


def correlation(activation: nn.Module, depth: int, width: int) -> float:
    """Correlation of two orthogonal inputs before the last activation's weights are applied."""
    model = nn.Sequential(*[nn.Sequential(nn.Linear(width, width, bias=False), activation) for _ in range(depth)])
    head = nn.Linear(width, width, bias=False)
    he_(nn.Sequential(model, head), to_theory(activation), generator=3)
    with torch.no_grad():
        first, second = head(model(torch.eye(width)[:2]))
    return float(nn.functional.cosine_similarity(first, second, dim=0))


def test_a_wide_network_reaches_the_target() -> None:
    tailored = correlation(tailored_leaky_relu(30), 30, 400)
    assert tailored == pytest.approx(0.9, abs=0.06)
    assert correlation(nn.ReLU(), 30, 400) > tailored + 0.04
