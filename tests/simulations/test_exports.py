"""Tables written to files: reading returns the written values; a file is written completely or not at all."""

import csv
import json
import math
import os
import subprocess
import sys

import pandas
import pytest
from pyarrow import parquet

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.simulations.estimation.exports import export_table
from neurondeath.simulations.estimation.layer_table import (
    Condition,
    NothingToShowError,
    chosen_columns,
    layer_table,
    parse_condition,
    sorted_table,
    tasks_that_meet,
)
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network

TABLE = {
    "name": ["a,b", 'quoted "word"', None],
    "count": [1, 2**53 + 1, 3],
    "alive": [0.1, float("nan"), 1e-300],
    "log": [float("-inf"), 0.0, None],
    "tau": [None, None, 0.5],
}
TABLE_WITHOUT_NAN = {
    name: [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
    for name, values in TABLE.items()
}


def test_csv(tmp_path):
    path = export_table(TABLE, tmp_path / "table.csv")
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(TABLE)
    written = [
        ["" if value is None else str(value) for value in row] for row in zip(*TABLE_WITHOUT_NAN.values(), strict=True)
    ]
    assert rows == written
    assert float(rows[2][2]) == 1e-300


def test_json(tmp_path):
    rows = json.loads(export_table(TABLE, tmp_path / "table.JSON").read_text())
    assert rows == [
        dict(zip(TABLE_WITHOUT_NAN, row, strict=True)) for row in zip(*TABLE_WITHOUT_NAN.values(), strict=True)
    ]


def test_parquet(tmp_path):
    read = parquet.read_table(export_table(TABLE, tmp_path / "table.parquet")).to_pydict()
    assert read.pop("alive") == pytest.approx(TABLE["alive"], rel=0, abs=0, nan_ok=True)
    assert read == {name: values for name, values in TABLE.items() if name != "alive"}
    frame = pandas.read_parquet(tmp_path / "table.parquet")
    assert frame["alive"].tolist() == pytest.approx(TABLE["alive"], nan_ok=True)


def test_a_file_is_replaced_atomically(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("what was here")

    def full(self, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            export_table(TABLE, path)
    assert path.read_text() == "what was here"
    assert os.listdir(tmp_path) == ["table.csv"]
    before = path.stat().st_ino
    export_table(TABLE, path)
    assert path.stat().st_ino != before  # replaced by another file
    assert path.read_text().startswith("name,count")
    assert os.listdir(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("name", ["table.xls", "table", "no/such/table.csv", "folder.csv"])
def test_bad_targets(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidArgumentError, match="export"):
        export_table(TABLE, tmp_path / name)


def test_parquet_without_pyarrow_is_one_line(tmp_path):
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from neurondeath.simulations.estimation.exports import export_table\n"
        "from neurondeath_theory.foundation.errors import MissingExtraError\n"
        "try:\n"
        "    export_table({'a': [1]}, 'table.parquet')\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "neurondeath[dataframe]" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not os.listdir(tmp_path)


@pytest.fixture(scope="module")
def simulations():
    inputs = "gaussian:8"
    return [
        simulate(Network([2] * 4), inputs, trials=50),
        simulate(Network([3] * 6, sign_flip="neuron"), inputs, trials=50),
        simulate(Network([5, 4]), inputs, trials=50, outputs=["sparsity"]),
        simulate(Network([2] * 4), inputs, trials=50, estimator="conditional"),
    ]


def test_one_row_per_layer(simulations):
    table = layer_table(simulations)
    depths = [simulation.network.depth for simulation in simulations]
    assert table["depth"] == [layer for depth in depths for layer in range(1, depth + 1)]
    for name in ("alive", "low", "high", "living_ratio", "trials"):
        assert table[name] == [value for simulation in simulations for value in simulation.columns()[name]]
    assert table["width"] == [2] * 4 + [3] * 6 + [None] * 2 + [2] * 4
    assert table["sparsity"][:10] == [None] * 10
    assert table["sparsity"][10:12] == simulations[2].outputs["sparsity"][0].tolist()
    assert all(type(value) in (int, float, str, type(None)) for values in table.values() for value in values)
    assert layer_table(simulations, layer="last")["depth"] == depths
    assert layer_table(simulations, layer=5)["task_id"] == [simulations[1].task_id]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("width=2", [0, 3]),
        ("width=2,3", [0, 1, 3]),
        ("width!=2", [1, 2]),
        ("width>2", [1]),
        ("width >= 2", [0, 1, 3]),
        ("estimator=conditional", [3]),
        ("sign_flip!=none,layer", [1]),
        ("widths=3 x 6", [1]),
        ("n_layers<3", [2]),
        ("sparsity>0", [2]),
        ("seed=0.0", [0, 1, 2, 3]),
        ("depth<=4", [0, 2, 3]),
    ],
)
def test_conditions(simulations, text, rows):
    table = layer_table(simulations, layer="last", where=[parse_condition(text)])
    assert table["task_id"] == [simulations[row].task_id for row in rows]
    kept = tasks_that_meet(simulations, [parse_condition(text)])
    if text.split()[0].rstrip("<=>0.4") in ("sparsity", "depth"):
        assert kept is None
    else:
        assert [simulation.task_id for simulation in kept] == table["task_id"]


def test_conditions_that_hold_nowhere_and_columns_that_are_not_there(simulations):
    with pytest.raises(NothingToShowError):
        layer_table(simulations, where=[parse_condition("alive>1")])
    with pytest.raises(NothingToShowError):
        tasks_that_meet(simulations, [parse_condition("width=9")])
    with pytest.raises(InvalidArgumentError, match="wdth"):
        layer_table(simulations, where=[parse_condition("wdth=9")])
    for wrong in ("", "width", "=3", "width~3", "alive<", "alive<a,b"):
        with pytest.raises(InvalidArgumentError):
            parse_condition(wrong)


def test_what_is_unknown_meets_no_condition_but_unequal():
    for value in (None, float("nan")):
        assert not Condition("x", "=", ("3",)).holds(value)
        assert not Condition("x", "<", ("3",)).holds(value)
        assert Condition("x", "!=", ("3",)).holds(value)


def test_sorting_puts_what_is_unknown_last():
    table = {"a": [2.0, None, 1.0, float("nan"), 2.0], "b": ["x", "y", "z", "u", "w"]}
    assert sorted_table(table, "a,b")["b"] == ["z", "w", "x", "u", "y"]
    assert sorted_table(table, "-a,-b")["b"] == ["x", "w", "z", "y", "u"]


def test_groups_of_columns(simulations):
    table = layer_table(simulations)
    assert list(chosen_columns(table, "trials, living")) == ["trials", "living_ratio", "living_ratio_stderr"]
    assert list(chosen_columns(table, "low,survival"))[:3] == ["low", "alive", "high"]
    with pytest.raises(InvalidArgumentError, match="nope"):
        chosen_columns(table, "alive,nope")


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_export_from_the_command_line(simulations, tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    simulate(Network([2] * 4), "gaussian:8", trials=50, store="s.sqlite")
    simulate(Network([3] * 4), "gaussian:8", trials=50, store="s.sqlite")
    app = command_line("nd", COMMANDS, help="")
    line = f"results s.sqlite --where width=2 --columns depth,alive --export out.{kind}"
    assert run(app, "nd", line.split()) == 0
    assert capsys.readouterr().out == f"out.{kind}\n"
    if kind == "parquet":
        rows = parquet.read_table(f"out.{kind}").to_pylist()
    elif kind == "json":
        rows = json.loads((tmp_path / "out.json").read_text())
    else:
        with open("out.csv", newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    expected = simulations[0].alive.tolist()
    assert [row["alive"] for row in rows] == expected
    assert [row["depth"] for row in rows] == [1, 2, 3, 4]
