"""Ways in: help, completion, questions for what was meant, templates, and options for every public result."""

import csv
import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import neurondeath as nd
from neurondeath.commands import COMMANDS
from neurondeath.simulations.inputs.input_sets import read_points


@pytest.fixture
def call(caller):
    return caller("neurondeath", help="Help.")


def test_size_and_its_earlier_name(call):
    for line, key in (("--depth 100 --survival 0.99", "min_width"), ("--width 10 --survival 0.99", "max_depth")):
        found = [json.loads(call(f"{name} {line} --format json")[1]) for name in ("size", "design")]
        assert found[0] == found[1]
        assert key in found[0]
    assert "size" in call("")[1]
    assert "design" not in call("")[1].partition("Commands:")[2].replace("Design a", "")


def test_widths_that_grow_with_depth(call):
    data = json.loads(call("size --depth 1000 --growth 1 --first 2 --format json")[1])
    schedule = nd.growing_width_schedule(1000, epsilon=1.0, c=2.0)
    assert data["limit"] == schedule.limit
    assert [layer["width"] for layer in data["layers"]] == schedule.widths.tolist()
    assert len(call("size --depth 1000 --growth 1")[1].splitlines()) < 20
    for wrong, option in (
        ("--growth 1", "--growth"),
        ("--growth 1 --depth 3 --survival 0.5", "--growth"),
        ("--growth 0 --depth 3", "--growth"),
        ("--growth 1 --first 0 --depth 3", "--first"),
        ("--growth 1 --depth 0", "--depth"),
        ("--depth 3", "--survival"),
    ):
        code, out, err = call(f"size {wrong}")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"`{option}` must" in err


def test_death_of_the_first_layer_on_data(call):
    data = json.loads(call("bounds --width 4 --depth 5 --inputs gaussian:8 --first-layer --format json")[1])
    found = nd.first_layer_death(read_points("inputs", "gaussian:8", 4), 4)
    assert data["first_layer_death"] == found.value > 0.0
    assert data["first_layer_death_error"] == found.error
    for wrong in ("--first-layer", "--first-layer --bias --inputs gaussian:8"):
        code, _, err = call(f"bounds --width 4 --depth 5 {wrong}")
        assert code == 2
        assert "`--first-layer`" in err


def test_scales_and_larger_variances_of_a_design(call):
    design = "eoc --activation clipped-shifted-relu --sparsity 0.85"
    scales = json.loads(call(f"{design} --v-prime 0.7 --scales --format json")[1])["depth_scales"]
    made = nd.sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    expected = nd.depth_scales(made.activation, 1.0, made.sigma_w2, made.sigma_b2)
    assert scales["variance_scale"] == pytest.approx(expected.variance_scale)
    assert "depth_scales" not in json.loads(call(f"{design} --v-prime 0.7 --format json")[1])
    rows = list(csv.DictReader(io.StringIO(call(f"{design} --m 2 --larger-q 2,4 --format csv")[1])))
    growing = nd.growing_variance("clipped-shifted-relu", 0.85, m=2.0, q=[1.0, 2.0, 4.0])
    np.testing.assert_allclose([float(row["v_prime"]) for row in rows], growing.columns()["v_prime"])
    kept = json.loads(call(f"{design} --m 2 --larger-q 4 --hold ratio --format json")[1])["designs"]
    assert kept[0]["v_prime"] == pytest.approx(kept[1]["v_prime"], rel=1e-9)
    for wrong, option in (
        ("--v-prime 0.7 --larger-q 2", "--larger-q"),
        ("--m 2 --larger-q x", "--larger-q"),
        ("--m 2 --larger-q 0,2", "--larger-q"),
        ("--m 2 --larger-q inf", "--larger-q"),
        ("--m 2 --larger-q 2 --scales", "--larger-q"),
        ("--m 2 --larger-q 2 --width 3 --depth 3", "--larger-q"),
        ("--m 2 --larger-q 2 --hold n", "--hold"),
        ("--m 2 --hold ratio", "--hold"),
    ):
        code, out, err = call(f"{design} {wrong}")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"`{option}` must" in err


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("boundz", "did you mean bounds?"),
        ("bounds --widht 3", "--width"),
        ("eoc --activation clipped-shifted-relo --sparsity 0.8", "did you mean clipped-shifted-relu?"),
        ("figures survival_dept --out x", "did you mean survival_depth?"),
        ("simulate --width 3 --depth 2 --init hee", "did you mean he?"),
    ],
)
def test_questions_for_what_was_meant(call, line, question):
    code, out, err = call(line)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert question in err


def test_errors_name_the_help_of_their_subcommand(call):
    assert "see `neurondeath size --help`" in call("size --nosuch 3")[2]
    assert "`--input-dim` must be a whole number; got 'x'" in call("bounds --input-dim x")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help(call, name):
    assert call(f"{name} -h") == call(f"{name} --help")
    assert call(f"{name} -h")[0] == 0


def test_templates_can_be_used(call):
    Path("claims.toml").write_text(call("check --claim-template")[1])
    assert call("check --claims claims.toml")[0] == 0
    template = call("train --template")[1]
    assert tomllib.loads(template)["epochs"] == 10
    Path("experiment.toml").write_text(template)
    code, out, _ = call("train experiment.toml --dry-run")
    assert code == 0
    assert len(out.splitlines()) == 3
    rows = list(csv.DictReader(io.StringIO(call("train --explain --format csv")[1])))
    assert {"key", "values", "default", "meaning"} == set(rows[0])
    assert "optimiser.learning_rate" in [row["key"] for row in rows]
    assert "`neurondeath train --template` prints one" in call("train")[2]
    Path("grid.toml").write_text(call("simulate --grid-template")[1])
    code, out, _ = call("simulate --grid grid.toml --dry-run --format csv")
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(out)))) == 8
    rows = list(csv.DictReader(io.StringIO(call("simulate --grid-keys --format csv")[1])))
    assert {"key", "values", "default", "meaning"} == set(rows[0])
    assert {"width", "init", "zip"} < {row["key"] for row in rows}
    text = " ".join(call("simulate --help")[1].split())
    assert "--sign-flip none|layer|neuron" in text
    assert "he, gaussian, uniform, orthogonal, rai, torch-default" in text  # a long list stands in the help text


@pytest.mark.parametrize(("words", "expected"), [("neurondeath bo", "bounds"), ("neurondeath size --su", "--survival")])
def test_shells_complete_names(words, expected, tmp_path):
    environment = dict(
        os.environ,
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
        _NEURONDEATH_COMPLETE="complete_bash",
    )
    command = [sys.executable, "-c", "from neurondeath.__main__ import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert expected in done.stdout.split()
