"""Array files: sound ones are read as NumPy reads them, hostile ones are one line, quickly and without memory."""

import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from neurondeath_theory.foundation import array_files
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.point_files import read_point_file
from tests.references.hostile_arrays import FAIR, GOOD, HOSTILE, TABLE, npy

MOST_SECONDS = 2.0
MOST_MEMORY = 2**25  # 32 MiB; the largest of the hostile files has 10 MB


def refusal(path):
    """Read a file that must be refused; return the line."""
    start = time.process_time()
    with pytest.raises(InvalidArgumentError) as caught:  # warnings are errors in all tests
        read_point_file("--inputs", path)
    assert time.process_time() - start < MOST_SECONDS
    line = str(caught.value)
    assert line.startswith("`--inputs` must ")
    assert line.isprintable()
    assert len(line) < 400
    return line


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_one_line(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.npy"
    path.write_bytes(HOSTILE[kind])
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == ["a.npy"]


@pytest.mark.parametrize("kind", FAIR)
def test_sound_files_are_read(tmp_path, kind):
    raw, expected = FAIR[kind]
    path = tmp_path / "a.npz"
    path.write_bytes(raw)
    read = read_point_file("inputs", path)
    assert read.dtype == np.float64
    assert read.flags.c_contiguous
    assert read.tolist() == expected.tolist()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_numpy(tmp_path, save):
    points = np.random.default_rng(0).standard_normal((300, 700))  # more than one piece
    save(tmp_path / "a.npz", points=points)
    assert (read_point_file("inputs", tmp_path / "a.npz") == points).all()


def test_the_limit_is_in_the_message(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    path.write_bytes(npy("(100000000000, 3)"))
    assert f"at most {2**28} numbers" in refusal(path)
    monkeypatch.setattr(array_files, "MOST_BYTES", len(GOOD))
    path.write_bytes(GOOD)
    assert read_point_file("inputs", path).tolist() == TABLE.tolist()
    path.write_bytes(GOOD + b"x")
    assert f"at most {len(GOOD)} bytes" in refusal(path)


def test_a_sparse_file_of_many_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        file.write(GOOD)
        file.truncate(2**40)
    assert "bytes" in refusal(path)


def test_what_is_no_file_is_not_waited_on(tmp_path):
    made = tmp_path / "a.npy"
    os.mkfifo(made)
    (tmp_path / "b.npy").mkdir()
    (tmp_path / "c.npy").symlink_to("c.npy")
    (tmp_path / "d.npy").symlink_to("/dev/zero")
    (tmp_path / "e.npy").symlink_to("/dev/stdin")
    for stem in "abcd":
        refusal(tmp_path / f"{stem}.npy")
    for path in (tmp_path / "missing.npy", Path("x" * 300 + ".npy"), Path("a\0b.npy"), Path("a/\udcff.npy")):
        refusal(path)
    assert "exists" in refusal(tmp_path / "missing.npy")
    assert "regular" in refusal(made)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by RLIMIT_AS")
def test_numbers_that_do_not_fit_in_memory_are_one_line(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        file.write(npy(f"({2**25}, 8)", data=b""))
        file.truncate(file.tell() + 2**31)
    program = f"""
import resource
from pathlib import Path
from neurondeath_theory.foundation.point_files import read_point_file
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
try:
    read_point_file("inputs", Path({str(path)!r}))
except ValueError as error:
    print(error)
"""
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "fit in the free memory" in done.stdout
