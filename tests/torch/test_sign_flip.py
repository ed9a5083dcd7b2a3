"""Sign flips of PyTorch models compared with a literal NumPy version, and their guarantee for all kinds of models."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_torch.initialising.initialisation import he_, rai_
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.networks.thresholded_activations import ClippedShiftedReLU
from tests.references.statistical import assert_agrees, assert_refutes, seeds

each_mode = pytest.mark.parametrize("mode", ["neuron", "layer"])


def plain(widths: list[int], seed: int = 0, activation: type[nn.Module] = nn.ReLU, **kw: object) -> nn.Sequential:
    layers = [nn.Sequential(nn.Linear(a, b, **kw), activation()) for a, b in pairwise(widths)]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 3)).double()
    he_(model, generator=seed)
    return model


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw_everything(model: nn.Module, seed: int) -> nn.Module:
    """Set every parameter and every running mean to normal values, so that nothing is zero by accident."""
    generator = torch.Generator().manual_seed(seed)
    model.double()
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if value.is_floating_point() and "running_var" not in name:
                value.copy_(torch.randn(value.shape, generator=generator) / max(1, value[0].numel()) ** 0.5)
    return model


def unchanged(model: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def flips_by_the_letter(model: nn.Sequential, x: np.ndarray, mode: str) -> tuple[list[list[int]], list[int]]:
    """Apply the definition literally, unit by unit and point by point."""
    h, alive, flips, counts = x, list(range(len(x))), [], []
    for block in model[:-1]:
        weight, bias = block[0].weight.detach().numpy(), block[0].bias.detach().numpy()
        z, negated = h @ weight.T + bias, []
        if mode == "layer":
            if sum(any(z[p] > 0) for p in alive) < len(alive) / 2:
                negated = list(range(z.shape[1]))
        else:
            uncovered = list(alive)
            for unit in range(z.shape[1]):
                sign = 1
                if uncovered and sum(z[p, unit] > 0 for p in uncovered) < len(uncovered) / 2:
                    negated.append(unit)
                    sign = -1
                uncovered = [p for p in uncovered if sign * z[p, unit] <= 0]
        z[:, negated] *= -1
        h = np.maximum(z, 0)
        alive = [p for p in alive if h[p].any()]
        flips.append(negated)
        counts.append(len(alive))
    return flips, counts


@each_mode
@pytest.mark.parametrize("widths", [[2, *[1] * 9], [2] * 7, [5, 3, 1, 2, 4], [4] * 12])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_same_flips_as_by_the_letter(mode: str, widths: list[int], batch_size: int | None) -> None:
    for seed in range(6):
        model, x = plain(widths, seed), gaussian(23, widths[0], seed=seed)
        if seed == 4:
            x = torch.cat([x, -x])
        if seed % 2:  # with biases, dead points come back to life but do not count
            draw_everything(model, seed)
        before = copy.deepcopy(model)
        flips, counts = flips_by_the_letter(model, x.numpy(), mode)
        result = sign_flip_(model, x, mode=mode, batch_size=batch_size)
        assert list(result.living_points) == counts
        assert list(result.n_negated) == [len(units) for units in flips]
        for block, old, units in zip(model[:-1], before[:-1], flips, strict=True):
            sign = np.ones(len(old[0].bias))
            sign[units] = -1
            assert torch.equal(block[0].weight, old[0].weight * torch.from_numpy(sign)[:, None])
            assert torch.equal(block[0].bias, old[0].bias * torch.from_numpy(sign))
        assert torch.equal(model[-1].weight, before[-1].weight)


@each_mode
@pytest.mark.parametrize("batch_size", [None, 4])
def test_points_that_come_back_to_life_have_no_say(mode: str, batch_size: int | None) -> None:
    """Three points die in layer 1 and are active again in layers 2 and 3, where they outnumber the living points."""
    model = plain([1, 1, 1, 1])
    with torch.no_grad():
        for block, (weight, bias) in zip(model, [(1.0, 0.0), (-1.0, 2.5), (-1.0, 2.0)], strict=False):
            block[0].weight.fill_(weight)
            block[0].bias.fill_(bias)
    points = torch.tensor([[1.0], [2.0], [3.0], [-1.0], [-2.0], [-3.0]]).double()
    result = sign_flip_(model, points, mode=mode, batch_size=batch_size)
    assert result.n_negated == (0, 0, 0)
    assert result.living_points == (3, 2, 2)


def living_counts(model: nn.Sequential, x: torch.Tensor) -> list[int]:
    alive, counts = torch.ones(len(x), dtype=torch.bool), []
    for block in model[:-1]:
        x = block(x)
        alive &= (x > 0).any(dim=1)
        counts.append(int(alive.sum()))
    return counts


@each_mode
def test_reported_counts_are_those_of_the_model(mode: str) -> None:
    model, x = plain([4] * 15, 3), gaussian(40, 4)
    before = living_counts(model, x)
    result = sign_flip_(model, x, mode=mode)
    assert list(result.living_before) == before
    assert list(result.living_points) == living_counts(model, x)
    assert result.living_ratio == living_counts(model, x)[-1] / 40


@seeds
def test_sixty_points_at_width_six_and_depth_one_hundred(seed: int) -> None:
    """Fewer than 2^6 points: every one is kept in every net; plain nets keep them all rarely."""
    x, kept = gaussian(60, 6, seed=seed), []
    for net in range(30):
        result = sign_flip_(plain([6] * 101, 1000 * seed + net), x)
        assert result.living_points[-1] == result.guaranteed_points[-1] == 60
        kept.append(result.living_before[-1])
    assert np.mean(np.equal(kept, 60)) < 0.5  # the true value is near 0.06
    truth = float(survival_bounds([6] * 100).mean_living_ratio[-1])
    most = np.sqrt(truth * (1 - truth) / 30)  # the standard error of a share is largest if nets keep all or nothing
    assert_agrees(np.mean(kept) / 60, most, truth)
    assert_refutes(np.mean(kept) / 60, most, 1.0)


@each_mode
def test_promise_on_adversarial_data(mode: str) -> None:
    x = gaussian(1, 3)
    sets = {
        "duplicates": x.repeat(21, 1),
        "collinear": x * torch.tensor([1e-6, 1, 7, 1e6, -1e-3, -5, 2, 2, 3])[:, None],
        "antipodal": torch.cat([gaussian(16, 3), -gaussian(16, 3)]),
        "one point": x,
        "axes": torch.eye(3, dtype=torch.float64).repeat(3, 1),
    }
    closest, plain_fails = np.inf, False
    for points in sets.values():
        for widths in ([1] * 6, [2] * 8, [3, 1, 2, 4]):
            for seed in range(8):
                result = sign_flip_(plain([3, *widths], seed), points, mode=mode)
                closest = min(closest, min(np.subtract(result.living_points, result.guaranteed_points)))
                plain_fails |= result.living_before[-1] < result.guaranteed_points[-1]
    assert closest == 0  # the bound is attained, so a weaker flip would be detected
    assert plain_fails  # control: without flips the guarantee does not hold


class Residual(nn.Module):
    """Branches x + relu(Wx + b), functional and in place."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, layer in enumerate(self.layers):
            z = layer(x)
            x = x + (z.relu_() if index % 2 else functional.relu(z))
        return x

    def active(self, x: torch.Tensor) -> list[torch.Tensor]:
        out = []
        for layer in self.layers:
            out.append((layer(x) > 0).any(dim=1))
            x = x + layer(x).relu()
        return out


