"""Networks of laws of the user's own: streams, stores, workers, estimates, and what is refused."""

import json

import numpy as np
import pytest

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath.simulations.outputs import OUTPUTS
from neurondeath.simulations.samplers import crude_general
from neurondeath.simulations.stores.merging import merge_stores
from neurondeath.simulations.stores.store import Store, StoreError
from neurondeath.simulations.stores.task_records import read_task
from neurondeath.simulations.sweep_results import read_results, sweep
from neurondeath.simulations.sweeps.driver import run_tasks
from neurondeath.simulations.task import Task, identify
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.network import Network
from tests.references.statistical import assert_agrees, assert_refutes, seeds


def normal(rng, fan_in, fan_out):
    return rng.standard_normal((fan_out, fan_in)) * (2 / fan_in) ** 0.5


HE = Law("he-again", normal, symmetric=True)
TILTED = Law("tilted", lambda rng, fan_in, fan_out: normal(rng, fan_in, fan_out) + 0.3)


@seeds
def test_a_law_agrees_with_the_same_law_of_the_kernels(seed):
    """He weights drawn by NumPy and by the kernels: the living ratio is that of the theory, P(alive) the same."""
    own = simulate(Network([3] * 4, init=HE), "gaussian:16", trials=3000, seed=seed)
    kernel = simulate(Network([3] * 4), "gaussian:16", trials=3000, seed=seed)
    assert own.engine == "numpy"
    assert_agrees(own.living_ratio, own.living_ratio_stderr, own.expected_living_ratio)
    assert_agrees(own.alive, np.hypot(own.alive_stderr, kernel.alive_stderr), kernel.alive)
    assert own.lower_bound.tolist() == kernel.lower_bound.tolist()
    assert np.isnan(own.upper_bound).all()
    assert "single entries" in own.withheld["upper"]
    # negative control: a law that pushes weights up loses fewer points, and claims nothing
    tilted = simulate(Network([3] * 4, init=TILTED), "gaussian:16", trials=1000, seed=seed)
    assert_refutes(tilted.living_ratio, tilted.living_ratio_stderr, own.expected_living_ratio)
    assert np.isnan(tilted.lower_bound).all()
    assert "tilted" in tilted.withheld["lower"]


def test_draws_depend_on_seed_task_trial_and_layer_alone():
    task = Task(Network([2, 3], init=TILTED), input_set("gaussian:8", dimension=2), engine="numpy", outputs=OUTPUTS)
    whole = crude_general.sample(task, 4, 0, 30)
    parts = [crude_general.sample(task, 4, start, stop) for start, stop in ((0, 1), (1, 17), (17, 30))]
    for name, values in whole.items():
        np.testing.assert_allclose(values, sum(part[name] for part in parts), rtol=1e-12)
    key = stream_key(4, task.stream_name)
    seen = []

    def watched(rng, fan_in, fan_out):
        seen.append(rng.bit_generator.state["state"])
        return normal(rng, fan_in, fan_out)

    law = Law("seen", watched)
    seen.clear()
    other = Task(Network([2, 3], init=law), task.inputs, engine="numpy", stream="common")
    crude_general.sample(other, 4, 6, 8)
    counters = [state["counter"].tolist() for state in seen]
    assert counters == [[0, 0, layer, trial] for trial in (6, 7) for layer in (0, 1)]
    common = stream_key(4, other.stream_name)
    assert {state["key"][0] for state in seen} == {common[0] + common[1] * 2**32} != {key[0] + key[1] * 2**32}


def test_stores_resume_top_up_and_merge(tmp_path):
    network = Network([3] * 5, init=TILTED)
    options = {"inputs": "gaussian:8", "seed": 2, "outputs": ["variance"]}
    once = simulate(network, trials=400, workers=1, **options)
    for path, steps in (("a.sqlite", (100, 400)), ("b.sqlite", (37, 250, 400))):
        for trials in steps:
            result = simulate(network, trials=trials, workers=2, store=tmp_path / path, **options)
        assert result.trials == 400
        assert result.alive.tolist() == once.alive.tolist()
        np.testing.assert_allclose(result.outputs["variance"], once.outputs["variance"], rtol=1e-12)
    # read, listed and merged without the sampler
    (read,) = read_results(tmp_path / "a.sqlite")
    assert read.alive.tolist() == once.alive.tolist()
    assert read.network == network
    assert read.network.law.sampler is None
    table = read_results(tmp_path / "a.sqlite", where="init=tilted").columns()
    assert (table["init"], table["weight_variance"]) == (["tilted"], [None])
    merge_stores(tmp_path / "c.sqlite", [tmp_path / "a.sqlite"])
    assert read_results(tmp_path / "c.sqlite")[0].trials == 400
    changed = Law("tilted", lambda rng, fan_in, fan_out: normal(rng, fan_in, fan_out) + 0.31)
    simulate(Network([3] * 5, init=changed), "gaussian:8", trials=5, store=tmp_path / "d.sqlite")
    with pytest.raises(StoreError, match=r"nothing is merged.*'tilted' with digest"):
        merge_stores(tmp_path / "c.sqlite", [tmp_path / "d.sqlite"])


