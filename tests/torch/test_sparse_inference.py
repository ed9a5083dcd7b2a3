"""Models converted for sparse inference: the same outputs, nothing else changed, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its conventional name
from torch import nn
from torch.nn.utils import prune

import neurondeath as nd
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.networks.activations import PiecewiseLinear
from tests.references.branching_models import Branching, Chance

DESIGN = nd.sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
TWO_SIDED = nd.sparse_design("clipped-soft-threshold", 0.8, v_prime=0.6)
BATCHES = (1, 2, 7, 8, 40)


def converted(model, x):
    """Convert a model and compare its outputs at many batch sizes, in evaluation mode."""
    network = nd.sparse_inference(model, x, batches=[1])
    model.eval()
    with torch.no_grad():
        for n in BATCHES:
            wanted = model(x[:n]).numpy()
            found = network(x[:n].numpy())
            assert found.shape == wanted.shape
            assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    return network


def trained_norms(model):
    """Set norms to statistics and weights that are not those of the start."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, (nn.BatchNorm1d, nn.LayerNorm, nn.RMSNorm)) and module.weight is not None:
            nn.init.uniform_(module.weight, -1, 1)
            if getattr(module, "bias", None) is not None:
                nn.init.uniform_(module.bias, -1, 1)
    return model


@pytest.mark.parametrize("normalise", ["input", "layers"])
@pytest.mark.parametrize("design", [DESIGN, TWO_SIDED, theory.relu(), theory.leaky_relu(0.3)], ids=str)
def test_critical_residual(design, normalise):
    torch.manual_seed(0)
    model = nd.CriticalResidual(40, 12, design, in_features=9, out_features=3, normalise=normalise)
    if model.gains is not None:
        model.gains.uniform_(0.5, 2.0)
    network = converted(model, torch.randn(40, 9))
    assert network.columns()["layer"][0] == "first"
    assert network.columns()["layer"][-1] == "last"


def test_critical_residual_without_first_and_last_layers_and_with_a_learned_threshold():
    torch.manual_seed(1)
    activation = nd.ClippedShiftedReLU(0.9, 1.2, learnable=True)
    stream = nd.CriticalResidual(20, 5, activation)
    converted(stream, torch.randn(40, 20))
    converted(nn.Sequential(nn.Linear(8, 20), stream, nn.ReLU(), nn.Linear(20, 2)), torch.randn(40, 8))


@pytest.mark.parametrize("normalise", ["input", "data", "layers"])
def test_rewired_models(normalise):
    torch.manual_seed(2)
    layers = [part for _ in range(8) for part in (nd.from_theory(DESIGN.activation), nn.Linear(30, 30))]
    model = nn.Sequential(nn.Linear(6, 30), *layers, nd.from_theory(DESIGN.activation), nn.Linear(30, 4))
    x = torch.randn(40, 6)
    nd.residual_(model, 1.0, design=DESIGN, generator=0, normalise=normalise, first_layer_data=x)
    if normalise == "layers":
        model.train()
        model(x)  # the gains move
    converted(model, x)


@pytest.mark.parametrize(
    "activation",
    [
        nn.ReLU(),
        nn.ReLU6(),
        nn.LeakyReLU(0.2),
        nn.PReLU(),
        nn.PReLU(24),
        nn.Hardtanh(-0.5, 0.7),
        nn.Hardsigmoid(),
        nn.Softshrink(0.4),
        nn.Threshold(0.3, 0.0),
        nd.ShiftedReLU(0.5),
        nd.SoftThreshold(0.5),
        nd.ClippedSoftThreshold(0.4, 0.6),
        PiecewiseLinear(theory.PiecewiseLinear([-1.0, 0.5], [0.0, -0.3, 1.0])),
    ],
    ids=str,
)
def test_activations(activation):
    torch.manual_seed(3)
    if isinstance(activation, nn.PReLU):
        nn.init.uniform_(activation.weight, -0.5, 0.5)
    converted(nn.Sequential(nn.Linear(7, 24), activation, nn.Linear(24, 3)), torch.randn(40, 7))


def test_norms_dropout_and_nesting():
    torch.manual_seed(4)
    block = nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 16, bias=False))
    model = trained_norms(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(12, 16, bias=False),
            block,
            nn.BatchNorm1d(16, affine=False),
            nn.ReLU(inplace=True),
            nn.LayerNorm(16),
            nn.Linear(16, 16),
            nn.RMSNorm(16),
            nn.Identity(),
            nn.ReLU(),
            nn.LayerNorm(16, elementwise_affine=False),
            nn.Linear(16, 2),
        )
    )
    network = converted(model, torch.randn(40, 3, 4))
    assert not [step for step in network.program.steps[:2] if step.kind == "affine"]  # folded


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second, self.gate = nn.Linear(width, 50), nn.Linear(50, width), nn.Linear(width, 50)
        self.shift, self.scale = nn.Parameter(torch.randn(width)), nn.Parameter(torch.randn(50))

    def forward(self, x, flag=True):
        h = F.dropout(F.relu(self.first(x) - 0.2), 0.3, self.training)
        h = h * F.relu(self.gate(x)) * self.scale
        y = self.second(h.square() / 2.0) + self.shift
        z = torch.relu(F.linear(x, self.first.weight, self.first.bias))
        return x + 0.5 * y - torch.clamp(1.0 - x, 0.0, 1.0) + self.second(z**2)


