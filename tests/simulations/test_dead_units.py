"""Expected number of dead units: exact values down to 1e-6, plain counts in NumPy, and what is withheld and why."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from neurondeath import dead_unit_count
from neurondeath.simulations.estimation.dead_unit_counts import from_networks, from_populations
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.samplers.dead_rows import PARTICLES, population_of_networks, sample_layers
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.rai import rai_constant
from neurondeath_theory.survival.first_layer import first_layer_death
from tests.references.architecture_twins import flip_signs
from tests.references.statistical import assert_agrees, assert_refutes, seeds

# Student's quantile of 16 populations over the normal one, at the 5.7e-7 of `statistical`
STUDENT = float(stats.t.isf(2.9e-7, 15)) / 5.0
AXES = 18  # the unit vectors as points: each constrains one weight, so one-dimensional integrals remain
NORMAL = stats.norm


def over_biases(inactive, sd):
    """P(every one of AXES weights plus a common normal bias is inactive), by quadrature."""
    return quad(lambda b: NORMAL.pdf(b) * inactive(-sd * b) ** AXES, -12, 12, limit=500, points=[-3, 0, 3])[0]


def rai_share():
    """P(a row is inactive on the unit vectors): the redrawn entry is the bias, or one of the weights."""
    s = rai_constant() / np.sqrt(AXES)
    bias = quad(lambda b: 2 * b * NORMAL.cdf(-b / s) ** AXES, 0, 1)[0]

    def given_bias(b):  # the redrawn weight is at most -b with probability b^2
        return NORMAL.pdf(b / s) / s * min(-b, 1.0) ** 2 * NORMAL.cdf(-b / s) ** (AXES - 1)

    return (bias + AXES * quad(given_bias, -12 * s, 0, limit=500)[0]) / (AXES + 1)


SW = np.sqrt(2 / AXES)  # standard deviation of He weights
ROWS = {
    "he": (Network([AXES]), 0.5**AXES),
    "uniform": (Network([AXES], init="uniform"), 0.5**AXES),
    "orthogonal": (Network([AXES], init="orthogonal"), 0.5**AXES),
    "wide orthogonal": (Network([30], input_dim=AXES, init="orthogonal"), 0.5**AXES),
    "he, biases": (Network([AXES], bias_variance=0.01), over_biases(lambda t: NORMAL.cdf(t / SW), 0.1)),
    "uniform, biases": (
        Network([AXES], init="uniform", bias_variance=0.01),
        over_biases(lambda t: np.clip(0.5 + t / (2 * np.sqrt(3) * SW), 0, 1), 0.1),
    ),
    # the largest of AXES + 1 independent numbers of one law is the bias: P(w_i + b <= 0 at every axis)
    "torch-default": (Network([AXES], init="torch-default"), 1 / (AXES + 1)),
    "he, biases of its own": (Network([AXES], bias_law="weights"), 1 / (AXES + 1)),
    "rai": (Network([AXES], init="rai"), rai_share()),
    "shifted": (Network([AXES], activation="shifted-relu(tau=-0.05)"), NORMAL.cdf(-0.05 / SW) ** AXES),
    "band": (
        Network([AXES], activation="soft-threshold(tau=0.2)"),
        (2 * NORMAL.cdf(0.2 / SW) - 1) ** AXES,
    ),
}


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize("name", ROWS)
def test_rows_on_the_unit_vectors(name, seed):
    network, share = ROWS[name]
    result = dead_unit_count(network, np.eye(AXES), seed=seed)
    truth = share * network.widths[0]
    assert (result.method, result.withheld) == (("splitting",), ("",))
    assert result.dead_units_stderr[0] < 0.15 * truth
    errors = STUDENT * result.dead_units_stderr
    assert_agrees(result.dead_units, errors, [truth])
    assert_refutes(result.dead_units, errors, [2.5 * truth])


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize("init", ["torch-default", "he", "uniform"])
def test_biases_of_the_law_of_the_weights(init, seed):
    """Weights and bias are exchangeable: P(w + b <= 0 and -w + b <= 0) = 1/4; on the axes the bias is the least."""
    own = {} if init == "torch-default" else {"bias_law": "weights"}
    for points, share in ((np.array([[1.0], [-1.0]]), 1 / 4), (np.eye(AXES), 1 / (AXES + 1))):
        network = Network([5], input_dim=points.shape[1], init=init, **own)
        result = dead_unit_count(network, points, relative_error=0.01, seed=seed)
        assert result.dead_units_stderr[0] < 0.015 * 5 * share
        assert_agrees(result.dead_units, STUDENT * result.dead_units_stderr, [5 * share])
        assert_refutes(result.dead_units, STUDENT * result.dead_units_stderr, [0.8 * 5 * share])


@pytest.mark.parametrize("init", ["torch-default", "he"])
def test_given_levels_are_kept(init):
    """Levels that follow the population bias its estimate: on the one level 0 it is the plain share of its rows."""
    own = {} if init == "torch-default" else {"bias_law": "weights"}
    network = Network([5], input_dim=1, init=init, **own)
    population = population_of_networks(network, np.array([[1.0], [-1.0]]))
    levels, shares = [np.array([0.0])], []
    for number in range(1, 60):
        (rows,) = sample_layers(population, levels, [True], 0, number)
        shares.append(np.exp(rows.log_share) * PARTICLES)
        assert levels[0].tolist() == [0.0]
        assert rows.counts.sum() == round(shares[-1])
    assert min(shares) < PARTICLES / 4 < max(shares)  # the share of the pilot's levels
    assert np.allclose(shares, np.round(shares), atol=1e-9)


@pytest.mark.parametrize("goal", [0.01, 0.05])
def test_the_relative_error_is_reached(goal):
    for seed in range(10):
        found = dead_unit_count(
            Network([5], input_dim=1, init="torch-default"), np.array([[1.0], [-1.0]]), relative_error=goal, seed=seed
        )
        assert found.dead_units_stderr[0] <= goal * found.dead_units[0]


def counted(network, points, trials, seed):
    """Count dead units layer by layer in plain NumPy; return mean and standard error, shape (k,)."""
    rng = np.random.default_rng(seed)
    found = np.zeros((trials, network.depth))
    for trial in range(trials):
        x, alive = points.T, np.ones(len(points), dtype=bool)
        for layer, (width, fan_in) in enumerate(zip(network.widths, network.fan_ins, strict=True)):
            scale, biases = np.sqrt(network.weight_variance / fan_in), np.zeros(width)
            weights = rng.standard_normal((width, fan_in))
            if network.init == "orthogonal":
                q, r = np.linalg.qr(weights if width > fan_in else weights.T)
                weights = (q * np.sign(np.diag(r))) * np.sqrt(max(width, fan_in))
                weights = weights if width > fan_in else weights.T
            if network.init in ("uniform", "torch-default"):
                weights = np.sqrt(3) * rng.uniform(-1, 1, (width, fan_in))
            weights *= scale
            if network.bias_variance:
                biases = np.sqrt(network.bias_variance) * rng.standard_normal(width)
            if network.init == "torch-default":
                biases = scale * np.sqrt(3) * rng.uniform(-1, 1, width)
            if network.init == "rai":
                biases = scale * rng.standard_normal(width)
                rows = np.column_stack([weights, biases])
                rows[np.arange(width), rng.integers(fan_in + 1, size=width)] = rng.beta(2, 1, width)
                weights, biases = rows[:, :-1], rows[:, -1]
            z = weights @ x + biases[:, None]
            z = z if network.sign_flip == "none" else flip_signs(z, alive, network.sign_flip)
            x = network.activation(z)
            alive &= (x != 0).any(axis=0)
            found[trial, layer] = (x == 0).all(axis=1).sum()
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(trials)


COUNTED = (
    Network([5, 4, 6]),
    Network([4, 6, 4], bias_variance=0.4, init="orthogonal"),
    Network([5, 4, 5], init="uniform", bias_variance=0.3, activation="shifted-relu(tau=0.3)"),
    Network([4, 4, 4], activation="clipped-soft-threshold(tau=0.8, m=1)"),
    Network([4, 5, 4], init="rai"),
    Network([4, 5, 4], init="torch-default"),
    Network([3, 5, 3], sign_flip="layer", init="orthogonal"),
    Network([3, 5, 3], sign_flip="neuron", bias_variance=0.4),
    Network([3, 4, 3], sign_flip="neuron", init="orthogonal", input_dim=2),
    Network([3, 4, 3], sign_flip="layer", init="rai"),
)


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize("network", COUNTED, ids=str)
def test_agrees_with_plain_counts(network, seed):
    points = input_set("orthant:6", dimension=network.input_dim, seed=3).points
    result = dead_unit_count(network, points, relative_error=0.03, seed=seed)
    mean, stderr = counted(network, points, 1000, seed)
    errors = np.hypot(stderr, STUDENT * result.dead_units_stderr)
    assert_agrees(result.dead_units - mean, errors, np.zeros(3))
    assert_refutes(result.dead_units - mean, errors, 0.5 * mean)
    assert (result.low < result.dead_units).all()
    assert (result.dead_units < result.high).all()


@pytest.mark.statistical
@seeds
def test_one_point_and_two_rays(seed):
    """One point dies with its network; two opposite rays are orthogonal behind the first layer, or one is dead."""
    depth, width = 6, 3
    lone = dead_unit_count(Network([width] * depth), np.ones((1, width)), relative_error=0.01, seed=seed)
    alive = (1 - 0.5**width) ** np.arange(depth)
    assert_agrees(lone.dead_units[1:], STUDENT * lone.dead_units_stderr[1:], width * (1 - alive / 2)[1:])
    np.testing.assert_allclose(lone.in_dead_networks, width * (1 - alive), atol=0.08)
    assert (lone.dead_units[0], lone.method[0]) == (1.5, "exact")

    rays = dead_unit_count(Network([4, 5], input_dim=1), "rays", relative_error=0.01, seed=seed)
    one_dead = 2 * 0.5**4
    assert (rays.dead_units[0], rays.dead_units_stderr[0]) == (0.0, 0.0)
    truth = 5 * ((1 - one_dead) / 4 + one_dead / 2)
    assert_agrees(rays.dead_units[1:], STUDENT * rays.dead_units_stderr[1:], [truth])
    assert_refutes(rays.dead_units[1:], STUDENT * rays.dead_units_stderr[1:], [1.5 * truth])


def test_first_layer():
    """Exact up to three dimensions; above that, as `first_layer_death` by its own route."""
    points = np.abs(input_set("gaussian:12", dimension=3, seed=1).points)
    exact = dead_unit_count(Network([7], input_dim=3), points)
    death = first_layer_death(points, 7)
    assert exact.dead_units[0] == pytest.approx(7 * death.unit_probability, rel=1e-12)
    assert (exact.method, exact.low[0]) == (("exact",), exact.high[0])
    points = np.abs(input_set("gaussian:12", dimension=6, seed=1).points)
    death = first_layer_death(points, 7)
    found = dead_unit_count(Network([7], input_dim=6), points, relative_error=0.03)
    assert found.dead_units[0] == pytest.approx(7 * death.unit_probability, rel=0.12)


def test_what_needs_no_sampling():
    never = dead_unit_count(Network([4] * 3, activation="leaky-relu(0.1)"), "gaussian:8")
    assert (never.dead_units == 0).all()
    assert set(never.method) == {"exact"}
    always = dead_unit_count(Network([4] * 3), np.zeros((2, 4)))
    assert always.dead_units.tolist() == [4.0] * 3
    assert always.in_dead_networks.tolist() == [0.0, 4.0, 4.0]
    assert dead_unit_count(Network([4], init="uniform"), "gaussian:64").dead_units.tolist() == [0.0]


def test_counting_elsewhere():
    result = dead_unit_count(Network([4] * 2, architecture="residual"), "gaussian:4", relative_error=0.2)
    assert set(result.method) == {"counting"}
    assert np.isnan(result.in_dead_networks).all()
    normed = dead_unit_count(Network([4] * 2, architecture="batch_norm"), "gaussian:8", relative_error=0.2)
    assert (normed.dead_units == 0).all()
    assert all("0 dead units in" in reason for reason in normed.withheld)
    assert np.isnan(normed.high).all()


def test_what_is_withheld():
    hurried = dead_unit_count(Network([4] * 2), "gaussian:8", max_seconds=1e-9)
    assert "max_seconds" in hurried.withheld[1]
    assert np.isnan(hurried.low[1])
    assert "withheld" in str(hurried)
    # orthogonal rows have one length, too great for this band on these points
    never = dead_unit_count(Network([3], activation="soft-threshold(tau=0.01)", init="orthogonal"), "gaussian:9")
    assert "no row" in never.withheld[0]
    few = from_populations(np.full(9, 0.1) + 0.01 * np.arange(9), np.zeros(9), 12.0, 512)
    assert "12 effective networks" in few.withheld
    uneven = from_populations(np.array([1e-9] * 8 + [1.0]), np.zeros(9), 1e3, 512)
    assert "differ by" in uneven.withheld
    assert from_networks(0.5, 0.01, 4, 1000).withheld == ""
    all_dead = from_populations(np.ones(10), np.ones(10), 1e3, 512)
    assert all_dead.low == pytest.approx(0.025 ** (1 / 5120))


def test_same_seed_same_result_and_refusals():
    network = Network([4] * 3)
    one, two, other = (dead_unit_count(network, "gaussian:8", seed=seed) for seed in (1, 1, 2))
    assert one.dead_units.tolist() == two.dead_units.tolist() != other.dead_units.tolist()
    for wrong in ({"relative_error": 0.0}, {"relative_error": 1.0}, {"max_seconds": 0.0}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            dead_unit_count(network, "gaussian:8", **wrong)
    with pytest.raises(ValueError, match="network"):
        dead_unit_count([4, 4], "gaussian:8")
