import importlib
import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.utils.data import DataLoader, TensorDataset

from neurondeath_theory._console import command_line, run
from neurondeath_theory.activations import clipped_shifted_relu
from neurondeath_theory.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.survival import survival_bounds
from neurondeath_torch.commands import COMMANDS
from neurondeath_torch.networks.activations import ClippedShiftedReLU, ShiftedReLU, SoftThreshold
from neurondeath_torch.watching.auditing import audit
from tests.statistical import assert_agrees, assert_refutes, seeds
from tests.test_torch_monitor import eleven, hooks_of, points, seeded


def mlp(*widths, bias=False, activation=nn.ReLU, gain=2.0):
    layers = []
    for fan_in, width in pairwise(widths):
        layer = nn.Linear(fan_in, width, bias=bias)
        nn.init.normal_(layer.weight, std=(gain / fan_in) ** 0.5)
        layers += [layer, activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2))


def orthonormal_(weight, groups=1, transposed=False):
    """Fill a weight so that its units are a basis of the patches: then z_i . z_j over units is exactly x_i . x_j."""
    outputs = weight.shape[1] if transposed else weight.shape[0] // groups
    fan_in = weight.numel() // (outputs * groups)
    assert outputs == fan_in
    with torch.no_grad():
        for group in range(groups):
            basis = torch.linalg.qr(points(outputs, outputs, seed=group))[0]
            if transposed:
                inputs = weight.shape[0] // groups
                block = basis.reshape(outputs, inputs, *weight.shape[2:]).transpose(0, 1)
                weight[group * inputs : (group + 1) * inputs] = block
            else:
                weight[group * outputs : (group + 1) * outputs] = basis.reshape(outputs, *weight.shape[1:])


CONVOLUTIONS = {
    "linear": (lambda: nn.Linear(12, 12, bias=False), (12,), False),
    "tokens": (lambda: nn.Linear(6, 6, bias=False), (5, 6), False),
    "padded": (lambda: nn.Conv2d(2, 18, 3, padding=1, bias=False), (2, 5, 6), False),
    "strided, dilated": (lambda: nn.Conv2d(2, 8, 2, stride=2, dilation=2, bias=False), (2, 7, 9), False),
    "circular": (lambda: nn.Conv1d(3, 9, 3, padding=1, padding_mode="circular", bias=False), (3, 8), False),
    "grouped": (lambda: nn.Conv2d(4, 36, 3, padding=1, groups=2, bias=False), (4, 4, 5), False),
    "3d": (lambda: nn.Conv3d(1, 8, 2, bias=False), (1, 3, 4, 3), False),
    "transposed": (lambda: nn.ConvTranspose2d(2, 18, 3, stride=2, bias=False), (2, 4, 3), True),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_variance_and_correlation_of_an_orthonormal_layer_are_exactly_predicted(kind):
    build, shape, transposed = CONVOLUTIONS[kind]
    layer = build()
    orthonormal_(layer.weight, getattr(layer, "groups", 1), transposed)
    x = points(7, *shape)
    (row,) = audit(nn.Sequential(layer, nn.ReLU()), x).layers
    z = layer(x).detach().double().flatten(1)
    assert row.q == pytest.approx(float(z.square().mean()), rel=1e-6)
    assert row.predicted_q == pytest.approx(row.q, rel=1e-5)
    cosines = F.normalize(z) @ F.normalize(z).T
    off = ~np.eye(7, dtype=bool)
    assert row.correlation == pytest.approx(float(cosines[off].mean()), abs=1e-6)
    assert row.predicted_correlation == pytest.approx(row.correlation, abs=1e-5)
    assert (row.basis, row.predicted_sparsity) == ("measured inputs" if kind == "circular" else "data", 0.5)
    assert row.sigma_w2 == pytest.approx(1.0, rel=1e-5)


def test_sparsity_is_predicted_position_by_position():
    conv, tau = nn.Conv2d(2, 18, 3, padding=1), 0.7
    x = points(5, 2, 4, 4)
    (row,) = audit(nn.Sequential(conv, ShiftedReLU(tau)), x).layers
    patches = F.unfold(x.double(), 3, padding=1)  # (points, patch, positions)
    weight, bias = conv.weight.detach().double(), conv.bias.detach().double()
    q = weight.square().mean() * patches.square().sum(1) + bias.square().mean()
    off = norm.cdf(tau / q.sqrt().numpy())
    assert row.predicted_sparsity == pytest.approx(off.mean(), rel=1e-6)
    assert row.predicted_q == pytest.approx(float(q.mean()), rel=1e-6)
    assert row.death_probability == pytest.approx((off.min(axis=1) ** 18).mean(), rel=1e-5)
    assert row.bounds_only
    assert abs(row.predicted_sparsity - norm.cdf(tau / q.mean().sqrt().item())) > 1e-3  # the mean q would not do


@pytest.mark.parametrize(
    ("between", "basis"),
    [
        (nn.Dropout(), "previous layer"),
        (nn.Flatten(), "previous layer"),
        (nn.Unflatten(1, (2, 4)), "measured inputs"),
        (nn.Softmax(1), "measured inputs"),
        (nn.BatchNorm1d(8), "measured inputs"),
    ],
)
def test_only_what_changes_nothing_carries_a_prediction_on(between, basis):
    last = nn.Linear(4 if isinstance(between, nn.Unflatten) else 8, 6)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), between, last, nn.ReLU())
    assert [row.basis for row in audit(model, points(9, 3)).layers] == ["data", basis]


