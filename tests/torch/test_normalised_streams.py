"""Critical residual streams whose layers read what is brought to q*: the design at birth, and its zeros in training."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, sparse_design
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.activations import from_theory
from neurondeath_torch.networks.critical_residual import CriticalResidual, CriticalResidualConv2d
from neurondeath_torch.training.configuration import Experiment, ModelChoice, OptimiserChoice
from neurondeath_torch.training.loop import train
from neurondeath_torch.watching.monitor import DeadUnitMonitor

DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
WIDE = sparse_design("clipped-soft-threshold", 0.8, v_prime=0.7, q=4.0)


def read(h: torch.Tensor, q: float) -> torch.Tensor:
    """Twin of `centred`, from its definition."""
    axes = tuple(range(1, h.ndim))
    off = h - h.mean(axes, keepdim=True)
    return off * math.sqrt(2.0 * q / math.pi) / off.abs().mean(axes, keepdim=True)


def perceptron(width: int, depth: int, design: EdgeOfChaos) -> nn.Sequential:
    hidden = [part for _ in range(depth) for part in (from_theory(design.activation), nn.Linear(width, width))]
    return nn.Sequential(nn.Linear(8, width), *hidden, from_theory(design.activation), nn.Linear(width, 4))


def inputs(n: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("design", [DESIGN, WIDE])
def test_the_rewired_perceptron_is_the_formula(design: EdgeOfChaos) -> None:
    model = perceptron(16, 6, design).double().eval()
    done = residual_(model, 2.0, design=design, generator=1, normalise="layers")
    x, keep, scale = inputs(5, 8), math.sqrt(2 / 3), math.sqrt(1 / 3)
    first, *branches, last = (part for part in model if isinstance(part, nn.Linear))
    phi = from_theory(design.activation)
    h = functional.linear(x, first.weight, first.bias)
    h = h * (design.q / h.square().mean(1, keepdim=True)).sqrt()
    for layer in branches:
        h = keep * h + scale * functional.linear(phi(read(h, design.q)), layer.weight, layer.bias)
    torch.testing.assert_close(model(x), functional.linear(phi(read(h, design.q)), last.weight, last.bias))
    assert done.normalise == "layers"
    assert "what every layer reads brought to mean 0 and q*" in str(done)


def test_the_module_is_the_rewired_perceptron() -> None:
    model = perceptron(16, 6, WIDE).double().eval()
    residual_(model, 2.0, design=WIDE, generator=1, normalise="layers")
    built = CriticalResidual(
        16, 6, WIDE, 2.0, in_features=8, out_features=4, normalise="layers", dtype=torch.float64
    ).eval()
    for ours, theirs in zip(built.parameters(), model.parameters(), strict=True):
        ours.data.copy_(theirs)
    torch.testing.assert_close(built(inputs(3, 8)), model(inputs(3, 8)))
    assert "normalise='layers'" in repr(built)


def test_convolutions_read_all_positions_together() -> None:
    block = CriticalResidualConv2d(4, 1, 1, DESIGN, 0.5, normalise="layers", dtype=torch.float64)
    x = inputs(3, 4, 6, 6)
    h = x * x.square().mean((1, 2, 3), keepdim=True).rsqrt()
    expected = math.sqrt(0.5) * (h + block.layers[0](from_theory(DESIGN.activation)(read(h, 1.0))))
    torch.testing.assert_close(block(x), expected)


def test_narrow_layers_keep_the_zeros_at_birth() -> None:
    """Without the norm, q of narrow streams is spread and so are the zeros."""

    def zeros(normalise: str) -> torch.Tensor:
        found = []
        for seed in range(8):
            model = perceptron(30, 60, DESIGN)
            residual_(model, 4.0, design=DESIGN, generator=seed, normalise=normalise)
            with DeadUnitMonitor(model) as monitor, torch.no_grad():
                model(inputs(100, 8).float())
            found.append([layer.sparsity for layer in monitor.report().activities])
        return torch.tensor(found)

    held, free = zeros("layers"), zeros("input")

    assert float(held.mean()) == pytest.approx(0.85, abs=0.01)
    assert float(held.std()) < 0.6 * float(free.std())


def test_the_size_of_the_stream_does_not_matter() -> None:
    """Training changes it; what layers read stays."""
    model = perceptron(64, 10, DESIGN)
    residual_(model, 1.0, design=DESIGN, generator=0, normalise="layers")
    sizes = copy.deepcopy(model).eval()
    with torch.no_grad():
        for part in sizes[2:-1]:
            if isinstance(part, nn.Linear):
                part.weight.mul_(100.0)
                part.bias.mul_(100.0)  # type: ignore[union-attr]
        with DeadUnitMonitor(sizes) as monitor:
            sizes(inputs(200, 8).float())
    assert all(abs(layer.sparsity - 0.85) < 0.05 for layer in monitor.report().activities)


def test_it_stays_an_ordinary_model_with_finite_gradients_at_zero() -> None:
    model = perceptron(16, 30, DESIGN).eval()
    residual_(model, 1.0, design=DESIGN, generator=0, normalise="layers")
    x = inputs(3, 8).float()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(x), model(x))
    for layer in (part for part in model if isinstance(part, nn.Linear)):
        layer.bias.data.zero_()
    model(torch.zeros(2, 8)).sum().backward()  # all entries of every stream are equal
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in model.parameters())  # type: ignore[arg-type]


def test_bfloat16_is_normalised_in_single_precision() -> None:
    model = perceptron(64, 4, DESIGN).eval()
    residual_(model, 1.0, design=DESIGN, generator=0, normalise="layers")
    x = inputs(50, 8).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).dtype == torch.bfloat16
    torch.testing.assert_close(model.bfloat16()(x.bfloat16()).float(), model.float()(x), atol=0.15, rtol=0.1)


@pytest.mark.parametrize("built", [True, False])
def test_the_stream_of_bfloat16_layers_is_summed_in_single_precision(built: bool) -> None:
    """Branches that add nothing scale the start 60 times: in bfloat16, each time would round."""
    seen: list[torch.Tensor] = []
    if built:
        stream = CriticalResidual(64, 60, DESIGN, in_features=8, generator=torch.Generator().manual_seed(0))
        first, branches, model = stream.first, list(stream.layers), stream
    else:
        chain = perceptron(64, 60, DESIGN)
        residual_(chain, 1.0, design=DESIGN, generator=0)
        first, *branches, _ = (part for part in chain if isinstance(part, nn.Linear))
        chain[-2].register_forward_pre_hook(lambda _, read: seen.append(read[0]))
        model = chain
    assert isinstance(first, nn.Linear)
    for layer in branches:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = inputs(50, 8).float()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(x)
        start = functional.linear(x, first.weight, first.bias).float()
    last = outputs if built else seen[0]
    assert last.dtype == torch.bfloat16
    expected = start * (DESIGN.q / start.square().mean(1, keepdim=True)).sqrt() * (1.0 - 1.0 / 60.0) ** 30.0
    torch.testing.assert_close(last.float(), expected, rtol=2.0**-8, atol=0.0)


def test_training_holds_the_zeros_and_learns() -> None:
    """The same network without the norm loses them."""

    def trained(normalise: str) -> tuple[float, float]:
        chosen = {"sparsity": 0.85, "v_prime": 0.7, "residual": True, "effective_depth": 1.0, "normalise": normalise}
        model = ModelChoice(activation="clipped-shifted-relu", options={"width": 64, "depth": 8}, **chosen)
        fast = OptimiserChoice(kind="adamw", learning_rate=4e-3, weight_decay=1e-2, schedule="one-cycle", clip=1.0)
        last = train(Experiment(epochs=6, measure=500, model=model, optimiser=fast)).last
        return last["test_accuracy"], max(abs(zeros - 0.85) for zeros in last["test_sparsity_by_activation"])

    accuracy, off = trained("layers")
    assert accuracy > 0.88
    assert off < 0.02
    assert trained("input")[1] > 0.08


def test_experiments_must_have_a_stream_to_normalise() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`model.normalise` must stand with effective_depth"):
        ModelChoice(normalise="layers", residual=True)


def heavy(n: int, width: int) -> torch.Tensor:
    """Entries with far heavier tails than a Gaussian's: too many of them are zeros without a gain."""
    return torch.distributions.StudentT(torch.tensor(2.0)).sample((n, width))


