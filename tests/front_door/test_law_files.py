"""Laws of the weights from the command line: built-in ones with their options, and those of a Python file."""

import os
import sys

import pytest

from neurondeath.commands.python_files import load_object
from tests.front_door.test_simulate_command import nd, read_json

__all__ = ["nd"]  # the fixture

LAWS = """
import neurondeath as nd

def heavy(rng, fan_in, fan_out):
    return rng.standard_t(3, size=(fan_out, fan_in)) / fan_in**0.5

def shifted(rng, fan_in, fan_out):
    return heavy(rng, fan_in, fan_out) + SHIFT

SHIFT = 0.3
declared = nd.Law("declared", heavy, symmetric=True)
broken = lambda rng: 0
number = 7
"""
RUN = "simulate --width 4 --depth 2 --inputs gaussian:8 --trials 20"


@pytest.fixture(autouse=True)
def laws(tmp_path):
    (tmp_path / "laws.py").write_text(LAWS)


def test_a_file_is_read_as_it_is_now(tmp_path, monkeypatch):
    """Python's bytecode is taken for current where second and size of the source are the same."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "values.py"
    for value in (3, 4):
        path.write_text(f"value = {value}\n")
        os.utime(path, (1e9, 1e9))
        assert load_object("--init", f"{path}:value", "") == value
    assert not (tmp_path / "__pycache__").exists()


def test_every_built_in_law_runs_with_its_options(nd):
    inits = "torch-default,truncated-normal,laplace,student-t,sparse,looks-linear,looks-linear-gaussian"
    tasks = read_json(nd, f"{RUN} --quiet --init {inits} --degrees-of-freedom 3,5 --zero-share 0.25")["tasks"]
    assert [task["init"] for task in tasks] == inits.replace("student-t", "student-t,student-t").split(",")
    by_init = {task["init"]: task for task in tasks}
    assert (by_init["student-t"]["degrees_of_freedom"], by_init["sparse"]["zero_share"]) == (5.0, 0.25)
    assert by_init["laplace"]["zero_share"] is None
    assert by_init["torch-default"]["bias_law"] == "weights"
    assert by_init["sparse"]["withheld"].keys() >= {"lower", "living_ratio"}
    (task,) = read_json(nd, f"{RUN} --quiet --init laplace --bias-law weights")["tasks"]
    assert (task["bias_law"], task["bias_variance"]) == ("weights", 0.0)


def test_laws_of_a_file(nd, tmp_path):
    code, out, err = nd(f"{RUN} --init laws.py:heavy,laws.py:declared,he --store own.sqlite --format csv")
    assert code == 0, err
    assert "engine numpy" in err
    tasks = read_json(nd, "results own.sqlite")["tasks"]
    assert {task["init"]: task["engine"] for task in tasks}.keys() == {"heavy", "declared", "he"}
    declared = next(task for task in tasks if task["init"] == "declared")
    assert declared["layers"][0]["lower_bound"] == 0.9375
    assert declared["weight_variance"] is None
    # once more: nothing to do; then more of it, under the same name and digest
    again = read_json(nd, f"{RUN} --quiet --init laws.py:declared --store own.sqlite".replace("20", "30"))["tasks"]
    assert (again[0]["task_id"], again[0]["trials"]) == (declared["task_id"], 30)
    (tmp_path / "laws.py").write_text(LAWS.replace("standard_t(3", "standard_t(4"))
    code, out, err = nd(f"{RUN} --quiet --init laws.py:heavy --store own.sqlite")
    assert (code, out) == (2, "")
    assert "a law 'heavy' with digest" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("laws.py:nosuch", "name something in laws.py"),
        ("laws.py:number", "name a Law, or a function"),
        ("laws.py:broken", "raised TypeError"),
        ("laws.py:", "as in my_laws.py:heavy_tails"),
        ("nosuch.py:heavy", "nosuch.py"),
        ("no_such_module:heavy", "can be imported"),
        ("heavy", "or a Law"),
        ("student-t", "--degrees-of-freedom"),
        ("sparse", "--zero-share"),
        ("looks-linear --bias-variance 1", "`--bias-variance` must be left out"),
        ("laplace --estimator conditional", "use crude"),
        ("laws.py:heavy --engine dense", "use numpy or auto"),
    ],
)
def test_what_is_refused(nd, tmp_path, init, words):
    code, out, err = nd(f"{RUN} --quiet --init {init}")
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_grid_files_run_no_python_file(nd, tmp_path):
    (tmp_path / "grid.toml").write_text('[[study]]\nwidth = 4\ndepth = 2\ninit = "laws.py:heavy"\n')
    code, out, err = nd("simulate --grid grid.toml --trials 5")
    assert (code, out) == (2, "")
    assert "be one of he, gaussian" in err
