"""Every program in `examples/` runs, at a small size, and says what is true."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from neurondeath.simulations.sweep_results import read_results, sweep

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def program(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_every_example_is_listed_and_run():
    listed = set(re.findall(r"\]\((\S+?)\)", (EXAMPLES / "README.md").read_text()))
    here = {path.name for path in EXAMPLES.iterdir() if path.name not in ("README.md", "__pycache__")}
    assert listed == here
    text = Path(__file__).read_text()
    assert all(f'"{name}"' in text for name in here)


def test_sweep(program, tmp_path):
    out = program("sweep.py", "--width", "2,3", "--depth", "4", "--trials", "100")
    assert "2 tasks, 200 trials" in out
    assert (tmp_path / "sweep.png").stat().st_size > 5000
    assert "2 tasks, 200 trials" in program("sweep.py", "--width", "2,3", "--depth", "4", "--trials", "100")


@pytest.mark.skipif(sys.platform == "win32", reason="the script is for bash")
def test_slurm_sweep(tmp_path):
    (tmp_path / "grid.toml").write_text('[[study]]\nwidth = [2, 3]\ndepth = 4\ninputs = "gaussian:8"\n')
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = os.environ | {"PATH": path, "TRIALS": "64", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}

    def submit(*words, number="1"):
        script = ["bash", str(EXAMPLES / "slurm_sweep.sh"), *words]
        subprocess.run(script, cwd=tmp_path, env=settings | {"SLURM_ARRAY_TASK_ID": number}, check=True, timeout=300)

    submit(number="1")
    submit(number="2")
    submit("merge")
    merged = read_results(tmp_path / "stores" / "all.sqlite")
    alone = sweep(width=[2, 3], depth=4, inputs="gaussian:8", trials=64)
    assert {one.task_id: one.alive.tolist() for one in merged} == {one.task_id: one.alive.tolist() for one in alone}


def test_dask_sweep(program):
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        out = program("dask_sweep.py", "--width", "2,3", "--trials", "40", "--scheduler", cluster.scheduler_address)
    assert out.count(" in [") == 2


def test_audit_a_model(program):
    pytest.importorskip("torch")
    out = program("audit_a_model.py", "--epochs", "4")
    accuracies = [float(number) for number in re.findall(r"accuracy on unseen digits: ([\d.]+)", out)]
    assert accuracies[0] == accuracies[1] > 0.9
    assert "are dead in living layers" in out
    assert "remove_dead_units(model, loader)" in out
    assert float(re.search(r"largest change on unseen digits: (\S+)", out)[1]) < 1e-3
    before, after = re.search(r"(\d+) -> (\d+) parameters", out).groups()
    assert int(after) < int(before)


def test_sparse_and_fast(program, tmp_path):
    pytest.importorskip("torch")
    out = program("sparse_and_fast.py", "--width", "80", "--depth", "8", "--epochs", "8")
    low, high = (float(number) for number in re.search(r"zeros of a layer: (\S+) to (\S+)", out).groups())
    assert 0.83 < low <= high < 0.87
    assert float(re.search(r"accuracy on unseen digits: ([\d.]+)", out)[1]) > 0.88
    assert "% of the multiply-adds meet a zero" in out
    assert (tmp_path / "digits.sparse").stat().st_size > 100_000


def test_claims_of_ones_own():
    from neurondeath.paper_check.verification import check

    report = check(claims=EXAMPLES / "my_claims.toml")
    assert report.passed
    assert [item.verdict.value for item in report.claims] == ["CONFIRMED", "REFUTED"]
    assert check(claims=EXAMPLES / "my_claims.toml", self_test=True).passed
