"""Looks-linear models are linear maps at birth, of the mirrored weights of the theory; other models are refused."""

import copy
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.looks_linear import mirrored_weights
from neurondeath_torch.initialising.looks_linear import looks_linear_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.thresholded_activations import ShiftedReLU, SoftThreshold


def perceptron(sizes: list[int], activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    layers = [part for a, b in pairwise(sizes[:-1]) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def images() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.AvgPool2d(2), nn.Conv2d(16, 32, 3, groups=4), nn.SiLU(), nn.Flatten(), nn.Dropout(0.5)),
        nn.Linear(32 * 25, 10),
    )


class OwnForward(nn.Module):
    """Odd widths, an in-place activation, a functional one and a mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.first, self.second = nn.ReLU(inplace=True), nn.Conv1d(2, 9, 3), nn.Conv1d(9, 7, 3)
        self.last = nn.Linear(7, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(functional.silu(self.second(self.relu(self.first(x)))).mean(-1))


MODELS = [
    (lambda: perceptron([8, *[16] * 30, 4]), (8,)),
    (lambda: perceptron([8, 17, 5, 12, 4], nn.GELU), (8,)),
    (lambda: perceptron([8, *[16] * 6, 4], lambda: nn.LeakyReLU(0.3)), (8,)),
    (lambda: perceptron([8, 6, 6, 4], nn.PReLU), (8,)),
    (lambda: perceptron([8, 6, 6, 4], nn.Softplus), (8,)),
    (lambda: perceptron([8, 6, 6, 4], nn.Hardswish), (8,)),
    (lambda: perceptron([8, 6, 6, 4], lambda: ShiftedReLU(0.0)), (8,)),
    (images, (3, 28, 28)),
    (OwnForward, (2, 20)),
    (lambda: nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (6,)),
]


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-6)])
@pytest.mark.parametrize(("build", "shape"), MODELS)
def test_linear_at_birth(
    build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: torch.dtype, tolerance: float, orthogonal: bool
) -> None:
    model = build().to(dtype).eval()
    looks_linear_(model, orthogonal=orthogonal, generator=1)
    x, y = torch.randn(2, 5, *shape, generator=torch.Generator().manual_seed(2), dtype=dtype)
    with torch.no_grad():
        size = model(x).abs().max()
        assert size > 1e-3
        assert (model(2.0 * x - 3.0 * y) - 2.0 * model(x) + 3.0 * model(y)).abs().max() <= 10 * tolerance * size
        assert (model(x) + model(-x)).abs().max() <= tolerance * size


@pytest.mark.parametrize(("build", "shape"), [MODELS[0], MODELS[7]])
def test_half_precision_is_odd_exactly_and_linear_up_to_its_rounding(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    model = build().to(torch.bfloat16).eval()
    looks_linear_(model, generator=1)
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
    with torch.no_grad():
        if isinstance(model[1], nn.ReLU) and len(shape) == 1:
            assert torch.equal(model(-x), -model(x))
        expected = copy.deepcopy(model).double()(x.double())
        assert (model(x).double() - expected).abs().max() <= 0.05 * expected.abs().max()


def test_the_product_of_the_matrices_and_the_theory_weights() -> None:
    model = perceptron([6, 8, 8, 4, 3]).double()
    done = looks_linear_(model, generator=5)
    weights = [layer.weight.detach() for layer in model if isinstance(layer, nn.Linear)]
    halves = [
        w[: len(w) if i == 3 else len(w) // 2, : w.shape[1] if i == 0 else w.shape[1] // 2]
        for i, w in enumerate(weights)
    ]
    for weight, twin in zip(weights, mirrored_weights([half.numpy() for half in halves]), strict=True):
        assert torch.equal(weight, torch.from_numpy(twin))
    x = torch.randn(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    product = halves[3] @ halves[2] @ halves[1] @ halves[0]
    torch.testing.assert_close(model(x), x @ product.T, rtol=1e-12, atol=1e-12)
    assert done.names == ("0", "2", "4", "6")
    assert done.bias_std == (0.0,) * 4
    assert "projected" in done.notes[0]
    assert all(not layer.bias.any() for layer in model if isinstance(layer, nn.Linear))


def test_orthogonal_halves_keep_lengths_gradients_and_weight_gradients() -> None:
    model = perceptron([8, *[16] * 40, 4]).double()
    assert "the norms of all weight gradients are kept" in looks_linear_(model, generator=0).notes[0]
    x = torch.randn(1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    features = model[:-1](x)
    assert float(features.detach().norm()) == pytest.approx(float(x.norm()), rel=1e-12)
    model(x)[0, 2].backward()
    norms = [float(layer.weight.grad.norm()) for layer in model if isinstance(layer, nn.Linear)]
    assert norms == pytest.approx([float(x.norm())] * 41, rel=1e-10)


def test_hidden_convolutions_keep_lengths_and_the_first_keeps_them_in_the_mean() -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), *[nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)] * 1, nn.ReLU())
    deep = nn.Sequential(*model, *[part for _ in range(9) for part in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())])
    looks_linear_(nn.Sequential(deep, nn.Conv2d(64, 2, 1)), generator=0)
    x = torch.randn(2, 3, 30, 30, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        first = deep[:2](x).norm()
        assert float(deep(x).norm() / first) == pytest.approx(1.0, abs=1e-4)
        assert float(first / x.norm()) == pytest.approx(1.0, abs=0.06)  # the border loses a part


def test_the_odd_unit_has_no_say_at_birth_but_can_learn() -> None:
    model = perceptron([4, 5, 5, 3])
    assert "odd widths" in looks_linear_(model, generator=2).notes[1]
    assert not model[2].weight[:, 4].any()
    assert bool(model[2].weight[4, :4].any())
    model(torch.randn(50, 4, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert bool(model[2].weight.grad[:, 4].any())


def test_parameters_dtype_mode_and_random_state_survive() -> None:
    model = perceptron([4, 6, 3])
    model[1].eval()
    parameters, state = list(model.parameters()), torch.get_rng_state()
    first = looks_linear_(model, generator=7)
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert not model[1].training
    kept = copy.deepcopy(model.state_dict())
    assert looks_linear_(model, generator=first.seed).weight_std == first.weight_std
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items())


def test_the_output_can_be_left() -> None:
    model = perceptron([4, 6, 3])
    before = model[2].weight.clone()
    done = looks_linear_(model, output="leave", generator=0)
    assert torch.equal(model[2].weight, before)
    assert done.left_alone == {"2": "the output, as asked"}
    assert "up to its last layer" in done.notes[0]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        return self.third(h + self.second(torch.relu(h)))


class Swapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 8, 1), nn.Linear(8 * 8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x)).transpose(1, 2).flatten(1))


def shared() -> nn.Module:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(4, 2))


def rewired() -> nn.Module:
    model = perceptron([4, 6, 6, 2])
    residual_(model, generator=0)
    return model


REFUSED = [
    (rewired, "no residual stream"),
    (lambda: perceptron([4, 6, 6, 2], lambda: SoftThreshold(0.5)), "1: soft_threshold"),
    (lambda: perceptron([4, 6, 6, 2], lambda: ShiftedReLU(0.5)), "shifted_relu"),
    (lambda: perceptron([4, 6, 6, 2], nn.ReLU6), "clipped_shifted_relu"),
    (lambda: perceptron([4, 6, 6, 2], nn.Tanh), "Tanh"),
    (lambda: perceptron([4, 6, 6, 2], nn.ELU), "ELU"),
    (lambda: perceptron([4, 6, 6, 2], lambda: nn.PReLU(6)), "PReLU"),
    (lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2)), "no normalisation"),
    (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 2)), "no normalisation"),
    (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 3)),
        "use average pooling",
    ),
    (lambda: nn.Sequential(nn.Conv1d(4, 4, 1, groups=4), nn.ReLU(), nn.Conv1d(4, 2, 1)), "at least two units"),
    (lambda: perceptron([4, 1, 2]), "at least two units"),
    (lambda: nn.Sequential(nn.Linear(4, 2)), "a hidden layer"),
    (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.GELU(), nn.Linear(6, 2)), "at most one activation"),
    (Residual, "without residual sums"),
    (Swapped, "views and average pooling"),
    (shared, "called once"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(7, 2)), "pass first_layer_data"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_refusals_leave_the_model_unchanged(build: Callable[[], nn.Module], message: str) -> None:
    model = build()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InvalidArgumentError, match=message) as raised:
        looks_linear_(model, generator=0)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()) or build is rewired
