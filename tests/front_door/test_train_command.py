"""`neurondeath train` and `runs`: output, stores, bad input, interruptions."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest

from neurondeath.__main__ import main
from neurondeath.simulations.stores.store import Store
from neurondeath_torch.training.configuration import Experiment
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
    assert all(one["forecast_living_ratio"] == pytest.approx(1 - 2**-12) for one in forecasts)
    assert all(one["forecast_leaving"] is None for one in forecasts)
    assert {one["forecast_verdict"] for one in forecasts} == {"learns"}
    assert all(one["forecast_score"] > 5.0 for one in forecasts)
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
        (["train", "mnist.toml", "--data-dir", "pipe"], "train-images-idx3-ubyte"),
        (
            ["train", "config.toml", "--data-dir", "."],
            "`--data-dir` must be left out where all data are digits or bits",
        ),
        (["train", "config.toml", "--part", "3/2"], "`--part` must be I/N"),
        (["train", "config.toml", "--store", "pipe"], "is a pipe or a device"),
        (["train", "config.toml", "--store", "/dev/null"], "is a pipe or a device"),
        (["train", "config.toml", "--store", "."], "is a folder"),
        (["train", "config.toml", "--store", "results.sqlite"], "not a neurondeath store of training runs"),
        (["train", "config.toml", "--store", "empty"], "is empty (0 bytes)"),
        (["train", "config.toml", "--checkpoints", "config.toml"], "`--checkpoints` must name a folder"),
        (["train", "config.toml", "--checkpoints", "pipe"], "`--checkpoints` must name a folder"),
        (["train", "config.toml", "--checkpoints", "no/folder"], "make no first"),
        (["train", "pipe"], "a pipe or a device"),
        (["train", "/dev/zero"], "a pipe or a device"),
        (["train", "."], "a folder"),
        (["train", "large.toml"], "n_train"),
        (["train", "method.toml"], "method.hope"),
        (["runs", "pipe"], "is a pipe or a device"),
        (["runs", "results.sqlite"], "not a neurondeath store of training runs"),
        (["study", "dead_units", "--store", "pipe"], "is a pipe or a device"),
        (["study", "dead_units", "--store", "results.sqlite"], "not a neurondeath store of training runs"),
        (["study", "dead_units", "--store", "no/where"], "make no first"),
        (["study", "dead_units", "--out", "no"], "`--out` must name a folder that exists"),
        (["merge", "new.sqlite", "runs.sqlite", "results.sqlite"], "stores of one kind"),
        (["merge", "results.sqlite", "runs.sqlite"], "stores of one kind"),
        (["merge", "runs.sqlite", "runs.sqlite"], "is the target itself"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, arguments, match):
    Path("mnist.toml").write_text('epochs = 1\n[data]\nname = "mnist"\n')
    Path("misspelt.toml").write_text("epochs = 1\n[model]\nwidht = 3\n")
    Path("large.toml").write_text("epochs = 1\n[data]\nn_train = 1000000\n")
    Path("method.toml").write_text('epochs = 1\n[method]\nkind = "redo"\nhope = 1\n')
    Path("empty").touch()
    os.mkfifo("pipe")
    Store("results.sqlite").close()
    RunStore("runs.sqlite").close()
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert match in err
    assert err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    assert len(list(Path().iterdir())) == len(before) + 1


def test_parts_together_are_the_whole(run):
    for number, options in enumerate((["--part", "1/2"], ["--part", "2/2"], [])):
        code, out, _ = run(
            "train", "config.toml", "--store", f"{number}.sqlite", "--quiet", "--format", "csv", *options
        )
        assert code == 0
        assert len(out.splitlines()) == 1 + (4 if number == 2 else 2)
    code, out, _ = run("merge", "merged.sqlite", "0.sqlite", "1.sqlite", "--format", "csv")
    assert (code, out) == (0, "source,runs,added,skipped\n0.sqlite,2,6,0\n1.sqlite,2,6,0\n")
    assert stored("merged.sqlite") == stored("2.sqlite")
    code, out, _ = run("merge", "merged.sqlite", "2.sqlite", "--format", "csv")
    assert (code, out) == (0, "source,runs,added,skipped\n2.sqlite,0,0,12\n")
    code, out, err = run("train", "config.toml", "--store", "none.sqlite", "--part", "8/999")
    assert code == 0
    assert err == "no runs belong to part 8 of 999\n"


def test_a_merge_continues_runs_and_refuses_other_numbers(run):
    one = Experiment(epochs=2)
    key = (one.experiment_id, 0)
    for name, losses in (("short", [1.0]), ("long", [1.0, 0.5, math.nan]), ("other", [1.0, 0.25])):
        with RunStore(f"{name}.sqlite") as store:
            store.begin(*key, name="", description=one.description(), provenance={"torch": name})
            for epoch, loss in enumerate(losses):
                store.note(*key, epoch, {"epoch": epoch, "loss": loss})
    code, out, _ = run("merge", "short.sqlite", "long.sqlite", "--format", "csv")
    assert (code, out.splitlines()[1]) == (0, "long.sqlite,1,2,1")
    with RunStore("short.sqlite", readonly=True) as store:
        (merged,) = store.runs()
        assert [merged.provenance_of(epoch)["torch"] for epoch in range(3)] == ["short", "long", "long"]
    before = Path("short.sqlite").read_bytes()
    code, out, err = run("merge", "short.sqlite", "other.sqlite")
    assert (code, out) == (2, "")
    assert "epoch 1 of run" in err
    assert "torch long there, other here" in err
    assert stored("short.sqlite") == stored("long.sqlite")
    assert len(before) == len(Path("short.sqlite").read_bytes())


def test_a_diverged_run_is_json(run):
    Path("diverging.toml").write_text("epochs = 9\n[optimiser]\nlearning_rate = 1e9\n[data]\nn_train = 90\n")
    code, out, _ = run("train", "diverging.toml", "--quiet", "--format", "json")
    assert code == 0
    (one,) = json.loads(out, parse_constant=pytest.fail)["runs"]
    assert one["epochs"][-1]["diverged"]
    assert one["epochs"][-1]["train_loss"] is None
    with RunStore("training.sqlite", readonly=True) as store:
        assert math.isnan(store.runs()[0].epochs[-1]["train_loss"])
    code, out, _ = run("runs", "training.sqlite", "--per-epoch", "--format", "json")
    assert json.loads(out, parse_constant=pytest.fail)["runs"][0]["epochs"][-1]["train_loss"] is None


def stored(name):
    """Read what a store contains, times aside."""
    with RunStore(name, readonly=True) as store:
        return {
            (run.experiment_id, run.seed): repr([{**epoch, "train_seconds": 0.0} for epoch in run.epochs])
            for run in store.runs()
        }
