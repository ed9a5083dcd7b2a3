"""Symbols and short names are explained below tables, once, in the words of the glossary."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.commands.legend import COLUMN_MEANINGS, SYMBOL_MEANINGS, legend

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
EOC = "eoc --activation clipped-shifted-relu --sparsity 0.85 --v-prime 0.7"
# every command that has columns of the list, and those columns
SHOWN = [
    (EOC, {"tau", "m", "sigma_w2", "sigma_b2", "q", "sparsity", "v_prime", "v_second"}),
    (f"{EOC} --width 4 --depth 2", {"signal", "gradient", "q_deviation", "escape"}),
    (
        "eoc --activation clipped-shifted-relu --sparsity 0.85 --m 1 --larger-q 2",
        {"clip", "bias_share", "curvature", "fluctuation", "gradient_share"},
    ),
    ("bounds --width 4 --depth 2 --one-dimensional-input", {"general_lower"}),
    ("speed --width 16 --depth 2 --sparsity 0.8 --batch 1", {"needed", "dense_us", "sparse_us", "ratio"}),
    ("forecast --width 4 --depth 2 --networks 2 --columns all", {"score"}),
    (
        "simulate --width 4 --depth 2 --trials 5 --quiet --outputs log_gradient,correlation",
        {"log_gradient", "correlation"},
    ),
]


def call(capsys, line):
    code = run(command_line(root.NAME, COMMANDS, help=root.HELP), root.NAME, line.split())
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def test_the_glossary_has_the_same_list():
    text = GLOSSARY.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| (.*) \|$", text, flags=re.MULTILINE)
    meanings = COLUMN_MEANINGS | {name: meaning for name, (_, meaning) in SYMBOL_MEANINGS.items()}
    assert rows == list(meanings.items())
    assert not any("|" in meaning for meaning in meanings.values())


@pytest.mark.parametrize(("line", "names"), SHOWN, ids=[line for line, _ in SHOWN])
def test_columns_are_explained_once_and_only_those_that_are_shown(capsys, tmp_path, monkeypatch, line, names):
    monkeypatch.chdir(tmp_path)
    lines = call(capsys, line).splitlines()
    (explained,) = [one for one in lines if f"{next(iter(COLUMN_MEANINGS.keys() & names))}: " in one]
    found = {entry.partition(": ")[0] for entry in explained.split(" | ")}
    assert names <= found
    header = " ".join(lines).split()
    assert all(name in header for name in found & COLUMN_MEANINGS.keys())


def test_data_have_no_legend(capsys):
    (row,) = csv.DictReader(io.StringIO(call(capsys, f"{EOC} --format csv")))
    assert "threshold, where" not in str(row)
    assert "threshold, where" not in json.dumps(json.loads(call(capsys, f"{EOC} --format json")))
    chosen = call(capsys, f"{EOC} --columns q,tau")
    assert "tau: " in chosen
    assert "sigma_w2: " not in chosen


def test_symbols_in_texts():
    assert legend([], "along n_l = 2 log2 l + 3").startswith("n_l: ")
    explained = [entry.partition(": ")[0] for entry in legend(["v_prime"], "").split(" | ")]
    assert explained == ["v_prime", "V'", "q*"]  # which its meaning names
    assert legend([], "V''(q*)").startswith("V'': ")
    assert legend([], "Depth = 3, quality*") == legend(["depth"], "q = 1") == ""


def test_help_names_the_glossary(capsys):
    assert "glossary.md" in " ".join(call(capsys, "--help").split())