def arc_cosine(covariance):
    """E relu(u) relu(v), by the angle between u and v."""
    size = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    angle = np.arccos(np.clip(covariance / size, -1.0, 1.0))
    return size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)


def test_a_chain_of_layers_follows_the_covariance_map():
    model, x = seeded(lambda: mlp(6, 40, 30, 20, bias=True, gain=1.7)), points(50, 6)
    for layer in model[::2]:
        nn.init.normal_(layer.bias, std=0.3)
    result = audit(model, DataLoader(TensorDataset(x, x), batch_size=30), n_probe=20)
    covariance = None
    for row, layer in zip(result.layers, model[::2], strict=False):
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        probe = x[:20].double().numpy()
        moments = probe @ probe.T / 6 if covariance is None else arc_cosine(covariance)
        covariance = weight.shape[1] * (weight**2).mean() * moments + (bias**2).mean()
        roots = np.sqrt(np.diag(covariance))
        rho = covariance / np.outer(roots, roots)
        assert row.predicted_q == pytest.approx(np.diag(covariance).mean(), rel=1e-6)
        assert row.predicted_correlation == pytest.approx((rho.sum() - 20) / (20 * 19), abs=1e-6)
        assert row.basis == ("data" if layer is model[0] else "previous layer")


@seeds
def test_random_networks_do_on_average_as_predicted(seed):
    """For ReLU without biases q is linear in every layer's weight variance: unbiased at any width."""
    x = points(12, 10)
    gaps, sparsities = [], []
    for draw in range(80):
        layers = audit(seeded(lambda: mlp(10, 40, 40, 40), 1000 * seed + draw), x, n_probe=12).layers
        gaps.append([row.q / layers[0].predicted_q - row.predicted_q / layers[0].predicted_q for row in layers])
        thresholded = mlp_of_one(1000 * seed + draw)
        (row,) = audit(thresholded, x, n_probe=12).layers
        sparsities.append(row.sparsity - row.predicted_sparsity)
    error = np.std(gaps, axis=0, ddof=1) / len(gaps) ** 0.5
    assert_agrees(np.mean(gaps, axis=0), error, 0.0)
    assert_refutes(np.mean(gaps, axis=0)[1:], error[1:], 0.3)
    spread = np.std(sparsities, ddof=1) / len(sparsities) ** 0.5
    assert_agrees(np.mean(sparsities), spread, 0.0)
    assert_refutes(np.mean(sparsities), spread, 0.1)


def mlp_of_one(seed):
    return seeded(lambda: mlp(10, 40, activation=lambda: ShiftedReLU(0.8)), seed)


