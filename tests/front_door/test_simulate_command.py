"""`simulate` and `results` from the command line: grids, dry runs, stop rules, parts, progress, selections."""

import csv
import io
import json
import os
import re

import pytest

from neurondeath.simulations.estimation.estimates import read_store
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.progress import Progress
from tests.simulations.test_driver import dump


@pytest.fixture
def nd(caller):
    return caller("nd")


def read_json(nd, line):
    code, out, err = nd(f"{line} --format json")
    assert code == 0, err
    return json.loads(out)


def test_every_option_may_be_a_list(nd):
    line = "--width 4,6 --depth 2:4:2 --init he,orthogonal --bias-variance 0:0.2:0.2 --sign-flip none,layer --quiet"
    tasks = read_json(nd, f"simulate {line} --inputs gaussian:4 --input-seed 0:1 --trials 3")["tasks"]
    assert len(tasks) == 64
    assert len({task["task_id"] for task in tasks}) == 64
    for key, values in (
        ("init", {"he", "orthogonal"}),
        ("bias_variance", {0.0, 0.2}),
        ("sign_flip", {"none", "layer"}),
        ("input_seed", {0, 1}),
    ):
        assert {task[key] for task in tasks} == values
    shapes = [tuple(task["widths"]) for task in tasks]
    assert shapes == sorted(shapes, key=lambda widths: (widths[0], len(widths)))  # the first options vary slowest


def test_a_grid_file_is_the_same_as_its_options(nd, tmp_path):
    (tmp_path / "grid.toml").write_text(
        '[[study]]\nwidth = "2:4:2"\ndepth = 3\ninputs = ["gaussian:4", "rays"]\ninput_dim = 1\n'
        'activation = ["relu", "shifted-relu"]\ntau = [0.5, 1.0]\n'
    )
    options = "--width 2:4:2 --depth 3 --inputs gaussian:4 --inputs rays --input-dim 1"
    options += " --activation relu,shifted-relu --tau 0.5,1"
    by_file = read_json(nd, "simulate --grid grid.toml --dry-run")["tasks"]
    by_options = read_json(nd, f"simulate {options} --dry-run")["tasks"]
    assert by_file == by_options
    assert len(by_file) == 12
    assert os.listdir(tmp_path) == ["grid.toml"]


def test_a_dry_run_touches_nothing(nd, tmp_path):
    line = "simulate --width 2,4 --depth 5 --inputs gaussian:8 --trials 100"
    code, out, err = nd(f"{line} --dry-run")
    assert (code, err) == (0, "")
    assert "2 tasks, 200 trials to sample" in out
    assert not os.listdir(tmp_path)
    nd(f"{line} --quiet".replace("2,4", "4"))
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    first, second = read_json(nd, f"{line} --dry-run".replace("100", "300"))["tasks"]
    assert (first["stored"], first["goal"], first["to_do"], first["seconds"]) == (0, 300, 300, None)
    assert (second["stored"], second["goal"], second["to_do"]) == (100, 300, 200)
    assert second["seconds"] > 0
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
    rows = list(csv.DictReader(io.StringIO(nd(f"{line} --dry-run --format csv")[1])))
    assert [row["to_do"] for row in rows] == ["100", "0"]
    assert "a pilot fixes them" in nd(f"{line} --dry-run --relative-error 0.1".replace("--trials 100", ""))[1]
    assert "the clock ends" in nd(f"{line} --dry-run --max-seconds 9".replace("--trials 100", ""))[1]


def test_stop_rules(nd):
    line = "simulate --width 4 --depth 12 --inputs gaussian:64 --quiet"
    (task,) = read_json(nd, f"{line} --relative-error 0.1")["tasks"]
    last = task["layers"][-1]
    assert last["alive_stderr"] / min(last["alive"], last["death"]) < 0.12
    (same,) = read_json(nd, f"{line} --relative-error 0.1")["tasks"]
    assert same == task
    (capped,) = read_json(nd, f"{line} --relative-error 0.001 --max-trials 3000")["tasks"]
    assert capped["trials"] == 3000
    (timed,) = read_json(nd, f"{line} --max-seconds 0.3")["tasks"]
    assert timed["trials"] > 3000
    (both,) = read_json(nd, f"{line} --seed 1 --max-seconds 60 --trials 50")["tasks"]
    assert both["trials"] == 50


