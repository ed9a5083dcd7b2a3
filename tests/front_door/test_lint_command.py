"""`neurondeath lint`: its verdicts, exit codes and texts, and that widths alone are judged without heavy imports."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run
from neurondeath.commands.lint_verdict import percent
from neurondeath.commands.quick_lint import quick_lint
from neurondeath_theory.survival.born_dead import one_dimensional_survival

ROOT = Path(__file__).parents[2]
MODELS = """
import torch
from torch import nn

def wide():
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))

def dead():
    model = wide()
    with torch.no_grad():
        model[2].bias.fill_(-1e3)
    return model

def collapsed():
    parts = [part for _ in range(40) for part in (nn.Linear(16, 16), nn.ReLU())]
    return nn.Sequential(*parts, nn.Linear(16, 10))

one = wide()

def wrong():
    raise ValueError("no model today")
"""
QUICK = [
    "--widths 2,1",
    "--widths 8,8",
    "--widths 8,8 --format json",
    "--widths 2,1 --max-dead 0.4",
    "--width 3 --depth 4 --max-dead .9",
    "--width 64 --depth 100 --input-dim 784",
    "--widths 4,4,4 --input-dim 2 --max-dead 0.5 --format json",
    "--widths 1",
]


@pytest.fixture
def lint(capsys, tmp_path, monkeypatch):
    """Run the command in a folder with models, and return exit code, lines of stdout, and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "lint_test_models.py").write_text(MODELS)

    def call(words):
        code = run(command_line(root.NAME, COMMANDS, help=root.HELP), root.NAME, ["lint", *words.split()])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


def test_the_two_networks_of_the_page(lint):
    code, lines, err = lint("--widths 2,1")
    assert (code, err) == (1, "")
    assert lines[0] == "failed: 2,1 is born dead with probability 37.5 %, 1 % allowed"
    assert "  a width of 5 in all 2 layers would pass" in lines
    assert "  layer 2, the narrowest, has 1 unit: off at a point with probability 2^-1" in lines
    code, lines, _ = lint("--widths 8,8")
    assert code == 0
    assert lines[0] == "passed: 8 x 2 is born dead with probability 0.00457 %, 1 % allowed"
    assert not any("would pass" in line for line in lines)


def test_a_width_that_would_pass_does(lint):
    _, lines, _ = lint("--width 3 --depth 30 --input-dim 5")
    (least,) = re.findall(r"a width of (\d+)", "\n".join(lines))
    assert lint(f"--width {least} --depth 30 --input-dim 5")[0] == 0
    assert lint(f"--width {int(least) - 1} --depth 30 --input-dim 5")[0] == 1


@pytest.mark.parametrize("words", QUICK)
def test_the_quick_answer_is_that_of_the_command(lint, words, capsys):
    code, lines, _ = lint(words)
    assert quick_lint(words.split()) == code
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize(
    "words",
    [
        *("", "--widths", "--widths 8,8 --width 3", "--widths 8,8 --widths 8,8", "--widths 0,1", "--widths 08,8"),
        *("--widths 8,8 --max-dead 1.5", "--widths 8,8 --max-dead nan", "--widths 8,8 --max-dead 0.0", "--width 8"),
        *("--widths 8,8 --format csv", "--widths 8,8 --inputs digits", "models.py:wide", "--help", "--widths -1"),
        *("--widths ٣,3", "--widths 8,8 --input-dim 0", "--widths 1:3", "--width 8 --depth 20 --max-dead 0.05"),
    ],
)
def test_what_is_not_plain_is_left_to_the_command(words, capsys):
    assert quick_lint(words.split()) is None
    assert capsys.readouterr().out == ""


def test_an_undecided_range_is_decided_by_the_exact_value(lint):
    code, lines, _ = lint("--width 3 --depth 3 --max-dead 0.15")  # between 0.0998 and 0.163
    exact = 1.0 - float(one_dimensional_survival([3, 3, 3]).exact[-1])
    assert 0.1 < exact < 0.15
    assert code == 0
    assert lines[0] == f"passed: 3 x 3 is born dead with probability {percent(exact)}, 15 % allowed"
    assert lint(f"--width 3 --depth 3 --max-dead {exact - 1e-4}")[0] == 1
    assert lint(f"--width 3 --depth 3 --max-dead {exact + 1e-4}")[0] == 0