def living(model, x):
    """Share of points alive after each ReLU, point by point."""
    alive, shares = np.ones(len(x), dtype=bool), []
    for module in model:
        x = module(x)
        if isinstance(module, nn.ReLU):
            alive &= (x.detach().numpy() > 0).any(1)
            shares.append(alive.mean())
    return shares


def test_living_ratio_and_its_expectation():
    model, x = seeded(lambda: mlp(3, 2, 3, 2, 4, bias=True), 4), points(200, 3)
    for layer in model[::2]:
        nn.init.normal_(layer.bias, std=1.0)
    result = audit(model, torch.split(x, 70))
    assert [row.living_ratio for row in result.layers] == pytest.approx(living(model, x))
    assert 0.0 < result.layers[-1].living_ratio < 1.0
    expected = survival_bounds([2, 3, 2, 4]).lower
    assert [row.expected_living_ratio for row in result.layers] == pytest.approx(expected.tolist())
    assert [row.death_probability for row in result.layers] == pytest.approx([0.25, 0.125, 0.25, 0.0625])
    lost = 200 - round(200 * result.layers[-1].living_ratio)
    assert any(f"{lost} of 200 points are lost" in sentence for sentence in result.verdict)
    assert "sign_flip_(model, loader)  # before training" in result.remedies


def test_dead_points_stay_dead_but_a_residual_stream_carries_them():
    class Stream(nn.Module):
        def __init__(self, residual):
            super().__init__()
            self.a, self.b, self.residual = nn.Linear(1, 1), nn.Linear(1, 1), residual
            with torch.no_grad():
                self.a.weight.fill_(1.0), self.a.bias.zero_(), self.b.weight.fill_(1.0), self.b.bias.fill_(1.0)

        def forward(self, x):
            h = F.relu(self.a(x))
            return F.relu(self.b(h + x if self.residual else h))

    x = torch.tensor([[1.0], [-0.5], [-2.0]])
    plain, stream = audit(Stream(False), x), audit(Stream(True), x)
    assert [row.living_ratio for row in plain.layers] == pytest.approx([1 / 3, 1 / 3])
    assert [row.living_ratio for row in stream.layers] == pytest.approx([1 / 3, 2 / 3])
    assert stream.layers[1].expected_living_ratio is None
    assert plain.layers[1].expected_living_ratio == pytest.approx(1 / 4)


def test_a_point_lives_when_one_of_two_branches_does():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(1, 1) for _ in range(3))
            with torch.no_grad():
                self.a.weight.fill_(1.0), self.b.weight.fill_(-1.0), self.c.weight.fill_(1.0)
                self.a.bias.zero_(), self.b.bias.fill_(-1.0), self.c.bias.fill_(1.0)

        def forward(self, x):
            return F.relu(self.c(F.relu(self.a(x)) + F.relu(self.b(x))))

    layers = audit(Branches(), torch.tensor([[1.0], [-0.5], [-2.0], [-3.0]])).layers
    assert [row.living_ratio for row in layers] == pytest.approx([1 / 4, 2 / 4, 3 / 4])


