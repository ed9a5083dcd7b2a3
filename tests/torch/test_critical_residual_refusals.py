"""Models that cannot become critical residual networks are refused with the reason and stay as they were."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.activations import from_theory
from neurondeath_torch.networks.critical_residual import CriticalResidual
from neurondeath_torch.networks.residual_stream import BORDER
from neurondeath_torch.networks.thresholded_activations import ShiftedReLU

DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


def run(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), *parts, nn.ReLU(), nn.Linear(6, 2))


class OwnResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.layers[0](x)
        h = h + self.layers[2](torch.relu(self.layers[1](torch.relu(h))))
        return self.layers[3](torch.relu(h))


class SkipFromInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[2](torch.relu(x + self.layers[1](torch.relu(self.layers[0](x)))))


class Peeking(nn.Module):
    """Two readers of one result within a run that has a branch before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layers[1](torch.relu(self.layers[0](x)))
        return self.layers[3](torch.relu(self.layers[2](torch.relu(h)))), h


def shared_layer() -> nn.Module:
    layer = nn.Linear(6, 6)
    return run(layer, nn.ReLU(), layer)


def tied() -> nn.Module:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return run(first, nn.ReLU(), second)


def rewired() -> nn.Module:
    model = run(nn.Linear(6, 6))
    residual_(model, generator=0)
    return model


def images(second: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(7, 2))


REFUSED: list[tuple[Callable[[], nn.Module], str]] = [
    (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), "as wide as the one before it"),
    (lambda: nn.Sequential(nn.Linear(4, 2)), "as wide as the one before it"),
    (lambda: nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6)), "it is the output"),
    (lambda: run(nn.Linear(6, 6), nn.BatchNorm1d(6)), "no normalisation"),
    (lambda: run(nn.LayerNorm(6), nn.Linear(6, 6)), "no normalisation"),
    (lambda: run(nn.Linear(6, 6), nn.GELU(), nn.Linear(6, 6)), "throughout to be initialised"),
    (lambda: run(nn.Linear(6, 6), nn.ReLU6(), nn.Linear(6, 6)), "one activation in all its runs"),
    (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 6), nn.GELU(), nn.Linear(6, 2)),
        "GELU is not piece",
    ),
    (OwnResidual, "without residual sums"),
    (SkipFromInput, "add reads both the model's input"),
    (Peeking, "got .layers.1 by relu and the model's output"),
    (shared_layer, "called more than once"),
    (tied, "shares its parameters"),
    (lambda: run(nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))), "computed"),
    (rewired, "rewired before"),
    (lambda: images(nn.Conv2d(4, 4, 3, padding=1)), "pass first_layer_data"),
    (lambda: torch.compile(run(nn.Linear(6, 6)), backend="eager"), "not be compiled"),
    (
        lambda: nn.Sequential(
            *(nn.Linear(4, 6), from_theory(DESIGN.activation), nn.Linear(6, 6, bias=False)),
            *(from_theory(DESIGN.activation), nn.Linear(6, 2)),
        ),
        "have biases",
    ),
    (
        lambda: nn.Sequential(nn.Linear(4, 6), ShiftedReLU(-1.0), nn.Linear(6, 6), ShiftedReLU(-1.0), nn.Linear(6, 2)),
        "bias variance",
    ),
]


def snapshot(model: nn.Module) -> tuple[dict[str, torch.Tensor], list[int], list[str]]:
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    return copy.deepcopy(dict(model.state_dict())), hooks, [name for name, _ in model.named_buffers()]


def check_unchanged(model: nn.Module, before: tuple[dict[str, torch.Tensor], list[int], list[str]]) -> None:
    after = snapshot(model)
    assert after[1:] == before[1:]
    assert all(torch.equal(before[0][name], tensor) for name, tensor in after[0].items())


@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_refusals_name_the_reason_and_leave_the_model_unchanged(build: Callable[[], nn.Module], message: str) -> None:
    model = build()
    before = snapshot(model)
    with pytest.raises(InvalidArgumentError, match=message) as raised:
        residual_(model, generator=0)
    assert "\n" not in str(raised.value)
    check_unchanged(model, before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"effective_depth": 3.0}, "`effective_depth` must be at most the number of branches, 2"),
        ({"effective_depth": 0.0}, "`effective_depth`"),
        ({"effective_depth": float("nan")}, "`effective_depth`"),
        ({"design": DESIGN}, "the design's activation"),
        ({"design": DESIGN.activation}, "an edge-of-chaos design"),
        ({"initialise": 1}, "`initialise`"),
        ({"normalise": "batch"}, "`normalise`"),
        ({"normalise": "data"}, "`first_layer_data` must be given"),
        ({"normalise": "data", "first_layer_data": torch.zeros(3, 4)}, "not all zero"),
        ({"first_layer_data": torch.zeros(3, 5)}, "be inputs that the model takes"),
        ({"generator": -1}, "`generator`"),
    ],
)
def test_wrong_arguments(given: dict[str, object], message: str) -> None:
    model = run(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    before = snapshot(model)
    with pytest.raises(InvalidArgumentError, match=message):
        residual_(model, **given)  # type: ignore[arg-type]
    check_unchanged(model, before)


def test_single_units_cannot_be_normalised() -> None:
    model = nn.Sequential(nn.Linear(6, 1), nn.ReLU(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    before = snapshot(model)
    with pytest.raises(InvalidArgumentError, match="two or more units in every layer"):
        residual_(model, normalise="layers")
    check_unchanged(model, before)
    with pytest.raises(InvalidArgumentError, match="`width`"):
        CriticalResidual(1, 4, normalise="layers")


def test_a_failure_while_measuring_takes_back_weights_hooks_and_buffers() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()), nn.Conv2d(4, 2, 1)
    )
    before = snapshot(model)
    with pytest.raises(InvalidArgumentError, match="not all zero"):
        residual_(model, generator=0, normalise="data", first_layer_data=torch.zeros(2, 1, 8, 8))
    check_unchanged(model, before)
    residual_(model, generator=0, normalise="data", first_layer_data=torch.ones(2, 1, 8, 8))
    assert BORDER in dict(model[2].named_buffers())


def test_a_layer_of_the_stream_cannot_be_called_alone() -> None:
    model = rewired()
    with pytest.raises(AssumptionError, match="after the layer before it"):
        model[2](torch.ones(1, 6))
    assert model(torch.ones(1, 4)).shape == (1, 2)  # a failed call does no harm


def test_an_audit_sees_the_layers_of_a_rewired_model() -> None:
    model = rewired()
    found = audit(model, torch.randn(64, 4, generator=torch.Generator().manual_seed(0)))
    assert len(found.layers) == 2
