"""Refusals name what was written on the command line, in one line, also where the fault shows late."""

import os
import sqlite3

import pytest

from neurondeath import __main__ as root
from neurondeath.commands.console import run
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.output_files import check_output_file
from tests.front_door.test_refusals import application

MODELS = """
import torch
from torch import nn


def infinite():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 10))
    nn.init.constant_(model[1].weight, float("inf"))
    return model


def narrow():
    return nn.Sequential(nn.Flatten(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
"""


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.py").write_text(MODELS)

    def line_of(words):
        capsys.readouterr()
        assert run(application(), root.NAME, words.split()) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        return line

    return line_of


@pytest.mark.parametrize("command", ["audit", "forecast"])
def test_models_are_named_as_arguments(refused, command):
    line = refused(f"{command} models.py:narrow --data gaussian:8 --input-shape 7")
    assert "`MODEL` must" in line
    assert "mat1 and mat2" in line


def test_audits_name_the_model_and_the_shape(refused):
    assert "check --input-shape" in refused("audit models.py:narrow --data gaussian:8 --input-shape 7")
    assert refused("audit models.py:infinite --data digits:20").startswith("neurondeath: `MODEL` must")


@pytest.mark.parametrize("more", ["", " --dry-run"])
@pytest.mark.parametrize(("entry", "part"), [("nothing = 1", "`model.nothing`"), ("width = 0", "`width`")])
def test_experiment_files_are_named(refused, tmp_path, entry, part, more):
    (tmp_path / "bad.toml").write_text(f"epochs = 1\n[model]\n{entry}\n")
    assert f"'bad.toml': {part} must" in refused(f"train bad.toml{more}")


def test_long_lists_leave_the_value(refused):
    line = refused("check --only R99")
    assert "got 'R99'" in line
    assert refused("check --only T4-rel").endswith("did you mean T4-relu?")


def test_damage_that_a_run_finds_is_one_line(refused, tmp_path, capsys):
    words = ["simulate", "--width", "3", "--depth", "4", "--trials", "20", "--store", "s.sqlite"]
    assert run(application(), root.NAME, [*words, "--quiet"]) == 0
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        (table,) = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if name.startswith("shard")
        ][:1]
        triggers = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'")]
        definitions = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type='trigger'")]
        for name in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(f"UPDATE {table} SET checksum = checksum + 1")
        for definition in definitions:
            connection.execute(definition)
    assert "damaged" in refused(" ".join(words))


def test_refusals_of_pairs_say_what_to_do_in_place(refused):
    line = refused("size --growth 0.1 --survival 0.9 --depth 10")
    assert line.endswith("raise --first until the bound at infinite depth, in the last line, is enough")


@pytest.mark.parametrize("path", [3, None, b"model.onnx"])
def test_what_is_no_path_is_no_output_file(path):
    with pytest.raises(InvalidArgumentError, match="`out` must be the path of a file"):
        check_output_file("out", path)


def test_every_kind_of_path_is_an_output_file(tmp_path):
    class Own(os.PathLike):
        def __fspath__(self):
            return str(tmp_path / "file")

    for path in (str(tmp_path / "file"), tmp_path / "file", Own()):
        assert check_output_file("out", path) == tmp_path / "file"