class Beyond(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
        self.norm, self.soft = nn.BatchNorm1d(4), SoftThreshold(0.1)

    def forward(self, x):
        normed = F.relu(self.norm(self.a(x)))
        summed = F.relu(self.b(normed) + normed)
        odd = F.hardshrink(self.c(summed), 0.01)
        return self.soft(self.d(torch.sin(odd)))


def test_where_the_theory_does_not_reach_it_says_why():
    result = audit(seeded(Beyond), points(30, 4))
    reasons = [row.reason for row in result.layers]
    assert "batch_norm between a and it" in reasons[0]
    assert "no single weight layer feeds it (add)" in reasons[1]
    assert "hardshrink is not piecewise linear" in reasons[2]
    assert (reasons[3], result.layers[3].basis) == ("", "measured inputs")
    for row, reason in zip(result.layers, reasons, strict=True):
        for name in ("predicted_q", "predicted_sparsity", "predicted_correlation", "death_probability"):
            assert (getattr(row, name) is None) == bool(reason)


def test_verdicts():
    healthy = audit(seeded(lambda: mlp(20, 300, 300)), points(400, 20))
    assert healthy.verdict[0] == "Nothing is wrong: no unit is dead and all 400 points pass every layer."
    assert "dead with probability at most 1e-" in healthy.verdict[1]
    assert healthy.remedies == ()

    dead = seeded(lambda: mlp(5, 4, 4, 4))
    with torch.no_grad():
        dead[2].weight.copy_(-dead[2].weight.abs())
    result = audit(dead, points(50, 5))
    assert result.verdict[0].startswith("Activation `3` is dead: none of its 4 units is active")
    assert "50 of 50 points are lost" in result.verdict[1]
    assert "layers of at least 9 units  # min_width(3, 0.99)" in result.remedies
    assert result.layers[2].correlation is None  # nothing is left to correlate

    shrinking = audit(seeded(lambda: mlp(20, 300, 300, 300, 300, gain=0.5)), points(40, 20))
    assert any("q, the mean square of the pre-activations, shrinks" in sentence for sentence in shrinking.verdict)
    assert "he_(model)" in shrinking.remedies

    deep = audit(seeded(lambda: mlp(5, *[60] * 60)), points(40, 5), n_probe=12)
    assert any(sentence.startswith("Points become alike") for sentence in deep.verdict)
    assert "he_(model)" not in deep.remedies  # it is He already

    drifting = audit(seeded(lambda: mlp(20, *[10] * 30)), points(40, 20), n_probe=12)
    assert any("q, the mean square" in sentence for sentence in drifting.verdict)
    assert "he_(model)" not in drifting.remedies  # the scale is right, the width is not

    shifted = seeded(lambda: mlp(20, 400))
    with torch.no_grad():
        shifted[0].weight += 0.1
    off = audit(shifted, points(60, 20) + 1.0)
    assert any("weights of 1 of 1 layers are not centred" in sentence for sentence in off.verdict)
    assert any("`1` is" in sentence and "sparse" in sentence for sentence in off.verdict)


def test_clipped_designs_are_judged_by_their_own_form():
    model = seeded(lambda: mlp(20, 300, 300, activation=lambda: ClippedShiftedReLU(1.0, 1.2), gain=7.0))
    result = audit(model, points(64, 20))
    first = result.layers[0]
    assert first.predicted_sparsity == pytest.approx(first.sparsity, abs=0.02)
    assert str(first.form) == "clipped_shifted_relu(tau=1, m=1.2)"
    assert not any("Nothing" in sentence for sentence in result.verdict) or result.remedies == ()


@pytest.mark.parametrize(
    ("activation", "calls"),
    [
        (nn.ReLU, {"sign_flip_", "remove_dead_units", "reset_units", "he_"}),
        (lambda: ClippedShiftedReLU(0.5, 1.2), {"remove_dead_units", "reset_units", "edge_of_chaos_"}),
        (nn.Hardshrink, {"remove_dead_units", "reset_units"}),
    ],
)
def test_every_remedy_that_is_a_call_can_be_called(activation, calls):
    names = {
        name: getattr(importlib.import_module(f"neurondeath_torch.{module}"), name)
        for module, name in (
            ("initialising.initialisation", "edge_of_chaos_"),
            ("initialising.initialisation", "he_"),
            ("surgery.removal", "remove_dead_units"),
            ("surgery.resetting", "reset_units"),
            ("initialising.sign_flipping", "sign_flip_"),
        )
    }
    called = set()
    for widths in ([6, 30, 30, 30, 30], [6, 2, 2, 2]):

        def build(widths=widths):
            return seeded(lambda: mlp(*widths, bias=True, activation=activation, gain=0.3))

        loader = points(60, 6)
        result = audit(build(), loader)
        scope = names | {"loader": loader, "result": result, "clipped_shifted_relu": clipped_shifted_relu}
        for call in (remedy.partition("  #")[0] for remedy in result.remedies):
            if call.endswith(")") and "design" not in call:
                eval(call, scope | {"model": build()})
                called.add(call.partition("(")[0])
    assert called == calls


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_model_and_the_random_state_are_left_as_they_were(mode):
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.ReLU(), nn.Linear(6, 2)))
    model.train()
    model[1].eval()
    before = state_of(model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random_state = torch.random.get_rng_state()
        result = audit(model, points(30, 4) + 5.0, mode=mode)
        assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True, False, True, True, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert hooks_of(model) == 0
    q = result.layers[0].q  # normalised by the batch: mean square 1, doubled by dropout; by running statistics: not
    assert (q == pytest.approx(2.0, abs=0.4)) == (mode == "train")


def test_all_forms_of_data_give_the_same():
    model, x = eleven(3), points(40, 3).abs()
    loaders = [
        x,
        [x[:15], x[15:]],
        DataLoader(TensorDataset(x, torch.zeros(40)), batch_size=16),
        [(x[:20], None), [x[20:], None]],
        [{"input": x[:20], "labels": None}, {"input": x[20:]}],
        (part for part in torch.split(x, 7)),
    ]
    results = [audit(model, data, n_probe=7) for data in loaders]
    for result in results:
        assert result.n_points == 40
        assert result.layers[0].dead == 1
        assert result.layers[0].q == pytest.approx(results[0].layers[0].q)
        assert result.layers[0].predicted_q == pytest.approx(results[0].layers[0].predicted_q)
    assert audit(model, loaders[1], max_batches=1).n_points == 15
    assert audit(model, points(600, 3)).n_batches == 3


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: audit(eleven(0), []), "data"),
        (lambda: audit(eleven(0), "digits"), "data"),
        (lambda: audit(eleven(0), np.zeros((3, 3))), "data"),
        (lambda: audit(eleven(0), TensorDataset(torch.ones(3, 3))), "data"),
        (lambda: audit(eleven(0), torch.full((2, 3), torch.nan)), "model"),
        (lambda: audit(eleven(0), torch.full((2, 3), torch.inf)), "model"),
        (lambda: audit(eleven(0), torch.ones(2, 3), mode="test"), "mode"),
        (lambda: audit(eleven(0), torch.ones(2, 3), n_probe=1), "n_probe"),
        (lambda: audit(eleven(0), torch.ones(2, 3), max_batches=0), "max_batches"),
        (lambda: audit(3, torch.ones(2, 3)), "model"),
    ],
)
def test_bad_arguments_are_one_line(call, word):
    with pytest.raises(InvalidArgumentError, match=f"`{word}`") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_threshold_decides_on_units_and_points_alike():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.GELU())
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    x = torch.tensor([[1.0], [2.0], [-9.0], [-8.0]])  # at -8 and -9 GELU is tiny but not 0
    (row,) = audit(model, x, watch=["1"], threshold=1e-3).layers
    assert (row.sparsity, row.living_ratio, row.dead) == (0.5, 0.5, 0)
    assert "GELU is not piecewise linear" in row.reason


