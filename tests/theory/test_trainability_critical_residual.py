"""The critical residual at infinite width and its convolutions: identities, high precision, flows, sampled networks."""

import math

import numpy as np
import pytest
from mpmath import mp, mpf

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.convolution import convolution_covariance_map
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.gaussian_limit.variance import variance_map
from neurondeath_theory.networks.activations import hard_tanh
from neurondeath_theory.trainability.critical_residual import critical_residual
from neurondeath_theory.trainability.padded_residual import kernel_share, padded_residual
from neurondeath_theory.trainability.residual_flow import correlation_flow, variance_flow
from tests.references.gaussian_reference import expectation, product_expectation
from tests.references.statistical import assert_agrees, assert_refutes, seeds

RELU = edge_of_chaos("relu")
CLIPPED = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
UNCLIPPED = sparse_design("shifted-relu", 0.7, q=2.0)
ODD = sparse_design("clipped-soft-threshold", 0.6, v_prime=0.8)
TANH = edge_of_chaos(hard_tanh(1.0))
DESIGNS = [RELU, CLIPPED, UNCLIPPED, ODD, TANH]
JUMPY = sparse_design("clipped-shifted-relu", 0.9, v_prime=0.9)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: str(design.activation))
@pytest.mark.parametrize(("depth", "effective_depth"), [(7, 0.3), (12, 12.0), (5, 2.0)])
def test_what_every_branch_keeps(design, depth, effective_depth):
    network = critical_residual(design, depth, effective_depth, correlation=0.2)
    assert network.q == pytest.approx(design.q * np.ones(depth + 1), rel=1e-12)
    assert network.sparsity == pytest.approx(design.sparsity * np.ones(depth + 1), abs=1e-12)
    assert network.log_gradient == pytest.approx(np.zeros(depth + 1), abs=1e-11)
    assert network.branch_scale**2 + network.stream_scale**2 == pytest.approx(1.0, abs=1e-15)
    step = 1e-5 * design.q
    share = effective_depth / depth
    ends = [
        (1 - share) * q + share * float(variance_map(design.activation, q, design.sigma_w2, design.sigma_b2))
        for q in (design.q - step, design.q + step)
    ]
    assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(network.v_prime, abs=1e-8)
    assert network.kept_deviation == pytest.approx(network.v_prime**depth)


def test_one_branch_in_high_precision():
    """Away from q*, gradient and correlation too, against quadrature."""
    phi, q, rho, share = CLIPPED.activation, 2.3, 0.4, 0.25
    network = critical_residual(CLIPPED, 4, 1.0, q=q, correlation=rho)
    with mp.workdps(25):
        second = expectation(phi, q, lambda value, slope, z: value**2)
        slope = expectation(phi, q, lambda value, slope, z: slope**2)
        product = product_expectation(phi, q, q, rho)
        weight, bias = mpf(CLIPPED.sigma_w2), mpf(CLIPPED.sigma_b2)
        after = (1 - share) * q + share * (weight * second + bias)
        inner = (1 - share) * rho * q + share * (weight * product + bias)
        gradient = mp.log(1 + share * (weight * slope - 1))
    assert network.q[1] == pytest.approx(float(after), rel=1e-12)
    assert network.correlation[1] == pytest.approx(float(inner / after), abs=1e-12)
    assert network.log_gradient[1] == pytest.approx(float(gradient), abs=1e-12)
    assert network.q[1] != pytest.approx(critical_residual(CLIPPED, 5, 1.0, q=q).q[1], rel=1e-3)


def test_fixed_points_are_those_of_the_design():
    """The wanted and the unwanted ones, and their stability, for every a."""
    network = critical_residual(JUMPY, 50, 1.0)
    found = network.fixed_points
    assert [point.q for point in found] == pytest.approx([1.0, 1.399, 3.475], abs=0.001)
    assert [point.stability for point in found] == ["stable", "unstable", "stable"]
    assert found[2].chi1 == pytest.approx(1 + (1.891 - 1) / 50, abs=1e-4)
    for point in found:
        stays = critical_residual(JUMPY, 6, 2.0, q=point.q)
        assert stays.q == pytest.approx(point.q * np.ones(7), rel=1e-9)
    drifts = critical_residual(JUMPY, 60, 60.0, q=2.0)
    assert drifts.q[-1] == pytest.approx(3.475, abs=0.01)


def test_flows_are_the_limit_of_many_branches():
    for design, start in ((CLIPPED, 4.0), (UNCLIPPED, 3.0)):
        flow = float(variance_flow(design, start, 1.0))
        gaps = [critical_residual(design, depth, 1.0, q=start).q[-1] - flow for depth in (10, 20)]
        assert gaps[1] / gaps[0] == pytest.approx(0.5, abs=0.05)  # first order in 1/L
        assert abs(2 * gaps[1] - gaps[0]) < 0.02 * abs(gaps[0])
    for design in (CLIPPED, RELU):
        flow = float(correlation_flow(design, 0.3, 1.0))
        gaps = [critical_residual(design, depth, 1.0, correlation=0.3).correlation[-1] - flow for depth in (10, 20)]
        assert gaps[1] / gaps[0] == pytest.approx(0.5, abs=0.05)


def test_flow_of_relu_in_closed_form():
    """The equation d theta/dt = -(1 - theta cot theta)/pi, integrated in theta instead of t."""
    start, end = 1.2, float(np.arccos(correlation_flow(RELU, math.cos(1.2), 2.0)))
    with mp.workdps(20):
        time = mp.quad(lambda t: mp.pi / (1 - t * mp.cot(t)), [end, start])
    assert float(time) == pytest.approx(2.0, abs=1e-6)


