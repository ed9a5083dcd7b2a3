"""Compiling the kernels: it ends at once when asked to stop, and hostile settings of the compiler are one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 6.0  # from the signal to the end, on a busy machine; the compilation itself takes longer


def command(*arguments, cache, **environment):
    return {
        "args": [sys.executable, "-m", "neurondeath", *arguments],
        "env": {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache), **environment},
        "stderr": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
        "cwd": cache,
    }


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_compilation(tmp_path, number):
    started = command(
        "simulate", "--width", "4", "--depth", "3", "--trials", "100", "--store", "s.sqlite", cache=tmp_path
    )
    process = subprocess.Popen(**started, restore_signals=True, start_new_session=True)
    said = ""
    while "compiling" not in said:
        said += process.stderr.readline()
    time.sleep(1.0)
    process.send_signal(number)
    begun = time.monotonic()
    _, rest = process.communicate(timeout=60)
    assert time.monotonic() - begun < MOST_SECONDS
    assert process.returncode == 128 + number
    assert rest.splitlines()[-1] == (
        f"neurondeath: stopped by {number.name} with 100 of 100 trials to go; the finished ones are in 's.sqlite': "
        "run the same command again to continue"
    )
    assert not list(tmp_path.rglob("*.draft"))


@pytest.mark.parametrize(
    ("name", "value"), [("NUMBA_NUM_THREADS", "0"), ("NUMBA_NUM_THREADS", "-3"), ("NUMBA_FUNCTION_CACHE_SIZE", "-3")]
)
def test_settings_that_the_compiler_does_not_check(tmp_path, name, value):
    made = subprocess.run(**command("simulate", "--width", "3", "--depth", "2", cache=tmp_path, **{name: value}))
    line = made.stderr.splitlines()[-1]
    assert (made.returncode, line.startswith("neurondeath: ")) == (2, True)
    assert name in line or "NUMBA_" in line
    assert "unset" in line