@pytest.mark.parametrize("design", [DESIGN, WIDE])
def test_gains_bring_the_zeros_of_heavy_tails_to_the_design(design: EdgeOfChaos) -> None:
    torch.manual_seed(0)
    block = CriticalResidual(400, 2, design, 1.0, normalise="layers")
    phi, x = from_theory(design.activation), heavy(50, 400)

    def zeros() -> float:
        with torch.no_grad():
            return float((block._active(x, 0, x.dtype) == 0).float().mean())

    target = design.sparsity
    assert abs(zeros() - target) > 0.02
    assert phi is not None
    for _ in range(400):
        zeros()
    block.eval()
    gain = block.gains[0].item()  # type: ignore[index]
    assert zeros() == pytest.approx(target, abs=0.002)
    assert block.gains[0].item() == gain != 1.0  # type: ignore[index]
    assert block.gains[1].item() == 1.0  # type: ignore[index]


def test_gains_belong_to_the_state() -> None:
    model = perceptron(32, 3, DESIGN)
    residual_(model, 1.0, design=DESIGN, generator=0, normalise="layers")
    for _ in range(5):
        model(inputs(40, 8).float())
    gains = {name: value.item() for name, value in model.state_dict().items() if name.endswith("stream_gain")}
    assert list(gains) == [f"{index}.stream_gain" for index in (0, 2, 4, 6)]
    assert all(gain != 1.0 for gain in gains.values())
    other = perceptron(32, 3, DESIGN)
    residual_(other, 1.0, design=DESIGN, generator=7, normalise="layers")
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.eval()(inputs(3, 8).float()), model.eval()(inputs(3, 8).float()))


def test_relu_needs_no_gains() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    residual_(model, 1.0, generator=0, normalise="layers")
    assert not [name for name in model.state_dict() if "gain" in name]
    assert CriticalResidual(8, 3, normalise="layers").gains is None


def test_a_failure_takes_back_the_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    model = perceptron(16, 3, DESIGN)
    before = set(model.state_dict())

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no hook")

    monkeypatch.setattr("neurondeath_torch.initialising.residual.StreamBranch", fails)
    with pytest.raises(RuntimeError, match="no hook"):
        residual_(model, 2.0, design=DESIGN, normalise="layers")
    assert set(model.state_dict()) == before
    assert not any(module._forward_hooks for module in model.modules())


def test_a_monitor_sees_no_comparison_of_the_gains() -> None:
    model = perceptron(16, 3, DESIGN)
    residual_(model, 1.0, design=DESIGN, generator=0, normalise="layers")
    with DeadUnitMonitor(model) as monitor:
        model(inputs(40, 8).float())
    assert not monitor.report().not_watched
    assert not monitor.report().constant_inputs