def test_a_model_without_activations_is_refused():
    with pytest.raises(NeuronDeathError, match="no activation"):
        audit(nn.Linear(3, 2), torch.ones(2, 3))


@pytest.mark.parametrize("x", [torch.zeros(4, 3), torch.ones(1, 3), torch.ones(3)])
def test_points_at_zero_one_point_and_a_point_without_batch_axis(x):
    result = audit(eleven(2), x)
    assert len(result.layers) == 1
    assert result.layers[0].correlation is None
    if not x.any():
        assert result.layers[0].death_probability == 1.0
        assert result.layers[0].predicted_q == 0.0


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_picture_shows_measurement_and_theory(tmp_path, ending):
    result = audit(seeded(Beyond), points(30, 4))
    path = tmp_path / f"audit.{ending}"
    figure = result.plot(path)
    assert path.stat().st_size > 2000
    assert list(tmp_path.iterdir()) == [path]
    predicted, measured = figure.axes[1].get_lines()
    assert measured.get_ydata().tolist() == [row.q for row in result.layers]
    assert np.isnan(predicted.get_ydata()).tolist() == [True, True, True, False]
    result.plot(again := tmp_path / f"again.{ending}")
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(InvalidArgumentError, match="ending"):
        result.plot(tmp_path / "audit.gif")