def test_json_and_csv_hold_the_numbers(lint):
    _, lines, _ = lint("--widths 2,1 --format json")
    document = json.loads("\n".join(lines))
    assert document["passed"] is False
    assert document["dead_low"] == pytest.approx(0.375, abs=1e-12)
    assert document["max_dead"] == 0.01
    assert len(document["reasons"]) == 5
    code, lines, _ = lint("--widths 2,1 --format csv")
    assert code == 1
    assert lines[0].startswith("passed,network,dead_low,dead_high,max_dead")
    assert lines[1].startswith('False,"2,1",0.3')


def test_networks_are_drawn_on_points(lint):
    code, lines, _ = lint("--width 64 --depth 2 --inputs digits:64 --networks 4 --max-dead 0.1")
    assert code == 0
    assert lines[0].startswith("passed: 64 x 2 on digits:64: 0 of 4 networks born dead, 0 collapsed")
    code, lines, _ = lint("--width 3 --depth 12 --inputs gaussian:64 --networks 6 --max-dead 1")
    assert code == 1
    assert "collapsed; 100 % and 5 % allowed" in lines[0]
    assert lint("--width 3 --depth 12 --inputs gaussian:64 --networks 6 --max-dead 1 --max-collapsed 1")[0] == 0


def test_a_model_is_built_again_for_every_network(lint):
    code, lines, _ = lint("models.py:wide --inputs gaussian:64 --networks 3")
    assert code == 0
    assert lines[0].startswith("passed: models.py:wide on gaussian:64: 0 of 3 networks born dead, 0 collapsed")
    code, lines, _ = lint("models.py:dead --inputs gaussian:64 --networks 2 --format json")
    document = json.loads("\n".join(lines))
    assert (code, document["dead_high"], document["networks"]) == (1, 1.0, 2)
    code, lines, _ = lint("models.py:collapsed --inputs gaussian:64 --networks 2")
    assert code == 1
    assert "0 of 2 networks born dead, 2 collapsed" in lines[0]
    _, lines, _ = lint("lint_test_models:one --inputs gaussian:64 --networks 2")
    del sys.modules["lint_test_models"]
    assert any("all models are the same" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "`--width` must be given"),
        ("models.py:wide", "`--inputs` must be given with MODEL"),
        ("models.py:wrong --inputs gaussian:8", "`MODEL` must work when called without arguments"),
        ("models.py:nothing --inputs gaussian:8", "`MODEL` must name something"),
        ("missing.py:wide --inputs gaussian:8", "missing.py"),
        ("models.py:wide --inputs gaussian:8 --widths 3", "`MODEL`"),
        ("--widths 8,8 --networks 3", "`--networks` must be used with --inputs"),
        ("--widths 8,8 --inputs nothing", "`--inputs`"),
        ("--widths 8,8 --max-dead 1.5", "`--max-dead` must lie in [0, 1]"),
        ("--widths 8,8 --max-dead nan", "`--max-dead`"),
        ("--widths 8,8 --inputs digits:8 --networks 1", "`--networks` must be a whole number of at least 2"),
        ("--width 8", "`--depth` must be given"),
        ("--widths 8,x", "`--widths`"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(lint, words, message):
    code, lines, err = lint(words)
    assert (code, lines, err.count("\n")) == (2, [], 1)
    assert message in err


def test_widths_alone_need_no_heavy_imports():
    program = (
        "import sys; sys.argv = ['neurondeath', 'lint', '--widths', '2,1']\n"
        "from neurondeath.__main__ import main; code = main()\n"
        "print(code, [name for name in ('numpy', 'scipy', 'torch', 'numba', 'typer', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "1 []"


def test_a_stdout_that_cannot_be_written_is_an_error():
    command = f"{sys.executable} -m neurondeath lint --widths 8,8 >/dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "the system refused 'stdout'" in done.stderr
    ended = f"{sys.executable} -m neurondeath lint --widths 8,8 | true"
    done = subprocess.run(ended, shell=True, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""


def test_the_hook_calls_the_command():
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    (entry,) = re.findall(r"^  entry: (.*)$", text, flags=re.MULTILINE)
    program, command = entry.split()
    assert program == root.NAME
    assert command in COMMANDS
    assert re.findall(r"^- id: (.*)$", text, flags=re.MULTILINE) == ["neurondeath-lint"]
    assert "id: neurondeath-lint" in (ROOT / "docs" / "questions" / "lint.md").read_text()


def test_percentages():
    assert [percent(share) for share in (0.375, 4.5657e-5, 1.0, 0.0)] == ["37.5 %", "0.00457 %", "100 %", "0 %"]
