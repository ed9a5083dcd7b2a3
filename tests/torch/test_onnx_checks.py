"""The comparison of an ONNX file with its model, with a stand-in for ONNX Runtime; and what is said without it."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import neurondeath as nd
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.deploying.onnx_checks import OnnxRunner, compare_outputs


class StandIn:
    """Computes what a function does, or fails as ONNX Runtime would."""

    def __init__(self, compute, inputs=("input",), broken=False):
        self.compute, self.inputs, self.broken, self.sizes = compute, inputs, broken, []

    def SessionOptions(self):  # noqa: N802 - as ONNX Runtime calls it
        return SimpleNamespace()

    def InferenceSession(self, content, options, providers):  # noqa: N802 - as above
        assert options.intra_op_num_threads == 1
        if self.broken:
            raise RuntimeError("no implementation\nof this node")
        return self

    def get_inputs(self):
        return [SimpleNamespace(name=name) for name in self.inputs]

    def run(self, names, given):
        assert names is None
        (x,) = given.values()
        self.sizes.append(len(x))
        return [self.compute(x)]


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU())


def compared(model, stand_in, example=None):
    runner = OnnxRunner(stand_in, b"", ["input"])
    batches = [torch.randn(20, 4) if example is None else example]
    with torch.no_grad():
        return compare_outputs(runner, lambda x: [model(x)], batches, "Model")


def by_torch(model):
    return lambda x: model(torch.from_numpy(x)).detach().numpy()


def test_the_same_outputs_pass_on_the_example_and_on_batches_of_several_sizes():
    model = model_of()
    stand_in = StandIn(by_torch(model))
    assert compared(model, stand_in) == (20 + 1 + 2 + 7 + 32, 0.0)
    assert stand_in.sizes == [20, 1, 2, 7, 32]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda y: y * (1 + 1e-4),
        lambda y: y[:, :2],
        lambda y: y * np.nan,
        lambda y: y if len(y) == 20 else np.roll(y, 1, 1),  # right on the example alone
        lambda y: y if len(y) != 1 else y[0],
    ],
    ids=["off by 1e-4", "shape", "not a number", "random inputs", "a single input"],
)
def test_other_outputs_are_refused(wrong):
    model = model_of()
    with pytest.raises(InvalidArgumentError, match="compute the same in ONNX Runtime") as caught:
        compared(model, StandIn(lambda x: wrong(by_torch(model)(x))))
    assert "\n" not in str(caught.value)


def test_rounding_passes_and_its_size_is_reported():
    model = model_of()
    n_points, error = compared(model, StandIn(lambda x: by_torch(model)(x) * np.float32(1 + 2e-6)))
    assert n_points == 62
    assert 1e-6 < error < 3e-6


@pytest.mark.parametrize(
    ("forward", "refused"),
    [
        (lambda layer, x: layer(x) if x.sum() > 0 else layer(x) + 0.0, True),
        (lambda layer, x: layer(x) * float(x.mean()) / float(x.mean()), True),
        (lambda layer, x: layer(x) * float(layer[0].bias[0]), False),  # a number, but always the same one
        (lambda layer, x: layer(x) if x.shape[-1] == 4 else x, False),
    ],
)
def test_a_way_that_depends_on_the_inputs_is_refused_though_outputs_agree(forward, refused):
    layer = model_of()
    model, stand_in = (lambda x: forward(layer, x)), StandIn(by_torch(lambda x: forward(layer, x)))
    if refused:
        with pytest.raises(InvalidArgumentError, match="take the same way for all inputs"):
            compared(model, stand_in)
    else:
        compared(model, stand_in)


def test_failures_of_onnx_runtime_are_one_line():
    with pytest.raises(InvalidArgumentError, match=r"be run by ONNX Runtime; got 'RuntimeError' \(no implementation\)"):
        compared(model_of(), StandIn(None, broken=True))
    with pytest.raises(InvalidArgumentError, match=r"\(boom\)"):
        compared(model_of(), StandIn(lambda x: exec("raise ValueError('boom')")))
    with pytest.raises(InvalidArgumentError, match="no use of input"):
        compared(model_of(), StandIn(None, inputs=()))


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("onnx", "onnx is needed, which is not installed; pip install onnx"),
        ("onnxruntime", "`onnxruntime` needs ONNX Runtime, which is not installed; pip install 'neurondeath[onnx]'"),
    ],
)
def test_without_the_packages_the_line_says_how_to_get_them(missing, line, tmp_path, monkeypatch):
    for package in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None if package == missing else ModuleType(package))
    with pytest.raises(nd.MissingExtraError) as caught:
        nd.export_onnx(nn.Linear(2, 2), torch.zeros(3, 2), tmp_path / "model.onnx")
    assert str(caught.value) == line
    assert not list(tmp_path.iterdir())
