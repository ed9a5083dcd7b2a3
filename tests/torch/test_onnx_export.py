"""Models written as ONNX: the same outputs in ONNX Runtime, nothing changed, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import neurondeath as nd
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.networks.called_batches import CalledBatch
from tests.references.branching_models import Branching, Chance

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

DESIGN = nd.sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
PHI = nd.from_theory(DESIGN.activation)


def in_runtime(path, *inputs):
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))


def exported(model, x, path, **options):
    """Export a model and compare its outputs at several batch sizes, on inputs that the export did not see."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    training = model.training
    export = nd.export_onnx(model, x, path, **options)
    assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    for n in (1, 2, 9):
        fresh = torch.randn(n, *x.shape[1:], dtype=x.dtype)
        with torch.no_grad():
            wanted = model(fresh).numpy()
        (found,) = in_runtime(path, fresh)
        assert found.dtype == wanted.dtype
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert export.error <= 1e-5
    assert export.n_bytes == path.stat().st_size
    return export


class Autoencoder(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.encoder, self.activation = nn.Linear(12, 40), activation
        self.decoder, self.shift = nd.TiedLinear(self.encoder), nn.Parameter(torch.randn(12))

    def forward(self, x):
        return self.decoder(self.activation(self.encoder(x - self.shift))) + self.shift


def rewired():
    layers = [part for _ in range(8) for part in (nd.from_theory(DESIGN.activation), nn.Linear(30, 30))]
    model = nn.Sequential(nn.Linear(6, 30), *layers, nd.from_theory(DESIGN.activation), nn.Linear(30, 4))
    nd.residual_(model, 1.0, design=DESIGN, generator=0, normalise="layers")
    model.train()
    model(torch.randn(20, 6))  # the gains move
    return model


MODELS = {
    "critical residual": lambda: (
        nd.CriticalResidual(40, 12, DESIGN, in_features=9, out_features=3, normalise="layers"),
        (9,),
    ),
    "stream alone": lambda: (nd.CriticalResidual(20, 5, nd.ClippedShiftedReLU(0.9, 1.2, learnable=True)), (20,)),
    "images": lambda: (nn.Sequential(nd.CriticalResidualConv2d(4, 3, activation=DESIGN), nn.Flatten()), (4, 6, 6)),
    "rewired": lambda: (rewired(), (6,)),
    "thresholds": lambda: (
        nn.Sequential(
            nn.Linear(5, 9), nd.SoftThreshold(0.3), nd.ClippedSoftThreshold(0.2, 0.5), nd.ShiftedReLU(0.1), PHI
        ),
        (5,),
    ),
    "top": lambda: (Autoencoder(nd.TopK(5)), (12,)),
    "top of all": lambda: (Autoencoder(nd.TopK(99, rectify=False)), (12,)),
    "jump": lambda: (Autoencoder(nd.JumpReLU([0.1] * 20 + [0.8] * 20)), (12,)),
    "norms": lambda: (nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9), nn.LayerNorm(9), nn.Dropout(0.5)), (7,)),
}


@pytest.mark.parametrize("case", MODELS)
def test_models_of_the_package(case, tmp_path):
    torch.manual_seed(0)
    model, shape = MODELS[case]()
    exported(model, torch.randn(20, *shape), tmp_path / "model.onnx")


def test_a_model_whose_units_were_removed_is_smaller_and_the_same(tmp_path):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
    model.eval()
    x = torch.randn(40, 1, 8, 8)
    model[1].bias.data[:5] = -100.0
    whole = exported(model, x, tmp_path / "whole.onnx")
    removal = nd.remove_dead_units(model, x)
    assert removal.n_removed == 5
    smaller = exported(model, x, tmp_path / "smaller.onnx")
    assert smaller.n_weights < 0.5 * whole.n_weights
    fresh = torch.randn(5, 1, 8, 8)
    (before,), (after,) = (in_runtime(tmp_path / f"{name}.onnx", fresh) for name in ("whole", "smaller"))
    assert np.abs(before - after).max() < 1e-5


def test_an_autoencoder_without_its_dead_features(tmp_path):
    torch.manual_seed(2)
    model = Autoencoder(nd.JumpReLU([0.1] * 40))
    x = torch.randn(40, 12)
    model.encoder.bias.data[:10] = -100.0
    assert nd.remove_dead_units(model, x).n_removed >= 10
    exported(model, x, tmp_path / "model.onnx")


class Thinned(nn.Module):
    def forward(self, weight):
        return weight * (weight.abs() > 0.1)


