"""`neurondeath explore`: its streams, its end, and a second start."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from neurondeath.commands import COMMANDS
from neurondeath.commands.console import command_line, run

COMMAND = (sys.executable, "-m", "neurondeath", "explore", "--no-browser")


@pytest.fixture
def start(tmp_path):
    """Start a command line in an empty folder; what still runs is killed afterwards."""
    running = []

    def start(*words):
        process = subprocess.Popen(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()
    assert os.listdir(tmp_path) == []


def test_it_ends_by_itself(start):
    began = time.monotonic()
    process = start("--port", "0", "--seconds", "0.5")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("http://127.0.0.1:")
    assert out.count("\n") == 1
    assert "the explorer runs until 0.5 s have passed\n" in err
    assert time.monotonic() - began > 0.5


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_it_at_once(start, number, code, word):
    process = start("--port", "0")
    address = process.stdout.readline().strip()
    work = f"{address}api/work?kind=simulation&place=a&width=256&depth=100&inputs=gaussian:128"
    assert json.load(urllib.request.urlopen(work, timeout=30))["state"] in ("waiting", "running")
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 3.0
    assert process.returncode == code
    assert out == ""
    assert err.splitlines()[-1] == f"neurondeath: {word}"


def test_a_second_start_names_the_first(start):
    address = start("--port", "0").stdout.readline().strip()
    port = address.rstrip("/").rpartition(":")[2]
    second = start("--port", port)
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out, err.count("\n")) == (2, "", 1)
    assert f"`--port` must be free; got {port}; an explorer runs at {address} already" in err


@pytest.mark.parametrize("words", ["--seconds 0", "--seconds 1e7", "--port 65536", "--port -1"])
def test_refusals(capsys, words):
    application = command_line("neurondeath", COMMANDS, help="")
    code = run(application, "neurondeath", ["explore", "--no-browser", *words.split()])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"`{words.split()[0]}` must " in err


@pytest.mark.parametrize("found", [True, False])
def test_it_opens_the_browser(capsys, monkeypatch, found):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or found)
    application = command_line("neurondeath", COMMANDS, help="")
    assert run(application, "neurondeath", ["explore", "--port", "0", "--seconds", "0.1"]) == 0
    out, err = capsys.readouterr()
    assert opened == [out.strip()]
    assert ("no browser was found" in err) == (not found)
    assert run(application, "neurondeath", ["explore", "--port", "0", "--seconds", "0.1", "--no-browser"]) == 0
    assert len(opened) == 1
