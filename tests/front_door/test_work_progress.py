"""Signs of life of commands that compute for long without progress of their own."""

import sys
import time
from contextlib import contextmanager

import pytest

from neurondeath import __main__ as root
from neurondeath.commands import COMMANDS, work_progress
from neurondeath.commands.console import command_line, run
from neurondeath.commands.messages import OpenLine
from neurondeath.commands.work_progress import signs_of_life
from neurondeath_theory.foundation.progress import PlainLines, new_display, use_display


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(work_progress, "SIGNS", (0.05, 0.1))
    use_display(PlainLines)


def work(seconds=0.4):
    time.sleep(seconds)


def test_silent_work_says_that_it_goes_on(capsys):
    with signs_of_life("neurondeath advise"):
        work()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3  # after 0.05 s, 0.1 s, 0.2 s
    assert all(line.startswith("neurondeath advise: working for ") for line in lines)


def test_work_that_shows_its_progress_is_left_alone(capsys):
    with signs_of_life("neurondeath bounds"):
        new_display()
        work()
    assert capsys.readouterr().err == ""


def test_an_open_line_is_not_interrupted(capsys):
    with signs_of_life("neurondeath figures"):
        line = OpenLine()
        line.begin("drawing")
        work()
        line.end("done")
    assert "working" not in capsys.readouterr().err


def test_short_work_and_its_end_are_silent(capsys):
    with signs_of_life("neurondeath eoc"):
        pass
    work()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("options", "speaks"), [([], True), (["--quiet"], False)])
def test_every_command_has_them_unless_it_is_to_be_quiet(capsys, monkeypatch, options, speaks):
    monkeypatch.setattr("neurondeath.commands.console.signs_of_life", _immediately)
    app = command_line(root.NAME, COMMANDS, help=root.HELP)
    code = run(app, root.NAME, ["simulate", "--width", "nonsense", "--depth", "3", *options])
    assert code == 2
    assert ("neurondeath simulate: working" in capsys.readouterr().err) == speaks


@contextmanager
def _immediately(name, begun):
    print(f"{name}: working", file=sys.stderr)
    yield


def test_the_time_that_imports_took_counts(capsys):
    with signs_of_life("neurondeath forecast", time.monotonic() - 0.09):
        time.sleep(0.04)
    assert len(capsys.readouterr().err.splitlines()) == 2  # after 0.05 s, which are over, and 0.1 s