class Convolutional(nn.Module):
    """Strides, groups, max-pooling before the ReLU, dropout, batch norms, views and a clipped ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.drop = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 2, groups=2, padding=1), nn.Dropout2d()
        self.norm, self.act = nn.BatchNorm2d(2), nn.ReLU(inplace=True)
        self.three, self.flat_norm = nn.Linear(18, 2), nn.BatchNorm1d(2)
        self.four, self.five, self.head = nn.Linear(2, 2), nn.Linear(2, 3), nn.Linear(3, 3)

    def pre_activations(self, x: torch.Tensor) -> list[torch.Tensor]:
        first = functional.max_pool2d(self.drop(self.one(x)), 2)
        second = self.norm(self.two(functional.relu(first)))
        third = self.flat_norm(self.three(torch.flatten(second.clamp(min=0), 1)))
        fourth = self.four(third.relu())
        return [first, second, third, fourth]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(functional.max_pool2d(self.drop(self.one(x)), 2))
        x = self.act(self.norm(self.two(x)))
        x = torch.clamp(self.flat_norm(self.three(x.view(len(x), -1))), min=0.0)
        x = functional.gelu(self.five(functional.relu6(self.four(x))))
        return functional.log_softmax(self.head(x), dim=1)


class Sequences(nn.Module):
    """Model of sequences as points; a transposed batch norm would act on another axis."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 2))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (self.body(tokens) * mask[..., None]).sum(dim=1)


