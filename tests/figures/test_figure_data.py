"""Every figure is made once, in its quick version, and its data must obey the theory that they illustrate.

A point may miss its line by chance: comparisons use `tests.references.statistical`, with five standard errors.
"""

import numpy as np
import pytest
from scipy.special import ndtr

from neurondeath.figures.tables import rows
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.trainability.residual_flow import correlation_flow
from tests.references.statistical import assert_agrees, assert_refutes

NORMAL = 1.959963984540054  # of 95 %, two-sided


def binomial_error(table, truth):
    """Return the standard error of a share of trials at the probability that it estimates."""
    return np.sqrt(np.maximum(truth * (1.0 - truth), 1e-300) / table["trials"])


def stderr(table):
    """Return the standard error from a normal 95 % interval."""
    return (table["high"] - table["low"]) / (2.0 * NORMAL)


def assert_not_below(estimate, error, bound):
    """Fail when an estimate lies below a bound by more than five standard errors."""
    assert_agrees(np.minimum(estimate, bound), error, bound)


def test_survival_lies_between_the_bounds(tables):
    for name in ("survival_depth", "rai"):
        table = tables[name] if name == "survival_depth" else rows(tables[name], init="he")
        lower, alive = table["lower_bound"], table["alive"]
        assert_not_below(alive, binomial_error(table, lower), lower)
        assert_refutes(np.minimum(alive, lower + 0.3), binomial_error(table, lower), lower + 0.3)
    upper = tables["survival_depth"]["upper_bound"]
    above = np.maximum(tables["survival_depth"]["alive"], upper)
    assert_agrees(above, np.maximum(binomial_error(tables["survival_depth"], upper), 1e-9), upper)


def test_gap_closes(tables):
    for c in (0, 1):
        part = rows(tables["gap_depth"], c=c)
        gap = part["rays"] - part["lower_bound"]
        assert (np.diff(gap) < 0).all()
        assert_not_below(part["alive"], binomial_error(part, part["lower_bound"]), part["lower_bound"])
    # published in no paper: the exact gap of two rays at k = 8 and 32, from the chain of angles
    part = rows(tables["gap_depth"], c=0)
    picked = np.isin(part["depth"], [8, 32])
    np.testing.assert_allclose((part["rays"] - part["lower_bound"])[picked], [0.137, 0.065], atol=6e-4)


def test_orthant_dies_as_often_as_the_bound_says(tables):
    table = tables["single_layer_orthant"]
    whole, few = rows(table, set="whole orthant"), rows(table, set="64 points")
    assert_agrees(whole["dead"], binomial_error(whole, whole["orthant"]), whole["orthant"])
    assert_refutes(whole["dead"], binomial_error(whole, whole["orthant"]), 2.0 * whole["orthant"])
    assert_not_below(few["dead"], binomial_error(few, few["orthant"]), few["orthant"])
    assert_not_below(-few["dead"], binomial_error(few, few["one_point"]), -few["one_point"])


def test_shrinking_inputs_reach_the_lower_bound(tables):
    table = tables["shrinking_inputs"]
    assert_not_below(table["alive"], binomial_error(table, table["lower_bound"]), table["lower_bound"])
    for width in (2, 3, 5):
        part = rows(table, width=width)
        assert part["alive"][-1] > part["high"][0]  # a cloud survives more often than a point


def test_single_points_follow_the_log_width_path(tables):
    table = rows(tables["log_width_path"], kind="sampled")
    truth = (1.0 - 2.0 ** -(np.log2(table["depth"]) + table["c"])) ** table["depth"]
    assert_agrees(table["alive"], binomial_error(table, truth), truth)
    assert_refutes(table["alive"], binomial_error(table, truth), truth + 0.1)
    lines = rows(tables["log_width_path"], kind="exact")
    assert (lines["survival"] <= lines["limit"]).all()


def test_living_ratio_is_the_product(tables):
    table = tables["living_ratio"]
    assert_agrees(table["living_ratio"], table["stderr"], table["exact"])
    assert_refutes(table["living_ratio"], table["stderr"], table["exact"] + 0.05)


