"""Models, weights and data from elsewhere: other packages, checkpoints, ONNX files, arrays of any shape, tokens."""

import json
import re
import sys
import types
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath.commands.model_files import load_data, load_model, load_weights
from neurondeath_theory.foundation.errors import InvalidArgumentError, MissingExtraError
from neurondeath_torch.networks.onnx_weights import load_onnx_weights, onnx_layers
from neurondeath_torch.networks.state_dicts import plain_state
from tests.front_door.test_audit_command import in_process
from tests.references.transformer_lookalikes import Language
from tests.torch.test_monitor import points, seeded


def net():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))


# state dicts and checkpoints


def renamed(rename):
    return {rename(name): value for name, value in seeded(net, 1).state_dict().items()}


FORMS = {
    "plain": lambda: renamed(str),
    "parallel": lambda: renamed(lambda name: f"module.{name}"),
    "compiled": lambda: renamed(lambda name: f"_orig_mod.{name}"),
    "compiled and parallel": lambda: renamed(lambda name: f"module._orig_mod.{name}"),
    "compiled inside": lambda: renamed(lambda name: name.replace("3.", "3._orig_mod.")),
    "lightning": lambda: {
        "epoch": 3,
        "state_dict": renamed(lambda name: f"model.{name}"),
        "hyper_parameters": {"a": 1},
    },
    "nested": lambda: {"model": renamed(str), "optimizer": {"state": {}}},
    "twice": lambda: {"state_dict": {"model": renamed(lambda name: f"module.{name}")}},
}


@pytest.mark.parametrize("form", FORMS)
def test_checkpoints_of_every_form(tmp_path, form):
    torch.save(FORMS[form](), tmp_path / "weights.pt")
    model = seeded(net, 0)
    load_weights(model, str(tmp_path / "weights.pt"))
    for name, value in seeded(net, 1).state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_only_what_all_names_have_is_left_out(tmp_path):
    own = ["model.a", "b"]
    assert plain_state({"model.a": 1, "model.b": 2}, own) == {"model.a": 1, "model.b": 2}
    assert plain_state({"module.a": 1, "other.b": 2}, ["a", "b"]) == {"module.a": 1, "other.b": 2}
    assert plain_state({"model": 1}, ["model"]) == {"model": 1}
    assert plain_state([1], ["a"]) == [1]
    assert plain_state({1: 2}, ["a"]) == {1: 2}
    mixed = renamed(lambda name: f"module.{name}" if name.startswith("0") else name)
    torch.save(mixed, tmp_path / "weights.pt")
    with pytest.raises(InvalidArgumentError, match="`--weights` must fit the model"):
        load_weights(net(), str(tmp_path / "weights.pt"))


# data


def test_arrays_of_any_shape(tmp_path):
    images = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).astype(np.float32)
    for name, array in (("images", images), ("flat", images.reshape(10, 64)), ("bytes", (images * 9).astype(np.int8))):
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "images.npz", images)

    def data(model, name, shape=None, size=4):
        return load_data(model, str(tmp_path / name), shape, size, 0)

    for name in ("images.npy", "images.npz"):
        parts = data(net(), name)
        assert [tuple(part.shape) for part in parts] == [(4, 1, 8, 8), (4, 1, 8, 8), (2, 1, 8, 8)]
        assert np.array_equal(torch.cat(parts).numpy(), images)
    assert tuple(data(net(), "flat.npy", (1, 8, 8))[0].shape) == (4, 1, 8, 8)
    assert data(net(), "bytes.npy")[0].dtype == torch.float32
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    assert tuple(data(flat, "images.npy")[0].shape) == (4, 64)
    assert tuple(data(nn.Linear(8, 3), "images.npy")[0].shape) == (4, 1, 8, 8)
    for shape, words in (((1, 9, 9), "input dimension 81"), ((3,), "input dimension 3")):
        with pytest.raises(InvalidArgumentError, match=rf"`--data` must have the network's {words}"):
            data(net(), "images.npy", shape)
    images[3, 0, 2, 2] = np.nan
    np.save(tmp_path / "nan.npy", images)
    np.save(tmp_path / "empty.npy", np.zeros((0, 1, 8, 8)))
    np.save(tmp_path / "number.npy", np.array(3.0))
    for name in ("nan.npy", "empty.npy", "number.npy"):
        with pytest.raises(InvalidArgumentError, match="`--data` must ") as caught:
            data(net(), name)
        assert "\n" not in str(caught.value)


