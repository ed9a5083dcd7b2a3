"""Every command in a terminal: no line is wider, nothing is broken or cut, the numbers are those of a pipe."""

import csv
import io
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from neurondeath.commands import COMMANDS
from neurondeath.commands.layer_tables import KNOWN_COLUMNS
from neurondeath.commands.terminal_text import cell_len

pytest.importorskip("pty")  # not on Windows

from tests.front_door.pseudo_terminal import in_new_process, in_pipe, in_terminal

HIDDEN = re.compile(r"(?:up to )?(\d+) columns?\s+hidden:\s+--columns all")
WIDTHS = (80, 120)
NARROW = 40

SWEEP = "--width 2,4 --depth 6 --inputs gaussian:16 --inputs digits:20 --trials 60 --seed 5 --workers 1"
SPARSE = "--activation clipped-shifted-relu --sparsity 0.85 --v-prime 0.7"

# a command, and the name of the first column of its tables
TABLES = [
    ("bounds --width 3 --depth 20", "widths"),
    ("bounds --width 2:4 --depth 5,10 --per-layer", "widths"),
    ("bounds --one-dimensional-input --width 2,3 --depth 3", "widths"),
    ("bounds --width 4 --depth 20 --no-bias --inputs gaussian:9", "widths"),
    ("bounds --width 4 --depth 20 --inputs gaussian:9", "widths"),
    ("design --depth 100 --survival 0.99", "depth"),
    (f"eoc {SPARSE}", "tau"),
    (f"eoc {SPARSE} --width 4 --depth 3", "width"),
    ("advise --width 4 --depth 50 --inputs gaussian:20", "rank"),
    (f"simulate {SWEEP} --quiet", "network"),
    (f"simulate {SWEEP} --quiet --per-layer", "depth"),
    (f"simulate {SWEEP} --dry-run".replace("60", "90"), "task_id"),
    ("results s.sqlite", "network"),
    ("results s.sqlite --per-layer", "depth"),
    ("results s.sqlite --sort -alive --anytime", "network"),
    ("results deep.sqlite --per-layer", "depth"),
    ("merge all.sqlite s.sqlite deep.sqlite", "source"),
    ("audit terminal_models:mlp --data digits:50", "activation"),
    ("train config.toml --dry-run", "experiment"),
    ("train config.toml", "experiment"),
    ("runs training.sqlite", "experiment"),
    ("runs training.sqlite --per-epoch", "experiment"),
]
TEXTS = [
    "",
    "check --only L5 --workers 1",
    "check --only D4-noise --workers 1",
    "check --only L5 --self-test --workers 1",
    "cite R1",
    "figures list",
    "study list",
]
ERRORS = [
    "fetch nosuch",
    "fetch mnist --data-dir d --address nowhere",
    "bounds --width 3 --depth 2 --columns depth,nope",
    "bounds --width 3",
    "results missing.sqlite",
    "cite nothing_of_the_kind",
    "nosuch",
]
MODELS = """
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 10))
"""
CONFIG = """
epochs = 1
seeds = [0, 1]

[data]
n_train = 60
n_test = 40

[model]
widths = [8]

[grid]
"optimiser.learning_rate" = [0.01, 0.1]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder with stores, a model and a configuration, which the tests only read."""
    folder = tmp_path_factory.mktemp("terminal")
    before = Path.cwd()
    os.chdir(folder)
    try:
        (folder / "terminal_models.py").write_text(MODELS)
        (folder / "config.toml").write_text(CONFIG)
        deep = "simulate --width 4 --depth 60 --trials 20 --quiet --workers 1 --estimator conditional"
        for line in (
            f"simulate {SWEEP} --quiet --store s.sqlite",
            f"simulate {SWEEP} --quiet",
            f"{deep} --store deep.sqlite",
            "train config.toml --quiet",
            "merge all.sqlite s.sqlite deep.sqlite",
        ):
            assert in_pipe(line.split()).code == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def default_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "NO_COLOR", "NEURONDEATH_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def check_lines(text, width):
    """No line is wider than the terminal; a bar that moves is a line for each of its states."""
    for line in re.split(r"[\r\n]", text):
        assert cell_len(line) <= width, line


def hidden_columns(text):
    found = HIDDEN.search(text)
    return int(found[1]) if found else 0


def words(text):
    return Counter(HIDDEN.sub("", text).split())


def tables(text, first):
    """Find the tables whose first column has this name: rows of cells, which are two spaces apart."""
    found = []
    rows = None
    for line in text.splitlines():
        cells = re.split(r" {2,}", line.strip())
        if cells[0] == first and len(cells) > 1:
            rows = [cells]
            found.append(rows)
        elif rows is not None and len(cells) == len(rows[0]):
            rows.append(cells)
        else:
            rows = None
    return [(rows[0], [dict(zip(rows[0], cells, strict=True)) for cells in rows[1:]]) for rows in found]