@pytest.mark.parametrize("sparse", [False, True])
def test_masks_are_applied_and_zeros_may_be_left_out(sparse, tmp_path):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(100, 80), nn.ReLU(), nn.Linear(80, 5))
    prune.l1_unstructured(model[0], "weight", 0.9)
    parametrize.register_parametrization(model[2], "weight", Thinned())
    export = exported(model, torch.randn(20, 100), tmp_path / "model.onnx", sparse=sparse)
    assert export.n_weights == 100 * 80 + 80 + 80 * 5 + 5  # neither masks nor weights before them
    assert export.n_zeros == 7200 + int((model[2].weight == 0).sum())
    assert export.n_sparse == (2 if sparse else 0)
    dense = 4 * export.n_weights
    assert export.n_bytes < 0.4 * dense if sparse else export.n_bytes > dense
    onnx.checker.check_model(str(tmp_path / "model.onnx"))


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.last = nn.Embedding(7, 4), nn.Linear(4, 2)

    def forward(self, tokens, shift):
        h = self.embed(tokens).sum(1) + shift
        return {"classes": self.last(torch.relu(h)), "zeros": (h <= 0)}


def test_several_inputs_and_outputs(tmp_path):
    torch.manual_seed(4)
    model = Two()
    data = {"tokens": torch.randint(0, 7, (30, 5)), "shift": torch.randn(30, 4), "labels": torch.zeros(30)}
    export = nd.export_onnx(model, [data], tmp_path / "model.onnx")
    assert export.inputs == ("tokens", "shift")
    assert export.outputs == ("output_0", "output_1")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    given = {"tokens": data["tokens"][:4].numpy(), "shift": data["shift"][:4].numpy()}
    classes, zeros = session.run(None, given)
    wanted = model(data["tokens"][:4], data["shift"][:4])
    assert np.allclose(classes, wanted["classes"].detach().numpy(), atol=1e-6)
    assert np.array_equal(zeros, wanted["zeros"].numpy())


def test_other_precisions_and_operator_sets(tmp_path):
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    export = exported(model, torch.randn(9, 4, dtype=torch.float64), tmp_path / "model.onnx", opset=13)
    assert export.opset == 13
    half = nd.export_onnx(model.half(), torch.randn(9, 4).half(), tmp_path / "half.onnx")
    assert half.n_bytes < export.n_bytes
    assert 0.0 <= half.error < 1e-2


class FixedBatch(Branching):
    def forward(self, x):
        return self.layer(x.reshape(3, -1)) if not torch.onnx.is_in_onnx_export() else self.layer(x)[:3]


class Hidden(Branching):
    """Takes another way without a trace of it."""

    def forward(self, x):
        return self.layer(x) * float(x.detach().numpy().mean() > 0.0)


class Unused(Branching):
    def forward(self, x, y):
        return self.layer(x)


class Infinite(Branching):
    def forward(self, x):
        return self.layer(x) / 0.0


REFUSED = {
    "branch": (Branching(), "take the same way for all inputs"),
    "hidden branch": (Hidden(), "`model` must"),
    "chance": (Chance(), "compute the same in ONNX Runtime"),
    "infinite": (Infinite(), "compute the same in ONNX Runtime"),
    "no operator": (nn.Sequential(nn.Linear(4, 4), nn.RMSNorm(4)), "rms_norm"),
    "no number": (nn.Linear(4, 4).bfloat16(), "`model` must be run by ONNX Runtime"),
    "input": (nn.Linear(5, 4), "`example` must be inputs that the model takes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_models_leave_no_file_and_what_was_there(case, tmp_path):
    model, reason = REFUSED[case]
    x = torch.randn(20, 4).abs()
    x = x.to(next(model.parameters()).dtype)
    path = tmp_path / "model.onnx"
    path.write_text("before")
    with pytest.raises(InvalidArgumentError) as caught:
        nd.export_onnx(model, x, path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_input_without_effect_is_refused(tmp_path):
    data = [{"x": torch.randn(5, 4), "z": torch.randn(5, 4)}]
    model = Unused()
    model.forward = lambda x, z: model.layer(x)
    with pytest.raises(InvalidArgumentError, match=r"use all of its inputs; got 'no use of z'"):
        nd.export_onnx(model, data, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"path": "/nowhere/model.onnx"}, "`path` must name a file in a folder that exists"),
        ({"example": [CalledBatch(torch.randn(4, 4), lambda model, x: model(x))]}, "be a tensor, or tensors by name"),
        ({"opset": 3}, "`opset` must be a whole number of at least 9"),
        ({"opset": 999}, "`model` must be made of what PyTorch can write as ONNX"),
        ({"sparse": 1}, "`sparse` must be True or False"),
        ({"example": torch.zeros(0, 4)}, "`example` must hold at least one point"),
        ({"example": torch.tensor(1.0)}, "`example` must"),
        ({"example": torch.full((3, 4), float("nan"))}, "`example` must hold finite numbers"),
        ({"model": "text"}, "`model` must be a torch.nn.Module"),
    ],
)
def test_refused_arguments(arguments, reason, tmp_path):
    given = {"model": nn.Linear(4, 2), "example": torch.randn(20, 4), "path": tmp_path / "model.onnx"} | arguments
    with pytest.raises(InvalidArgumentError, match=reason):
        nd.export_onnx(**given)
    assert not list(tmp_path.iterdir())