def test_safe_region_follows_its_bounds(tables):
    table = tables["safe_region"]
    assert (table["lower_bound"][table["verdict"] == "safe"] >= 0.99).all()
    assert (table["upper_bound"][table["verdict"] == "doomed"] < 0.99).all()
    assert set(table["verdict"]) == {"safe", "doomed", "undecided"}


def test_one_dimensional_death_lies_between_the_published_bounds(tables):
    table = tables["one_dimensional_input"]
    slack = 1e-6
    assert (table["exact"] >= table["at_least"] - slack).all()
    assert (table["exact"] <= table["at_most"] + slack).all()
    sure = table["exact"] < 1e-12  # both rays cannot die in one layer
    assert (table["dead"][sure] == 0).all()
    seen = {name: values[~sure] for name, values in table.items()}
    assert_agrees(seen["dead"], binomial_error(seen, seen["exact"]), seen["exact"])
    assert_refutes(seen["dead"], binomial_error(seen, seen["exact"]), seen["at_most"])


def test_data_aware_bounds_are_ordered(tables):
    table = tables["data_aware"]
    assert (table["lower_bound"] < table["de_caen"]).all()
    assert (table["de_caen"] <= table["gallot"] + 1e-12).all()
    assert_not_below(table["alive"], binomial_error(table, table["gallot"]), table["gallot"])


def test_sign_flips_keep_their_guarantees(tables):
    table = tables["sign_flip"]
    for flip in ("layer", "neuron"):
        part = rows(table, flip=flip)
        assert (part["living_ratio"] >= part["line"]).all()  # it is true of every network, hence of their mean
    part = rows(table, flip="none")
    assert_agrees(part["living_ratio"], stderr(part), part["line"])
    assert_refutes(part["living_ratio"], stderr(part), part["line"] + 0.1)


def test_single_points_of_all_architectures_die_as_predicted(tables):
    table = rows(tables["architectures"], set="one point")
    truth = table["exact_death"]
    shown = truth * table["trials"] > 20  # a share of rarer events is not normal
    table = {name: values[shown] for name, values in table.items()}
    assert len(set(table["architecture"])) == 4
    assert_agrees(table["death"], binomial_error(table, truth[shown]), truth[shown])
    assert_refutes(table["death"], binomial_error(table, truth[shown]), 2.0 * truth[shown])


def test_rai_lives_more_often(tables):
    for width in (2, 4, 6):
        he, rai = (rows(tables["rai"], width=width, init=init)["alive"] for init in ("he", "rai"))
        assert rai[9] > he[9]


def test_sampled_variances_agree_with_the_maps(tables):
    table = tables["variance_maps"]
    sampled = rows(table, kind="sampled")
    lines = rows(table, kind="exact")
    truth = []
    for design, q in zip(sampled["design"], sampled["q"], strict=True):
        line = rows(lines, design=design)
        truth.append(np.interp(q, line["q"], line["v"]))
    # interpolation between 200 points of a smooth line errs by less than 1e-4
    assert_agrees(sampled["v"], stderr(sampled) + 1e-4, truth)
    assert_refutes(sampled["v"], stderr(sampled) + 1e-4, np.add(truth, 0.2))
    unclipped = rows(lines, design="unclipped")
    assert (unclipped["v"] >= unclipped["q"] - 1e-9).all()


def test_slopes_rise_with_the_clip(tables):
    for sparsity in (0.6, 0.7, 0.85, 0.95):
        part = rows(tables["slope_against_clip"], sparsity=sparsity)
        assert (np.diff(part["v_prime"]) > 0).all()
        assert part["v_prime"].max() < 1.0
    # V' = 1 - sw2 m pdf(b) and s + 1/sw2 + Phi(-b) = 1, with b = tau + m
    part = rows(tables["slope_against_clip"], sparsity=0.85)
    b = 1.0364333894937896 + part["m"]
    weight = 1.0 / (ndtr(b) - 0.85)
    np.testing.assert_allclose(part["v_prime"], 1 - weight * part["m"] * np.exp(-b * b / 2) / np.sqrt(2 * np.pi))