def test_a_forward_pass_of_its_own():
    torch.manual_seed(5)
    converted(nn.Sequential(nn.Linear(5, 13), Block(13), Block(13), nn.ReLU(), nn.Linear(13, 2)), torch.randn(40, 5))


def test_feed_forward_blocks_of_positions():
    torch.manual_seed(6)
    model = trained_norms(nn.Sequential(nn.LayerNorm(10), Block(10), nn.RMSNorm(10), nn.Linear(10, 10)))
    network = converted(model, torch.randn(40, 6, 10))
    assert network(np.zeros((2, 3, 4, 10))).shape == (2, 3, 4, 10)


class TopK(nn.Module):
    def __init__(self, k, rectify):
        super().__init__()
        self.k, self.rectify = k, rectify

    def forward(self, x):
        x = torch.relu(x) if self.rectify == "before" else x
        top = torch.topk(x, self.k, dim=-1)
        y = torch.zeros_like(x).scatter(-1, top.indices, top.values)
        return torch.relu(y) if self.rectify == "after" else y


class JumpReLU(nn.Module):
    def __init__(self, threshold):
        super().__init__()
        self.log_threshold = nn.Parameter(threshold.log())

    def forward(self, x):
        return x * (x > self.log_threshold.exp())


class SquaredReLU(nn.Module):
    def forward(self, x):
        return torch.relu(x).square()


class ReLU2(nn.Module):
    def forward(self, x):
        return torch.relu(x) ** 3


@pytest.mark.parametrize(
    "activation",
    [
        TopK(4, ""),
        TopK(4, "before"),
        TopK(4, "after"),
        JumpReLU(torch.rand(24) + 0.1),
        JumpReLU(torch.tensor(0.7)),
        SquaredReLU(),
    ],
    ids=["top", "top of relu", "relu of top", "jumps", "jump", "squared"],
)
def test_activations_known_by_name(activation):
    torch.manual_seed(7)
    network = converted(nn.Sequential(nn.Linear(7, 24), activation, nn.Linear(24, 3)), torch.randn(40, 7))
    if isinstance(activation, TopK):
        assert network.zeros.units[1] >= 20 / 24 - 1e-6


class Autoencoder(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.encoder, self.activation = nn.Linear(12, 40), activation
        self.decoder, self.shift = nd.TiedLinear(self.encoder), nn.Parameter(torch.randn(12))

    def forward(self, x):
        return self.decoder(self.activation(self.encoder(x - self.shift))) + self.shift


@pytest.mark.parametrize(
    "activation",
    [nd.TopK(5), nd.TopK(5, rectify=False), nd.TopK(99), nd.JumpReLU(0.4), nd.JumpReLU([0.1] * 20 + [0.8] * 20)],
)
def test_sparse_autoencoders(activation):
    torch.manual_seed(13)
    converted(Autoencoder(activation), torch.randn(40, 12))


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_weights_in_fewer_bits(precision, tmp_path):
    """The outputs are those of a model whose weights are rounded, and the error against the model itself is stated."""
    torch.manual_seed(7)
    model, x = nd.CriticalResidual(100, 10, DESIGN, in_features=9, out_features=3).eval(), torch.randn(40, 9)
    network = nd.sparse_inference(model, x, precision=precision)
    with torch.no_grad():
        exact = model(x).numpy()
        for module in model.modules():
            if isinstance(module, nn.Linear):
                weight = module.weight
                if precision == "bfloat16":
                    weight.copy_(weight.bfloat16().float())
                else:
                    step = weight.abs().amax(0) / 127.0
                    weight.copy_((weight / step).round() * step)
        wanted = model(x).numpy()
    size = np.abs(exact).max()
    gap = np.abs(network(x.numpy()) - wanted).max() / size
    assert gap <= (1e-5 if precision == "bfloat16" else 0.5 * network.error)  # ties of int8 differ
    assert network.error == pytest.approx(np.abs(network(x.numpy()) - exact).max() / size, rel=1e-3)
    assert 1e-4 < network.error < 0.1
    assert f"{precision} weights: outputs differ by up to" in str(network)
    assert set(network.columns()["precision"]) == {precision}
    assert nd.load_sparse(network.save(tmp_path / "network")).error == network.error


def test_pruned_weights_are_skipped():
    torch.manual_seed(8)
    model = nn.Sequential(nn.Linear(30, 60), nn.ReLU(), nn.Linear(60, 4))
    for layer in (model[0], model[2]):
        prune.l1_unstructured(layer, "weight", 0.9)
    x = torch.randn(40, 30)
    network = converted(model, x)
    assert network.columns()["zero_weights"] == pytest.approx([0.9, 0.9], abs=0.01)
    with torch.no_grad():
        hidden = torch.relu(model[0](x))
        needed = 40 * int((model[0].weight != 0).sum()) + int(
            ((hidden != 0).float() @ (model[2].weight != 0).float().T).sum()
        )
    assert network.sparse_fraction == pytest.approx(1.0 - needed / (40 * (1800 + 240)), abs=1e-6)


def test_shared_layers_are_stored_once():
    torch.manual_seed(9)
    layer = nn.Linear(20, 20)
    network = converted(nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), layer), torch.randn(40, 20))
    assert len(network.program.layers) == 1
    assert len(network.program.products) == 3


