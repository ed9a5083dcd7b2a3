"""Shares of needed units: closed forms, another integral, the multivariate normal by chance, and wide networks."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_normal, norm

import neurondeath as nd
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos
from neurondeath_theory.networks import activations as theory
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_theory.trainability.needed_units import needed_share, needed_units
from tests.references.statistical import assert_agrees, assert_refutes, seeds

DESIGNS = {
    "one-sided": nd.sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7),
    "two-sided": nd.sparse_design("clipped-soft-threshold", 0.8, v_prime=0.6, q=2.5),
    "relu": nd.edge_of_chaos("relu"),
    "two intervals": edge_of_chaos(theory.PiecewiseLinear([-2.0, -1.5, -1.0, 0.3], [0.0, 1.0, -1.0, 0.0, 1.0]), 1.3),
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_closed_forms(design):
    s, batches = design.sparsity, np.array([1, 2, 5, 40, 100_000])
    assert needed_share(design, 1, [0.0, 0.2, 0.9, 0.999999, 1.0]) == pytest.approx(1.0 - s, abs=1e-11)
    assert needed_share(design, batches, 0.0) == pytest.approx(1.0 - s**batches, abs=1e-12)
    assert needed_share(design, batches, 1.0) == pytest.approx(1.0 - s, abs=1e-12)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("rho", [0.01, 0.3, 0.8, 0.99])
def test_two_inputs_by_the_bivariate_normal_law(design, rho):
    """Inclusion and exclusion of rectangles of the joint law of two pre-activations."""
    law = multivariate_normal([0.0, 0.0], [[1.0, rho], [rho, 1.0]])
    edges = [
        (max(low / math.sqrt(design.q), -40.0), high / math.sqrt(design.q))
        for low, high in quiet_set(design.activation)
    ]
    both = sum(law.cdf([b, d], lower_limit=[a, c]) for a, b in edges for c, d in edges)
    assert needed_share(design, 2, rho) == pytest.approx(1.0 - both, abs=1e-7)


@pytest.mark.parametrize("rho", [1e-6, 0.05, 0.5, 0.95, 0.9999])
@pytest.mark.parametrize("batch", [3, 64, 4096])
def test_another_integral(rho, batch):
    """Over the largest of the independent parts: P(all quiet) = E Phi((tau - sqrt(1 - rho) max e) / sqrt(rho))."""
    design = DESIGNS["one-sided"]
    tau, root, rest = design.tau, math.sqrt(rho), math.sqrt(1.0 - rho)

    def integrand(top):
        density = batch * np.exp((batch - 1) * norm.logcdf(top) + norm.logpdf(top))
        return density * norm.cdf((tau - rest * top) / root)

    middle = norm.ppf(0.5 ** (1.0 / batch))
    marks = sorted({-9.0, middle - 1.0, middle, middle + 1.0, min(tau / rest, 12.0), 14.0})
    quiet = sum(integrate.quad(integrand, a, b, epsabs=1e-13, epsrel=1e-12, limit=500)[0] for a, b in pairwise(marks))
    assert needed_share(design, batch, rho) == pytest.approx(1.0 - quiet, abs=1e-9)


@seeds
@pytest.mark.parametrize("name", DESIGNS)
def test_samples_of_the_multivariate_normal(name, seed):
    design, rng, n = DESIGNS[name], np.random.default_rng(seed), 40_000
    correlated = []
    for batch, rho in [(3, 0.2), (16, 0.6), (50, 0.9)]:
        covariance = design.q * (rho + (1.0 - rho) * np.eye(batch))
        u = rng.multivariate_normal(np.zeros(batch), covariance, size=n)
        share = (design.activation(u) != 0.0).any(1).mean()
        error = math.sqrt(share * (1.0 - share) / n)
        assert_agrees(share, error, needed_share(design, batch, rho))
        if rho > 0.5:
            correlated.append((share, error, needed_share(design, batch, 0.5 * rho)))
    assert_refutes(*zip(*correlated, strict=True))


@seeds
def test_wide_residual_networks(seed):
    """The share of units that batches need, layer by layer, in drawn networks of width 4000."""
    design, width, depth, batch, effective = DESIGNS["one-sided"], 4000, 5, 6, 3.0
    a = math.sqrt(effective / depth)
    rng, shares = np.random.default_rng(seed), []
    for _ in range(4):
        x = rng.standard_normal((batch, width))
        h = x / np.sqrt((x * x).mean(1, keepdims=True))
        row = []
        for _ in range(depth):
            active = design.activation(h)
            row.append((active != 0.0).any(0).mean())
            kernel = np.linalg.cholesky(design.sigma_w2 / width * active @ active.T + 1e-12 * np.eye(batch))
            fresh = kernel @ rng.standard_normal((batch, width)) + math.sqrt(design.sigma_b2) * rng.standard_normal(
                width
            )
            h = math.sqrt(1.0 - a * a) * h + a * fresh
        shares.append(row)
    found = needed_units(design, batch, depth=depth, effective_depth=effective)
    truth = np.array(found.shares)[:, 0]
    error = np.sqrt(truth * (1.0 - truth) / (4 * width)) + 2e-3 / 5.0  # finite width moves q and the correlation
    assert_agrees(np.mean(shares, 0), error, truth)
    assert_refutes(np.mean(shares, 0)[1:], error[1:], needed_share(design, batch, 0.0))


def test_result():
    found = nd.needed_units(DESIGNS["one-sided"], [1, 8], depth=3, correlation=0.2)
    assert found.correlations[0] == 0.2
    assert found.correlations[1] == pytest.approx(
        float(nd.correlation_map(found_design().activation, 0.2, 1.0, found_design().sigma_w2, found_design().sigma_b2))
    )
    assert found.columns()["layer"] == [1, 1, 2, 2, 3, 3]
    assert list(found.correlations) == sorted(found.correlations)
    assert np.mean(found.shares, 0).tolist() == list(found.mean_shares)
    assert "15 % for 1" in str(found)


def found_design():
    return DESIGNS["one-sided"]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: needed_share(DESIGNS["relu"], 0), "`batch` must"),
        (lambda: needed_share(DESIGNS["relu"], 1.5), "`batch` must hold whole numbers"),
        (lambda: needed_share(DESIGNS["relu"], 2, -0.1), "`correlation` must"),
        (lambda: needed_share(DESIGNS["relu"], float("nan")), "`batch` must"),
        (lambda: needed_share(nd.edge_of_chaos("leaky-relu(0.1)"), 2), "zero on an interval"),
        (lambda: needed_share("relu", 2), "`design` must"),
        (lambda: needed_units(DESIGNS["relu"], 2, depth=0), "`depth` must"),
        (lambda: needed_units(DESIGNS["relu"], [], depth=1), "`batch` must"),
        (lambda: needed_units(DESIGNS["relu"], 2, depth=3, effective_depth=4.0), "`effective_depth` must"),
    ],
)
def test_refused(call, reason):
    with pytest.raises(InvalidArgumentError, match=reason):
        call()
