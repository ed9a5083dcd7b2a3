"""Sign flips without a guarantee are refused with the reason, and the model is not changed."""

import copy

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.initialising.sign_flipping import SignFlip, sign_flip_
from neurondeath_torch.networks.thresholded_activations import ShiftedReLU, SoftThreshold
from tests.torch.test_sign_flip import each_mode, plain, unchanged


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


class Alternating(nn.Module):
    """Module that changes its sign at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.sign = nn.Linear(2, 1), 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sign = -self.sign
        return torch.relu(self.layer(self.sign * x))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(torch.relu(self.layer(x))))


class TimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x.transpose(0, 1)))


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU())
    model[2].weight = model[0].weight
    return model


def with_layer(second: nn.Module, *rest: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), second, *rest)


def unbiased_after_zero_points() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    he_(model, generator=0)
    return model


def alternating() -> nn.Module:
    model = Alternating()
    he_(model, generator=0)
    return model


def overflowing() -> nn.Module:
    model = with_layer(nn.Linear(4, 4), nn.ReLU()).half()
    nn.init.constant_(model[0].weight, 2.0)
    return model


IMPOSSIBLE = {
    "shifted": (lambda: with_layer(nn.Linear(4, 4), ShiftedReLU(0.5)), None, "for 2: its activation shifted_relu"),
    "soft": (lambda: with_layer(nn.Linear(4, 4), SoftThreshold(0.5)), None, "2: its activation soft_threshold"),
    "group norm": (
        lambda: with_layer(nn.Linear(4, 4), nn.GroupNorm(2, 4), nn.ReLU()),
        None,
        "2: GroupNorm lies between",
    ),
    "layer norm": (
        lambda: with_layer(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU()),
        None,
        "2: LayerNorm lies between",
    ),
    "two batch norms": (
        lambda: with_layer(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4), nn.ReLU()),
        None,
        "2: more than one batch norm",
    ),
    "twice": (Twice, None, "layer: it is called 2 times"),
    "tied": (tied, None, "0: it shares its parameters: 0, 2; 2: it shares"),
    "weight norm": (
        lambda: with_layer(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.ReLU()),
        None,
        "2: its weight is computed from other parameters",
    ),
    "batch norm on another axis": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(5), nn.ReLU()),
        torch.ones(7, 5, 3),
        "another axis",
    ),
    "zero points": (unbiased_after_zero_points, torch.zeros(4, 3), "0 gives exactly 0 at 4 of 4 points"),
    "unrepeatable": (alternating, torch.tensor([[1.0, 2.0]]), "guarantees 1 living points at layer"),
    "time first": (TimeFirst, torch.ones(4, 5, 3), r"layer gives \(5, 4, 3\) for 4 points"),
    "unbatched": (lambda: nn.Sequential(nn.Conv2d(2, 2, 2), nn.ReLU()), torch.ones(2, 5, 5), "points along axis 0"),
    "overflow": (overflowing, torch.full((4, 3), 6e4).half(), "finite pre-activations"),
}


@each_mode
@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_refuses_what_it_cannot_promise_and_changes_nothing(case: str, mode: str) -> None:
    make, data, message = IMPOSSIBLE[case]
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(AssumptionError, match=message) as caught:
        sign_flip_(model, torch.randn(6, 3) if data is None else data, mode=mode)
    assert "\n" not in str(caught.value)
    assert unchanged(model, before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def run(model: nn.Module | None = None, data: object = None, **options: object) -> SignFlip:
    given = torch.randn(5, 3).double() if data is None else data
    return sign_flip_(plain([3, 3]) if model is None else model, given, **options)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: run(mode="unit"), "`mode` must be one of neuron, layer"),
        (lambda: run(batch_size=0), "`batch_size` must be"),
        (lambda: run(batch_size=2, batch_statistics=True), "`batch_size` must be None"),
        (lambda: run(data=torch.randn(1, 3).double(), batch_statistics=True), "at least two points"),
        (lambda: run(data=[]), "`loader` must hold at least one batch"),
        (lambda: run(data=torch.empty(0, 3)), "at least one point"),
        (lambda: run(data=torch.full((2, 3), torch.nan)), "finite numbers"),
        (lambda: run(data=3), "`loader` must be a tensor or an iterable"),
        (lambda: run(data=["a"]), "all tensors"),
        (lambda: run(data=[{"labels": torch.ones(2)}]), "mappings of tensors apart from the labels"),
        (lambda: run(data=[torch.ones(2, 3), torch.ones(2, 4)]), "batches of one shape"),
        (lambda: run(nn.Sequential(nn.Linear(3, 3), nn.GELU()).double()), "whose output goes to a ReLU"),
        (lambda: run(nn.Sequential(torch.compile(nn.Linear(3, 3), backend="eager"), nn.ReLU())), "compiled inside"),
        (lambda: run("model"), "`model` must be a torch.nn.Module"),
    ],
)
def test_refuses_wrong_arguments(attempt: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)