def test_tokens(tmp_path):
    model = Language("tuple")
    one, two = load_data(model, "tokens:20", (6,), 12, 3), load_data(model, "tokens:20", (6,), 12, 3)
    assert [tuple(part.shape) for part in one] == [(12, 6), (8, 6)]
    assert torch.equal(torch.cat(one), torch.cat(two))
    assert one[0].dtype == torch.int64
    assert int(torch.cat(one).max()) < 20
    assert load_data(model, "tokens:2", None, 12, 3)[0].shape == (2, 16)
    np.save(tmp_path / "ids.npy", np.arange(12).reshape(3, 4))
    (ids,) = load_data(model, str(tmp_path / "ids.npy"), None, 12, 0)
    assert ids.tolist() == np.arange(12).reshape(3, 4).tolist()
    np.save(tmp_path / "wrong.npy", np.arange(12).reshape(3, 4) + 10)
    np.save(tmp_path / "halves.npy", np.arange(12).reshape(3, 4) / 2)
    for spec, words in (
        (str(tmp_path / "wrong.npy"), "tokens from 0 to 19"),
        (str(tmp_path / "halves.npy"), "tokens from 0 to 19"),
        ("tokens", "end in a whole number"),
        ("tokens:0", "end in a whole number"),
        ("tokens:x", "end in a whole number"),
        ("tokens:99999999999", "at most"),
    ):
        with pytest.raises(InvalidArgumentError, match=f"`--data` must .*{words}"):
            load_data(model, spec, (6,) if spec.startswith("tokens") else None, 4, 0)
    with pytest.raises(InvalidArgumentError, match="does not begin with an embedding"):
        load_data(net(), "tokens:5", None, 4, 0)


# models


def stand_ins(monkeypatch):
    """Put small packages in the place of timm, torchvision and transformers."""
    timm, vision, models = (types.ModuleType(name) for name in ("timm", "torchvision", "torchvision.models"))
    timm.list_models = lambda: ["small", "broken"]
    timm.is_model = lambda name: name in timm.list_models()

    def create_model(name, pretrained):
        assert not pretrained
        if name == "broken":
            raise RuntimeError("first line\nsecond")
        model = net()
        model.default_cfg = {"input_size": (1, 8, 8)}
        return model

    timm.create_model = create_model
    models.list_models = lambda: ["small"]
    models.get_model = lambda name, weights: net() if weights is None else None
    transformers, auto = types.ModuleType("transformers"), types.ModuleType("configuration_auto")
    auto.CONFIG_MAPPING_NAMES = {"language": "", "images": ""}

    class AutoModel:
        @staticmethod
        def from_config(config):
            if config == "language":
                return Language("tuple")
            model = net()
            model.config = types.SimpleNamespace(image_size=8, num_channels=1)
            return model

        @staticmethod
        def from_pretrained(folder, local_files_only):
            assert local_files_only
            return net()

    transformers.AutoModel = AutoModel
    transformers.AutoConfig = types.SimpleNamespace(for_model=lambda name: name)
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "torchvision", vision)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    monkeypatch.setitem(sys.modules, "transformers", transformers)
    monkeypatch.setitem(sys.modules, "transformers.models.auto.configuration_auto", auto)


def test_models_of_other_packages(monkeypatch, capsys, tmp_path):
    stand_ins(monkeypatch)
    for spec in ("timm:small", "torchvision:small", "transformers:images", f"transformers:{tmp_path}"):
        assert isinstance(load_model(spec), nn.Sequential)
    for spec, words in (
        ("timm:smal", "one of the 2 models of timm; got 'smal'; did you mean small?"),
        ("torchvision:nosuch", "one of the 1 models of torchvision"),
        ("transformers:nosuch", "one of the 2 models of transformers"),
        ("timm:broken", "RuntimeError: first line"),
        ("timm:", "name a model of timm"),
    ):
        with pytest.raises(InvalidArgumentError, match=f"`MODEL` must .*{re.escape(words)}") as caught:
            load_model(spec)
        assert "\n" not in str(caught.value)
    for arguments in (
        ["timm:small", "--data", "gaussian:30"],
        ["transformers:images", "--data", "gaussian:30"],
        ["transformers:language", "--data", "tokens:30", "--input-shape", "5"],
    ):
        code, out, err = in_process(monkeypatch, capsys, tmp_path, *arguments, "--format", "json")
        assert (code, err) == (0, "")
        assert json.loads(out)["n_points"] == 30


def test_packages_that_are_not_installed(monkeypatch, capsys, tmp_path):
    for package in ("timm", "torchvision", "transformers", "onnx"):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.setitem(sys.modules, f"{package}.models", None)
    for package in ("timm", "torchvision", "transformers"):
        with pytest.raises(MissingExtraError, match=rf"^{package} is needed.*pip install {package}$"):
            load_model(f"{package}:anything")
    code, out, err = in_process(monkeypatch, capsys, tmp_path, "timm:resnet18", "--data", "gaussian:30")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "pip install timm" in err
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=r"pip install onnx$"):
        load_weights(net(), str(tmp_path / "a.onnx"))


# ONNX


def mlp():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False))


def node(kind, inputs, output, **attributes):
    listed = [types.SimpleNamespace(name=name, i=value) for name, value in attributes.items()]
    return types.SimpleNamespace(op_type=kind, input=inputs, output=[output], attribute=listed)