def test_parts_and_merge_give_the_whole(nd, tmp_path):
    line = "simulate --width 4:12:4 --depth 60 --inputs gaussian:64 --trials 1500"
    nd(f"{line} --quiet --store whole.sqlite")
    seen = 0
    for index in (1, 2, 3):
        code, _, err = nd(f"{line} --part {index}/3 --store {index}.sqlite --workers 1")
        assert code == 0
        seen += "in other parts" in err
        assert re.search(r"tasks (\d)/\1, (\d+)/\2 trials", err)
    stores = [dump(tmp_path / f"{index}.sqlite") for index in (1, 2, 3)]
    shards = [(task, *shard[:2]) for store in stores for task, rows in store.items() for shard in rows]
    assert len(shards) == len(set(shards))
    assert nd("merge all.sqlite 1.sqlite 2.sqlite 3.sqlite")[0] == 0
    assert dump(tmp_path / "all.sqlite") == dump(tmp_path / "whole.sqlite")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--relative-error 2", "--relative-error"),
        ("--relative-error nan", "--relative-error"),
        ("--max-trials 10", "--max-trials"),
        ("--relative-error 0.1 --max-trials 0", "--max-trials"),
        ("--max-seconds 0", "--max-seconds"),
        ("--max-seconds soon", "--max-seconds"),
        ("--part 3/2", "--part"),
        ("--scheduler nonsense", "nonsense"),
        ("--bias-variance 0:1:0", "--bias-variance"),
        ("--bias-variance x", "--bias-variance"),
        ("--init he,xavier", "init"),
        ("--input-dim 0", "--input-dim"),
        ("--input-seed -1", "--input-seed"),
        ("--grid grid.toml", "--grid"),
        ("--store notes.txt --dry-run", "not a neurondeath store"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing_behind(nd, tmp_path, options, words):
    (tmp_path / "grid.toml").write_text("[[study]]\nwidth = 3\ndepth = 2\n")
    (tmp_path / "notes.txt").write_text("these are notes\n" * 100)
    code, out, err = nd(f"simulate --width 3 --depth 2 {options}")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert sorted(os.listdir(tmp_path)) == ["grid.toml", "notes.txt"]


def test_errors_of_a_grid_file_reach_the_command_line(nd, tmp_path):
    (tmp_path / "grid.toml").write_text('[[study]]\nname = "deep"\nwidth = 3\ndepth = 0\n')
    code, out, err = nd("simulate --grid grid.toml")
    assert (code, out) == (2, "")
    assert "grid.toml: study 1 (deep), depth" in err
    assert err.count("\n") == 1


def test_progress_in_a_file_is_plain_lines(nd, monkeypatch):
    monkeypatch.setattr("neurondeath_theory.foundation.progress.PlainLines.seconds", 0.0)
    err = nd("simulate --width 8 --depth 60 --trials 3000")[2]
    lines = [line for line in err.splitlines() if line.startswith("tasks")]
    assert len(lines) > 3
    assert all(re.fullmatch(r"tasks \d/1, \d+/3000 trials, (starting|\d+/s)(, .* left)?", line) for line in lines)
    assert "left" in lines[1]
    assert not re.search(r"[^\n\x20-\x7e]", err)
    assert nd("simulate --width 8 --depth 60 --trials 3100 --quiet")[2] == ""


def test_progress_guesses_the_time_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("neurondeath.simulations.sweeps.progress.time.monotonic", lambda: now[0])
    counted = Progress(1, 100, quiet=True)
    timed = Progress(1, None, quiet=True, seconds=9.0)
    both = Progress(1, 100, quiet=True, seconds=4.0)
    assert (counted.seconds_left(), timed.seconds_left(), both.seconds_left()) == (None, 9.0, 4.0)
    now[0] = 2.0
    for progress in (counted, timed, both):
        progress.advance(25)
    assert (counted.seconds_left(), timed.seconds_left(), both.seconds_left()) == (6.0, 7.0, 2.0)


def test_a_terminal_gets_a_bar(tmp_path):
    pytest.importorskip("pty")  # not on Windows
    from tests.front_door.pseudo_terminal import in_new_process

    shown = in_new_process(["simulate", "--width", "4", "--depth", "9", "--trials", "3000"], 80, tmp_path)
    assert shown.code == 0
    assert "\x1b[" in shown.raw
    assert "3000/3000 trials" in shown.out


@pytest.fixture
def swept(nd):
    line = "simulate --width 2,4 --depth 3,5 --bias-variance 0,0.1 --inputs gaussian:8 --trials 40 --quiet"
    assert nd(f"{line} --activation relu,shifted-relu --tau 0.5")[0] == 0
    return nd


def test_where_picks_tasks_and_layers(swept):
    everything = read_json(swept, "results neurondeath.sqlite")["tasks"]
    assert len(everything) == 16
    some = read_json(swept, "results neurondeath.sqlite --where width=4 --where n_layers=5,3 --where tau=0.5")["tasks"]
    wanted = [task for task in everything if task["widths"][0] == 4 and "tau=0.5" in task["activation"]]
    assert some == wanted
    assert len(some) == 4
    assert len(read_json(swept, "results neurondeath.sqlite --where bias_variance>0")["tasks"]) == 8
    assert len(read_json(swept, "results neurondeath.sqlite --where activation!=relu")["tasks"]) == 8
    rows = read_json(swept, "results neurondeath.sqlite --where alive<0.9")["rows"]
    layers = [(task["task_id"], layer) for task in everything for layer in task["layers"]]
    assert [row["alive"] for row in rows] == [layer["alive"] for _, layer in layers if layer["alive"] < 0.9]
    assert rows
    assert [row["task_id"] for row in rows] == [task_id for task_id, layer in layers if layer["alive"] < 0.9]


def test_columns_layers_and_order(swept):
    table = swept("results neurondeath.sqlite --columns width,tau,survival --sort -alive,width --layer 4")[1]
    assert table.splitlines()[0] == "layer 4 of every task"
    assert table.split("\n")[1].split()[:4] == ["width", "tau", "alive", "low"]
    rows = read_json(swept, "results neurondeath.sqlite --columns alive,width,depth,tau --sort -alive,width --layer 4")
    rows = rows["rows"]
    assert len(rows) == 8  # networks of three layers have no fourth
    assert {row["depth"] for row in rows} == {4}
    assert rows == sorted(rows, key=lambda row: (-row["alive"], row["width"]))
    assert {row["tau"] for row in rows} == {None, 0.5}
    last = read_json(swept, "results neurondeath.sqlite --layer last --columns task_id,depth")["rows"]
    assert [row["depth"] for row in last] == [
        len(task["layers"]) for task in read_json(swept, "results neurondeath.sqlite")["tasks"]
    ]
    with Store("neurondeath.sqlite", readonly=True) as store:
        everything = read_store(store)
    flat = list(csv.DictReader(io.StringIO(swept("results neurondeath.sqlite --sort depth --format csv")[1])))
    assert len(flat) == sum(simulation.network.depth for simulation in everything)


def test_the_anytime_interval_is_wider(swept):
    rows = read_json(swept, "results neurondeath.sqlite --anytime")["rows"]
    for row in rows:
        assert row["always_low"] <= row["low"] <= row["alive"] <= row["high"] <= row["always_high"]
        assert row["living_ratio_always_low"] <= row["living_ratio"] <= row["living_ratio_always_high"]
        if row["expected_living_ratio"] is not None:  # withheld for RAI
            assert row["living_ratio_always_low"] <= row["expected_living_ratio"] <= row["living_ratio_always_high"]
    assert any(row["always_low"] < row["low"] for row in rows)
    assert "always_low" in swept("results neurondeath.sqlite --anytime")[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--where wdth=4", "wdth"),
        ("--where width", "--where"),
        ("--where alive<x", "number"),
        ("--where width=5", "conditions"),
        ("--where alive>2", "conditions"),
        ("--layer 0", "--layer"),
        ("--layer 2.5", "--layer"),
        ("--layer 77", "got 77"),
        ("--layer 2 --per-layer", "--per-layer"),
        ("--columns nope", "nope"),
        ("--sort -nope", "nope"),
        ("--export x.xls", ".csv, .json, .parquet"),
        ("--export no/such/x.csv", "folder"),
    ],
)
def test_bad_selections_are_one_line(swept, tmp_path, options, words):
    code, out, err = swept(f"results neurondeath.sqlite {options}")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert os.listdir(tmp_path) == ["neurondeath.sqlite"]