def test_sampled_correlations_agree_with_the_maps(tables):
    table = tables["correlation_maps"]
    sampled, lines = rows(table, kind="sampled"), rows(table, kind="exact")
    truth = []
    for design, rho in zip(sampled["design"], sampled["rho"], strict=True):
        line = rows(lines, design=design)
        truth.append(np.interp(rho, line["rho"], line["r"]))
    assert_agrees(sampled["r"], stderr(sampled) + 1e-4, truth)
    assert_refutes(sampled["r"], stderr(sampled) + 1e-4, np.add(truth, 0.05))
    assert (lines["r"] >= lines["rho"] - 1e-9).all()  # chi_1 = 1 and R is convex


def test_clipping_holds_the_variance(tables):
    last = rows(tables["variance_trajectories"], depth=100)
    ends = {design: rows(last, design=design, curve="median")["q"][0] for design in set(last["design"])}
    assert ends["unclipped, s = 0.85"] > 10.0
    assert 0.8 < ends["s = 0.85, V' = 0.7"] < 1.2
    highest = rows(last, design="s = 0.9, V' = 0.9", curve="high")["q"][0]
    assert highest > 2.0  # near the second stable fixed point at 3.475


def test_second_fixed_points_lie_above(tables):
    table = tables["sparsity_clip_phase"]
    one = table["stable_points"] == 1
    np.testing.assert_allclose(table["highest_q"][one], 1.0, rtol=1e-9)
    assert (table["highest_q"][~one] > 1.0).all()
    assert 0 < one.sum() < one.size


def test_chains_and_networks_agree_on_sparse_survival(tables):
    chain, network = (rows(tables["sparse_survival"], kind=kind) for kind in ("chain", "network"))
    paired = np.isin(chain["width"], network["width"])
    difference = network["alive"] - chain["alive"][paired]
    error = np.hypot(binomial_error(network, chain["alive"][paired]), stderr(chain)[paired])
    assert_agrees(difference, np.maximum(error, 1e-9), 0.0)
    assert_refutes(difference, np.maximum(error, 1e-9), 0.1)


def test_log_sizes_follow_the_exact_law_and_not_the_normal_one(tables):
    table = rows(tables["log_size"], panel="width")
    sampled, exact, normal = (rows(table, kind=kind) for kind in ("sampled", "exact", "normal"))
    at = [np.flatnonzero(exact["width"] == width)[0] for width in sampled["width"]]
    # the interval is that of a large sample; of 400 networks of heavy-tailed log q it is too narrow by a tenth
    assert_agrees(sampled["value"], 1.1 * stderr(sampled), exact["value"][at])
    assert_refutes(sampled["value"], 1.1 * stderr(sampled), 1.5 * exact["value"][at])
    np.testing.assert_allclose(normal["value"], np.sqrt(5.0 * 60 / normal["width"]), rtol=1e-12)
    assert exact["value"][0] > 1.3 * normal["value"][0]  # narrow layers
    assert exact["value"][-1] < 1.03 * normal["value"][-1]
    part = rows(tables["log_size"], panel="depth", depth=60)
    low, median, high = (rows(part, kind="exact", share=share)["value"][0] for share in (0.05, 0.5, 0.95))
    assert low < median < high < rows(part, kind="mean")["value"][0]  # the mean is beyond 95 % of the networks


def test_effective_depth_alone_counts(tables):
    table = rows(tables["effective_depth"], panel="correlation")
    limit = rows(table, kind="limit")
    for branches, near in ((5, 0.12), (20, 0.03), (40, 0.015)):
        exact = rows(table, kind="exact", branches=branches)
        gap = np.abs(exact["value"] - np.interp(exact["x"], limit["x"], limit["value"]))
        assert 0.2 * near < gap.max() < near  # of order 1 / L
    design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    assert limit["value"][-1] == pytest.approx(float(correlation_flow(design, 0.3, 4.0)), abs=2e-3)
    sampled = rows(table, kind="sampled")
    exact = rows(table, kind="exact", branches=sampled["branches"][0])
    error = stderr(sampled) + 1.0 / sampled["width"]
    assert_agrees(sampled["value"], error, exact["value"])
    assert_refutes(sampled["value"], error, exact["value"] + 0.3)


