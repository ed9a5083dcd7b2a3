"""Activation modules compared with their definitions, numerical differentiation and PyTorch's own functions."""

import copy
import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.networks.activations import PiecewiseLinear, from_theory, to_theory
from neurondeath_torch.networks.thresholded_activations import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    ShiftedReLU,
    SoftThreshold,
)

TAU, M = 0.75, 1.5
MODULES = {
    "shifted": lambda **kw: ShiftedReLU(TAU, **kw),
    "negative shift": lambda **kw: ShiftedReLU(-TAU, **kw),
    "soft": lambda **kw: SoftThreshold(TAU, **kw),
    "clipped shifted": lambda **kw: ClippedShiftedReLU(TAU, M, **kw),
    "clipped soft": lambda **kw: ClippedSoftThreshold(TAU, M, **kw),
}
each_kind = pytest.mark.parametrize("kind", MODULES)


def by_definition(kind: str, x: np.ndarray, tau: float = TAU, m: float = M) -> np.ndarray:
    tau = -tau if kind == "negative shift" else tau
    one_sided = np.maximum(x - tau, 0.0)
    two_sided = np.maximum(np.abs(x) - tau, 0.0)
    if "clipped" in kind:
        one_sided, two_sided = np.minimum(one_sided, m), np.minimum(two_sided, m)
    return np.sign(x) * two_sided if "soft" in kind else one_sided


def slope_by_definition(kind: str, x: np.ndarray) -> np.ndarray:
    inside = (np.abs(x) if "soft" in kind else x) - (-TAU if kind == "negative shift" else TAU)
    return ((inside > 0.0) & (inside <= (M if "clipped" in kind else np.inf))).astype(float)


def everywhere() -> np.ndarray:
    kinks = [-TAU - M, -TAU, 0.0, TAU, TAU + M]
    near = [k * (1 + s * 1e-15) for k in kinks for s in (-1, 0, 1)]
    return np.r_[near, np.linspace(-4, 4, 201), -1e30, 1e30, -np.inf, np.inf]


@each_kind
@pytest.mark.parametrize("learnable", [False, True])
def test_values_and_gradients_are_exact_everywhere(kind: str, learnable: bool) -> None:
    x = torch.tensor(everywhere(), requires_grad=True)
    module = MODULES[kind](learnable=learnable)
    y = module(x)
    assert y.dtype == torch.float64
    np.testing.assert_array_equal(y.detach().numpy(), by_definition(kind, everywhere()))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), slope_by_definition(kind, everywhere()))
    assert module(torch.tensor([torch.nan])).isnan().all()
    assert module(torch.ones(2, 0, 3)).shape == (2, 0, 3)


@each_kind
def test_gradients_of_inputs_and_thresholds_pass_gradcheck(kind: str) -> None:
    module = MODULES[kind](learnable=True).double()
    x = torch.tensor([-3.1, -2.0, -1.0, -0.3, 0.4, 1.0, 1.9, 2.9], dtype=torch.float64, requires_grad=True)
    names, values = zip(*module.named_parameters(), strict=True)

    def run(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *values))
    assert torch.autograd.gradgradcheck(run, (x, *values))


def test_threshold_gradients_by_hand() -> None:
    module = ClippedSoftThreshold(1.0, 1.0, learnable=True)
    # off; on above; on below; clipped above; clipped below
    module(torch.tensor([0.5, 1.5, -1.5, -1.25, 9.0, -9.0, -8.0])).backward(torch.tensor([1.0, 2, 4, 8, 16, 32, 64]))
    assert module.raw_tau.grad.item() == -2 + 4 + 8
    assert module.raw_m.grad.item() == 16 - 32 - 64


def test_a_threshold_carried_across_zero_is_reflected() -> None:
    module = ClippedSoftThreshold(0.5, 2.0, learnable=True)
    with torch.no_grad():
        module.raw_tau.fill_(-0.75)
        module.raw_m.fill_(-1.5)
    x = torch.linspace(-4, 4, 33)
    assert torch.equal(module(x), ClippedSoftThreshold(0.75, 1.5)(x))
    assert (module.tau.item(), module.m.item()) == (0.75, 1.5)
    module(torch.tensor([1.0])).sum().backward()
    assert module.raw_tau.grad.item() == 1.0  # -1 times the sign of the raw value
    with torch.no_grad():
        module.raw_tau.zero_()
    module.zero_grad()
    module(torch.tensor([1.0])).sum().backward()
    assert module.raw_tau.grad.item() == -1.0  # the optimiser can leave 0
    free = ShiftedReLU(0.5, learnable=True)
    with torch.no_grad():
        free.raw_tau.fill_(-1.0)
    assert free.tau.item() == -1.0  # defined for every tau, so not reflected


