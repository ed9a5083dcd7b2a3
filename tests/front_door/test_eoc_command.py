"""`neurondeath eoc`: its keys, its formats, its errors."""

import csv
import io
import json

import pytest

from neurondeath.commands.console import Command, command_line, run
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design

APP = command_line("neurondeath", {"eoc": Command("neurondeath.commands.eoc:eoc", "")}, help="")
CLIPPED = ["--activation", "clipped-shifted-relu", "--sparsity", "0.85"]


def call(capsys, *arguments):
    code = run(APP, "neurondeath", ["eoc", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json(capsys):
    code, out, err = call(capsys, *CLIPPED, "--v-prime", "0.7", "--format", "json")
    data = json.loads(out)
    design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    assert (code, err) == (0, "")
    for name in ("tau", "m", "sigma_w2", "sigma_b2", "q", "sparsity", "v_prime", "v_second"):
        assert data[name] == getattr(design, name)
    assert data["survival"] is None
    assert data["verdict"] == design.verdict
    (point,) = data["fixed_points"]
    assert (point["q"], point["stable"]) == (1.0, True)
    assert {"v_prime", "chi1"} <= set(point)


def test_survival(capsys):
    arguments = [*CLIPPED, "--v-prime", "0.7", "--width", "10", "--depth", "5", "--format", "json"]
    data = json.loads(call(capsys, *arguments)[1])
    survival = data["survival"]
    assert survival["signal"] == pytest.approx(0.3046, abs=0.001 + 5 * survival["signal_error"])
    assert 0 < survival["gradient"] < survival["signal"]
    assert 0 <= survival["escape_low"] <= survival["escape"] <= survival["escape_high"]
    assert "through 5 layers of width 10" in data["verdict"]
    assert json.loads(call(capsys, *arguments)[1]) == data


def test_relu_needs_no_sparsity(capsys):
    code, out, _ = call(capsys, "--activation", "relu", "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert (data["sigma_w2"], data["sigma_b2"], data["sparsity"], data["tau"], data["m"]) == (2.0, 0.0, 0.5, 0.0, None)
    assert data["every_q_is_fixed"] is True
    assert call(capsys, "--activation", "relu", "--sparsity", "0.5")[0] == 0


def test_scale(capsys):
    out = call(capsys, *CLIPPED, "--m", "2.3407346821821733", "--q", "4", "--format", "json")[1]
    assert json.loads(out)["v_prime"] == pytest.approx(0.7, rel=1e-9)


def test_table_and_csv(capsys):
    code, out, _ = call(capsys, *CLIPPED, "--v-prime", "0.7", "--width", "10", "--depth", "2")
    assert code == 0
    for word in ("sigma_w2", "7.3348", "fixed points q = 1 (stable)", "signal_error", "stable: q* = 1 attracts"):
        assert word in out
    out = call(capsys, *CLIPPED, "--v-prime", "0.7", "--format", "csv")[1]
    (row,) = csv.DictReader(io.StringIO(out))
    assert float(row["m"]) == pytest.approx(1.1704, abs=5e-5)
    assert row["verdict"].startswith("stable")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--activation", "gelu"], "`--activation` must be one of relu"),
        (["--activation", "shifted-relu"], "`--sparsity` must be given"),
        (["--activation", "relu", "--sparsity", "0.7"], "`--sparsity` must be 0.5 for relu"),
        (["--activation", "shifted-relu", "--sparsity", "1.2"], "`--sparsity` must lie in (0, 1); got 1.2"),
        (["--activation", "shifted-relu", "--sparsity", "0.3"], "`--sparsity` must be at least 0.5 here"),
        (["--activation", "shifted-relu", "--sparsity", "0.7", "--v-prime", "0.5"], "`--v-prime` must be left out"),
        (CLIPPED, "`--v-prime` must be given for a clipped activation"),
        ([*CLIPPED, "--v-prime", "0.5", "--m", "1"], "`--v-prime` must be used without --m"),
        ([*CLIPPED, "--v-prime", "1.5"], "`--v-prime` must lie in (0, 1)"),
        ([*CLIPPED, "--m", "1", "--q", "nan"], "`--q` must be a finite number; got 'nan'"),
        ([*CLIPPED, "--m", "1", "--width", "10"], "`--width` must be used with --depth"),
        ([*CLIPPED, "--m", "1", "--width", "0", "--depth", "3"], "`--width` must be a whole number of at least 1"),
        ([], "`--activation` must be given"),
    ],
)
def test_errors_are_one_line(capsys, arguments, message):
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
