"""Compiled kernels are cached, and an edit of any kernel file is noticed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import neurondeath

PROGRAM = """
import numpy as np
from neurondeath.simulations.kernels.jit import is_compiled
from neurondeath.simulations.kernels.normals import fill_normals
from neurondeath.simulations.kernels.packed_arguments import Counters, Position
before = is_compiled()
out, words = np.empty(64, np.float32), np.empty(64, np.uint32)
counters = Counters(np.zeros(16, np.uint32), np.zeros(16, np.uint32))
position = Position((np.uint64(1), np.uint64(2)), 0, 0, np.uint64(0))
fill_normals(out, words, counters, 64, position, 0, np.float32(1))
print(before, words[0])
"""


def test_an_edit_of_an_imported_kernel_is_noticed(tmp_path):
    top = Path(neurondeath.__file__).parent.parent
    for name in ("neurondeath", "neurondeath_theory"):
        shutil.copytree(top / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    package = tmp_path / "neurondeath" / "simulations"
    environment = dict(os.environ, PYTHONPATH=str(tmp_path), NUMBA_CACHE_DIR=str(tmp_path / "cache"))

    def outcome():
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
        )
        return done.stdout.split()

    first = outcome()
    assert first[0] == "False"
    assert outcome() == ["True", first[1]]
    philox = package / "kernels" / "philox.py"
    source = philox.read_text()
    edited = source.replace("range(10)", "range(9)")
    assert edited != source
    philox.write_text(edited)  # `fill_normals` itself is unchanged, only what it calls
    third = outcome()
    assert third[0] == "False"
    assert third[1] != first[1]


def test_without_a_place_to_write_kernels_still_compile(tmp_path):
    environment = dict(os.environ, NUMBA_CACHE_DIR="/proc/nowhere")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("False")
