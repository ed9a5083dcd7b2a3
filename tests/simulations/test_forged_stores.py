"""Crafted stores: right numbers or one line, nothing written to a file that is refused, no control characters."""

import json
import os
import shutil
import unicodedata
import warnings

import pytest

from neurondeath.commands.console import Command, command_line, run
from neurondeath.simulations.stores.merging import merge_stores
from neurondeath.simulations.stores.store import Store, StoreError
from neurondeath.simulations.sweep_results import read_results
from tests.simulations.crafted_stores import KINDS
from tests.simulations.store_crafting import (
    CONDITIONAL,
    CRUDE,
    DETAILED,
    SIMULATED,
    SPLITTING,
    TRIALS,
    make_good,
    with_row,
    with_statistics,
)

COMMANDS = {
    name: Command(f"neurondeath.commands.{name}:{name}", "") for name in ("results", "plot", "merge", "simulate")
}
TASK_IDS = (CRUDE.task_id, SPLITTING.task_id, CONDITIONAL.task_id, DETAILED.task_id)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "good.sqlite"
    make_good(path)
    return path


@pytest.fixture(scope="module")
def truth(good):
    return {one.task_id: one for one in read_results(good)}


@pytest.fixture
def call(capsys):
    app = command_line("neurondeath", COMMANDS, help="")

    def called(*arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code = run(app, "neurondeath", [str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        for letter in out + err:
            assert letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
        return code, out, err.splitlines()

    return called


def assert_refused(code, out, lines):
    assert (code, out, len(lines)) == (2, "", 1), lines
    assert lines[0].startswith("neurondeath: ")
    assert len(lines[0]) < 700


def assert_results(store, truth, called, refused):
    """Check what `results` says of a store."""
    code, out, lines = called
    if refused == "file":
        assert_refused(code, out, lines)
        return
    shown = {one["task_id"]: one for one in json.loads(out)["tasks"]}
    assert shown.keys() <= truth.keys()
    for task_id, one in shown.items():  # both shards have the same numbers; one of them may belong to an unknown task
        assert one["trials"] in (TRIALS, TRIALS // 2)
        for layer, alive in zip(one["layers"], truth[task_id].alive, strict=True):
            assert layer["alive"] == pytest.approx(alive)
    assert len(shown.keys() & set(TASK_IDS)) >= 3, lines
    assert code == (2 if refused == "task" else 0)
    assert all(line.startswith("neurondeath: left out: ") and len(line) < 700 for line in lines)
    assert bool(lines) == (refused == "task")


def check_crafted(kind, good, truth, tmp_path, call):
    """Open a crafted store by every command."""
    folder = tmp_path / "here"
    folder.mkdir()
    path, fresh, target = folder / "crafted.sqlite", folder / "fresh.sqlite", folder / "target.sqlite"
    shutil.copy(good, path)
    kind.craft(path)
    shutil.copy(path, target)
    before = path.read_bytes()
    assert_results(path, truth, call("results", path, "--format", "json"), kind.refused)

    merged = call("merge", fresh, path)
    if kind.refused == "nothing":
        assert merged[0] == 0
    else:
        assert_refused(*merged)
        assert not fresh.exists()

    assert path.read_bytes() == before
    into = call("merge", target, good)
    if kind.refused == "file" or into[0]:
        assert_refused(*into)
        assert target.read_bytes() == before
    else:
        with Store(target, readonly=True) as store:
            for task_id in TASK_IDS[1:]:
                assert store.done(task_id, 0) or kind.refused == "task"

    assert path.read_bytes() == before
    if kind.refused == "file":
        assert_refused(*call("simulate", *SIMULATED, "--store", path, "--quiet"))
        assert_refused(*call("plot", path, "--out", folder / "picture.svg"))
        assert path.read_bytes() == before
    made = ["fresh.sqlite"] if kind.refused == "nothing" else []
    assert sorted(os.listdir(folder)) == ["crafted.sqlite", *made, "target.sqlite"]


@pytest.mark.parametrize("kind", KINDS[::3], ids=[kind.name for kind in KINDS[::3]])  # all: tests/faults
def test_a_crafted_store(kind, good, truth, tmp_path, call):
    check_crafted(kind, good, truth, tmp_path, call)


def test_what_is_good_is_shown_and_drawn(good, tmp_path, call):
    path, picture = tmp_path / "crafted.sqlite", tmp_path / "picture.svg"
    shutil.copy(good, path)
    with_row(SPLITTING, checksum=0)(path)
    left_out = (
        f"neurondeath: left out: the store {str(path)!r} is damaged at trials 10 to 20 of task {SPLITTING.task_id}"
    )
    for arguments in (["results", path], ["plot", path, "--out", picture, "--x", "depth"]):
        code, _, lines = call(*arguments)
        assert code == 2
        assert any(line.startswith(left_out) for line in lines)
    assert picture.exists()
    assert call("results", path, "--task", CRUDE.task_id)[::2] == (0, [])
    assert_refused(*call("results", path, "--task", SPLITTING.task_id))
    code, _, lines = call("simulate", *SIMULATED, "--estimator", "crude,splitting", "--store", path, "--quiet")
    assert code == 2
    assert lines[-1].startswith(left_out)
    results = read_results(path)
    assert [one.task_id for one in results] == [CRUDE.task_id, CONDITIONAL.task_id, DETAILED.task_id]
    assert len(results.damaged) == 1
    assert SPLITTING.task_id in results.damaged[0]
    with pytest.raises(StoreError, match=f"task {SPLITTING.task_id}"):
        read_results(path, task=SPLITTING.task_id)


def test_a_bad_source_adds_nothing_and_the_ones_before_it_stay(good, tmp_path):
    path, target = tmp_path / "crafted.sqlite", tmp_path / "target.sqlite"
    shutil.copy(good, path)
    with_statistics({})(path)
    with pytest.raises(StoreError, match="the 1 before it is merged"):
        merge_stores(target, [good, path])
    with Store(target, readonly=True) as merged, Store(good, readonly=True) as source:
        assert merged.contents() == source.contents()
