"""`neurondeath audit`: models from files, data of every kind, errors of one line."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from tests.torch.test_monitor import points

MODELS = """
import torch
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 10))

def conv():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

def smooth():
    return nn.Sequential(nn.Linear(64, 5), nn.GELU())

def broken():
    raise RuntimeError("first line\\nsecond line")

ready = mlp()
number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "my_models.py").write_text(MODELS)
    return folder


def command(folder, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "error", "-m", "neurondeath", "audit", *arguments]
    return subprocess.run(program, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def in_process(monkeypatch, capsys, folder, *arguments):
    """Run the command in this process, which is faster than a new one."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    if getattr(sys.modules.get("my_models"), "__file__", None) != str(folder / "my_models.py"):
        sys.modules.pop("my_models", None)  # of another test file in this process
    with torch.random.fork_rng():
        code = run(command_line("neurondeath", COMMANDS, help=""), "neurondeath", ["audit", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_in_a_process_of_its_own(folder):
    done = command(folder, "my_models:mlp", "--data", "digits", "--format", "json", "--picture", "audit.svg")
    lines = [line for line in done.stderr.splitlines() if ": working for" not in line]  # of a busy machine
    assert (done.returncode, lines) == (0, ["picture: audit.svg"])
    found = json.loads(done.stdout)
    assert (found["n_points"], [row["activation"] for row in found["layers"]]) == (1797, ["1", "3"])
    assert found["layers"][0]["predicted_sparsity"] == 0.5
    assert found["verdict"]
    assert (folder / "audit.svg").is_file()


def test_the_command_reads_files_images_and_weights(monkeypatch, capsys, folder):
    def run(*arguments):
        return in_process(monkeypatch, capsys, folder, *arguments)

    code, out, _ = run("my_models.py:conv", "--data", "digits:50", "--batch-size", "20", "--format", "csv")
    assert code == 0
    assert out.splitlines()[1].startswith("2,0,4,")
    code, out, _ = run("my_models:conv", "--data", "gaussian:9", "--input-shape", "1,8,8")
    assert code == 0
    assert "9 points, batches: 1, mode: eval" in out
    assert "2: no prediction, batch_norm between 0 and it." in out
    model = nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 10))
    with torch.no_grad():
        model[2].weight.fill_(0.0), model[2].bias.fill_(-1.0)
    torch.save(model.state_dict(), folder / "weights.pt")
    np.save(folder / "points.npy", points(6, 64).numpy())
    for name in ("mlp", "ready"):
        code, out, _ = run(f"my_models:{name}", "--data", "points.npy", "--weights", "weights.pt")
        assert code == 0
        assert "Activation `3` (relu) is dead" in out
    same = [run("my_models:mlp", "--data", "digits:50", "--seed", seed)[1] for seed in ("3", "3", "4")]
    assert same[0] == same[1] != same[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch:mlp", "--data", "digits"], "a module that can be imported from here; got 'nosuch'"),
        (["nosuch.py:mlp", "--data", "digits"], "file that exists"),
        (["my_models:nosuch", "--data", "digits"], "something in my_models; got 'nosuch'"),
        (["my_models", "--data", "digits"], "module:function"),
        (["my_models:number", "--data", "digits"], "a torch.nn.Module; got 'int'"),
        (["my_models:broken", "--data", "digits"], "RuntimeError: first line"),
        (["my_models:smooth", "--data", "digits"], "gelu is zero on no interval"),
        (["my_models:mlp", "--data", "nosuch"], "--data"),
        (["my_models:mlp", "--data", "missing.npy"], "--data"),
        (["my_models:mlp", "--data", "gaussian:4", "--input-shape", "3"], "accept the data"),
        (["my_models:mlp", "--data", "digits", "--input-shape", "3,x"], "--input-shape"),
        (["my_models:conv", "--data", "gaussian:4"], "--input-shape"),
        (["my_models:mlp", "--data", "digits", "--weights", "missing.pt"], "--weights"),
        (["my_models:mlp", "--data", "digits", "--weights", "my_models.py"], "--weights"),
        (["my_models:mlp", "--data", "digits", "--mode", "test"], "--mode"),
        (["my_models:mlp", "--data", "digits", "--batch-size", "0"], "--batch-size"),
        (["my_models:mlp", "--data", "digits", "--picture", "nosuch/a.png"], "--picture"),
        (["my_models:mlp"], "--data"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(monkeypatch, capsys, folder, arguments, words):
    code, out, err = in_process(monkeypatch, capsys, folder, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_deep_model_shows_its_verdict_first_and_the_layers_that_differ_most(monkeypatch, capsys, tmp_path):
    (tmp_path / "deep.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef build():\n    torch.manual_seed(0)\n"
        "    layers = [m for _ in range(30) for m in (nn.Linear(64, 64), nn.ReLU())]\n"
        "    with torch.no_grad():\n        layers[20].bias[:40] = -100.0\n"
        "    return nn.Sequential(*layers, nn.Linear(64, 2))\n"
    )

    def run(*words):
        return in_process(monkeypatch, capsys, tmp_path, "deep.py:build", "--data", "gaussian:100", *words)

    code, out, _ = run()
    lines = out.splitlines()
    assert code == 0
    rows = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0].isdigit() and " relu " in line]
    assert len(rows) == 10
    assert {"1", "21", "59"} <= set(rows)
    assert "10 of 30 layers, those that differ most: --per-layer for all" in lines
    first_row = next(number for number, line in enumerate(lines) if line.startswith("activation"))
    assert any("dead in living layers" in line for line in lines[:first_row])
    every = run("--per-layer")[1]
    assert sum(" relu " in line for line in every.splitlines() if line.split()[0:1] and line.split()[0].isdigit()) == 30


def test_layers_are_chosen_by_pattern(monkeypatch, capsys, folder):
    words = ("my_models:mlp", "--data", "digits:50", "--format", "json")
    _, out, _ = in_process(monkeypatch, capsys, folder, *words, "--layers", "3")
    assert [row["activation"] for row in json.loads(out)["layers"]] == ["3"]
    code, out, err = in_process(monkeypatch, capsys, folder, *words, "--layers", "nothing*")
    assert (code, out) == (2, "")
    assert "`--layers` must" in err
