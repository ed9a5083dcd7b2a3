"""Sign flips of norms that hold their own activation, and their independence of reused memory."""

import pytest
import torch
from torch import nn

from neurondeath_torch.initialising.sign_flipping import sign_flip_
from tests.torch.test_sign_flip import each_mode, gaussian


class NormAct(nn.BatchNorm2d):
    """A batch norm that holds its own activation, as model libraries have them."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(super().forward(x))


def blocks(*, joined: bool) -> nn.Sequential:
    """Build six convolutions with batch norms, whose ReLUs are inside or after them."""
    layers: list[nn.Module] = []
    for fan_in in (3, *[6] * 5):
        layers.append(nn.Conv2d(fan_in, 6, 3, padding=1))
        layers += [NormAct(6)] if joined else [nn.BatchNorm2d(6), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(384, 2)).double().eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


@each_mode
@pytest.mark.parametrize("batch_statistics", [False, True])
def test_a_norm_that_holds_its_own_activation(mode: str, batch_statistics: bool) -> None:
    x = gaussian(12, 3, 8, 8)
    inside, after = blocks(joined=True), blocks(joined=False)
    found = sign_flip_(inside, x, mode=mode, batch_statistics=batch_statistics)
    expected = sign_flip_(after, x, mode=mode, batch_statistics=batch_statistics)
    assert len(found.names) == 6
    assert found.n_negated == expected.n_negated
    assert found.living_points == expected.living_points
    for ours, theirs in zip(inside.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_same_model_gives_the_same_flips_twenty_times() -> None:
    """Memory of the run is given to other tensors at will; flips must not depend on it."""
    x = gaussian(12, 3, 8, 8)
    first = None
    for run in range(20):
        litter = [torch.empty(6 * 64 * (run % 5), dtype=torch.float64) for _ in range(run)]
        result = sign_flip_(blocks(joined=run % 2 == 0), x)
        del litter
        first = first or result
        assert (result.n_negated, result.living_points) == (first.n_negated, first.living_points)
