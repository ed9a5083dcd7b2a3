"""Figures of training: their data are those of the studies, and satisfy what is known of them."""

import numpy as np
import pytest
from scipy import stats

from neurondeath.figures.registry import load
from neurondeath.figures.tables import rows
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.survival.born_dead import one_dimensional_survival
from neurondeath_theory.trainability.learning_verdict import learning_score
from neurondeath_theory.trainability.needed_units import needed_units
from neurondeath_torch.studies.tables import read_study
from tests.figures.test_figure_data import binomial_error
from tests.references.statistical import assert_agrees, assert_refutes

FIGURES = (
    "alive_and_learning",
    "collapse",
    "dead_neuron_rate",
    "dead_units_learning_rate_batch",
    "deeper_sparse_training",
    "demon_pruning",
    "larger_variance",
    "plasticity",
    "sparse_and_deep",
    "sparsity_cliff",
    "speed_of_sparsity",
    "stripping",
    "variance_before_training",
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    store = tmp_path_factory.mktemp("figures") / "none.sqlite"
    return {name: load(name).compute(True, store) for name in FIGURES}


def test_networks_collapse_as_often_as_they_should(tables):
    table = tables["collapse"]
    parts = sum(table[name] for name in ("born constant", "died in training", "rest", "learned"))
    np.testing.assert_allclose(parts, 1.0)
    he = rows(table, initialisation="he")
    born_dead = 1.0 - one_dimensional_survival([2] * 9).exact[-1]  # nine hidden layers of width 2
    assert_agrees(he["born constant"], binomial_error(he, born_dead), born_dead)
    assert_refutes(he["born constant"], binomial_error(he, born_dead), 0.5)
    assert rows(table, initialisation="he, neuron flip")["born constant"][0] < 0.01  # outputs within 1e-6 are constant


def test_speeds_are_the_geometric_means_of_the_study(tables):
    study, table = read_study("inference_speed"), tables["speed_of_sparsity"]
    for network in ("one layer of 300", "100 layers of 300"):
        (point,) = tabulate_rows(rows(table, network=network, sparsity=0.85, batch=8))
        mine = study.where(network=network, sparsity=0.85, batch=8)
        logs = np.log([row["ratio"] for row in mine])
        interval = np.exp(stats.t.interval(0.95, len(logs) - 1, logs.mean(), stats.sem(logs)))
        np.testing.assert_allclose([point["ratio_low"], point["ratio_high"]], interval, rtol=1e-6)
        assert point["ratio"] == pytest.approx(np.exp(logs.mean()))
        assert point["predicted"] == pytest.approx(stats.gmean([row["ratio_predicted"] for row in mine]))
    design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    for depth, network in ((1, "one layer of 1024"), (100, "100 layers of 300")):
        for batch in (1, 8, 64):
            (point,) = tabulate_rows(rows(table, network=network, sparsity=0.85, batch=batch))
            wanted = needed_units(design, batch, depth=depth, effective_depth=1.0).mean_shares[0]
            assert point["needed_predicted"] == pytest.approx(wanted, abs=1e-4)
            assert point["needed"] == pytest.approx(wanted, abs=0.02)
    assert str(table["measured_on"][0]).startswith(study.provenance["processor"])


def test_means_over_seeds_are_those_of_the_studies(tables):
    study = read_study("dead_units")
    for part in ("after", "before"):
        (point,) = tabulate_rows(
            rows(tables["dead_units_learning_rate_batch"], when=part, setting="batch size", value=16)
        )
        chosen = study.last_epochs() if part == "after" else study.where(epoch=0)
        dead = [row["dead_units"] for row in chosen if row["optimiser.batch_size"] == 16]
        assert point["dead"] == pytest.approx(np.mean(dead))
        interval = stats.t.interval(0.95, len(dead) - 1, np.mean(dead), stats.sem(dead))
        np.testing.assert_allclose([point["dead_low"], point["dead_high"]], interval, rtol=1e-6)
    last = max(tables["stripping"]["epoch"])
    none = rows(tables["stripping"], panel="6 layers of 64", series="no method", epoch=last)
    dead = [row["dead_share"] for row in read_study("stripping").last_epochs() if _is_plain(row)]
    assert none["dead"][0] == pytest.approx(np.mean(dead), rel=1e-4)


def test_trainings_of_deep_networks_are_those_of_the_studies(tables):
    deep = rows(tables["deeper_sparse_training"], panel="100 layers", series="unclipped", epoch=30)
    runs = [row for row in read_study("sparse_training").last_epochs() if row["model.v_prime"] is None]
    assert deep["accuracy"][0] == pytest.approx(np.mean([row["test_accuracy"] for row in runs]))
    table = tables["larger_variance"]
    held = [rows(table, panel=panel, series="q* = 4", epoch=10) for panel in ("m = 2 held", "m / sqrt(q*) = 2 held")]
    runs = read_study("larger_variance").last_epochs()
    for part, m in zip(held, (2.0, 4.0), strict=True):
        expected = [row["test_accuracy"] for row in runs if (row["model.q"], row["model.m"]) == (4.0, m)]
        assert part["accuracy"][0] == pytest.approx(np.mean(expected))
    points = rows(tables["variance_before_training"], panel="30 convolutions", series="unclipped")
    study = [row for row in read_study("sparse_convolutions").rows if row["model.v_prime"] is None]
    before = {row["seed"]: row["variance_ratio"] for row in study if row["epoch"] == 0}
    after = {row["seed"]: row["test_accuracy"] for row in study}  # of the last epoch, which comes last
    found = dict(zip(points["ratio"], points["accuracy"], strict=True))
    assert found == {before[seed]: after[seed] for seed in before}
    of_50 = rows(tables["variance_before_training"], panel="50 layers")
    assert len(of_50["ratio"]) == 16  # two families, four clips, two seeds; the other sparsity is left out


def _is_plain(row):
    return (row["method.kind"], row["model.width"], row["model.depth"]) == ("none", 64, 6)


def tabulate_rows(table):
    """Return the rows of a table one by one."""
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def test_pruning_leaves_ever_less(tables):
    for method in ("magnitude-pruning", "activate-while-pruning"):
        part = rows(tables["dead_neuron_rate"], method=method)
        np.testing.assert_allclose(part["left"][1:] / part["left"][:-1], 0.8, rtol=0.02)  # a fifth per cycle
    table = tables["demon_pruning"]
    assert (table["left"] <= 1.0).all()
    assert rows(table, method="no method")["left"].tolist() == [1.0]


def test_learned_accuracy_and_forecast_are_those_of_the_study(tables):
    table = tables["alive_and_learning"]
    cell = rows(table, panel="he", width=16, depth=20)
    chosen = read_study("alive_and_learning").where(remedy="he", width=16, depth=20)
    assert cell["accuracy"][0] == pytest.approx(np.mean([row["test_accuracy"] for row in chosen]))
    scores = [learning_score(row["root_rank"], row["step_gain"]) for row in chosen]
    assert cell["score"][0] == pytest.approx(np.median(scores))
    assert cell["living_ratio"][0] == pytest.approx((1 - 0.5**16) ** 20)
    he, stream = (rows(table, panel=panel, depth=100) for panel in ("he", "critical residual, D = 1"))
    assert he["accuracy"].max() < 0.5 < stream["accuracy"].max()  # images live in both


def test_only_normalised_layers_hold_their_zeros(tables):
    table = tables["sparse_and_deep"]
    for panel, design in (("s = 0.85", 0.85), ("s = 0.9", 0.9)):
        held = rows(table, panel=panel, series="layers normalised")
        assert held["layer"].tolist() == list(range(1, 101))
        assert np.abs(held["zeros"] - design).max() < 0.005
        for name in ("nothing held", "biases fixed"):
            assert np.abs(rows(table, panel=panel, series=name)["zeros"] - design).max() > 0.05
            assert held["accuracy"][0] > rows(table, panel=panel, series=name)["accuracy"][0]
    dense, *sparse = (
        rows(table, panel="layers normalised", series=name) for name in ("dense ReLU", "s = 0.85", "s = 0.9")
    )
    for part in sparse:
        assert part["epoch"].tolist() == dense["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
        assert part["accuracy"][-1] > dense["accuracy"][-1] - 0.01
        assert np.abs(part["zeros"] - part["design"]).max() < 0.005


def test_streams_stay_accurate_where_plain_networks_fall_off(tables):
    table = tables["sparsity_cliff"]
    stream, plain, default = (
        rows(table, design=design) for design in ("critical residual", "edge of chaos", "default weights")
    )
    chosen = read_study("sparsity_cliff").last_epochs()
    own = [row["test_accuracy"] for row in chosen if row["model.residual"] and row["model.sparsity"] == 0.9]
    assert rows(stream, sparsity=0.9)["accuracy"][0] == pytest.approx(np.mean(own))
    assert rows(stream, sparsity=0.9)["accuracy_low"][0] > rows(plain, sparsity=0.9)["accuracy_high"][0]
    assert (rows(default, sparsity=0.9)["accuracy"] < 0.2).all()


def test_plain_training_loses_plasticity_and_counts_are_those_of_the_study(tables):
    methods, worth = rows(tables["plasticity"], panel="methods"), rows(tables["plasticity"], panel="worth")
    value = dict(zip(methods["what"], methods["value"], strict=True))
    own = [
        row["late_online_accuracy"]
        for row in read_study("continual_methods").last_epochs()
        if row["method.kind"] == "redo"
    ]
    assert value["ReDo"] == pytest.approx(np.mean(own))
    assert min(value, key=value.get) == "no method"
    assert len(value) == 10
    assert set(value) >= {"fresh weights", "weight decay 0.001", "L2 init 0.01", "continual backprop 0.0001"}
    dead = {row["sense"]: row for row in tabulate_rows(rows(worth, what="dead"))}
    assert dead["between"]["value_high"] < -0.5
    assert dead["beyond_time"]["value_low"] < 0.0 < dead["beyond_time"]["value_high"]