MODELS = """
import torch
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 10))

def conv():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

def smooth():
    return nn.Sequential(nn.Linear(64, 5), nn.GELU())

def broken():
    raise RuntimeError("first line\\nsecond line")

ready = mlp()
number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "my_models.py").write_text(MODELS)
    return folder


def command(folder, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "error", "-m", "neurondeath", "audit", *arguments]
    return subprocess.run(program, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def in_process(monkeypatch, capsys, folder, *arguments):
    """Run the command here: as much of it as a process of its own would, but faster."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with torch.random.fork_rng():
        code = run(command_line("neurondeath", COMMANDS, help=""), "neurondeath", ["audit", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_in_a_process_of_its_own(folder):
    done = command(folder, "my_models:mlp", "--data", "digits", "--format", "json", "--picture", "audit.svg")
    assert (done.returncode, done.stderr) == (0, "picture: audit.svg\n")
    found = json.loads(done.stdout)
    assert (found["n_points"], [row["activation"] for row in found["layers"]]) == (1797, ["1", "3"])
    assert found["layers"][0]["predicted_sparsity"] == 0.5
    assert found["verdict"]
    assert (folder / "audit.svg").is_file()


def test_the_command_reads_files_images_and_weights(monkeypatch, capsys, folder):
    def run(*arguments):
        return in_process(monkeypatch, capsys, folder, *arguments)

    code, out, _ = run("my_models.py:conv", "--data", "digits:50", "--batch-size", "20", "--format", "csv")
    assert code == 0
    assert out.splitlines()[1].startswith("2,0,4,")
    code, out, _ = run("my_models:conv", "--data", "gaussian:9", "--input-shape", "1,8,8")
    assert code == 0
    assert "9 points, batches: 1, mode: eval" in out
    assert "2: no prediction, batch_norm between 0 and it." in out
    model = nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 10))
    with torch.no_grad():
        model[2].weight.fill_(0.0), model[2].bias.fill_(-1.0)
    torch.save(model.state_dict(), folder / "weights.pt")
    np.save(folder / "points.npy", points(6, 64).numpy())
    for name in ("mlp", "ready"):
        code, out, _ = run(f"my_models:{name}", "--data", "points.npy", "--weights", "weights.pt")
        assert code == 0
        assert "Activation `3` is dead" in out
    same = [run("my_models:mlp", "--data", "digits:50", "--seed", seed)[1] for seed in ("3", "3", "4")]
    assert same[0] == same[1] != same[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch:mlp", "--data", "digits"], "a module that can be imported from here; got 'nosuch'"),
        (["nosuch.py:mlp", "--data", "digits"], "file that exists"),
        (["my_models:nosuch", "--data", "digits"], "something in my_models; got 'nosuch'"),
        (["my_models", "--data", "digits"], "module:function"),
        (["my_models:number", "--data", "digits"], "a torch.nn.Module; got 'int'"),
        (["my_models:broken", "--data", "digits"], "RuntimeError: first line"),
        (["my_models:smooth", "--data", "digits"], "gelu is zero on no interval"),
        (["my_models:mlp", "--data", "nosuch"], "--data"),
        (["my_models:mlp", "--data", "missing.npy"], "--data"),
        (["my_models:mlp", "--data", "gaussian:4", "--input-shape", "3"], "accept the data"),
        (["my_models:mlp", "--data", "digits", "--input-shape", "3,x"], "--input-shape"),
        (["my_models:conv", "--data", "gaussian:4"], "--input-shape"),
        (["my_models:mlp", "--data", "digits", "--weights", "missing.pt"], "--weights"),
        (["my_models:mlp", "--data", "digits", "--weights", "my_models.py"], "--weights"),
        (["my_models:mlp", "--data", "digits", "--mode", "test"], "--mode"),
        (["my_models:mlp", "--data", "digits", "--batch-size", "0"], "--batch-size"),
        (["my_models:mlp", "--data", "digits", "--picture", "nosuch/a.png"], "--picture"),
        (["my_models:mlp"], "--data"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(monkeypatch, capsys, folder, arguments, words):
    code, out, err = in_process(monkeypatch, capsys, folder, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
