"""Tailored slopes: published depths, the general correlation map, large depth, and what is out of reach."""

import math

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.correlation import correlation_map, correlation_trajectory
from neurondeath_theory.networks.activations import leaky_relu
from neurondeath_theory.trainability.tailored_slope import leaky_correlation, tailored_slope


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.9, -0.5])
def test_map_against_the_general_one(slope):
    rho = np.array([-1.0, -0.6, 0.0, 0.3, 0.9, 0.9999, 1 - 1e-9, 1.0])
    general = correlation_map(leaky_relu(slope), rho, sigma_w2=2 / (1 + slope**2))
    assert leaky_correlation(rho, slope) == pytest.approx(general, abs=1e-13)
    other = correlation_map(leaky_relu(slope + 0.1), rho, sigma_w2=2 / (1 + (slope + 0.1) ** 2))
    assert np.abs(other - general).max() > 1e-3


@pytest.mark.parametrize(("depth", "slope"), [(20, 0.181), (60, 0.471), (100, 0.570), (150, 0.638)])
def test_published_depths(depth, slope):
    found = tailored_slope(depth)
    assert found.negative_slope == pytest.approx(slope, abs=0.0005)
    path = correlation_trajectory(leaky_relu(found.negative_slope), 0.0, depth, sigma_w2=found.sigma_w2)
    assert found.correlations == pytest.approx(path, abs=1e-11)
    assert path[-1] == pytest.approx(0.9, abs=1e-11)
    assert found.correlations[0] == 0.0


def test_other_targets_and_large_depth():
    assert tailored_slope(40, 0.5, start=-0.3).correlations[[0, -1]] == pytest.approx([-0.3, 0.5], abs=1e-11)
    assert tailored_slope(40, 0.5).negative_slope > tailored_slope(40, 0.6).negative_slope
    near = [(1 - tailored_slope(depth).negative_slope) * math.sqrt(depth) for depth in (2000, 8000)]
    assert near[1] == pytest.approx(near[0], rel=0.05)
    assert "0.9 in 60 layers" in str(tailored_slope(60))
    assert len(tailored_slope(60).columns()["correlation"]) == 61


def test_out_of_reach():
    with pytest.raises(InvalidArgumentError, match="what ReLUs reach at depth 5"):
        tailored_slope(5)
    with pytest.raises(InvalidArgumentError, match="target"):
        tailored_slope(50, 0.2, start=0.3)
    with pytest.raises(InvalidArgumentError, match="correlation"):
        leaky_correlation(1.5, 0.1)