def test_topping_up_needs_the_same_law(tmp_path):
    path = tmp_path / "laws.sqlite"
    network = Network([3] * 3, init=TILTED)
    simulate(network, "gaussian:8", trials=20, store=path)
    changed = Law("tilted", lambda rng, fan_in, fan_out: normal(rng, fan_in, fan_out) + 0.31)
    with pytest.raises(StoreError, match=f"'tilted' with digest {TILTED.digest}.*{changed.digest}") as caught:
        simulate(Network([3] * 3, init=changed), "gaussian:8", trials=30, store=path)
    assert "\n" not in str(caught.value)
    (read,) = read_results(path)
    recorded = Task(read.network, input_set("gaussian:8", dimension=3), engine="numpy")
    assert recorded.task_id == read.task_id
    with Store(path) as store, pytest.raises(InvalidArgumentError, match="passed again"):
        run_tasks([recorded], store, seed=0, trials=30)
    assert read_results(path)[0].trials == 20
    assert simulate(network, "gaussian:8", trials=30, store=path).trials == 30
    assert simulate(Network([4] * 3, init=TILTED), "gaussian:8", trials=30, store=path).trials == 30
    assert len(read_results(path)) == 2


def test_forged_descriptions_of_laws_are_refused():
    task = Task(Network([3], init=TILTED), input_set("gaussian:8", dimension=3), engine="numpy")
    good = task.description()
    assert read_task(task.task_id, json.dumps(good, sort_keys=True)).network == task.network
    digest = TILTED.digest
    for forged in (
        {"digest": digest[:-1]},
        {"digest": digest.upper()},
        {"digest": digest, "biases": False},  # a default, which is not written
        {"digest": digest, "biases": 1},
        {"digest": digest, "sampler": "os.system"},
        {"digest": None},
        digest,
        [],
    ):
        described = good | {"network": good["network"] | {"law": forged}}
        with pytest.raises(ValueError, match=r"not|written"):
            read_task(identify(described), json.dumps(described, sort_keys=True))
    for name in ("he", "two words", 7, "é"):
        described = good | {"network": good["network"] | {"init": name}}
        with pytest.raises(ValueError, match="not a description"):
            read_task(identify(described), json.dumps(described, sort_keys=True))


def test_sweeps_over_laws():
    results = sweep(width=[2, 3], depth=3, init=["he", HE, TILTED], inputs="gaussian:4", trials=10)
    assert [simulation.network.init for simulation in results] == ["he", "he-again", "tilted"] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "conditional"}, "use crude"),
        ({"estimator": "splitting"}, "use crude"),
        ({"engine": "gram"}, "use numpy or auto"),
        ({"engine": "single"}, "use numpy or auto"),
        ({"engine": "dense"}, "use numpy or auto"),
    ],
)
def test_other_samplers_refuse_laws(options, words):
    with pytest.raises(InvalidArgumentError, match=words):
        simulate(Network([3], init=HE), "gaussian:4", trials=1, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"init": "laplace"},
        {"init": "torch-default"},
        {"init": "sparse", "zero_share": 0.5},
        {"init": "looks-linear"},
        {"init": "he", "bias_law": "weights"},
    ],
)
def test_other_samplers_refuse_the_new_laws(options):
    network = Network([4, 4], **options)
    for choice in ({"estimator": "conditional"}, {"estimator": "splitting"}, {"engine": "gram"}, {"engine": "single"}):
        with pytest.raises(InvalidArgumentError, match="Gaussian weights"):
            simulate(network, "gaussian:1", trials=1, **choice)
    with pytest.raises(InvalidArgumentError, match="weights of a Law"):
        simulate(network, "gaussian:4", trials=1, engine="numpy")
    assert simulate(network, "gaussian:1", trials=2).engine == "dense"


def test_a_sampler_that_fails_in_a_run_is_reported_in_one_line():
    wide = Law("narrow", lambda rng, fan_in, fan_out: normal(rng, fan_in, fan_out) if fan_in < 9 else None)
    with pytest.raises(InvalidArgumentError, match="return weights of shape") as caught:
        simulate(Network([3, 3], input_dim=10, init=wide), "gaussian:4", trials=4)
    assert "\n" not in str(caught.value)