def test_the_model_stays_as_it_is():
    torch.manual_seed(10)
    model = trained_norms(
        nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 2))
    )
    model.train()
    model[1].eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    nd.sparse_inference(model, torch.randn(30, 5, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(random, torch.get_rng_state())
    assert [module.training for module in model.modules()] == [True, True, False, True, True, True]
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert all(not module._forward_hooks for module in model.modules())


def test_double_and_half_precision():
    torch.manual_seed(11)
    model = nn.Sequential(nn.Linear(5, 30), nn.ReLU(), nn.Linear(30, 2))
    x = torch.randn(30, 5)
    double = nd.sparse_inference(model.double(), x)
    with torch.no_grad():
        assert np.abs(double(x.numpy()) - model(x.double()).numpy()).max() < 1e-5
    with pytest.raises(InvalidArgumentError, match="single precision"):
        nd.sparse_inference(model.bfloat16(), x)


def test_a_saved_network_needs_no_pytorch(tmp_path):
    torch.manual_seed(12)
    model = nd.CriticalResidual(20, 4, DESIGN, in_features=6, out_features=2)
    x = torch.randn(10, 6)
    path = nd.sparse_inference(model, x).save(tmp_path / "network.sparse")
    np.save(tmp_path / "x.npy", x.numpy())
    program = (
        "import sys, numpy as np, neurondeath as nd;"
        f"y = nd.load_sparse({str(path)!r})(np.load({str(tmp_path / 'x.npy')!r}));"
        f"np.save({str(tmp_path / 'y.npy')!r}, y); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with torch.no_grad():
        assert np.abs(np.load(tmp_path / "y.npy") - model(x).numpy()).max() < 1e-5


class TwoInputs(Branching):
    def forward(self, x, y=None, *, z=None):
        return self.layer(x), x


def chain(*middle):
    return nn.Sequential(nn.Linear(4, 4), *middle, nn.Linear(4, 2))


REFUSED = {
    "smooth": (chain(nn.GELU()), "'1' (a GELU, neither a linear layer nor a norm nor piecewise linear)"),
    "convolution": (
        nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(4, 2)),
        "a Conv1d",
    ),
    "batch norm": (chain(nn.BatchNorm1d(4, track_running_stats=False)), "without running statistics"),
    "other": (chain(nn.Softmax(-1)), "a Softmax"),
    "threshold": (chain(nn.Threshold(0.1, 2.0)), "the value 2"),
    "name only": (chain(ReLU2()), "something else than its name says"),
    "k": (chain(TopK(0, "")), "k is 0 for 4 units"),
    "values": (Branching(), "torch.fx can trace it"),
    "outputs": (TwoInputs(), "one tensor"),
    "no layer": (nn.Sequential(nn.ReLU()), "have a linear layer"),
    "nothing": (nn.Sequential(), "have a linear layer"),
    "chance": (Chance(), "model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_models(case):
    model, reason = REFUSED[case]
    with pytest.raises(InvalidArgumentError) as caught:
        nd.sparse_inference(model, torch.randn(20, 4))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"example": torch.randn(20)}, "`example` must"),
        ({"example": torch.randn(20, 5)}, "`example` must be inputs that the model takes"),
        ({"example": torch.full((3, 4), float("nan"))}, "`example` must hold finite numbers"),
        ({"example": torch.zeros(0, 4)}, "`example` must hold at least one point"),
        ({"example": "text"}, "`example` must"),
        ({"batches": [21]}, "`batches` must be at most 20"),
        ({"batches": [0]}, "`batches` must be a whole number"),
        ({"threads": 0}, "`threads` must be a whole number"),
        ({"model": "text"}, "`model` must be a torch.nn.Module"),
    ],
)
def test_refused_arguments(arguments, reason):
    given = {"model": chain(nn.ReLU()), "example": torch.randn(20, 4)} | arguments
    with pytest.raises(InvalidArgumentError, match=reason):
        nd.sparse_inference(**given)
