"""Extra per-layer outputs: known values, errors by hand, names."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import digamma, polygamma

from neurondeath import simulate
from neurondeath.simulations.estimation.outputs import estimate_outputs
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.outputs import OUTPUT_COLUMNS, OUTPUTS, check_outputs
from neurondeath.simulations.samplers import crude_dense, crude_general
from neurondeath.simulations.stores.possible_statistics import impossible
from neurondeath.simulations.stores.task_records import read_task
from neurondeath_theory.networks.network import Network
from neurondeath_theory.trainability.log_sizes import log_sizes
from tests.references.architecture_twins import make_task
from tests.references.statistical import assert_agrees, assert_refutes, seeds


@pytest.mark.statistical
@seeds
def test_outputs_of_one_wide_layer(seed):
    """He layer, unit sphere: q = 2/d, half of the activations zero, P(unit dead) = 1/2 on M points of a line."""
    points = np.vstack([np.ones(4), 2 * np.ones(4), 3 * np.ones(4)]) / 2
    network, trials = Network([50], input_dim=4), 2000
    inputs = InputSet("line", points)
    totals = crude_general.sample(make_task(network, inputs, outputs=OUTPUTS), seed, 0, trials)
    estimates = estimate_outputs(totals, trials, network.widths, inputs.n_points)
    assert tuple(estimates) == OUTPUT_COLUMNS
    q = 2 * np.mean((points**2).sum(axis=1)) / 4
    for name, truth, wrong in (
        ("dead_units", 25.0, 26.0),
        ("dead_unit_share", 0.5, 0.52),
        ("sparsity", 0.5, 0.52),
        ("variance", q, 1.1 * q),
    ):
        assert_agrees(*estimates[name], [truth])
        assert_refutes(*estimates[name], [wrong])
    np.testing.assert_allclose(estimates["correlation"][0], 1.0, rtol=1e-6)
    assert estimates["layerwise_alive"][0][0] == 1.0


def test_outputs_by_hand():
    network = Network([2] * 3)
    inputs = input_set("gaussian:4", dimension=2)
    task = make_task(network, inputs, outputs=OUTPUTS)
    single = [crude_general.sample(task, 0, t, t + 1) for t in range(40)]
    totals = crude_general.sample(task, 0, 0, 40)
    estimates = estimate_outputs(totals, 40, network.widths, 4)
    dead = np.array([row["dead_units"] for row in single])
    for name, values in (("dead_units", dead), ("dead_unit_share", dead / 2)):
        np.testing.assert_allclose(estimates[name][0], values.mean(axis=0))
        np.testing.assert_allclose(estimates[name][1], values.std(axis=0, ddof=1) / np.sqrt(40))
    cosines = np.array([row["correlation"] / np.where(row["correlation_trials"], 1, np.nan) for row in single])
    counts = (~np.isnan(cosines)).sum(axis=0)
    np.testing.assert_allclose(estimates["correlation"][0], np.nanmean(cosines, axis=0))
    np.testing.assert_allclose(
        estimates["correlation"][1], np.nanstd(cosines, axis=0, ddof=1) / np.sqrt(counts), rtol=1e-6
    )
    one = estimate_outputs(single[0], 1, network.widths, 4)
    assert np.isnan(one["variance"][1]).all()


def test_outputs_are_named_once_and_in_order():
    assert check_outputs("outputs", ["sparsity", "layerwise_alive"]) == ("layerwise_alive", "sparsity")
    assert check_outputs("outputs", ["dead-units"]) == ("dead_units",)
    for wrong in ("variance", 3, ["nosuch"], ["variance", "variance"], [1]):
        with pytest.raises(ValueError, match="outputs"):
            check_outputs("outputs", wrong)


def test_only_outputs_asked_for_are_given():
    task = make_task(Network([2] * 3), input_set("gaussian:4", dimension=2), outputs=("variance",))
    found = crude_dense.sample(task, 0, 0, 5)
    logs = {"log_variance_trials", "log_variance", "log_variance_squares", "log_variance_cubes", "log_variance_fourths"}
    assert set(found) == {"alive", "living", "living_squares", "variance", "variance_squares"} | logs
    found = crude_dense.sample(replace(task, outputs=("log_gradient",)), 0, 0, 5)
    logs = {name.replace("variance", "gradient") for name in logs}
    assert set(found) == {"alive", "living", "living_squares"} | logs


@seeds
def test_log_sizes_of_deep_networks(seed):
    """One point, 60 and 2000 layers of 12: the exact law of log q, also where q underflows; its mean is withheld."""
    for depth in (60, 2000):
        network, trials = Network([12] * depth), 400
        inputs = InputSet("point", np.ones((1, 12)))
        totals = crude_general.sample(make_task(network, inputs, outputs=("variance",)), seed, 0, trials)
        estimates = estimate_outputs(totals, trials, network.widths, 1)
        # one point of mean square 1: log q_k = log 2 + the log factors of k - 1 layers + log(chi^2_12 / 12)
        law = log_sizes([12] * (depth - 1))
        truth = np.log(2.0) + law.mean[-1] + digamma(6.0) - np.log(6.0)
        mean, error = (values[-1] for values in estimates["log_variance"])
        assert_agrees(mean, error, truth)
        assert_refutes(mean, error, 1.3 * truth)
        sd, sd_error = (values[-1] for values in estimates["log_variance_sd"])
        assert_agrees(sd, sd_error, np.sqrt(law.variance[-1] + polygamma(1, 6.0)))
        assert np.isnan(estimates["variance"][0][-1])


@seeds
def test_log_gradients_of_plain_networks(seed):
    """One point, widths 10: given survival, log g_l has the exact law of the sizes of the layers from l on."""
    network, trials = Network([10] * 20), 2000
    inputs = InputSet("point", np.arange(1.0, 11.0)[None, :])
    for dtype in ("float32", "float64"):
        task = make_task(network, inputs, outputs=("log_gradient",), dtype=dtype)
        totals = crude_general.sample(task, seed, 0, trials)
        assert (totals["log_gradient_trials"] == totals["alive"][-1]).all()
        estimates = estimate_outputs(totals, trials, network.widths, 1)
        # entry j - 1 is that of the last j layers; the mean square is 1/10 of the read-out, 2/10 of other weights
        law = log_sizes([10] * 20)
        mean, error = estimates["log_gradient"]
        assert_agrees(mean, error, law.mean[::-1] - np.log(2.0))
        assert_refutes(mean, error, law.mean - np.log(2.0))
        spread, spread_error = estimates["log_gradient_sd"]
        assert_agrees(spread, spread_error, law.sd[::-1])
        assert_refutes(spread, spread_error, np.sqrt(law.normal_variance[::-1]))


def test_gradients_that_are_not_measured():
    for options in ({"architecture": "batch_norm"}, {"sign_flip": "layer"}):
        with pytest.raises(ValueError, match=r"outputs.*log_gradient"):
            simulate(Network([3] * 4, **options), "gaussian:4", trials=1, outputs=["log_gradient"])


def test_sums_of_gradients_that_no_trials_have():
    task = make_task(Network([3] * 2), input_set("gaussian:4", dimension=3), outputs=("log_gradient",))
    record = read_task(task.task_id, json.dumps(task.description(), sort_keys=True))
    good = crude_general.sample(task, 0, 0, 20)
    assert {name: values.dtype for name, values in good.items()} == dict(record.layout)
    assert impossible(good, record, 20) is None
    for name, value in (
        ("log_gradient", 1e3),
        ("log_gradient", np.nan),
        ("log_gradient_squares", 0.0),
        ("log_gradient_cubes", 1e9),
        ("log_gradient_fourths", -1.0),
        ("log_gradient_trials", 21),
    ):
        assert "log_gradient" in impossible(good | {name: np.full_like(good[name], value)}, record, 20)


def test_shares_on_the_orthant_are_shares():
    """Zeros are counted at the end of every axis, not at one point."""
    for bias in (0.0, 0.5):
        result = simulate(Network([5], bias_variance=bias), "orthant", trials=200, outputs=["sparsity", "dead_units"])
        for name in ("sparsity", "dead_unit_share"):
            assert 0.0 < result.outputs[name][0][0] < 1.0
        assert abs(result.outputs["sparsity"][0][0] - 0.5) < 0.06


def test_variances_of_an_older_version_have_no_error():
    totals = {"variance": np.array([4.0]), "variance_squares": np.array([9.0])}
    mean, error = estimate_outputs(totals, 2, [3], 1)["variance"]
    assert mean[0] == 2.0
    assert np.isnan(error[0])
