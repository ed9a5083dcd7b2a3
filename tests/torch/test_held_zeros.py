"""Thresholds that hold the share of zeros: they follow quantiles in training mode, and networks keep the share."""

import copy
import math

import pytest
import torch
from scipy.stats import norm
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.activations import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    ShiftedReLU,
    SoftThreshold,
    from_theory,
    to_theory,
)
from neurondeath_torch.networks.critical_residual import CriticalResidual, CriticalResidualConv2d
from neurondeath_torch.training.configuration import ModelChoice
from neurondeath_torch.training.model_building import build_model

MODULES = {
    "shifted": lambda tau=0.3, **kw: ShiftedReLU(tau, **kw),
    "soft": lambda tau=0.3, **kw: SoftThreshold(tau, **kw),
    "clipped shifted": lambda tau=0.3, **kw: ClippedShiftedReLU(tau, 1.5, **kw),
    "clipped soft": lambda tau=0.3, **kw: ClippedSoftThreshold(tau, 1.5, **kw),
}
each_kind = pytest.mark.parametrize("kind", MODULES)
DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


def draws(shape, mean, scale, seed):
    return mean + scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@each_kind
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("share", [0.5, 0.85, 0.97])
def test_the_threshold_tends_to_the_quantile(kind, scale, share):
    module = MODULES[kind](0.3 * scale, hold_zeros=share)
    mean = 0.0 if "soft" in kind else 0.7 * scale
    for seed in range(300):
        module(draws((128, 50), mean, scale, seed))
    level = 0.5 + 0.5 * share if "soft" in kind else share
    expected = mean + scale * norm.ppf(level)
    assert float(module.tau) == pytest.approx(expected, abs=0.05 * scale)
    fresh = draws((1000, 50), mean, scale, 999)
    assert float((module.eval()(fresh) == 0).float().mean()) == pytest.approx(share, abs=0.01)
    plain = MODULES[kind](0.3 * scale)  # and without it they move
    assert abs(float((plain(fresh) == 0).float().mean()) - share) > 0.02


@each_kind
def test_only_passes_in_training_mode_move_it(kind):
    module = MODULES[kind](hold_zeros=0.9)
    x = draws((40, 30), 0.0, 2.0, 0)
    module.eval()(x)
    assert float(module.tau) == pytest.approx(0.3)
    with torch.no_grad():
        module.train()(x)
    moved = float(module.tau)
    assert moved > 0.4
    assert to_theory(module).parameters["tau"] == moved
    copied = MODULES[kind](hold_zeros=0.9)
    copied.load_state_dict(module.state_dict())
    assert float(copied.tau) == float(copy.deepcopy(module).tau) == moved
    assert list(module.state_dict()) == ["raw_tau"]
    assert not list(module.parameters())
    assert "hold_zeros=0.9" in repr(module)


@each_kind
def test_a_pass_is_that_of_the_threshold_before_it(kind):
    module, plain = MODULES[kind](hold_zeros=0.9), MODULES[kind]()
    x, y = (draws((20, 30), 0.0, 2.0, 0).requires_grad_() for _ in range(2))
    module(x).square().sum().backward()
    plain(y).square().sum().backward()
    assert torch.equal(x.grad, y.grad)
    half = MODULES[kind](hold_zeros=0.9)
    assert half(x.detach().bfloat16()).dtype == torch.bfloat16
    assert float(half.tau) == pytest.approx(float(module.tau), rel=0.02)


@each_kind
def test_inputs_without_a_spread_leave_it(kind):
    for x in (torch.empty(0, 4), torch.full((3, 4), math.nan), torch.full((3, 4), math.inf), torch.ones(1, 1)):
        module = MODULES[kind](hold_zeros=0.9)
        module(x)
        assert float(module.tau) == pytest.approx(0.3)


def test_soft_thresholds_stay_above_zero():
    module = SoftThreshold(0.3, hold_zeros=0.01)
    for seed in range(50):
        module(torch.full((5, 5), 0.05) + draws((5, 5), 0.0, 10.0, seed))
        assert float(module.tau) >= 0.0


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan, "x", True])
def test_shares_out_of_the_domain(share):
    for build in (lambda: ShiftedReLU(0.3, hold_zeros=share), lambda: from_theory(DESIGN.activation, hold_zeros=share)):
        with pytest.raises(InvalidArgumentError, match="hold_zeros"):
            build()


def test_what_cannot_be_held():
    with pytest.raises(InvalidArgumentError, match="held or learned"):
        SoftThreshold(0.3, learnable=True, hold_zeros=0.5)
    for phi in (theory.relu(), theory.absolute_value(), theory.identity()):
        with pytest.raises(InvalidArgumentError, match="has no threshold"):
            from_theory(phi, hold_zeros=0.5)
    with pytest.raises(InvalidArgumentError, match="has no threshold"):
        CriticalResidual(4, 3, hold_zeros=True)
    with pytest.raises(InvalidArgumentError, match="hold_zeros"):
        CriticalResidual(4, 3, DESIGN, hold_zeros="yes")
    with pytest.raises(InvalidArgumentError, match=r"model\.hold_zeros"):
        ModelChoice(hold_zeros=True)


def drifted(hold_zeros):
    """Return a stream after its weights have grown, and its zeros by branch in evaluation mode."""
    model = CriticalResidual(
        100, 10, DESIGN, 4.0, hold_zeros=hold_zeros, out_features=3, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        for layer in model.layers:
            layer.weight.mul_(1.5)
            layer.bias.add_(0.5)
    for seed in range(100):
        model.train()(draws((64, 100), 0.0, 1.0, seed))
    zeros = []
    phis = list(model.held) if hold_zeros else [model.activation]
    for phi in [*phis, *([model.activation] if hold_zeros else [])]:
        phi.register_forward_hook(lambda module, inputs, output: zeros.append(float((output == 0).float().mean())))
    model.eval()(draws((500, 100), 0.0, 1.0, 999))
    return model, zeros


def test_a_critical_residual_stream_keeps_its_zeros():
    model, held = drifted(hold_zeros=True)
    _, moved = drifted(hold_zeros=False)
    assert len(held) == len(moved) == 11
    assert max(abs(zeros - 0.85) for zeros in held) < 0.02
    assert max(abs(zeros - 0.85) for zeros in moved) > 0.1
    taus = [float(module.tau) for module in model.held]
    assert len(set(taus)) == 10
    assert sum("raw_tau" in name for name in model.state_dict()) == 11


def test_held_streams_of_other_forms():
    block = CriticalResidualConv2d(8, 3, 3, DESIGN, hold_zeros=True)
    assert block(torch.randn(2, 8, 6, 6)).shape == (2, 8, 6, 6)
    assert len({float(module.tau) for module in block.held}) == 3
    layers = [part for _ in range(4) for part in (from_theory(DESIGN.activation, hold_zeros=0.85), nn.Linear(8, 8))]
    model = nn.Sequential(nn.Linear(5, 8), *layers)
    assert residual_(model, 2.0, design=DESIGN, generator=0).n_branches == 3  # the last layer is the output


def test_a_configured_model_holds_its_zeros():
    choice = ModelChoice(
        activation="clipped-soft-threshold",
        sparsity=0.9,
        v_prime=0.7,
        residual=True,
        effective_depth=1.0,
        hold_zeros=True,
        options={"width": 6, "depth": 5},
    )
    model = build_model(choice, (1, 8, 8), 10)
    held = [module.hold_zeros for module in model.modules() if isinstance(module, ClippedSoftThreshold)]
    assert held == [pytest.approx(0.9)] * 5
