"""`neurondeath speed`: predicted and counted shares of needed units, and tables that agree with each other."""

import csv
import io
import json

import pytest

from neurondeath.commands.command import Command
from neurondeath.commands.console import command_line, run
from neurondeath.simulations.inference import speed as inference_speed
from neurondeath.simulations.inference.packing import pack

APP = command_line("neurondeath", {"speed": Command("neurondeath.commands.speed:speed", "")}, help="")
NETWORK = ["--width", "200", "--depth", "4", "--sparsity", "0.85"]


@pytest.fixture
def speed(capsys):
    def call(*arguments):
        code = run(APP, "neurondeath", ["speed", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_json(speed):
    code, out, _ = speed(*NETWORK, "--batch", "1,8", "--format", "json")
    document = json.loads(out)
    assert code == 0
    assert document.keys() >= {"predicted", "measured", "crossover_batch"}
    assert [one["batch"] for one in document["measured"]] == [1, 8]
    for predicted, measured in zip(document["predicted"], document["measured"], strict=True):
        assert measured["needed"] == pytest.approx(predicted["needed"], abs=0.06)
        assert measured["ratio"] == pytest.approx(measured["dense_seconds"] / measured["sparse_seconds"])
        assert predicted["ratio"] > 0.0
    assert document["predicted"][0]["needed"] == pytest.approx(0.15)
    assert 0.5 < document["predicted"][1]["needed"] < 0.73


def test_csv_and_table(speed):
    _, out, _ = speed(*NETWORK, "--batch", "1", "--effective-depth", "4", "--m", "1.2", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert float(row["ratio"]) == pytest.approx(float(row["dense_us"]) / float(row["sparse_us"]), rel=1e-3)
    code, out, _ = speed(*NETWORK, "--batch", "2", "--activation", "soft-threshold", "--columns", "batch,needed")
    assert code == 0
    assert "faster than dense" in out
    assert "ratio" not in out.splitlines()[1]


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_weights_in_fewer_bits(speed, precision, monkeypatch):
    read = set()

    def pack_and_note(program):
        read.update(layer.precision for layer in program.layers)
        return pack(program)

    monkeypatch.setattr(inference_speed, "pack", pack_and_note)
    code, out, _ = speed(*NETWORK, "--batch", "1", "--precision", precision, "--format", "json")
    assert code == 0
    assert json.loads(out)["precision"] == precision
    assert read == {precision}
    _, out, _ = speed(*NETWORK, "--batch", "1", "--precision", precision)
    assert f"{precision} weights, one thread" in out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--width", "100000", "--depth", "4", "--sparsity", "0.9"], "--width"),
        (["--width", "8", "--depth", "100000", "--sparsity", "0.9"], "--width"),
        (["--width", "8", "--depth", "0", "--sparsity", "0.9"], "--depth"),
        ([*NETWORK, "--precision", "float16"], "--precision"),
        ([*NETWORK, "--batch", "5000"], "--batch"),
        ([*NETWORK, "--batch", "0"], "--batch"),
        ([*NETWORK, "--batch", "1:4096"], "--batch"),
        ([*NETWORK, "--sparsity", "1.0"], "--sparsity"),
        ([*NETWORK, "--sparsity", "0.2"], "--sparsity"),
        ([*NETWORK, "--effective-depth", "5"], "--effective-depth"),
        ([*NETWORK, "--activation", "tanh"], "--activation"),
        ([*NETWORK, "--activation", "relu"], "--sparsity"),
        ([*NETWORK, "--activation", "soft-threshold", "--m", "1"], "--m"),
        ([*NETWORK, "--seed", "-1"], "--seed"),
        ([*NETWORK, "--columns", "nosuch"], "--columns"),
    ],
)
def test_refused(speed, arguments, named):
    code, out, err = speed(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"`{named}`" in err