def graph_of(model, named=False):
    """Describe a perceptron as Gemm and MatMul with a weight of either order, by other names or by its own."""
    first, last = model[0], model[2]
    names = ["0.weight", "0.bias", "2.weight"] if named else ["w", "b", "v"]
    weights = [first.weight, first.bias, last.weight if named else last.weight.T]
    constants = dict(zip(names, [tensor.detach().numpy() for tensor in weights], strict=True))
    nodes = [
        node("Gemm", ["x", names[0], names[1]], "h", transB=1),
        node("Relu", ["h"], "r"),
        node("Gemm", ["r", names[2]], "y", transB=1) if named else node("MatMul", ["r", names[2]], "y"),
    ]
    return nodes, constants


def stand_in_onnx(monkeypatch, nodes, constants):
    def stored(name, value):
        return types.SimpleNamespace(name=name, value=value, data_location=0, data_type=1)

    graph = types.SimpleNamespace(node=nodes, initializer=[stored(name, value) for name, value in constants.items()])
    onnx, helper = types.ModuleType("onnx"), types.ModuleType("onnx.numpy_helper")
    onnx.load_model_from_string = lambda raw: types.SimpleNamespace(graph=graph)
    onnx.TensorProto = types.SimpleNamespace(EXTERNAL=1)
    helper.to_array = lambda one: one.value
    monkeypatch.setitem(sys.modules, "onnx", onnx)
    monkeypatch.setitem(sys.modules, "onnx.numpy_helper", helper)


@pytest.mark.parametrize("named", [False, True])
def test_constants_of_a_graph_become_weights(monkeypatch, tmp_path, named):
    source, model = seeded(mlp, 1), seeded(mlp, 2)
    stand_in_onnx(monkeypatch, *graph_of(source, named))
    (tmp_path / "a.onnx").write_bytes(b"graph")
    path = str(tmp_path / "a.onnx")
    layers = onnx_layers(path)
    assert [layer.weight.shape for layer in layers] == [(3, 4), (2, 3)]
    assert [layer.bias is None for layer in layers] == [False, True]
    load_weights(model, path)
    x = points(5, 4)
    assert torch.equal(model(x), source(x))
    for wrong, words in (
        (nn.Linear(4, 3), "have the 1 layers"),
        (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3, bias=False)), "fit `1` of shape"),
        (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), "no bias"),
        (nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2, bias=False)), "of layers alone"),
    ):
        before = {name: value.clone() for name, value in wrong.state_dict().items()}
        with pytest.raises(InvalidArgumentError, match=words):
            load_onnx_weights(wrong, path)
        assert all(torch.equal(before[name], value) for name, value in wrong.state_dict().items())
    stand_in_onnx(monkeypatch, [], {"w": np.ones((2, 2))})
    with pytest.raises(InvalidArgumentError, match="a layer with constant weights"):
        onnx_layers(path)


def test_files_of_onnx(tmp_path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    from onnx import helper, numpy_helper

    source = seeded(net, 1)
    names = [name.replace(".", "_") for name in source.state_dict()]
    stored = [
        numpy_helper.from_array(value.numpy(), name)
        for name, value in zip(names, source.state_dict().values(), strict=True)
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", names[0], names[1]], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Flatten", ["r"], ["f"]),
            helper.make_node("Gemm", ["f", names[2], names[3]], ["y"], transB=1),
        ],
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 1, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 2])],
        stored,
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph), path)
    model = seeded(net, 2)
    load_weights(model, str(path))
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(model(x), source(x))
    raw = path.read_bytes()
    for bad in (b"", b"hello", raw[: len(raw) // 2], raw[100:]):
        path.write_bytes(bad)
        with pytest.raises(InvalidArgumentError, match="`--weights` must ") as caught:
            load_weights(seeded(net, 2), str(path))
        assert "\n" not in str(caught.value)
    onnx.save(helper.make_model(graph), path, save_as_external_data=True, size_threshold=0)
    with pytest.raises(InvalidArgumentError, match="in another file"):
        load_weights(seeded(net, 2), str(path))
    with pytest.raises(InvalidArgumentError, match="`--weights`"):
        load_weights(seeded(net, 2), str(tmp_path / "missing.onnx"))


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_transformers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_act="relu",
    )
    with pytest.raises(InvalidArgumentError, match="models of transformers; got 'bertt'; did you mean bert"):
        load_model("transformers:bertt")
    assert type(load_model("transformers:squeezebert")).__name__ == "SqueezeBertModel"
    model = transformers.BertModel(config)
    assert load_data(model, "tokens:4", (5,), 4, 0)[0].shape == (4, 5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("package", "name"), [("timm", "resnet18"), ("torchvision", "squeezenet1_1")])
def test_a_model_of_images(package, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(package, reason=f"{package} is not installed", exc_type=ImportError)
    model = load_model(f"{package}:{name}")
    assert any(isinstance(module, nn.Conv2d) for module in model.modules())
