"""Configurations of trainings: valid files, invalid files, and stable ids."""

import tomllib

import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training.configuration import Experiment, ModelChoice, OptimiserChoice
from neurondeath_torch.training.configuration_guide import experiment_keys, experiment_template
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.models import MODELS

FULL = """
epochs = 3
seeds = [4, 2]
name = "study"

[data]
name = "mnist"
n_train = 1000

[model]
kind = "mlp"
activation = "clipped-shifted-relu"
sparsity = 0.85
v_prime = 0.7
initialisation = "edge-of-chaos"
widths = [300, 300]

[optimiser]
kind = "adamw"
learning_rate = 1e-3

[method]
kind = "synaptic-stripping"
every = 2

[grid]
"optimiser.weight_decay" = [0.0, 0.1]
"method.every" = [1, 2, 5]
"""


def test_a_file_becomes_the_product_of_its_grid(tmp_path):
    (tmp_path / "study.toml").write_text(FULL)
    experiments, seeds = read_experiments(tmp_path / "study.toml")
    assert seeds == [4, 2]
    grid = [(e.optimiser.weight_decay, e.method.options["every"]) for e in experiments]
    assert grid == [(decay, every) for decay in (0.0, 0.1) for every in (1, 2, 5)]
    assert experiments[0].model.options == {"widths": [300, 300]}
    assert experiments[0].model.sparsity == 0.85
    assert len({e.experiment_id for e in experiments}) == 6


def test_a_grid_may_hold_cases_of_settings_that_belong_together():
    wide = {"model": {"widths": [64]}, "optimiser": {"learning_rate": 0.1}}
    narrow = {"model": {"widths": [8]}, "optimiser": {"learning_rate": 0.4}}
    document = {
        "epochs": 1,
        "optimiser": {"batch_size": 32},
        "grid": {"cases": [wide, narrow], "data.n_train": [100, 200]},
    }
    experiments, _ = read_experiments(document)
    found = [(e.model.options["widths"], e.optimiser.learning_rate, e.data.n_train) for e in experiments]
    assert found == [([64], 0.1, 100), ([64], 0.1, 200), ([8], 0.4, 100), ([8], 0.4, 200)]
    assert {e.optimiser.batch_size for e in experiments} == {32}


def test_a_grid_may_hold_tables():
    document = {
        "epochs": 1,
        "method": {"every": 2},
        "grid": {"method": [{"kind": "redo"}, {"kind": "synaptic-stripping", "every": 5}]},
    }
    experiments, _ = read_experiments(document)
    chosen = [(e.method.kind, e.method.options) for e in experiments]
    assert chosen == [("redo", {"every": 2}), ("synaptic-stripping", {"every": 5})]


