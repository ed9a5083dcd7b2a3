"""Trained networks in files: they compute the same again, and whatever else a file holds is one clear line."""

import pickle

import pytest
import torch

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.loop import train
from neurondeath_torch.training.sealed_archives import seal
from neurondeath_torch.training.trained_models import COMMENT, load_trained, save_trained

STREAM = {
    "activation": "clipped-shifted-relu",
    "sparsity": 0.85,
    "v_prime": 0.7,
    "residual": True,
    "effective_depth": 1.0,
    "width": 12,
    "depth": 6,
}
X = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run():
    document = {"epochs": 1, "model": STREAM, "optimiser": {"kind": "adamw", "learning_rate": 1e-3}}
    return train(read_experiment(document), seed=3)


def test_a_saved_network_computes_the_same(run, tmp_path):
    path = save_trained(tmp_path / "m.pt", run.experiment, run.seed, run.model)
    loaded = load_trained(path)
    assert not loaded.training
    assert torch.equal(loaded(X), run.model.eval()(X))
    saved = path.read_bytes()
    save_trained(path, run.experiment, run.seed, loaded)
    assert (path.read_bytes() == saved, [one.name for one in tmp_path.iterdir()]) == (True, ["m.pt"])
    assert sorted(torch.load(path, weights_only=True)) == ["experiment", "seed", "state_dict"]


class Hostile:
    def __reduce__(self):
        return print, ("code ran",)


def test_other_files_are_refused(run, tmp_path, capsys):
    path = save_trained(tmp_path / "m.pt", run.experiment, run.seed, run.model)
    good, entries = path.read_bytes(), torch.load(path, weights_only=True)
    hostile = tmp_path / "hostile.pt"
    torch.save(Hostile(), hostile)
    flipped = good[:-3000] + bytes([good[-3000] ^ 64]) + good[-2999:]
    contents = [b"", b"x", good[:-100], good[: len(good) // 2], pickle.dumps(Hostile()), hostile.read_bytes(), flipped]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(InvalidArgumentError, match=r"`path` must be a file written by save_trained"):
            load_trained(path)
    for changes in (
        {"experiment": {"epochs": 1}},
        {"experiment": {"epochs": -1}},
        {"experiment": 3},
        {"seed": -1},
        {"seed": "x"},
        {"state_dict": {}},
        {"state_dict": {"nothing": torch.ones(3)}},
    ):
        path.write_bytes(seal({**entries, **changes}, COMMENT))
        with pytest.raises(InvalidArgumentError, match=r"`path` must be a file written by save_trained"):
            load_trained(path)
    torch.save(entries, path)
    with pytest.raises(InvalidArgumentError, match="another comment"):
        load_trained(path)
    with pytest.raises(InvalidArgumentError, match="path"):
        load_trained(tmp_path / "missing.pt")
    with pytest.raises(InvalidArgumentError, match="path"):
        save_trained(tmp_path / "no folder" / "m.pt", run.experiment, run.seed, run.model)
    assert "code ran" not in capsys.readouterr().out
