"""The thread that works for the pages: what it drops, what it keeps, and how it ends."""

import threading
import time

import pytest

from neurondeath.explorer import workbench as module
from neurondeath.explorer.choices import Choice
from neurondeath.explorer.workbench import Workbench
from neurondeath_theory.foundation.errors import NeuronDeathError

STEPS = 80


@pytest.fixture
def steps(monkeypatch):
    """Put works of our own in place of those of the explorer; return the designs of every step that was done."""
    done = []

    def slow(choice, is_wanted):
        for step in range(1, STEPS + 1):
            time.sleep(0.01)
            done.append(choice.width)
            yield step / STEPS, {"step": step}

    def quick(choice, is_wanted):
        done.append(choice.width)
        yield 1.0, {"step": 1}

    def refused(choice, is_wanted):
        raise NeuronDeathError("no")
        yield

    def broken(choice, is_wanted):
        yield 0.5, {"step": 1}
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(module, "WORKS", {"slow": slow, "quick": quick, "refused": refused, "broken": broken})
    return done


@pytest.fixture
def bench():
    """Open a workbench; its thread ends with it."""
    made = Workbench()
    yield made
    made.close()
    assert "explorer-work" not in [thread.name for thread in threading.enumerate()]


def wait_for(bench, state, place, kind, choice):
    for _ in range(1000):
        report = bench.ask(place, kind, choice)
        if report["state"] == state:
            return report
        time.sleep(0.005)
    raise AssertionError(report)


def test_another_design_in_the_same_place_ends_the_first(steps, bench):
    wait_for(bench, "running", "a", "slow", Choice(width=1))
    wait_for(bench, "running", "a", "slow", Choice(width=2))
    before = steps.count(1)
    time.sleep(0.1)
    assert steps.count(1) == before < STEPS


def test_another_place_does_not(steps, bench):
    wait_for(bench, "running", "a", "slow", Choice(width=1))
    bench.ask("b", "slow", Choice(width=2))
    bench.ask("a", "quick", Choice(width=3))  # another kind
    assert wait_for(bench, "done", "a", "slow", Choice(width=1))["step"] == STEPS
    assert wait_for(bench, "done", "a", "quick", Choice(width=3))["step"] == 1


def test_work_that_two_places_want_is_done_once(steps, bench):
    wait_for(bench, "done", "a", "quick", Choice(width=1))
    wait_for(bench, "done", "b", "quick", Choice(width=1))
    assert steps == [1]


def test_a_page_that_asks_no_more_ends_its_work(steps, bench, monkeypatch):
    monkeypatch.setattr(module, "LEASE", 0.1)
    wait_for(bench, "running", "a", "slow", Choice(width=1))
    time.sleep(0.3)
    before = len(steps)
    time.sleep(0.1)
    assert len(steps) == before < STEPS
    assert bench.ask("a", "slow", Choice(width=1))["progress"] == 0.0  # it begins again


def test_refusals_and_faults_are_answers(steps, bench):
    assert wait_for(bench, "refused", "a", "refused", Choice())["error"] == "no"
    report = wait_for(bench, "refused", "a", "broken", Choice())
    assert "ZeroDivisionError: by zero" in report["error"]
    assert "step" not in report
    assert wait_for(bench, "done", "a", "quick", Choice())["step"] == 1  # the thread lives


def test_what_is_kept_is_bounded(steps, bench):
    for width in range(1, 201):
        bench.ask(f"p{width}", "quick", Choice(width=width))
    assert len(bench._jobs) <= module.MOST_JOBS + 1
    assert len(bench._wanted) <= module.MOST_PLACES


def test_the_end_does_not_wait_for_the_work(steps):
    bench = Workbench()
    wait_for(bench, "running", "a", "slow", Choice(width=1))
    began = time.monotonic()
    bench.close()
    assert time.monotonic() - began < 1.0
    assert len(steps) < STEPS
