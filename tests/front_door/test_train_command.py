"""`neurondeath train` and `runs`: output, stores, bad input, interruptions."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest

from neurondeath.__main__ import main
from neurondeath_torch.training.run_store import RunStore

CONFIG = """
epochs = 2
seeds = [0, 1]

[data]
n_train = 150
n_test = 100

[model]
widths = [12]

[grid]
"optimiser.learning_rate" = [0.01, 0.1]
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(CONFIG)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["neurondeath", *arguments])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_runs_are_trained_once_and_read_again(run):
    code, out, err = run("train", "config.toml", "--dry-run", "--format", "csv")
    assert code == 0
    assert out.count("0/2") == 4
    assert all(
        float(row["forecast_living_ratio"]) == pytest.approx(1 - 2**-12) for row in csv.DictReader(StringIO(out))
    )
    _, out, _ = run("train", "config.toml", "--dry-run", "--format", "json")
    forecasts = [one["forecast"] for one in json.loads(out)["runs"]]
    assert forecasts == [{"forecast_living_ratio": pytest.approx(1 - 2**-12), "forecast_leaving": None}] * 4
    assert not Path("training.sqlite").exists()
    code, out, err = run("train", "config.toml", "--format", "json")
    assert code == 0
    assert err.count("\n") == 4
    assert "run 4/4" in err
    found = json.loads(out)["runs"]
    assert [(r["description"].get("optimiser", {}).get("learning_rate", 0.1), r["seed"]) for r in found] == [
        (0.01, 0),
        (0.01, 1),
        (0.1, 0),
        (0.1, 1),
    ]
    assert all(len(r["epochs"]) == 3 for r in found)
    assert {"torch", "neurondeath", "device", "threads"} <= set(found[0]["provenance"])
    times = [epoch["train_seconds"] for r in found for epoch in r["epochs"]]
    code, again, err = run("train", "config.toml", "--format", "json", "--quiet")
    assert (code, err) == (0, "")
    assert [epoch["train_seconds"] for r in json.loads(again)["runs"] for epoch in r["epochs"]] == times
    code, out, _ = run("runs", "training.sqlite")
    assert "optimiser.learning_rate" in out
    assert out.count("2/2") == 4
    code, out, _ = run("runs", "training.sqlite", "--per-epoch", "--format", "csv")
    assert len(out.splitlines()) == 1 + 4 * 3
    code, out, _ = run("runs", "training.sqlite", "--experiment", found[0]["experiment_id"], "--format", "csv")
    assert len(out.splitlines()) == 3


def test_jobs_give_the_same_runs(run):
    run("train", "config.toml", "--store", "one.sqlite", "--quiet")
    code, _, err = run("train", "config.toml", "--store", "two.sqlite", "--jobs", "2")
    assert code == 0
    assert "run 4/4" in err
    results = []
    for name in ("one.sqlite", "two.sqlite"):
        with RunStore(name, readonly=True) as store:
            results.append({(r.experiment_id, r.seed): r.epochs[-1]["test_loss"] for r in store.runs()})
    assert results[0].keys() == results[1].keys()
    for key, loss in results[0].items():
        assert results[1][key] == pytest.approx(loss, rel=1e-3)  # threads may change the last bits


@pytest.mark.parametrize(("jobs", "number"), [("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_an_interrupted_campaign_explains_how_to_continue(tmp_path, jobs, number):
    (tmp_path / "long.toml").write_text(CONFIG.replace("epochs = 2", "epochs = 100000"))
    command = [sys.executable, "-m", "neurondeath", "train", "long.toml", "--jobs", jobs]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not list(tmp_path.glob("training.sqlite.checkpoints/*.pt")):
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "run the same command again to go on" in err
    with RunStore(tmp_path / "training.sqlite", readonly=True) as store:
        assert len(store.runs()[0].epochs) >= 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["train", "none.toml"], "none.toml"),
        (["train", "config.toml", "--jobs", "0"], "--jobs"),
        (["train", "config.toml", "--device", "tpu"], "device"),
        (["train", "config.toml", "--store", "no/where.sqlite"], "make no first"),
        (["train", "misspelt.toml", "--dry-run"], "model.widht"),
        (["runs", "none.sqlite"], "neurondeath train"),
        (["train", "mnist.toml", "--data-dir", "nowhere"], "train-images-idx3-ubyte"),
    ],
)
def test_bad_input_is_one_line(run, arguments, match):
    Path("mnist.toml").write_text('epochs = 1\n[data]\nname = "mnist"\n')
    Path("misspelt.toml").write_text("epochs = 1\n[model]\nwidht = 3\n")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert match in err
    assert err.count("\n") == 1