@each_mode
@pytest.mark.parametrize("batch_size", [None, 5])
def test_residual_networks(mode: str, batch_size: int | None) -> None:
    x, gained = gaussian(12, 2), 0
    for seed in range(10):
        model = draw_everything(Residual(2, 8), seed)
        result = sign_flip_(model, x, mode=mode, batch_size=batch_size)
        alive = torch.stack(model.active(x)).cumprod(dim=0).sum(dim=1)
        assert list(result.living_points) == alive.tolist()
        assert all(np.greater_equal(result.living_points, result.guaranteed_points))
        gained += result.living_points[-1] - result.living_before[-1]
    assert gained > 0


@each_mode
@pytest.mark.parametrize("options", [{}, {"batch_size": 7}, {"batch_statistics": True}])
def test_convolutions_and_batch_norm(mode: str, options: dict) -> None:
    x, gained = gaussian(30, 2, 6, 6), 0
    for seed in range(8):
        model = draw_everything(Convolutional(), seed)
        before, twin = copy.deepcopy(model.state_dict()), copy.deepcopy(model)
        result = sign_flip_(model, [(x[:16], 0), (x[16:], 1)], mode=mode, **options)
        assert result.names == ("one", "two", "three", "four")
        assert result.left_alone["five"] == "read by gelu, not by a rectifier"
        assert set(result.left_alone) == {"five", "head"}
        for name, value in model.state_dict().items():
            assert torch.equal(value.abs(), before[name].abs()), name
        # dropout off; for batch statistics the norms alone in training mode
        for net in (model.eval(), twin.eval()):
            for norm in (net.norm, net.flat_norm):
                norm.train(bool(options.get("batch_statistics")))
        alive = torch.ones(30, dtype=torch.bool)
        for z, count in zip(model.pre_activations(x), result.living_points, strict=True):
            alive &= (z > 0).flatten(1).any(dim=1)
            assert count == alive.sum()
        alive = torch.ones(30, dtype=torch.bool)
        for z, count in zip(twin.pre_activations(x), result.living_before, strict=True):
            alive &= (z > 0).flatten(1).any(dim=1)
            assert count == alive.sum()
        gained += result.living_points[-1] - result.living_before[-1]
    assert gained > 0


@pytest.mark.parametrize("batch_statistics", [False, True])
@pytest.mark.parametrize("convolutional", [False, True])
def test_units_are_negated_exactly_through_batch_norm(batch_statistics: bool, convolutional: bool) -> None:
    layer = nn.Conv1d(2, 12, 3) if convolutional else nn.Linear(2, 12)
    model = draw_everything(nn.Sequential(layer, nn.BatchNorm1d(12), nn.ReLU()), 3)
    nn.init.constant_(model[1].bias, -30.0)  # so that the first unit must be negated, and then no other
    x = gaussian(9, 2, 5) if convolutional else gaussian(9, 2)
    model[1].train(batch_statistics)
    before = copy.deepcopy(model)[:2](x)
    result = sign_flip_(model, x, batch_statistics=batch_statistics)
    after = copy.deepcopy(model)[:2](x)
    turned = (after != before).transpose(0, 1).flatten(1).any(dim=1)
    assert int(turned.sum()) == result.n_negated[0] == 1
    sign = torch.where(turned, -1.0, 1.0).double()
    assert torch.equal(after, before * (sign[:, None] if convolutional else sign))