@each_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("learnable", [False, True])
def test_half_precision_is_rounded_once(kind: str, dtype: torch.dtype, learnable: bool) -> None:
    tau = 1.0364333894937898  # not a 16-bit number, as TAU is
    module = {
        "shifted": lambda: ShiftedReLU(tau, learnable=learnable),
        "negative shift": lambda: ShiftedReLU(-tau, learnable=learnable),
        "soft": lambda: SoftThreshold(tau, learnable=learnable),
        "clipped shifted": lambda: ClippedShiftedReLU(tau, M, learnable=learnable),
        "clipped soft": lambda: ClippedSoftThreshold(tau, M, learnable=learnable),
    }[kind]()
    x = torch.linspace(-4, 4, 999).to(dtype).requires_grad_()
    y = module(x)
    assert y.dtype == dtype
    truth = by_definition(kind, x.detach().double().numpy(), tau)
    allowed = torch.finfo(dtype).eps / 2 * np.abs(truth) * (1 + 1e-3) + 3e-7
    assert (np.abs(y.detach().double().numpy() - truth) <= allowed).all()
    rounded = by_definition(kind, x.detach().double().numpy(), float(torch.tensor(tau, dtype=dtype)))
    assert (np.abs(rounded - truth) > allowed).any()  # control: a threshold rounded to 16 bits is detected
    y.sum().backward()
    assert x.grad.dtype == dtype


@each_kind
@pytest.mark.parametrize("learnable", [False, True])
def test_works_under_autocast(kind: str, learnable: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), MODULES[kind](learnable=learnable), torch.nn.Linear(16, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model[1](model[0](torch.ones(4, 8)))
        assert hidden.dtype == torch.bfloat16
        loss = model(torch.randn(64, 8)).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.dtype == p.dtype and p.grad.isfinite().all() for p in model.parameters())


@each_kind
@pytest.mark.parametrize("learnable", [False, True])
def test_compiles_whole_and_exports(kind: str, learnable: bool) -> None:
    torch._dynamo.reset()
    module = MODULES[kind](learnable=learnable)
    x = torch.linspace(-4, 4, 99, requires_grad=True)
    eager = module(x)
    (slope,) = torch.autograd.grad(eager.sum(), x)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)(x)
    (compiled_slope,) = torch.autograd.grad(compiled.sum(), x)
    assert torch.equal(eager, compiled)
    assert torch.equal(slope, compiled_slope)
    program = torch.export.export(module, (x.detach(),))
    assert torch.equal(program.module()(x.detach()), eager)


@pytest.mark.parametrize("phi", [theory.absolute_value(), theory.leaky_relu(0.2), theory.hard_tanh(2.0)])
def test_general_module_compiles_and_exports(phi: theory.PiecewiseLinear) -> None:
    torch._dynamo.reset()
    module, x = PiecewiseLinear(phi), torch.linspace(-4, 4, 99)
    assert torch.equal(torch.compile(module, backend="aot_eager", fullgraph=True)(x), module(x))
    assert torch.equal(torch.export.export(module, (x,)).module()(x), module(x))


@each_kind
def test_copies_and_states(kind: str) -> None:
    module = MODULES[kind](learnable=True)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        module.raw_tau.fill_(0.125)
    assert twin.raw_tau.item() != 0.125
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    twin.load_state_dict(torch.load(buffer))
    x = torch.linspace(-4, 4, 33)
    assert torch.equal(module(x), twin(x))
    assert set(module.state_dict()) == ({"raw_tau", "raw_m"} if "clipped" in kind else {"raw_tau"})
    assert not MODULES[kind]().state_dict()
    assert copy.deepcopy(MODULES[kind]())(x).equal(MODULES[kind]()(x))


def test_shows_the_thresholds_in_use() -> None:
    assert repr(ClippedShiftedReLU(0.5, 1.0, learnable=True)) == "ClippedShiftedReLU(tau=0.5, m=1, learnable=True)"
    assert repr(SoftThreshold(0.5)) == "SoftThreshold(tau=0.5)"
    assert repr(PiecewiseLinear(theory.hard_tanh(2.0))) == "PiecewiseLinear(hard_tanh(2))"


