"""Initialisers compared with the distributions they draw from and the signal propagation they claim."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.initialising.initialisation import edge_of_chaos_, he_, rai_
from neurondeath_torch.networks.activations import from_theory
from neurondeath_torch.networks.weight_layers import weight_layers
from tests.references.statistical import assert_agrees, assert_refutes, seeds

DESIGN = sparse_design("clipped-shifted-relu", 0.7, v_prime=0.5)


def plain(widths: list[int], activation: nn.Module | None = None, **kw: object) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, width in pairwise(widths):
        layers += [nn.Linear(fan_in, width, **kw), activation or nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def variance_agrees(sample: torch.Tensor, variance: float) -> None:
    squares = sample.double().flatten().square().numpy()
    stderr = squares.std(ddof=1) / np.sqrt(squares.size)
    assert_agrees(squares.mean(), stderr, variance)
    assert_refutes(squares.mean(), stderr, 1.1 * variance)


@seeds
@pytest.mark.parametrize("distribution", ["normal", "uniform", "orthogonal"])
def test_he_draws_with_the_variance_of_the_fan_in(distribution: str, seed: int) -> None:
    model = nn.ModuleList(
        [nn.Linear(200, 300), nn.Linear(300, 200), nn.Conv2d(32, 128, 3, groups=2), nn.Conv1d(64, 64, 5)]
    )
    fan_ins = [200, 300, 144, 320]
    result = he_(model, distribution=distribution, generator=100 + seed)
    assert list(result.fan_in) == fan_ins
    for layer, fan_in, std in zip(model, fan_ins, result.weight_std, strict=True):
        assert std == pytest.approx(np.sqrt(2 / fan_in))
        if distribution != "orthogonal":  # whose entries depend on each other: tested exactly below
            variance_agrees(layer.weight.detach(), 2 / fan_in)
            assert_agrees(layer.weight.mean().item(), std / np.sqrt(layer.weight.numel()), 0.0)
        assert not layer.bias.any()
    if distribution == "uniform":
        edge = np.sqrt(6 / 200)
        assert model[0].weight.abs().max().item() == pytest.approx(edge, rel=1e-3)
    if distribution == "normal":  # kurtosis 3, of standard error sqrt(96 / N) for a normal law
        z = (model[0].weight.detach().double() / result.weight_std[0]).flatten()
        fourth = (z**4).numpy()
        assert_agrees(fourth.mean(), fourth.std() / np.sqrt(z.numel()), 3.0)
        assert_refutes(fourth.mean(), fourth.std() / np.sqrt(z.numel()), 9 / 5)


def test_orthogonal_weights() -> None:
    model = nn.ModuleList([nn.Linear(20, 12), nn.Linear(12, 20), nn.Conv2d(8, 12, 3, groups=4)]).double()
    he_(model, distribution="orthogonal", generator=0)
    wide, tall = model[0].weight, model[1].weight
    torch.testing.assert_close(wide @ wide.T, 2.0 * torch.eye(12, dtype=torch.float64))
    torch.testing.assert_close(tall.T @ tall, 2.0 * 20 / 12 * torch.eye(12, dtype=torch.float64))
    for group in model[2].weight.flatten(1).split(3):
        torch.testing.assert_close(group @ group.T, 2.0 * torch.eye(3, dtype=torch.float64))


@seeds
def test_orthogonal_law_is_rotation_invariant(seed: int) -> None:
    """E det = 0 and E trace = 0, E trace^2 = 1 hold for the uniform law on O(2); raw QR has a diagonal of one sign."""
    generator = torch.Generator().manual_seed(seed)
    layer, traces, determinants = nn.Linear(2, 2, bias=False).double(), [], []
    for _ in range(1000):
        he_(layer, distribution="orthogonal", generator=generator)
        turn = layer.weight.detach().numpy() / np.sqrt(2)
        traces.append(np.trace(turn))
        determinants.append(np.linalg.det(turn))
    for sample, truth in ((traces, 0.0), (determinants, 0.0), (np.square(traces), 1.0)):
        assert_agrees(np.mean(sample), np.std(sample) / np.sqrt(1000), truth)


@pytest.mark.parametrize(("phi", "gain"), [(theory.relu(), 2.0), (theory.leaky_relu(0.5), 2 / 1.25)])
def test_he_gain(phi: theory.PiecewiseLinear, gain: float) -> None:
    assert he_(plain([9, 9]), phi).weight_std == (pytest.approx(np.sqrt(gain / 9)),)


@seeds
def test_edge_of_chaos_keeps_variance_and_gradients(seed: int) -> None:
    """One input: the first pre-activations are normal of variance q*, so E z^2 = q* and E |dz2/dz1|^2 = n exactly."""
    generator = torch.Generator().manual_seed(40 + seed)
    x = 3.0 * torch.randn(1, 7, generator=generator).double()
    model = plain([7, 30, 30, 4], from_theory(DESIGN.activation)).double()
    first, second, slopes, far = [], [], [], []
    for _ in range(250):
        edge_of_chaos_(model, DESIGN, first_layer_data=x, generator=generator)
        z = model[0](x)
        (slope,) = torch.autograd.grad(model[1](z).sum(), z, retain_graph=True)
        jacobian = model[2].weight.detach() * slope
        first.append(z.square().mean().item())
        second.append(model[2](model[1](z)).square().mean().item())
        slopes.append(jacobian.square().sum().item() / 30)
        edge_of_chaos_(model, DESIGN, generator=generator)
        far.append(model[0](x).square().mean().item())
    for sample, truth in ((first, DESIGN.q), (second, DESIGN.q), (slopes, 1.0)):
        error = np.std(sample) / np.sqrt(len(sample))
        assert_agrees(np.mean(sample), error, truth)
        assert_refutes(np.mean(sample), error, 1.2 * truth)
    assert_refutes(np.mean(far), np.std(far) / np.sqrt(len(far)), DESIGN.q)  # inputs of another scale


@seeds
@pytest.mark.parametrize(
    "first",
    [
        lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
        lambda: nn.Conv1d(4, 6, 5, padding=2, padding_mode="circular", stride=2),
        lambda: nn.Conv3d(4, 6, 2),
        lambda: nn.Linear(6, 8),
    ],
)
def test_first_layer_reaches_q_on_the_data(first: object, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    layer = first()
    spatial = (6,) * (layer.weight.ndim - 2)
    shape = (5, 4, *spatial) if spatial else (5, 3, 6)
    data = 0.2 + 2.0 * torch.rand(*shape, generator=generator)
    model = nn.ModuleDict({"first": layer, "act": nn.ReLU()})
    wrapped = Wrapped(model)
    q, batches, means = 1.7, [(data[:2], 0), (data[2:], 1)], []
    for _ in range(150):
        edge_of_chaos_(wrapped, theory.relu(), q=q, first_layer_data=batches, generator=generator)
        means.append(layer(data).square().mean().item())
    assert_agrees(np.mean(means), np.std(means) / np.sqrt(150), q)
    assert_refutes(np.mean(means), np.std(means) / np.sqrt(150), 1.5 * q)


class Wrapped(nn.Module):
    """Model that registers a later layer before the one that runs first."""

    def __init__(self, parts: nn.ModuleDict) -> None:
        super().__init__()
        self.late = nn.Linear(3, 3)
        self.parts = parts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.parts["act"](self.parts["first"](x)).flatten(1)
        return self.late(x[:, :3])


@seeds
def test_rai_law(seed: int) -> None:
    """At large fan-in the redrawn entry of a row stands out: one per row, uniform position, uniform square."""
    layer = nn.Linear(2500, 1000)
    rai_(layer, generator=seed)
    rows = torch.cat([layer.weight, layer.bias[:, None]], dim=1).detach().double().numpy()
    largest = rows.argmax(axis=1)
    redrawn = rows[np.arange(1000), largest]
    seen = redrawn > 0.1  # 8 standard deviations of the others, missed with probability 0.01
    share = np.mean(redrawn**2)
    assert_agrees(share, np.std(redrawn**2) / np.sqrt(1000), 0.5)
    assert_refutes(share, np.std(redrawn**2) / np.sqrt(1000), 1 / 3)
    assert seen.mean() > 0.95
    assert_agrees(np.mean(largest / 2500), 1 / np.sqrt(12 * 1000), 0.5)
    rest = np.delete(rows.ravel(), np.arange(1000) * 2501 + largest)[:200_000]
    variance_agrees(torch.tensor(rest), 0.6007471**2 / 2500)


@seeds
def test_rai_redraws_biases_too(seed: int) -> None:
    layer = nn.Conv1d(1, 20_000, 3)
    rai_(layer, generator=seed)
    b = layer.bias.detach().double().numpy()
    # a bias is normal with probability 3/4 and Beta(2, 1) with 1/4: mean 1/6, second moment 3/4 s^2/3 + 1/8
    assert_agrees(b.mean(), b.std() / np.sqrt(b.size), 1 / 6)
    assert_agrees(np.mean(b**2), np.std(b**2) / np.sqrt(b.size), 0.75 * 0.6007471**2 / 3 + 0.125)
    bare = nn.Linear(4, 20_000, bias=False)
    rai_(bare, generator=seed)
    w = bare.weight.detach().double().numpy()
    assert_agrees(w.mean(), np.sqrt(w.var() / w.size), 1 / 6)


def test_result_names_what_was_set_and_what_was_left_alone() -> None:
    model = nn.Sequential(
        nn.Embedding(5, 4), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2, bias=False)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = he_(model, output="leave", generator=7)
    assert result.names == ("1",)
    assert set(result.left_alone) == {"0", "2", "4"}
    assert result.seed == 7
    assert list(result.to_dataframe()) == ["name", "n_units", "fan_in", "weight_std", "bias_std"]
    assert "1 layer set, seed 7; left alone: 0: Embedding" in str(result)
    many = nn.Sequential(nn.Linear(2, 2), *[nn.BatchNorm1d(2) for _ in range(9)])
    assert str(he_(many)).endswith("; 5 more in `left_alone`")
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.weight", "1.bias"}


def critical_(model: nn.Module, **kw: object) -> object:
    return edge_of_chaos_(model, theory.relu(), **kw)


@pytest.mark.parametrize("draw", [he_, rai_, critical_])
def test_randomness_is_the_callers_own(draw: object) -> None:
    state = torch.random.get_rng_state()
    one, two, three = plain([4, 5, 3]), plain([4, 5, 3]), plain([4, 5, 3])
    torch.random.set_rng_state(state)
    frozen = one[0].weight.requires_grad_(False)
    draw(one, generator=3)
    draw(two, generator=torch.Generator().manual_seed(3))
    seed = draw(three).seed
    assert torch.equal(state, torch.random.get_rng_state())
    assert one[0].weight is frozen
    assert not frozen.requires_grad
    assert torch.equal(one[2].weight, two[2].weight)
    assert not torch.equal(one[2].weight, three[2].weight)
    again = plain([4, 5, 3])
    draw(again, generator=seed)
    assert torch.equal(again[2].weight, three[2].weight)
    half = plain([4, 5, 3]).bfloat16()
    draw(half, generator=3)
    assert torch.equal(half[2].weight, two[2].weight.bfloat16())


def test_compiled_models_are_unwrapped() -> None:
    model = plain([4, 5, 3])
    he_(torch.compile(model, backend="eager"), generator=1)
    twin = plain([4, 5, 3])
    he_(twin, generator=1)
    assert torch.equal(model[0].weight, twin[0].weight)


def test_depth_at_the_edge_of_chaos_against_he() -> None:
    """60 layers of width 300: the sparse design keeps its variance, He weights with the same activation do not."""
    model = plain([50] + [300] * 60, from_theory(DESIGN.activation))
    x = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    edge_of_chaos_(model, DESIGN, first_layer_data=x, generator=0)
    with torch.no_grad():
        kept = model(x).square().mean().item()
        he_(model, generator=0)
        lost = model(x).square().mean().item()
    assert 0.7 < kept / DESIGN.q < 1.4
    assert lost < 0.01


def test_weight_layers_explain_what_they_leave_out() -> None:
    tied = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 4), nn.Linear(4, 6))
    tied[2].weight = tied[0].weight
    layers, others = weight_layers(tied)
    assert [layer.name for layer in layers] == ["1"]
    assert others["2"] == "it shares its parameters: 0, 2"
    normed = nn.Sequential(nn.Linear(4, 4), nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)))
    layers, others = weight_layers(normed)
    assert [layer.name for layer in layers] == ["0"]
    assert list(others) == ["1"]
    assert "computed from other parameters" in others["1"]
    old, others = weight_layers(nn.Sequential(nn.ConvTranspose2d(3, 4, 2), nn.Conv3d(4, 6, 2, groups=2)))
    assert [(layer.n_units, layer.fan_in) for layer in old] == [(6, 16)]
    assert others["0"] == "ConvTranspose2d, not a linear or convolutional layer"


WRONG = plain([4, 4, 4])
BATCH_NORMED = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda: edge_of_chaos_(WRONG, DESIGN),
            r"`model` must have the design's activation .* throughout; got '1: relu'",
        ),
        (lambda: edge_of_chaos_(BATCH_NORMED, theory.relu()), r"no normalisation layers.*got \['1'\]"),
        (lambda: edge_of_chaos_(plain([4, 4]), 3), "`design` must be an EdgeOfChaos design"),
        (lambda: edge_of_chaos_(plain([4, 4]), DESIGN, q=2.0), "`q` must be left out"),
        (lambda: edge_of_chaos_(plain([4, 4], bias=False), DESIGN), "`model` must have biases.*bias=True"),
        (lambda: edge_of_chaos_(WRONG, theory.relu(), first_layer_data=torch.zeros(3, 4)), "not all zero"),
        (
            lambda: edge_of_chaos_(WRONG, theory.relu(), first_layer_data=[]),
            "`first_layer_data` must hold at least one",
        ),
        (lambda: he_(plain([4, 4]), distribution="cauchy"), "`distribution` must be one of"),
        (lambda: he_(plain([4, 4]), output="zero"), "`output` must be one of"),
        (lambda: he_(plain([4, 4]), output="leave"), "`output` must be 'same'"),
        (lambda: he_(plain([4, 4]), generator="x"), "`generator` must be"),
        (lambda: he_(plain([4, 4]), generator=-1), "`generator` must be a whole number of at least 0"),
        (lambda: he_(plain([4, 4]), theory.PiecewiseLinear([], [0.0])), "`activation` must not be zero everywhere"),
        (lambda: he_(3), "`model` must be a torch.nn.Module"),
        (lambda: he_(nn.ReLU()), "`model` must have a layer"),
        (lambda: he_(nn.Sequential(nn.LazyLinear(3))), "lazy.*run one batch"),
        (lambda: he_(nn.Linear(3, 3, device="meta")), "meta device"),
        (lambda: he_(nn.DataParallel(nn.Linear(3, 3))), "wrapped for parallel use"),
    ],
)
def test_refuses_in_one_line_and_changes_nothing(run: object, message: str) -> None:
    before = [p.clone() for p in (*WRONG.parameters(), *BATCH_NORMED.parameters())]
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        run()
    assert "\n" not in str(caught.value)
    after = (*WRONG.parameters(), *BATCH_NORMED.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_activation_check_can_be_waived_and_says_what_it_could_not_see() -> None:
    assert edge_of_chaos_(WRONG, DESIGN, check_activations=False).notes == ()

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

    assert "no activation module found" in str(edge_of_chaos_(Functional(), DESIGN))
    ends_in_sigmoid = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())
    assert edge_of_chaos_(ends_in_sigmoid, edge_of_chaos(theory.relu(), 2.0)).notes == ()
    learnt = nn.Sequential(nn.Linear(4, 4), from_theory(DESIGN.activation, learnable=True), nn.Linear(4, 1))
    edge_of_chaos_(learnt, DESIGN)
