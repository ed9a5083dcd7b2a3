"""Extra per-layer outputs: known values, errors by hand, names."""

import numpy as np
import pytest

from neurondeath.simulations.estimation.outputs import estimate_outputs
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.outputs import OUTPUTS, check_outputs
from neurondeath.simulations.samplers import crude_dense, crude_general
from neurondeath_theory.networks.network import Network
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
    assert tuple(estimates) == OUTPUTS
    q = 2 * np.mean((points**2).sum(axis=1)) / 4
    for name, truth, wrong in (("dead_units", 0.5, 0.52), ("sparsity", 0.5, 0.52), ("variance", q, 1.1 * q)):
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
    shares = np.array([row["dead_units"] for row in single]) / 2
    np.testing.assert_allclose(estimates["dead_units"][0], shares.mean(axis=0))
    np.testing.assert_allclose(estimates["dead_units"][1], shares.std(axis=0, ddof=1) / np.sqrt(40))
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
    for wrong in ("variance", 3, ["nosuch"], ["variance", "variance"], [1]):
        with pytest.raises(ValueError, match="outputs"):
            check_outputs("outputs", wrong)


def test_only_outputs_asked_for_are_given():
    task = make_task(Network([2] * 3), input_set("gaussian:4", dimension=2), outputs=("variance",))
    found = crude_dense.sample(task, 0, 0, 5)
    assert set(found) == {"alive", "living", "living_squares", "variance", "variance_squares"}
