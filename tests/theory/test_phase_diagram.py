"""Phases against iterating the variance map, and the edge of chaos against its definition."""

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.phase_diagram import phase_diagram
from neurondeath_theory.gaussian_limit.variance import chi1, variance_map
from neurondeath_theory.networks.activations import clipped_shifted_relu, hard_tanh, relu, shifted_relu

WEIGHTS, BIASES = np.linspace(0.4, 4.0, 12), np.linspace(0.0, 1.5, 7)


@pytest.mark.parametrize("activation", [hard_tanh(), clipped_shifted_relu(1.28, 1.61), shifted_relu(0.5)], ids=str)
@pytest.mark.parametrize("start", [0.5, 6.0])
def test_limit_of_iteration(activation, start):
    diagram = phase_diagram(activation, WEIGHTS, BIASES, initial_q=start)
    q = np.full((12, 7), start)
    for _ in range(800):
        q = np.minimum(variance_map(activation, q, WEIGHTS[:, None] ** 2, BIASES**2), 1e12)
    unbounded = diagram.phase == "unbounded"
    assert (q[unbounded] == 1e12).all()
    settled = ~unbounded & (diagram.v_prime < 0.97)
    assert settled.sum() >= 20
    np.testing.assert_allclose(q[settled], diagram.q[settled], rtol=1e-9, atol=1e-12)
    positive = settled & (diagram.q > 1e-9)
    gain = WEIGHTS[:, None] ** 2 * chi1(activation, np.where(positive, diagram.q, 1.0))
    np.testing.assert_allclose(gain[positive], diagram.chi1[positive], rtol=1e-12)
    assert ((diagram.chi1 > 1) == (diagram.phase == "chaotic"))[~unbounded].all()


def test_two_basins():
    design = sparse_design("clipped-shifted-relu", 0.9, v_prime=0.9)
    grid = [np.sqrt(design.sigma_w2)], [np.sqrt(design.sigma_b2)]
    low, high = (phase_diagram(design.activation, *grid, initial_q=q) for q in (1.2, 1.6))
    assert low.q[0, 0] == pytest.approx(1.0, rel=1e-9)
    assert high.q[0, 0] == pytest.approx(3.4745, abs=1e-4)
    assert high.phase[0, 0] == "chaotic"
    assert low.n_fixed_points[0, 0] == 3


def test_edge_lies_on_the_edge():
    for activation in (hard_tanh(), clipped_shifted_relu(1.0, 1.2)):
        diagram = phase_diagram(activation, [0.5, 4.0], [0.0, 1.5])
        assert len(diagram.edge) > 20
        weight, bias, q, _ = diagram.edge.T
        np.testing.assert_allclose(chi1(activation, q, weight**2), 1.0, rtol=1e-12)
        np.testing.assert_allclose(variance_map(activation, q, weight**2, bias**2), q, rtol=1e-11)


def test_relu():
    diagram = phase_diagram(relu(), [1.0, np.sqrt(2.0), 2.0], [0.0, 1.0])
    assert diagram.phase.tolist() == [["ordered", "ordered"], ["critical", "unbounded"], ["unbounded", "unbounded"]]
    assert diagram.q[1, 0] == 1.0
    assert "2 ordered, 1 critical, 0 chaotic, 3 unbounded" in str(diagram)
    assert diagram.to_dataframe().shape == (6, 7)


@pytest.mark.parametrize(
    ("weights", "biases", "name"),
    [([0.0], [0.0], "sigma_w"), ([1.0], [-1.0], "sigma_b"), (1.0, [0.0], "sigma_w"), ([1.0], [], "sigma_b")],
)
def test_bad_grids(weights, biases, name):
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must"):
        phase_diagram(relu(), weights, biases)