def test_ids_depend_on_what_shapes_the_result_alone():
    plain = Experiment(epochs=3)
    assert plain.experiment_id == Experiment(epochs=3, name="label", optimiser=OptimiserChoice()).experiment_id
    # pinned: a default that is added later must not change the ids of stored runs
    assert plain.experiment_id == "77db59edb1b80152"
    others = [
        Experiment(epochs=4),
        Experiment(epochs=3, optimiser=OptimiserChoice(learning_rate=0.01)),
        Experiment(epochs=3, model=ModelChoice(options={"widths": [3]})),
    ]
    assert len({e.experiment_id for e in [plain, *others]}) == 4
    assert others[1].description() == {"epochs": 3, "optimiser": {"learning_rate": 0.01}}


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ({}, "`epochs` must be given"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"epochs": 1, "epoch": 2}, "`epoch` must be one of epochs, measure, data"),
        ({"epochs": 1, "data": {"nam": "x"}}, r"`data.nam` must be one of name, n_train"),
        ({"epochs": 1, "data": "digits"}, "`data` must be a table"),
        ({"epochs": 1, "data": {"name": "imagenet"}}, "digits, mnist, cifar10"),
        ({"epochs": 1, "data": {"validation": float("nan")}}, "data.validation"),
        ({"epochs": 1, "seeds": []}, "seeds"),
        ({"epochs": 1, "seeds": [1, 1]}, "distinct"),
        ({"epochs": 1, "seeds": [-1]}, r"seeds\[0\]"),
        ({"epochs": 1, "grid": {"data.name": []}}, "non-empty lists"),
        ({"epochs": 1, "grid": {"data.name": "digits"}}, "non-empty lists"),
        ({"epochs": 1, "grid": {"cases": [{"modell": {}}]}}, "`grid.cases` must hold tables of data, model, optimiser"),
        ({"epochs": 1, "grid": {"cases": [3]}}, "`grid.cases` must hold tables of data, model, optimiser"),
        ({"epochs": 1, "grid": {"cases": [{"model": 3}]}}, "`model` must be a table"),
        ({"epochs": 1, "data": 3, "grid": {"data.name": ["digits"]}}, "`data` must be a table"),
        ({"epochs": 1, "seeds": list(range(1000)), "grid": {"epochs": list(range(1, 200))}}, "at most 100000 runs"),
        ({"epochs": 1, "optimiser": {"learning_rate": -1}}, "optimiser.learning_rate"),
        ({"epochs": 1, "optimiser": {"kind": "lion"}}, "sgd, adam, adamw"),
        ({"epochs": 1, "optimiser": {"clip": 0}}, "optimiser.clip"),
        (
            {"epochs": 1, "optimiser": {"precision": "float16"}},
            "`optimiser.precision` must be one of float32, bfloat16",
        ),
        ({"epochs": 1, "method": {"every": 2}}, "`method.every` must be left out for kind none"),
        ({"epochs": 1, "method": {"kind": "hope"}}, "synaptic-stripping"),
        ({"epochs": 1, "model": {"sparsity": 0.5}}, "`model.sparsity` must be left out for relu"),
        ({"epochs": 1, "model": {"activation": "shifted-relu"}}, "`model.sparsity` must be given"),
        ({"epochs": 1, "model": {"activation": "shifted-relu", "sparsity": 0.5, "tau": 1.0}}, "model.sparsity"),
        ({"epochs": 1, "model": {"activation": "shifted-relu", "sparsity": 0.5, "m": 1.0}}, "`model.m`"),
        ({"epochs": 1, "model": {"activation": "clipped-shifted-relu", "sparsity": 0.5}}, "`model.m` must be given"),
        ({"epochs": 1, "model": {"activation": "shifted-relu", "sparsity": 0.5, "v_prime": 0.5}}, "model.v_prime"),
    ],
)
def test_what_is_wrong_is_named(document, match):
    with pytest.raises(InvalidArgumentError, match=match) as caught:
        read_experiments(document)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"none\.toml"):
        read_experiments(tmp_path / "none.toml")
    (tmp_path / "torn.toml").write_text("epochs = [")
    with pytest.raises(InvalidArgumentError, match="be a valid TOML file"):
        read_experiments(tmp_path / "torn.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgumentError, match="name a TOML file in UTF-8"):
        read_experiments(tmp_path / "bytes.toml")
    for key in ('"\\u001b[31m" = 1', '[model]\n"a\\nb" = 1', '[grid]\n"\\u001b.a" = [1]'):
        (tmp_path / "keys.toml").write_text(f"epochs = 1\n{key}\n")
        with pytest.raises(InvalidArgumentError) as caught:
            read_experiments(tmp_path / "keys.toml")
        assert str(caught.value).isprintable()


def test_the_template_is_an_experiment_and_names_every_key():
    text = experiment_template()
    (experiment,), seeds = read_experiments(tomllib.loads(text))
    assert (experiment, seeds) == (Experiment(epochs=10), [0])
    for kind in MODELS:
        assert f'[model] for kind = "{kind}"' in text
    columns = experiment_keys()
    assert all(columns["values"])
    assert all(columns["meaning"])
    for key in Experiment(epochs=1).settings():
        assert key in columns["key"]


def test_defaults_in_the_template_are_those_of_the_builders():
    keys = experiment_keys()
    defaults = dict(zip(keys["key"], keys["default"], strict=True))
    for kind in MODELS:
        options = {
            name.partition(".")[2].removesuffix(f" ({kind})"): tomllib.loads(f"x = {value}")["x"]
            for name, value in defaults.items()
            if name.endswith(f" ({kind})") and value != "-"
        }
        model = build_model(ModelChoice(kind=kind, options=options), (3, 16, 16), 10)
        assert str(model) == str(build_model(ModelChoice(kind=kind), (3, 16, 16), 10))