def check_against_pipe(shown, piped, first):
    """Check that the columns that are shown hold what the pipe holds, and that the note counts the others."""
    in_pipe_tables, in_terminal_tables = tables(piped.out, first), tables(shown.out, first)
    assert len(in_terminal_tables) == len(in_pipe_tables) > 0
    fewer = set()
    for (names, rows), (all_names, all_rows) in zip(in_terminal_tables, in_pipe_tables, strict=True):
        assert [name for name in all_names if name in names] == names
        assert rows == [{name: row[name] for name in names} for row in all_rows]
        assert rows
        fewer.add(len(all_names) - len(names))
    assert hidden_columns(shown.out) == max(fewer)


@pytest.mark.parametrize(("line", "first"), TABLES, ids=[line for line, _ in TABLES])
def test_tables(here, line, first):
    piped = in_pipe(line.split())
    assert piped.code == 0, piped.err
    assert "hidden:" not in piped.out
    assert "\x1b" not in piped.raw
    for width in (*WIDTHS, NARROW):
        shown = in_terminal(line.split(), width)
        assert shown.code == 0
        check_lines(shown.out, width)
        check_lines(shown.err, width)
        assert not words(shown.out) - words(piped.out)  # nothing is broken, and nothing is new
        if width in WIDTHS or first in ("depth", "rank"):
            check_against_pipe(shown, piped, first)


@pytest.mark.parametrize("line", TEXTS)
def test_prose_is_wrapped_at_words_and_nothing_is_hidden(here, line):
    piped = in_pipe(line.split())
    assert piped.code == 0, piped.err
    for width in (80, NARROW) if line.startswith("check") else (*WIDTHS, NARROW):
        shown = in_terminal(line.split(), width)
        assert shown.code == 0
        check_lines(shown.out, width)
        check_lines(shown.err, width)
        if not hidden_columns(shown.out):
            assert words(shown.out) == words(piped.out)
    assert (hidden_columns(shown.out) > 0) == (line == "study list")
    if line.startswith("check --only D4"):
        assert max(map(len, piped.out.splitlines())) > 250  # one row is one line in a pipe


@pytest.mark.parametrize("line", ERRORS)
def test_errors_are_wrapped_at_words(here, line):
    piped = in_pipe(line.split())
    assert (piped.code, piped.out, piped.err.count("\n")) == (2, "", 1)
    for width in (*WIDTHS, NARROW):
        shown = in_terminal(line.split(), width)
        assert (shown.code, shown.out) == (2, "")
        check_lines(shown.err, width)
        assert words(shown.err) == words(piped.err)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_breaks_no_word(name):
    piped = in_pipe([name, "--help"])
    for width in (*WIDTHS, NARROW):
        shown = in_terminal([name, "--help"], width)
        assert shown.code == 0
        check_lines(shown.out, width)
        assert words(shown.out) == words(piped.out)
    assert not re.search(r"(?<!/ )--\w*-$", piped.out, flags=re.MULTILINE)


def test_progress_and_hints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = "simulate --width 12 --depth 5 --inputs gaussian:16 --trials {} --workers 1"
    for trials, width in ((200, 80), (300, NARROW)):
        shown = in_terminal(line.format(trials).split(), width)
        check_lines(shown.out, width)
        check_lines(shown.err, width)
        assert f"{trials - 200 * (trials > 200)}/{trials - 200 * (trials > 200)} trials" in shown.err
        assert "--estimator" in shown.err


def test_pictures_are_named_in_one_line(here):
    shown = in_terminal(["plot", "s.sqlite", "--out", "a_picture_with_a_long_name_of_many_words.svg"], NARROW)
    assert (shown.code, shown.out) == (0, "a_picture_with_a_long_name_of_many_words.svg\n")
    check_lines(shown.err, NARROW)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("bounds --width 2:4 --depth 5", "widths"),
        ("results s.sqlite", "task_id"),
        ("runs training.sqlite --per-epoch", "experiment"),
        (f"eoc {SPARSE} --width 4 --depth 3", "width"),
    ],
)
def test_all_columns_come_in_blocks(here, line, key):
    arguments = [*line.split(), "--columns", "all"]
    ((names, rows),) = tables(in_pipe(arguments).out, key)
    for width in (*WIDTHS, NARROW):
        shown = in_terminal(arguments, width)
        check_lines(shown.out, width)
        assert "hidden" not in shown.out
        blocks = tables(shown.out, key)
        for block, cells in blocks:
            assert cells == [{name: row[name] for name in block} for row in rows]
        if width in WIDTHS:
            assert {name for block, _ in blocks for name in block} == set(names)
            assert len(blocks) > 1 or width == 120


def test_named_columns_are_shown_in_their_order(here):
    for width in (NARROW, 80):
        out = in_terminal(["results", "s.sqlite", "--columns", "alive,width,survival"], width).out
        ((names, _), *more) = tables(out, "alive")
        assert names[:3] == ["alive", "width", "low"]
        assert {name for block, _ in more for name in block} >= {"alive", "log10_death"}
    piped = in_pipe(["runs", "training.sqlite", "--columns", "seed,test_accuracy", "--format", "csv"])
    assert list(next(csv.DictReader(io.StringIO(piped.out)))) == ["seed", "test_accuracy"]
    flat = in_pipe(["simulate", *SWEEP.split(), "--quiet", "--columns", "task_id,depth,sparsity", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(flat.out)))
    assert len(rows) == 24
    assert {row["sparsity"] for row in rows} == {""}  # known, but not measured here


