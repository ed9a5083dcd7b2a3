"""The command line: formats, JSON keys, one line for every bad input, exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS
from neurondeath.commands.network_layers import shown_layers
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.widths import parse_counts
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.trainability.tailored_slope import tailored_slope


@pytest.fixture
def nd(caller):
    return caller(root.NAME, help=root.HELP)


def test_bounds_json(nd):
    code, out, err = nd("bounds --width 3 --depth 20 --format json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    bounds = survival_bounds([3] * 20)
    assert data["width"] == 3
    assert data["depth"] == 20
    for key in ("lower", "upper", "mean_living_ratio", "log10_death_at_most", "log10_death_at_least"):
        assert data[key] == pytest.approx(float(getattr(bounds, key)[-1]), rel=1e-15)
    assert data["bias"] is False
    biased = json.loads(nd("bounds --width 3 --depth 20 --bias --format json")[1])
    assert biased["upper"] == pytest.approx(float(survival_bounds([3] * 20, bias=True).upper[-1]), rel=1e-15)
    single = json.loads(nd("bounds --widths 4 --format json")[1])
    assert single["upper"] == 1.0
    assert single["log10_death_at_least"] is None  # log of a probability that may be zero


def test_bounds_options(nd):
    options = "--widths 8,4 --no-bias --nonnegative-inputs --input-dim 3 --per-layer"
    rows = list(csv.DictReader(io.StringIO(nd(f"bounds {options} --format csv")[1])))
    bounds = survival_bounds([8, 4], bias=False, nonnegative_inputs=True, input_dim=3)
    assert [float(row["upper"]) for row in rows] == bounds.upper.tolist()
    layers = json.loads(nd(f"bounds {options} --format json")[1])["layers"]
    assert [layer["upper"] for layer in layers] == bounds.upper.tolist()
    table = nd("bounds --width 2:4 --depth 5,10")[1]
    assert len(table.splitlines()) == 2 + 6
    assert len(json.loads(nd("bounds --width 2:4 --depth 5,10 --format json")[1])["bounds"]) == 6
    assert len(nd("bounds --width 2 --depth 1000 --per-layer")[1].splitlines()) < 20


def test_one_dimensional_input(nd):
    data = json.loads(nd("bounds --one-dimensional-input --width 3 --depth 9 --format json")[1])
    assert 1 - data["exact"] == pytest.approx(0.579, abs=5e-4)
    assert data["lower"] <= data["exact"] <= data["upper"]
    assert 0 < data["error"] < 1e-6
    mixed = json.loads(nd("bounds --one-dimensional-input --widths 3,4 --format json")[1])
    assert mixed["lower"] is None
    assert "one width" in mixed["withheld"]
    assert "published bounds" in nd("bounds --one-dimensional-input --width 3 --depth 9")[1]


def test_bounds_on_data(nd):
    data = json.loads(nd("bounds --width 4 --depth 20 --no-bias --inputs digits:100 --format json")[1])
    assert data["input_dim"] == 64
    assert data["lower"] < data["de_caen"] <= data["gallot"] < data["upper"]
    assert (data["n_points"], data["n_rays"]) == (100, 100)
    assert 0 < data["dead_units_stderr"] < 0.1 * data["dead_units"] < 0.4
    two = json.loads(nd("bounds --width 3 --depth 9 --no-bias --inputs rays --format json")[1])
    rays = json.loads(nd("bounds --width 3 --depth 9 --one-dimensional-input --format json")[1])
    assert two["exact"] == pytest.approx(rays["exact"], abs=1e-8)
    withheld = json.loads(nd("bounds --width 4 --depth 20 --bias --inputs gaussian:9 --format json")[1])
    assert (withheld["gallot"], withheld["dead_units"], withheld["dead_units_stderr"]) == (None, None, None)
    assert "--no-bias" in withheld["withheld"]
    assert "--no-bias" in nd("bounds --width 4 --depth 20 --bias --inputs gaussian:9")[1]
    assert len(nd("bounds --width 3,4 --depth 20 --no-bias --inputs gaussian:9 --format csv")[1].splitlines()) == 3


def test_design_and_advise(nd):
    assert json.loads(nd("design --depth 100 --survival 0.99 --format json")[1])["min_width"] == 14
    assert json.loads(nd("design --width 10 --survival 0.99 --format json")[1])["max_depth"] == 10
    remedies = json.loads(nd("advise --width 4 --depth 50 --inputs digits:60 --format json")[1])["remedies"]
    assert {remedy["name"] for remedy in remedies} >= {"plain", "wider", "neuron sign flip", "RAI"}


def test_simulate_results_plot(nd, tmp_path):
    line = "simulate --width 2,4 --depth 6 --inputs gaussian:16 --inputs digits:20 --trials 300 --seed 5 --quiet"
    code, out, err = nd(f"{line} --format json")
    assert (code, err) == (0, "")
    tasks = json.loads(out)["tasks"]
    assert len(tasks) == 4
    assert {task["inputs"] for task in tasks} == {"gaussian:16", "digits:20"}
    assert {task["input_dim"] for task in tasks} == {2, 4, 64}
    for task in tasks:
        assert task["widths"] in ([2] * 6, [4] * 6)
        assert [layer["depth"] for layer in task["layers"]] == [1, 2, 3, 4, 5, 6]
        for layer in task["layers"]:
            assert layer["low"] <= layer["alive"] <= layer["high"]
            assert layer["lower_bound"] <= layer["upper_bound"]
            assert layer["trials"] == 300
            assert layer["estimator"] == "crude"
            assert layer["living_ratio_stderr"] >= 0
    assert os.listdir(tmp_path) == ["neurondeath.sqlite"]
    again = json.loads(nd(f"{line} --format json")[1])["tasks"]
    assert [task["layers"] for task in again] == [task["layers"] for task in tasks]
    stored = json.loads(nd("results neurondeath.sqlite --format json")[1])["tasks"]
    assert {task["task_id"]: task["layers"] for task in stored} == {task["task_id"]: task["layers"] for task in tasks}
    rows = list(csv.DictReader(io.StringIO(nd("results neurondeath.sqlite --format csv")[1])))
    assert len(rows) == 24
    one = nd(f"results neurondeath.sqlite --task {tasks[0]['task_id'][:8]}")[1]
    assert one.count("gaussian:16") == 1
    assert nd("results neurondeath.sqlite --per-layer")[1].count("lower_bound") == 4
    for kind in ("png", "pdf", "svg"):
        code, out, _ = nd(f"plot neurondeath.sqlite --out picture.{kind} --log")
        assert (code, out.strip()) == (0, f"picture.{kind}")
        first = (tmp_path / f"picture.{kind}").read_bytes()
        nd(f"plot neurondeath.sqlite --out picture.{kind} --log")
        assert (tmp_path / f"picture.{kind}").read_bytes() == first


def test_every_architecture_and_estimator_from_the_command_line(nd):
    def tasks(options):
        trials = "" if "--trials" in options else "--trials 300"
        code, out, err = nd(f"simulate --width 4 --depth 4 {trials} --quiet --format json {options}")
        assert (code, err) == (0, ""), err
        (task,) = json.loads(out)["tasks"]
        return task

    for options in ("--architecture residual", "--architecture dense", "--architecture skip --block-depth 2"):
        last = tasks(options)["layers"][-1]
        assert last["lower_bound"] <= last["high"]
    flipped = tasks("--sign-flip neuron --inputs gaussian:12")["layers"][-1]
    assert flipped["alive"] == flipped["lower_bound"] == 1.0
    assert flipped["expected_living_ratio"] is None
    assert flipped["living_ratio_at_least"] == 1.0  # fewer than 2^4 points: all are kept
    assert tasks("--init rai")["layers"][-1]["lower_bound"] is None
    assert "no sign symmetry" in tasks("--init rai")["withheld"]["lower"]
    normed = tasks("--architecture batch_norm")["layers"][-1]
    assert normed["layerwise_alive"] == 1.0
    stream = tasks(
        "--architecture residual --effective-depth 2 --input-mean-square 1 --outputs effective_rank,log_gradient"
    )
    assert (stream["effective_depth"], stream["input_mean_square"]) == (2.0, 1.0)
    assert "keep signs" in stream["withheld"]["lower"]
    assert 1.0 < stream["layers"][-1]["effective_rank"] <= 4.0
    assert stream["layers"][0]["log_gradient_sd_stderr"] > 0
    out = nd("simulate --width 4 --depth 20 --trials 9 --activation tailored-leaky-relu --quiet --format json")[1]
    (tailored,) = json.loads(out)["tasks"]
    assert (tailored["activation"], tailored["init"]) == (str(tailored_slope(20).activation), "gaussian")
    sparse = tasks("--activation clipped-shifted-relu --tau 1 --m 1 --outputs sparsity,variance")["layers"]
    assert 0.5 < sparse[0]["sparsity"] <= 1.0
    assert sparse[0]["variance_stderr"] > 0
    rare = tasks("--estimator conditional")["layers"][-1]
    many = tasks("--estimator splitting --trials 20")["layers"][-1]
    assert abs(rare["alive"] - many["alive"]) < 5 * (rare["alive_stderr"] + many["alive_stderr"])
    fresh = tasks("--resample-inputs --inputs sphere:6")["layers"][-1]
    assert abs(fresh["living_ratio"] - fresh["expected_living_ratio"]) < 5 * fresh["living_ratio_stderr"]


def test_the_hint_names_the_better_estimator(nd):
    err = nd("simulate --width 12 --depth 5 --trials 200")[2]
    assert "--estimator conditional" in err
    assert "hint" not in nd("simulate --width 12 --depth 5 --trials 200 --quiet")[2]
    out = nd("simulate --width 12 --depth 5 --trials 200 --quiet --estimator conditional")[1]
    assert "death" in out.splitlines()[1]
    assert "Student's for averages" in out


def test_simulate_table_names_the_store(nd):
    code, out, err = nd("simulate --width 3 --depth 4 --trials 50 --store here.sqlite")
    assert code == 0
    assert "here.sqlite" in out
    assert "50/50 trials" in err
    assert [line.split()[0] for line in out.splitlines()[2:6]] == ["1", "2", "3", "4"]


BAD_LINES = [
    ("bounds --width 0 --depth 3", "--width"),
    ("bounds --width 3 --depth -3", "--depth"),
    ("bounds --width 3", "--depth"),
    ("bounds --widths 3,x", "--widths"),
    ("bounds --widths 3 --width 2", "--widths"),
    ("bounds --width 2.5 --depth 3", "--width"),
    ("bounds --width 3 --depth 99999999", "--depth"),
    ("bounds --width 3 --depth 2 --nonnegative-inputs", "input_dim"),
    ("bounds --width 3 --depth 2 --format xml", "--format"),
    ("bounds --width 3 --depth 2 --one-dimensional-input --input-dim 2", "--input-dim"),
    ("bounds --width 3 --depth 2 --one-dimensional-input --nonnegative-inputs", "--nonnegative-inputs"),
    ("bounds --width 3 --depth 2 --one-dimensional-input --format xml", "--format"),
    ("bounds --width 3 --depth 2 --one-dimensional-input --inputs rays", "--inputs"),
    ("bounds --width 3 --depth 2 --no-bias --inputs rays --per-layer", "--per-layer"),
    ("bounds --width 3 --depth 2 --inputs nosuch:3", "nosuch:3"),
    ("bounds --nosuch", "--nosuch"),
    ("design --survival 0.9", "--depth"),
    ("design --survival 1.5 --depth 3", "survival"),
    ("advise --width 3", "--depth"),
    ("advise --width 3 --depth 5 --inputs nan.npy", "finite"),
    ("nosuch", "nosuch"),
    ("simulate --width 0 --depth 3", "--width"),
    ("simulate --width 3 --depth -2", "--depth"),
    ("simulate --width 3 --depth 2 --inputs nosuch:3", "nosuch:3"),
    ("simulate --width 3 --depth 2 --inputs nan.npy", "finite"),
    ("simulate --width 3 --depth 2 --inputs missing.npy", "missing.npy"),
    ("simulate --width 3 --depth 2 --trials 0", "--trials"),
    ("simulate --width 3 --depth 2 --trials many", "--trials"),
    ("simulate --width 3 --depth 2 --seed -1", "--seed"),
    ("simulate --width 3 --depth 2 --workers 0", "--workers"),
    ("simulate --width 3 --depth 2 --engine steam", "engine"),
    ("simulate --width 3 --depth 2 --engine single", "one point"),
    ("simulate --width 3 --depth 2 --bias-variance nan", "--bias-variance"),
    ("simulate --width 3 --depth 2 --init xavier", "init"),
    ("simulate --width 3 --depth 2 --init rai --bias-variance 1", "--bias-variance"),
    ("simulate --width 3 --depth 2 --architecture tower", "architecture"),
    ("simulate --width 3 --depth 2 --architecture residual --input-dim 5", "input dimension"),
    ("simulate --width 3 --depth 2 --architecture batch_norm --sign-flip layer", "--sign-flip"),
    ("simulate --width 3 --depth 2 --activation tanh", "--activation"),
    ("simulate --width 3 --depth 2 --activation shifted-relu", "--tau"),
    ("simulate --width 3 --depth 2 --tau 1", "--tau"),
    ("simulate --width 3 --depth 2 --outputs speed", "--outputs"),
    ("simulate --width 3 --depth 2 --estimator magic", "estimator"),
    ("simulate --width 3 --depth 2 --estimator conditional --init uniform", "conditional"),
    ("simulate --width 3 --depth 2 --estimator splitting --engine gram", "engine"),
    ("simulate --width 3 --depth 2 --inputs orthant", "orthant"),
    ("simulate --width 3 --depth 2 --inputs rays --resample-inputs", "gaussian:M"),
    ("simulate --width 3 --depth 2 --inputs mnist:5 --data-dir no/such/folder", "no/such/folder"),
    ("simulate --width 3 --depth 2 --dtype float8", "dtype"),
    ("simulate --width 3 --depth 2 --input-dim 3 --inputs digits:5", "dimension"),
    ("simulate --width 3 --depth 2 --store no/such/folder/s.sqlite", "no/such/folder"),
    ("simulate --width 3 --depth 2 --store nan.npy", "not a neurondeath store"),
    ("simulate --width 3 --depth 2 --store .", "folder"),
    ("results missing.sqlite", "missing.sqlite"),
    ("results nan.npy", "not a neurondeath store"),
    ("results", "STORE"),
    ("plot missing.sqlite", "missing.sqlite"),
    ("plot nan.npy", "not a neurondeath store"),
    ("plot nan.npy --out picture.bmp", ".png, .pdf, .svg"),
    ("plot nan.npy --out no/such/picture.png", "folder"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_bad_input_is_one_line_and_leaves_nothing_behind(nd, tmp_path, line, words):
    np.save(tmp_path / "nan.npy", np.full((4, 3), np.nan))
    before = (tmp_path / "nan.npy").read_bytes()
    code, out, err = nd(line)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert words.lower() in err.lower()
    assert os.listdir(tmp_path) == ["nan.npy"]
    assert (tmp_path / "nan.npy").read_bytes() == before


def test_a_store_without_results_is_an_error(nd):
    from neurondeath.simulations.stores.store import Store

    Store("empty.sqlite").close()
    for command in ("results", "plot"):
        code, _, err = nd(f"{command} empty.sqlite")
        assert code == 2
        assert "no finished trials" in err


def test_help_and_version(nd):
    code, out, _ = nd("")
    assert code == 0
    assert all(name in out for name, command in COMMANDS.items() if not command.alias_of)
    assert nd("--version")[1].startswith("neurondeath 0.")
    for name in COMMANDS:
        code, out, _ = nd(f"{name} --help")
        assert code == 0
        assert "--help" in out


def test_counts():
    assert parse_counts("--width", "3") == [3]
    assert parse_counts("--width", "2:64:31,5") == [2, 33, 64, 5]
    for wrong in ("", "0", "3:1", "1:2:3:4", "a", "1:5:0", "1,,2", "1:9999999"):
        with pytest.raises(InvalidArgumentError):
            parse_counts("--width", wrong)


def test_deep_tables_thin_out():
    assert shown_layers(3) == [0, 1, 2]
    assert shown_layers(1000)[-3:] == [199, 499, 999]


@pytest.mark.parametrize("package", ["neurondeath", "neurondeath_theory", "simulations", "figures"])
def test_every_package_answers_to_python_m(package):
    done = subprocess.run([sys.executable, "-m", package, "--help"], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout


def test_a_closed_pipe_is_no_error():
    line = f"{sys.executable} -m neurondeath bounds --width 2:60 --depth 1:60 --format csv | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("widths")


def test_a_missed_goal_of_the_relative_error_is_said_with_its_reason(nd):
    line = "simulate --depth 5 --relative-error 0.05 --max-trials 500 --store s.sqlite"
    assert "is not reached" in (err := nd(f"{line} --width 12")[2])
    assert "death never came up after 500 trials" in err
    assert "it is 0." in nd(f"{line} --width 5 --inputs rays --input-dim 1")[2]
    assert "is not reached" not in nd("simulate --width 3 --depth 5 --relative-error 0.2 --store s.sqlite")[2]


def test_errors_about_a_file_name_its_option(nd):
    for line in ("simulate --width 3 --depth 3 --trials 5 --store /", "simulate --width 3 --depth 3 --store /dev/null"):
        code, out, err = nd(line)
        assert (code, out) == (2, "")
        assert err.startswith("neurondeath: `--store`: ")


def test_an_interruption_that_a_library_loses_still_ends_with_its_signal(nd, monkeypatch):
    """As when an extension module is loading: SIGTERM comes out as an ImportError, or as the command core's 130."""

    def lose(*_, **__):
        raise ImportError("initialization failed")

    monkeypatch.setattr("neurondeath.commands.console.raised_signal", lambda: 15)
    for broken in (lose, lambda *_, **__: 130):
        monkeypatch.setattr("typer.core.TyperGroup.main", broken)
        code, _, err = nd("bounds --width 3 --depth 3")
        assert (code, err) == (143, "neurondeath: terminated\n")


def test_a_working_folder_that_is_gone_and_a_backend_that_is_not_there(tmp_path):
    gone = tmp_path / "gone"
    command = f"exec {sys.executable} -m neurondeath bounds --width 3 --depth 3"
    line = f"mkdir {gone} && cd {gone} && rmdir {gone} && {command}"
    environment = {**os.environ, "PYTHONPATH": str(Path(root.__file__).parents[1]), "MPLBACKEND": "nonsense"}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    line = [sys.executable, "-m", "neurondeath", "figures", "list"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