def test_clipping_holds_the_signal_and_not_the_gradient(tables):
    for panel in ("signal", "gradient"):
        for name in ("ReLU", "clipped, s = 0.85"):
            part = rows(tables["effective_depth"], panel=panel, design=name)
            sampled, limit = rows(part, kind="sampled"), rows(part, kind="limit")
            truth = np.exp(np.interp(np.log(sampled["x"]), np.log(limit["x"]), np.log(limit["value"])))
            error = stderr(sampled) + 0.05 * truth  # finite width and number of branches, interpolation
            assert_agrees(sampled["value"], error, truth)
            assert_refutes(sampled["value"], error, 3.0 * truth)
    signal, gradient = (
        rows(tables["effective_depth"], panel=panel, design="clipped, s = 0.85", kind="limit", x=8.0)["value"][0]
        for panel in ("signal", "gradient")
    )
    assert signal < 11.0 < 300.0 < gradient


def test_mirrored_networks_are_linear_at_birth(tables):
    table = tables["looks_linear"]
    kept = rows(table, kind="mirrored, orthogonal")
    for panel, value in (("size", 1.0), ("cosine", 0.0), ("spectrum", 1.0)):
        np.testing.assert_allclose(rows(kept, panel=panel)["value"], value, atol=1e-12)
    for kind in ("mirrored, orthogonal", "mirrored, Gaussian"):
        assert rows(table, kind=kind, panel="active")["value"].tolist() == [0.0, 1.0, 0.0]
    he = rows(table, kind="He")
    active, pairs = rows(he, panel="active"), 32 * 50 * rows(he, panel="size")["trials"][0]
    assert_agrees(active["value"], np.sqrt(0.25 / pairs), [0.25, 0.5, 0.25])
    assert_refutes(active["value"], np.sqrt(0.25 / pairs), [0.0, 1.0, 0.0])
    assert rows(he, panel="cosine")["value"][-1] > 0.95
    spectrum = rows(he, panel="spectrum")["value"]
    assert spectrum[10] < 1e-3 * spectrum[0]


def test_activations_are_those_of_the_theory(tables):
    part = rows(tables["activations"], activation="clipped shifted ReLU")
    assert list(zip(part["x"], part["value"], strict=True)) == [(-3, 0), (1, 0), (2, 1), (3, 1)]


def test_walks_die_no_more_often_than_when_always_watched(tables):
    table = tables["absorbing_walk"]
    error = binomial_error(table, table["exact"])
    assert_not_below(table["exact"], error, table["dead"])
    assert (table["exact"] - table["dead"]).max() < 0.06  # what 256 observations per unit of time may miss


def test_phases_meet_at_the_edge(tables):
    table = tables["phases"]
    relu = rows(table, activation="ReLU")
    edge = relu["phase"] == "edge"  # every q is fixed there, which attracts nothing
    np.testing.assert_allclose(
        [relu["sigma_w"][edge], relu["sigma_b"][edge]], np.sqrt([[2.0] * edge.sum(), [0.0] * edge.sum()]), atol=1e-9
    )
    assert np.isin(relu["phase"][~edge], ("ordered", "unbounded")).all()
    assert ((relu["phase"] == "ordered") == (relu["sigma_w"] < np.sqrt(2.0)))[~edge].all()
    tanh = rows(table, activation="hard tanh")
    edge = tanh["phase"] == "attracting edge"
    assert edge.sum() > 100
    order = np.argsort(tanh["sigma_b"][edge])
    along = np.interp(tanh["sigma_b"], tanh["sigma_b"][edge][order], tanh["sigma_w"][edge][order])
    inside = ~edge & (tanh["sigma_b"] > 0) & (tanh["sigma_b"] < tanh["sigma_b"][edge].max())
    assert ((tanh["phase"] == "chaotic") == (tanh["sigma_w"] > along))[inside].all()