COMPUTATIONS = (
    "neurondeath.simulations.advice.advise",
    "neurondeath.simulations.dead_units.dead_unit_count",
    "neurondeath_theory.survival.first_layer.first_layer_death",
    "neurondeath_theory.survival.data_aware.data_aware_bounds",
    "neurondeath.simulations.sweeps.driver.run_tasks",
    "neurondeath_theory.gaussian_limit.sparse_survival.sparse_survival",
    "neurondeath_torch.auditing.audit.DeadUnitMonitor",
    "neurondeath_torch.auditing.forecast.first_steps",
)


def refuse_to_work(*given, **named):
    raise AssertionError("the work has begun")


@pytest.mark.parametrize(
    "line",
    [
        "bounds --width 3 --depth 20",
        "design --depth 100 --survival 0.99",
        f"eoc {SPARSE}",
        "bounds --width 4 --depth 3 --inputs gaussian:16 --first-layer",
        "advise --width 4 --depth 50",
        "forecast --width 4 --depth 5",
        "forecast terminal_models:mlp --data digits:50",
        "simulate --width 2 --depth 3 --trials 5 --quiet --store new.sqlite",
        "simulate --width 2 --depth 3 --trials 5 --quiet --store new.sqlite --dry-run",
        "merge new.sqlite s.sqlite",
        "check --only L5",
        "audit terminal_models:mlp --data digits:50",
        "train config.toml --store new.sqlite",
        "runs training.sqlite",
        "runs training.sqlite --per-epoch",
        "study list",
    ],
)
def test_columns_are_checked_before_the_work(here, line, monkeypatch):
    before = sorted(os.listdir())
    for work in COMPUTATIONS:
        monkeypatch.setattr(work, refuse_to_work)
    for more, part in (
        ("--columns nope", "they are "),
        ("--columns ,", "they are "),
        ("--columns all --format json", "must be used without --format json"),
    ):
        refused = in_pipe([*line.split(), *more.split()])
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert "`--columns` must be" in refused.err
        assert part in refused.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "line",
    [
        "bounds --width 3 --depth 4 --inputs gaussian:8 --first-layer",
        "bounds --width 3 --depth 4 --inputs rays",
        "bounds --width 3 --depth 4 --inputs gaussian:8 --bias",
        f"eoc {SPARSE} --width 20 --depth 5 --scales",
        f"eoc {SPARSE} --width 20 --depth 5",
        "advise --width 4 --depth 5 --trials 20",
        "audit terminal_models:mlp --data digits:50",
    ],
)
def test_every_column_can_be_chosen(here, line):
    """What is checked before the work knows all columns that come of it."""
    header = in_pipe([*line.split(), "--format", "csv"]).out.splitlines()[0]
    chosen = in_pipe([*line.split(), "--format", "csv", "--columns", header])
    assert (chosen.code, chosen.out.splitlines()[0]) == (0, header)


def test_the_columns_of_estimates_are_known(here):
    for store in ("s.sqlite", "deep.sqlite"):
        header = in_pipe(["results", store, "--format", "csv"]).out.splitlines()[0]
        assert set(header.split(",")) <= set(KNOWN_COLUMNS)


def test_no_control_character_reaches_the_terminal(here, monkeypatch):
    for hostile in ("a\x1b]0;title\x07.sqlite", "a\nb.sqlite", "a\x9d.sqlite"):
        refused = in_pipe(["results", hostile])
        assert (refused.code, refused.out) == (2, "")
        assert "without control characters" in refused.err
    name = "a\u200e\u202e.sqlite"
    arguments = ["simulate", *SWEEP.split(), "--dry-run", "--store", name]
    escaped = r"a\u200e\u202e.sqlite"
    assert escaped in in_pipe(arguments).out
    monkeypatch.setenv("NO_COLOR", "1")
    shown = in_terminal(arguments, 120)
    assert escaped in shown.raw
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown.raw)
    missing = in_terminal(["results", name], 120)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", missing.raw_err)


def test_styles_and_width_follow_the_environment(here, monkeypatch):
    arguments = ["bounds", "--width", "3", "--depth", "20"]
    assert "\x1b[1m" in in_terminal(arguments, 80).raw
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in in_terminal(arguments, 80).raw
    monkeypatch.setenv("COLUMNS", "120")
    assert not hidden_columns(in_terminal(arguments, 80).out)
    piped = in_pipe(arguments).out
    monkeypatch.setenv("COLUMNS", "30")
    assert in_pipe(arguments).out == piped  # a pipe has no width


def test_in_a_process_of_its_own(tmp_path):
    shown = in_new_process(["bounds", "--width", "3", "--depth", "20"], 60, tmp_path)
    assert shown.code == 0
    check_lines(shown.out, 60)
    assert hidden_columns(shown.out) == 3
