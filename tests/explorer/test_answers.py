"""What the explorer answers are the numbers of the library, and the recipes that it shows compute them again."""

import io
import json
import shlex
import time
from contextlib import redirect_stdout

import numpy as np
import pytest

import neurondeath as nd
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run

SPARSE = {"width": "16", "depth": "6", "activation": "clipped-shifted-relu", "sparsity": "0.85", "v_prime": "0.7"}
STREAM = {"width": "64", "depth": "5", "inputs": "digits:32", "architecture": "residual", "effective_depth": "1.5"}
DESIGNS = {"relu": {"width": "3", "depth": "6"}, "sparse": SPARSE, "stream": STREAM | {"activation": "relu"}}


def test_bounds_and_safe_sizes(client):
    found = client.json("/api/design", width=3, depth=20)
    bounds = nd.survival_bounds(width=3, depth=20)
    assert found["survival"]["lower"] == bounds.lower.tolist()
    assert found["survival"]["upper"] == bounds.upper.tolist()
    assert found["survival"]["sentence"] == str(bounds)
    assert found["survival"]["depth"] == list(range(1, 21))
    region = found["region"]
    assert region["min_width"] == nd.min_width(20, 0.99)
    assert region["max_depth"] == str(nd.max_depth(3, 0.99))
    assert region["here"] == nd.safe_region([3], [20], survival=0.99).verdict[0, 0]
    verdicts = nd.safe_region(region["widths"], region["depths"], survival=0.99).verdict
    assert region["verdicts"] == ["".join(word[0] for word in row) for row in verdicts.tolist()]


def test_bounds_that_do_not_hold_have_their_reason(client):
    found = client.json("/api/design", **SPARSE)
    network = nd.Network(
        width=16, depth=6, activation=nd.sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7).activation
    )
    assert found["survival"]["lower"] is None
    assert found["survival"]["reasons"]["lower"] == nd.bounds_that_hold(network).lower
    assert "s" not in "".join(found["region"]["verdicts"])
    assert "safe sizes" in client.json("/api/design", **STREAM)["region"]["reason"]


@pytest.mark.parametrize(
    "kind", ["relu", "shifted-relu", "soft-threshold", "clipped-shifted-relu", "clipped-soft-threshold"]
)
def test_edge_of_chaos(client, kind):
    query = {} if kind == "relu" else {"sparsity": 0.7}
    slope = {"v_prime": 0.6} if kind.startswith("clipped") else {}
    found = client.json("/api/design", activation=kind, **query, **slope)
    design = nd.sparse_design(kind, query.get("sparsity", 0.5), **slope)
    for name in ("sigma_w2", "sigma_b2", "tau", "m", "v_prime", "v_second", "sparsity", "verdict", "stable"):
        assert found["design"][name] == getattr(design, name), name
    assert found["design"]["chi1"] == pytest.approx(1.0, abs=1e-9)
    maps = found["maps"]
    law = (design.sigma_w2, design.sigma_b2)
    assert maps["variance"]["v"] == nd.variance_map(design.activation, maps["variance"]["q"], *law).tolist()
    images = nd.correlation_map(design.activation, maps["correlation"]["rho"], 1.0, *law)
    assert maps["correlation"]["image"] == images.tolist()


@pytest.mark.parametrize("name", DESIGNS)
def test_work(client, name):
    query = DESIGNS[name]
    sampled = client.finished("simulation", **query)
    needed = client.finished("needed", **query)[-1]
    forecast = client.finished("forecast", **query)[-1]
    space = {}
    recipe = client.json("/api/design", **query)["python"]
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(recipe, space)
    lines = printed.getvalue().splitlines()
    assert str(space["network"]) == client.json("/api/design", **query)["network"]
    assert {sampled[-1]["sentence"], needed["sentence"], forecast["sentence"]} <= set(lines)
    assert sampled[-1]["state"] == "done"
    progress = [one["progress"] for one in sampled]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    found = nd.simulate(space["network"], query.get("inputs", "gaussian:64"), trials=sampled[-1]["trials"], seed=0)
    assert sampled[-1]["alive"] == found.alive.tolist()
    assert sampled[-1]["low"] == found.low.tolist()


@pytest.mark.parametrize("name", DESIGNS)
def test_commands_compute_the_same(client, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = client.json("/api/design", **DESIGNS[name])
    documents = {}
    for line in found["commands"].splitlines():
        program, *words = shlex.split(line)
        assert run(command_line(program, COMMANDS, help=""), program, [*words, "--format", "json"]) == 0
        documents[words[0]] = json.loads(capsys.readouterr().out)
    assert documents["eoc"]["sigma_w2"] == found["design"]["sigma_w2"]
    forecast = client.finished("forecast", **DESIGNS[name])[-1]
    assert (documents["forecast"]["verdict"], documents["forecast"]["score"]) == (
        forecast["verdict"],
        forecast["score"],
    )
    sampled = client.finished("simulation", **DESIGNS[name])[-1]
    layers = documents["simulate"]["tasks"][0]["layers"]
    assert [layer["alive"] for layer in layers] == sampled["alive"]
    assert "bounds" in documents or name != "relu"


def test_a_design_that_nobody_wants_any_more_is_dropped(client):
    large = {"width": "256", "depth": "100", "inputs": "gaussian:128"}
    while client.json("/api/work", kind="simulation", place="one", **large)["state"] != "running":
        time.sleep(0.02)
    began = time.monotonic()
    reports = client.finished("simulation", place="one", width="2", depth="2")
    assert reports[-1]["state"] == "done"
    assert time.monotonic() - began < 30.0
    workbench = client.explorer.workbench
    assert 256 not in [key[1].width for key in workbench._jobs]


def test_closed_forms_are_quick_once_warm(client):
    times = []
    for depth in range(20, 30):
        began = time.perf_counter()
        client.json("/api/design", **(SPARSE | {"depth": str(depth)}))
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.1