numbers = st.floats(-3, 3).map(lambda v: round(v, 3))


@settings(deadline=None, max_examples=60)
@given(st.lists(numbers, min_size=0, max_size=4, unique=True).map(sorted), st.data())
def test_any_piecewise_linear_function(kinks: list[float], data: st.DataObject) -> None:
    slopes = data.draw(st.lists(numbers, min_size=len(kinks) + 1, max_size=len(kinks) + 1))
    phi = theory.PiecewiseLinear(kinks, slopes, data.draw(numbers))
    for module in (PiecewiseLinear(phi), from_theory(phi)):
        x = torch.tensor([*kinks, *np.linspace(-5, 5, 41)], dtype=torch.float64, requires_grad=True)
        y = module(x)
        # expected: the integral of the slope, by the trapezium rule on a grid that contains every kink
        for point, value in zip(x.detach().numpy(), y.detach().numpy(), strict=True):
            knots = sorted({0.0, point, *[k for k in kinks if min(0.0, point) < k < max(0.0, point)]})
            steps = [(b - a) * slopes[np.searchsorted(kinks, 0.5 * (a + b))] for a, b in pairwise(knots)]
            assert value == pytest.approx(phi.value_at_zero + np.sign(point) * sum(steps), abs=1e-12)
    y = PiecewiseLinear(phi)(x)
    (slope,) = torch.autograd.grad(y.sum() + 0.0 * x.sum(), x)
    assert slope.tolist() == [slopes[sum(k < point for k in kinks)] for point in x.tolist()]


def test_general_module_at_infinity_and_nan() -> None:
    y = PiecewiseLinear(theory.hard_tanh(2.0))(torch.tensor([-torch.inf, torch.inf, torch.nan]))
    assert y[:2].tolist() == [-2.0, 2.0]
    assert y[2].isnan()
    assert PiecewiseLinear(theory.absolute_value())(torch.tensor([-torch.inf])).item() == torch.inf


@pytest.mark.parametrize(
    ("phi", "kind"),
    [
        (theory.relu(), torch.nn.ReLU),
        (theory.identity(), torch.nn.Identity),
        (theory.shifted_relu(-0.5), ShiftedReLU),
        (theory.soft_threshold(0.5), SoftThreshold),
        (theory.clipped_shifted_relu(0.0, 2.0), ClippedShiftedReLU),
        (theory.clipped_shifted_relu(-1.0, 2.5), ClippedShiftedReLU),
        (theory.clipped_soft_threshold(0.5, 2.0), ClippedSoftThreshold),
        (theory.hard_tanh(2.0), ClippedSoftThreshold),
        (theory.leaky_relu(0.2), PiecewiseLinear),
        (theory.PiecewiseLinear([-1.0, 2.0], [0.0, 1.0, 0.0]), PiecewiseLinear),
    ],
)
def test_there_and_back(phi: theory.PiecewiseLinear, kind: type) -> None:
    module = from_theory(phi)
    assert type(module) is kind
    assert to_theory(module) == phi


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.ReLU(),
        torch.nn.ReLU6(),
        torch.nn.LeakyReLU(0.3),
        torch.nn.PReLU(),
        torch.nn.Hardtanh(-0.5, 2.0),
        torch.nn.Hardtanh(0.5, 2.0),
        torch.nn.Hardsigmoid(),
        torch.nn.Softshrink(0.7),
        torch.nn.Identity(),
    ],
    ids=repr,
)
def test_torch_activations_are_described(module: torch.nn.Module) -> None:
    x = np.linspace(-8, 8, 97)
    truth = module(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(to_theory(module)(x), truth, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoftThreshold(-1.0), "`tau` must be a finite number of at least 0"),
        (lambda: ShiftedReLU(float("nan")), "`tau` must be a finite number"),
        (lambda: ClippedShiftedReLU(0.0, 0.0), "`m` must be a finite number above 0"),
        (lambda: ClippedSoftThreshold(0.0, float("inf")), "`m` must be a finite number above 0"),
        (lambda: ShiftedReLU(1.0, learnable=1), "`learnable` must be True or False"),
        (lambda: from_theory("relu"), "`activation` must be an activation"),
        (lambda: from_theory(theory.relu(), learnable=True), "`learnable` must be False for relu"),
        (lambda: to_theory(torch.nn.GELU()), "`module` must be a piecewise-linear activation module; got 'GELU'"),
    ],
)
def test_refuses(make: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()