def test_numbers_of_a_start_away_from_the_fixed_point():
    far = critical_residual(CLIPPED, 40, 1.0, q=4.0)
    assert far.q[-1] == pytest.approx(2.86, abs=0.005)
    assert far.sparsity[-1] == pytest.approx(0.73, abs=0.001)
    assert far.log_gradient[-1] > 0.2
    assert float(correlation_flow(CLIPPED, 0.3, 1.0)) == pytest.approx(0.577, abs=0.0005)
    assert float(correlation_flow(CLIPPED, 0.3, 4.0)) == pytest.approx(0.854, abs=0.0005)
    small = critical_residual(CLIPPED, 60, 4.0, q=1.001)  # forgotten like exp(-(1 - V') D)
    assert (small.q[-1] - 1) / 0.001 == pytest.approx(small.kept_deviation, rel=0.002)
    assert small.kept_deviation == pytest.approx(math.exp(-0.3 * 4.0), rel=0.02)
    never = critical_residual(UNCLIPPED, 40, 4.0, q=2.0 * 1.0001)
    assert never.q[-1] >= never.q[0]


@pytest.mark.parametrize("design", [CLIPPED, RELU], ids=["clipped", "relu"])
@pytest.mark.parametrize(("grid", "kernel"), [((5, 4), (3, 3)), ((7,), (4,)), ((2, 2), (3, 5))])
def test_one_padded_branch_is_the_convolution_map(design, grid, kernel):
    white = design.q * np.eye(math.prod(grid)).reshape(grid + grid)
    for padding in ("zero", "circular"):
        mapped = convolution_covariance_map(
            design.activation, white, kernel, design.sigma_w2, design.sigma_b2, padding=padding
        )
        diagonal = np.diag(mapped.reshape(math.prod(grid), -1)).reshape(grid)
        branch = padded_residual(design, grid, kernel, 1, 1.0, padding=padding)
        assert branch.q == pytest.approx(diagonal, rel=1e-12)
    divided = padded_residual(design, grid, kernel, 9, 4.0, divide_by_share=True)
    assert divided.q == pytest.approx(design.q * np.ones(grid), rel=1e-12)
    lost = padded_residual(design, grid, kernel, 9, 4.0)
    assert lost.q.min() < 0.9 * design.q
    assert lost.share == pytest.approx(kernel_share(grid, kernel))
    assert padded_residual(design, grid, kernel, 9, 4.0, padding="circular").q == pytest.approx(
        design.q * np.ones(grid)
    )


def test_border_of_images():
    clipped, relu = (padded_residual(design, [16, 16], [3, 3], 100, 4.0).q for design in (CLIPPED, RELU))
    assert clipped[0, 0] == pytest.approx(0.728, abs=0.001)
    assert relu[0, 0] == pytest.approx(0.226, abs=0.001)
    assert relu[0, 0] < relu[1, 1] < relu[2, 2] < relu[8, 8] < 1.0


@seeds
def test_sampled_convolutions(seed):
    """Networks of 64 channels on 5 positions: the border loses what the map says, and the division keeps it."""
    rng, channels, depth, effective_depth = np.random.default_rng((seed, 9)), 64, 12, 4.0
    keep, add = math.sqrt(1 - effective_depth / depth), math.sqrt(effective_depth / depth)
    share = kernel_share([5], [3])
    design, phi = CLIPPED, CLIPPED.activation
    for divide in (False, True):
        squares = []
        for _ in range(200):
            h = rng.standard_normal((channels, 5))
            for _ in range(depth):
                active = np.pad(phi(h), ((0, 0), (1, 1)))
                columns = np.concatenate([active[:, i : i + 5] for i in range(3)])
                weights = rng.standard_normal((channels, 3 * channels)) * math.sqrt(design.sigma_w2 / (3 * channels))
                branch = weights @ columns / (np.sqrt(share) if divide else 1.0)
                h = keep * h + add * (branch + math.sqrt(design.sigma_b2) * rng.standard_normal((channels, 1)))
            squares.append((h * h).mean(axis=0))
        mean, stderr = np.mean(squares, axis=0), np.std(squares, axis=0, ddof=1) / math.sqrt(200)
        limit = padded_residual(design, [5], [3], depth, effective_depth, divide_by_share=divide).q
        other = padded_residual(design, [5], [3], depth, effective_depth, divide_by_share=not divide).q
        assert_agrees(mean, stderr, limit)
        assert_refutes(mean, stderr, other)


def test_domain():
    with pytest.raises(InvalidArgumentError, match="effective_depth"):
        critical_residual(RELU, 5, 6.0)
    with pytest.raises(InvalidArgumentError, match="design"):
        critical_residual("relu", 5)
    with pytest.raises(InvalidArgumentError, match="correlation"):
        critical_residual(RELU, 5, correlation=1.5)
    with pytest.raises(InvalidArgumentError, match="kernel"):
        padded_residual(RELU, [4, 4], [3], 5)
    with pytest.raises(InvalidArgumentError, match="divide_by_share"):
        padded_residual(RELU, [4], [3], 5, padding="circular", divide_by_share=True)
    assert "effective depth 1" in str(critical_residual(RELU, 5))
    assert len(critical_residual(RELU, 5).columns()["q"]) == 6
    assert len(padded_residual(RELU, [4], [3], 5).columns()["q"]) == 4
