"""`neurondeath forecast`: laws and models, tables, JSON, and what is refused."""

import json

import pytest

from neurondeath import __main__ as root
from neurondeath.simulations.learning_forecast import trainability
from neurondeath_theory.networks.network import Network

MODEL = """
import torch
from torch import nn

def deep():
    layers = [part for _ in range(40) for part in (nn.Linear(16, 16), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), *layers, nn.Linear(16, 10))
"""


@pytest.fixture
def nd(caller, tmp_path):
    (tmp_path / "models.py").write_text(MODEL)
    return caller(root.NAME, help=root.HELP)


def test_json_has_the_numbers_of_the_function(nd):
    code, out, _ = nd("forecast --width 6 --depth 20 --networks 4 --format json")
    found, expected = json.loads(out), trainability(Network(width=6, depth=20), networks=4)
    assert code == 0
    for key in ("alive_at_least", "entropy_rank", "entropy_rank_stderr", "log_size_mean", "log_size_sd", "correlation"):
        assert found[key] == pytest.approx(getattr(expected, key), rel=1e-12)
    assert (found["verdict"], found["reason"]) == (expected.verdict, expected.reason)
    assert found["effective_depth"] == 20.0
    assert [one["name"] for one in found["remedies"]] == [one.name for one in expected.remedies]


def test_options_of_laws(nd):
    line = "forecast --width 16 --depth 40 --architecture residual --effective-depth 1 --networks 4 --no-remedies"
    code, out, _ = nd(f"{line} --format json")
    found = json.loads(out)
    assert (code, found["verdict"], found["effective_depth"], found["remedies"]) == (0, "learns", 1.0, [])
    _, out, _ = nd("forecast --width 16 --depth 40 --init looks-linear --networks 4 --no-remedies --format json")
    assert json.loads(out)["verdict"] == "learns"
    line = "forecast --width 16 --depth 40 --activation tailored-leaky-relu --inputs digits:64 --input-dim 64"
    _, out, _ = nd(f"{line} --networks 4 --no-remedies --format json")
    assert json.loads(out)["inputs"] == "digits:64"


def test_a_table_of_one_network_lists_remedies_and_says_the_verdict(nd):
    code, out, err = nd("forecast --width 16 --depth 40 --networks 4")
    assert (code, "collapsed, score" in out) == (0, True)
    assert "as it is" in out
    assert "looks-linear" in out
    assert "Traceback" not in err


def test_several_networks_are_rows(nd):
    code, out, _ = nd("forecast --width 4,16 --depth 5 --networks 2 --no-remedies --format csv")
    assert (code, len(out.splitlines())) == (0, 3)
    code, out, _ = nd("forecast --width 4,16 --depth 5 --networks 2 --no-remedies --format json")
    assert [one["network"]["widths"] for one in json.loads(out)["forecasts"]] == [[[4, 5]], [[16, 5]]]


def test_models(nd):
    pytest.importorskip("torch")
    code, out, _ = nd("forecast models.py:deep --data digits:128 --format json")
    found = json.loads(out)
    assert (code, found["verdict"], found["n_points"]) == (0, "collapsed", 128)
    best = found["remedies"][0]
    assert best["verdict"] == "learns"
    assert best["call"].endswith("(model)") or best["call"].startswith("residual_(model")
    code, out, _ = nd("forecast models.py:deep --data digits:128 --no-remedies --learning-rate 0.01")
    assert code == 0
    assert "largest usable learning rate of Adam" in out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("forecast", "width"),
        ("forecast --width 4 --depth 3 --data digits", "--data` must be used with MODEL"),
        ("forecast models.py:deep", "--data` must be given with MODEL"),
        ("forecast models.py:deep --data digits --width 4", "MODEL` must be used without --width"),
        ("forecast models.py:none --data digits", "MODEL"),
        ("forecast --width 4 --depth 3 --networks 1", "--networks"),
        ("forecast --width 4 --depth 3 --learning-rate 0", "--learning-rate"),
        ("forecast --width 4 --depth 3 --learning-rate nan", "--learning-rate"),
        ("forecast --width 4 --depth 3 --seed -1", "--seed"),
        ("forecast --width 5 --depth 3 --init looks-linear", "be even"),
        ("forecast --width 4 --depth 3 --effective-depth 9 --architecture residual", "effective"),
        ("forecast --width 4 --depth 3 --inputs orthant", "inputs"),
        ("forecast --width 1:1001 --depth 3", "at most 1000 networks"),
        ("forecast --width 4 --depth 3 --columns nonsense", "--columns"),
    ],
)
def test_what_is_refused_is_one_line(nd, line, words):
    code, out, err = nd(line)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert words in err
