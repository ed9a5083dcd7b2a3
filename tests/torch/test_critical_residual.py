"""Rewired models are critical residual networks, keep what the theory says, and stay ordinary PyTorch models."""

import copy
import io
import math
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos, sparse_design
from neurondeath_theory.networks.activations import absolute_value, soft_threshold
from neurondeath_theory.trainability.critical_residual import critical_residual
from neurondeath_theory.trainability.padded_residual import kernel_share, padded_residual
from neurondeath_torch.initialising.initialisation import edge_of_chaos_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.activations import PiecewiseLinear, from_theory, to_theory
from neurondeath_torch.networks.critical_residual import CriticalResidual, CriticalResidualConv2d
from neurondeath_torch.networks.residual_stream import border_factor
from neurondeath_torch.networks.thresholded_activations import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    ShiftedReLU,
    SoftThreshold,
)

DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


def clipped() -> nn.Module:
    return from_theory(DESIGN.activation)


def perceptron(width: int, depth: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Build `depth` layers of equal width after a first one, and an output."""
    hidden = [part for _ in range(depth) for part in (activation(), nn.Linear(width, width))]
    return nn.Sequential(nn.Linear(8, width), *hidden, activation(), nn.Linear(width, 4))


def convolutions(
    channels: int, depth: int, activation: Callable[[], nn.Module] = nn.ReLU, **given: object
) -> nn.Module:
    hidden = [
        part
        for _ in range(depth)
        for part in (activation(), nn.Conv2d(channels, channels, 3, padding=1, **given))  # type: ignore[arg-type]
    ]
    given.pop("groups", None)  # 3 channels
    first = nn.Conv2d(3, channels, 3, padding=1, **given)  # type: ignore[arg-type]
    return nn.Sequential(first, *hidden, activation(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def inputs(n: int, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(9), dtype=dtype)


def stream(model: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """Return the outputs of all layers of a run; the whole run is executed."""
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        for part in model[:-1]:
            x = part(x)
            if isinstance(part, (nn.Linear, nn.Conv2d)):
                seen.append(x)
    return seen


def explicit(model: nn.Sequential, x: torch.Tensor, share: float, q: float) -> torch.Tensor:
    """Twin of a rewired perceptron, from its parameters."""
    layers = [part for part in model if isinstance(part, nn.Linear)]
    phi = model[1]
    h = functional.linear(x, layers[0].weight, layers[0].bias)
    h = h * math.sqrt(q) / h.square().mean(1, keepdim=True).sqrt()
    for layer in layers[1:-1]:
        branch = functional.linear(phi(h.clone()), layer.weight, layer.bias)
        h = math.sqrt(1.0 - share) * h + math.sqrt(share) * branch
    return functional.linear(phi(h), layers[-1].weight, layers[-1].bias)


@pytest.mark.parametrize("activation", [nn.ReLU, lambda: nn.ReLU(inplace=True), clipped, lambda: nn.LeakyReLU(0.3)])
@pytest.mark.parametrize("depth", [1.0, 4.0, 12.0])
def test_the_rewired_perceptron_is_the_residual_formula(activation: Callable[[], nn.Module], depth: float) -> None:
    model = perceptron(16, 12, activation).double()
    done = residual_(model, depth, generator=1)
    x = inputs(5, 8, dtype=torch.float64)
    torch.testing.assert_close(model(x), explicit(model, x, depth / 12, done.q), rtol=1e-11, atol=1e-11)
    assert done.n_branches == 12
    assert done.names == tuple(str(2 * i) for i in range(13))
    assert done.branch_scale == pytest.approx(math.sqrt(depth / 12))
    assert done.outside == {"26": "its output has another shape than that of the layer before it"}


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_variance_and_zeros_are_kept_at_every_input_whatever_its_size(scale: float) -> None:
    model = perceptron(400, 40, clipped)
    residual_(model, 1.0, design=DESIGN, generator=3)
    h = stream(model, scale * inputs(20, 8))
    torch.testing.assert_close(h[0].square().mean(1), torch.ones(20), rtol=1e-5, atol=0.0)
    assert float(h[-1].square().mean()) == pytest.approx(1.0, abs=0.2)  # standard deviation about sqrt(5 / 400)
    assert float((clipped()(h[-1]) == 0).float().mean()) == pytest.approx(0.85, abs=0.03)


def test_correlations_follow_the_theory() -> None:
    """Two points at correlation .3; the plain network of this depth brings them together."""
    first, other = torch.randn(2, 40, 500, generator=torch.Generator().manual_seed(1))
    second = 0.3 * first + math.sqrt(1.0 - 0.09) * other

    def reached(effective_depth: float) -> float:
        block = CriticalResidual(500, 50, DESIGN, effective_depth, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            return float(functional.cosine_similarity(block(first), block(second)).mean())

    expected = critical_residual(DESIGN, 50, 1.0, correlation=0.3).correlation[-1]
    assert reached(1.0) == pytest.approx(expected, abs=0.04)
    assert reached(50.0) > 0.98


def test_the_border_of_zero_padded_convolutions_keeps_the_variance() -> None:
    model = convolutions(64, 20)
    residual_(model, 4.0, generator=5, first_layer_data=inputs(2, 3, 8, 8))
    factor = border_factor(model[2], (8, 8))
    torch.testing.assert_close(factor[0].double() ** -2, torch.from_numpy(kernel_share([8, 8], [3, 3])))
    relu = sparse_design("relu", 0.5)
    assert padded_residual(relu, [8, 8], [3, 3], 20, 4.0).q[0, 0] < 0.3  # without the correction
    h = torch.stack([_last(seed) for seed in range(6)])
    corner, middle = float(h[..., 0, 0].square().mean()), float(h[..., 3:5, 3:5].square().mean())
    assert 0.6 < corner / middle < 1.7


def _last(seed: int) -> torch.Tensor:
    model = convolutions(64, 20)
    residual_(model, 4.0, generator=seed, first_layer_data=inputs(2, 3, 8, 8))
    return stream(model[:-3], inputs(8, 3, 8, 8))[-1]


@pytest.mark.parametrize(
    ("padding", "size"), [({}, 8), ({"bias": False}, 8), ({"padding_mode": "circular"}, 8), ({"groups": 2}, 11)]
)
def test_the_rewired_convolution_is_the_residual_formula(padding: dict[str, object], size: int) -> None:
    model = convolutions(6, 3, **padding).double()
    residual_(model, 2.0, generator=1, first_layer_data=inputs(2, 3, 8, 8, dtype=torch.float64))
    x = inputs(4, 3, size, size, dtype=torch.float64)
    zero_padded = model[0].padding_mode == "zeros"
    kept = torch.from_numpy(kernel_share([size, size], [3, 3])).sqrt() if zero_padded else torch.ones(())

    def corrected(layer: nn.Conv2d, z: torch.Tensor) -> torch.Tensor:
        bias = layer.bias.view(-1, 1, 1) if layer.bias is not None else 0.0
        return layer._conv_forward(z, layer.weight, None) / kept + bias

    h = corrected(model[0], x)
    h = h / h.square().mean((1, 2, 3), keepdim=True).sqrt()
    for layer in model[2:8:2]:
        h = math.sqrt(1 / 3) * h + math.sqrt(2 / 3) * corrected(layer, torch.relu(h))
    expected = model[-1](torch.relu(h).mean((2, 3)))
    torch.testing.assert_close(model(x), expected, rtol=1e-6, atol=1e-6)  # the factors are in single precision


class OwnForward(nn.Module):
    """One shared activation, functions that overwrite their input, two runs of different widths."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(8, 12), nn.Linear(12, 12), nn.Linear(12, 12)
        self.narrow, self.more, self.last = nn.Linear(12, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.relu(self.first(x)))
        x = self.third(self.drop(torch.relu_(x)))
        x = self.narrow(self.relu(x))
        x = self.more(x.clamp_(min=0.0))
        return self.last(functional.relu(x))


def test_a_forward_of_its_own_with_two_streams() -> None:
    model = OwnForward()
    done = residual_(model, 1.5, generator=0)
    assert done.names == ("first", "second", "third", "narrow", "more")
    assert done.roles == ("start", "branch", "branch", "start", "branch")
    assert done.outside == {"last": "it is the output"}
    model.eval()
    keep = scale = math.sqrt(0.5)
    x = inputs(3, 8)
    with torch.no_grad():
        layers = [plain_linear(layer) for layer in (model.first, model.second, model.third, model.narrow)]
        h = norm(layers[0](x))
        h = keep * h + scale * layers[1](h.relu())
        h = keep * h + scale * layers[2](h.relu())
        g = norm(layers[3](h.relu()))
        g = keep * g + scale * plain_linear(model.more)(g.relu())
        torch.testing.assert_close(model(x), model.last(g.relu()), rtol=1e-5, atol=1e-6)


def plain_linear(layer: nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: functional.linear(x, layer.weight, layer.bias)


def norm(h: torch.Tensor) -> torch.Tensor:
    return h / h.square().mean(1, keepdim=True).sqrt()


def test_kept_weights_and_the_fixed_point_they_imply() -> None:
    model = perceptron(300, 20, clipped)
    edge_of_chaos_(model, DESIGN, generator=2)
    before = copy.deepcopy(model.state_dict())
    done = residual_(model, 2.0, initialise=False)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert done.initialisation is None
    assert done.sigma_w2[1] == pytest.approx(DESIGN.sigma_w2, rel=0.03)
    assert done.q == pytest.approx(1.0, abs=0.08)
    assert "their fixed point is q = " in done.notes[0]
    assert "weights kept" in str(done)


def test_one_factor_from_data() -> None:
    model = perceptron(32, 5)
    data = 7.0 * inputs(600, 8)
    batches = iter(data.split(100))  # readable only once
    done = residual_(model, 1.0, generator=0, first_layer_data=batches, normalise="data")
    h = stream(model, data)[0]
    assert float(h.square().mean()) == pytest.approx(1.0, rel=1e-5)
    assert float(h.square().mean(1).std()) > 0.1
    assert len(done.start_factors) == 1


def models() -> list[tuple[nn.Module, torch.Tensor]]:
    return [
        (perceptron(8, 6), inputs(3, 8)),
        (convolutions(4, 3, clipped), inputs(3, 3, 9, 9)),
        (OwnForward(), inputs(3, 8)),
    ]


@pytest.mark.parametrize("case", range(3))
def test_it_stays_an_ordinary_model(case: int) -> None:
    model, x = models()[case]
    seen: list[int] = []
    first = next(module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    first.register_forward_hook(lambda *given: seen.append(1))
    next(model.parameters()).requires_grad_(False)
    list(model.modules())[-1].eval()
    parameters, keys = list(model.parameters()), list(model.state_dict())
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    residual_(model, 1.0, generator=0, first_layer_data=x)
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert not parameters[0].requires_grad
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(state, torch.get_rng_state())
    assert list(model.state_dict()) == keys
    model.eval()
    seen.clear()
    expected = model(x).detach()
    assert seen == [1]
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(x).square().sum().backward()
    copied = copy.deepcopy(model)
    first._forward_hooks.popitem(last=False)  # a lambda cannot be pickled
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    twins = [copied, pickle.loads(pickle.dumps(model)), torch.load(buffer, weights_only=False)]
    fresh = models()[case][0].eval()  # another draw, then the state: q* is that of the design
    residual_(fresh, 1.0, generator=99, first_layer_data=x)
    fresh.load_state_dict(model.state_dict())
    twins.append(fresh)
    optimiser.step()
    assert not torch.equal(model(x), expected)
    for twin in twins:
        torch.testing.assert_close(twin(x), expected)
    torch.testing.assert_close(torch.compile(copied, backend="eager", fullgraph=True)(x), expected)
    with torch.inference_mode():
        torch.testing.assert_close(copied(x), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtype_survives(dtype: torch.dtype) -> None:
    model = convolutions(8, 3).to(dtype)
    residual_(model, 1.0, generator=0)
    out = model(inputs(2, 3, 10, 10).to(dtype))
    assert out.dtype == dtype
    single = convolutions(8, 3)
    residual_(single, 1.0, generator=0)
    torch.testing.assert_close(out.float(), single(inputs(2, 3, 10, 10)), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("normalise", ["input", "layers"])
def test_dtype_of_modules_survives(dtype: torch.dtype, normalise: Literal["input", "layers"]) -> None:
    drawn = torch.Generator().manual_seed(0)
    flat = CriticalResidual(8, 5, in_features=4, out_features=3, normalise=normalise, generator=drawn)
    wide = CriticalResidualConv2d(4, 5, normalise=normalise, generator=drawn)
    for block, x in ((flat, inputs(2, 4)), (wide, inputs(2, 4, 6, 6))):
        single = block(x.float())
        out = block.to(dtype)(x.to(dtype))
        assert out.dtype == dtype
        torch.testing.assert_close(out.float(), single, rtol=0.05, atol=0.05)


def test_a_zero_input_stays_finite() -> None:
    model = perceptron(8, 4)
    residual_(model, generator=0)
    out = model(torch.zeros(1, 8))
    out.sum().backward()
    assert not out.any()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in model.parameters() if parameter.grad is not None)


def test_two_threads_do_not_disturb_each_other() -> None:
    model = perceptron(16, 40)
    residual_(model, generator=0)
    x = inputs(12, 8)
    with torch.no_grad():
        expected = [model(row[None]) for row in x]
        with ThreadPoolExecutor(4) as threads:
            for _ in range(5):
                for found, wanted in zip(threads.map(lambda row: model(row[None]), x), expected, strict=True):
                    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    "activation",
    [
        ShiftedReLU(0.4),
        ShiftedReLU(0.4, learnable=True),
        SoftThreshold(0.5),
        ClippedSoftThreshold(0.5, 1.0),
        ClippedShiftedReLU(0.8, 1.1, learnable=True),
        PiecewiseLinear(absolute_value()),
        nn.Hardtanh(),
        nn.LeakyReLU(0.1),
    ],
    ids=str,
)
def test_every_activation_keeps_its_variance_and_zeros(activation: nn.Module) -> None:
    model = perceptron(300, 20, lambda: activation)
    done = residual_(model, 1.0, generator=0)
    design = edge_of_chaos(to_theory(activation))
    h = stream(model, inputs(20, 8))[-1]
    assert done.q == design.q
    assert float(h.square().mean()) == pytest.approx(1.0, abs=0.35)
    assert float((activation(h) == 0).float().mean()) == pytest.approx(design.sparsity, abs=0.06)


def test_modules_compute_what_rewiring_computes() -> None:
    model = perceptron(16, 7, clipped)
    residual_(model, 2.0, design=DESIGN, generator=0)
    made = CriticalResidual(16, 7, DESIGN, 2.0, in_features=8, out_features=4)
    made.load_state_dict(dict(zip(made.state_dict(), model.state_dict().values(), strict=True)))
    torch.testing.assert_close(made(inputs(3, 8)), model(inputs(3, 8)))
    images = nn.Sequential(
        nn.Conv2d(4, 4, 1),
        *[part for _ in range(3) for part in (nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))],
        nn.ReLU(),
        nn.Conv2d(4, 1, 1),
    )
    residual_(images, 1.0, generator=0)
    block = CriticalResidualConv2d(4, 3, generator=torch.Generator().manual_seed(1))
    state = [tensor for name, tensor in images[:-2].state_dict().items() if not name.startswith("0.")]
    block.load_state_dict(dict(zip(block.state_dict(), state, strict=True)))
    x = inputs(2, 4, 6, 7)
    torch.testing.assert_close(
        images(x), images[-1](torch.relu(block(nn.functional.conv2d(x, images[0].weight, images[0].bias))))
    )


def test_modules_draw_the_variances_of_the_design_and_check_their_arguments() -> None:
    block = CriticalResidual(200, 4, DESIGN, generator=torch.Generator().manual_seed(0))
    weights = torch.stack([layer.weight for layer in block.layers])
    assert float(weights.detach().var()) * 200 == pytest.approx(DESIGN.sigma_w2, rel=0.02)
    assert float(torch.stack([layer.bias for layer in block.layers]).detach().var()) == pytest.approx(
        DESIGN.sigma_b2, rel=0.2
    )
    assert CriticalResidual(4, 2, nn.LeakyReLU(0.2)).design.activation.slopes == (0.2, 1.0)
    assert isinstance(CriticalResidual(4, 2, soft_threshold(0.5)).design, EdgeOfChaos)
    with pytest.raises(ValueError, match="at most the depth, 3"):
        CriticalResidual(4, 3, effective_depth=4.0)
    with pytest.raises(ValueError, match="`activation` must"):
        CriticalResidual(4, 3, "relu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="odd"):
        CriticalResidualConv2d(4, 3, 2)
    with pytest.raises(ValueError, match="padding_mode"):
        CriticalResidualConv2d(4, 3, padding_mode="reflect")  # type: ignore[arg-type]