def test_modes_gradients_and_hooks_stay_as_they_were() -> None:
    model = draw_everything(Convolutional(), 1)
    model.norm.eval()
    model.one.weight.requires_grad_(False)
    tracked = model.norm.running_var.clone()
    state = torch.random.get_rng_state()
    sign_flip_(model, gaussian(9, 2, 6, 6), batch_statistics=True)
    assert torch.equal(state, torch.random.get_rng_state())
    assert [m.training for m in (model, model.drop, model.norm, model.flat_norm)] == [True, True, False, True]
    assert model.norm.track_running_stats
    assert torch.equal(tracked, model.norm.running_var)
    assert model.norm.num_batches_tracked == 0
    assert not model.one.weight.requires_grad
    assert model.two.weight.requires_grad
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_sequences_given_as_mappings() -> None:
    model = draw_everything(Sequences(), 0)
    batches = [
        {"tokens": gaussian(6, 4, 3, seed=s), "mask": torch.ones(6, 4).double(), "labels": [1]} for s in range(3)
    ]
    result = sign_flip_(model, batches, batch_size=4)
    z = model.body[0](torch.cat([batch["tokens"] for batch in batches]))
    alive = (z > 0).flatten(1).any(dim=1)
    assert result.living_points[0] == alive.sum()
    assert result.n_points == 18
    assert result.guaranteed_points == (18 - 18 // 4, 18 - 18 // 4 - (18 - 18 // 4) // 2)


def test_clipped_relu_and_layers_that_never_die() -> None:
    model = nn.Sequential(
        nn.Linear(3, 2), nn.ReLU6(), nn.Linear(2, 2), nn.LeakyReLU(), nn.Linear(2, 2), ClippedShiftedReLU(0.0, 1.0)
    )
    result = sign_flip_(model, torch.randn(50, 3, generator=torch.Generator().manual_seed(0)))
    assert result.names == ("0", "4")
    assert "never inactive" in result.left_alone["2"]


def test_second_layer_of_a_post_activation_block_is_left_alone() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.unused = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x + self.two(torch.relu(self.one(x))))

    result = sign_flip_(Block(), torch.randn(9, 3, generator=torch.Generator().manual_seed(0)))
    assert result.names == ("one",)
    assert dict(result.left_alone) == {"two": "read by add, not by a rectifier", "unused": "it was not called"}


def test_an_output_that_is_changed_before_the_relu_is_left_alone() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.one(x))
            x = torch.relu(self.two(x).sub_(1.0))  # in the same memory
            return torch.relu(self.three(x).chunk(2, dim=1)[0])

    result = sign_flip_(Shifted(), torch.randn(9, 3))
    assert result.names == ("one",)
    assert result.left_alone["two"] == "read by sub_, not by a rectifier"
    assert result.left_alone["three"] == "read by split, not by a rectifier"


def test_a_batch_norm_after_the_relu_is_not_touched() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.BatchNorm1d(3), nn.Linear(3, 3))
    result = sign_flip_(model, torch.randn(9, 3))
    assert result.left_alone["2"] == "BatchNorm1d, not a linear or convolutional layer"


def test_asymmetric_initialisation_profits_too() -> None:
    model = plain([2] + [3] * 40)
    rai_(model, generator=5)
    assert sign_flip_(model, gaussian(7, 2)).living_points[-1] == 7


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_result_reads_well() -> None:
    result = sign_flip_(plain([3] * 5, 2), gaussian(7, 3))
    text = str(result)
    assert text.startswith(f"neuron sign flip: {sum(result.n_negated)} of 12 units in 4 layers negated; 7 of 7 points")
    assert text.endswith("at least 7 guaranteed; left alone: 4: no operation in the model reads its output")
    assert list(result.to_dataframe()["name"]) == ["0.0", "1.0", "2.0", "3.0"]
    assert result.living_ratio == 1.0
    assert result.living_ratio_before == result.living_before[-1] / 7
