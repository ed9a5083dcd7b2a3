"""The time left of a list of works: on a terminal only, from what is done."""

import re
import sys

import pytest

from neurondeath.commands import time_left
from neurondeath.commands.time_left import TimeLeft
from neurondeath_theory.foundation import progress

pytest.importorskip("pty")  # not on Windows

from tests.front_door.pseudo_terminal import in_pipe, in_terminal


@pytest.mark.parametrize(
    ("is_terminal", "done", "text"),
    [
        (True, 0, ""),  # nothing is known yet
        (True, 1, ", about 5 min 0 s left"),
        (True, 3, ", about 33 s left"),
        (True, 4, ""),
        (False, 2, ""),
    ],
)
def test_the_mean_of_what_is_done_is_expected_of_the_rest(monkeypatch, is_terminal, done, text):
    now = [1000.0]
    monkeypatch.setattr(time_left.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", type("Stream", (), {"isatty": lambda self: is_terminal})())
    left = TimeLeft(4)
    now[0] += 100.0
    assert left.text(done) == text


def test_counted_steps_show_the_time_left(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    progress.use_display(progress.PlainLines)
    shown = progress.PatientProgress("work", 4, step="part", patience=5.0)
    for seconds in (2.0, 8.0, 1.0, 9.0):  # too early, the first, too soon after it, the last
        now[0] += seconds
        shown.step()
    assert capsys.readouterr().err.splitlines() == ["work, part 2/4, about 10 s left", "work, part 4/4"]


CLAIMS = """
[[claim]]
id = "A"
paper = "none"
statement = "A number is itself."

[[claim.check]]
route = "high precision"
checker = "neurondeath.paper_check.checkers.identities:holds_at_random_points"
parameters = { left = "n", relation = "<=", right = "n", names = { n = [1, 9, "integer"] } }
"""


def test_check_and_figures_show_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.toml").write_text(CLAIMS + CLAIMS.replace('"A"', '"B"'))
    monkeypatch.setattr("neurondeath.commands.figures.make_figure", lambda *_, **__: [])
    monkeypatch.setattr("neurondeath.commands.figures.write_page", lambda _: None)
    for line in ("check --claims two.toml", "figures rai activations --out out"):
        shown = in_terminal(line.split(), 120)
        assert len(re.findall(r", about \d+ s left\]", shown.err)) == 1, shown.err
        assert "left" not in in_pipe(line.split()).err
