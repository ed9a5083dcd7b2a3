"""Damaged and forged stores of training runs: one line, exit 2, nothing changed, and the good runs stay readable."""

import hashlib
import shutil
from pathlib import Path

import pytest

from neurondeath.__main__ import main
from neurondeath_torch.training.run_merging import merge_run_stores
from neurondeath_torch.training.run_store import RunStore, RunStoreError
from tests.torch.run_store_forgeries import FILES, FIRST, FLIPPED, FOREIGN, FORGED, KINDS, OTHER, fill, forge

ROWS = [*FLIPPED, *FORGED]
LONGEST_LINE = 500


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["neurondeath", *arguments])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def state(folder):
    """Return what is in a folder, and a digest of every regular file."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else path.lstat().st_mode
        for path in folder.iterdir()
    }


def assert_one_line(code, err):
    assert code == 2
    assert err.startswith("neurondeath: ")
    assert err.count("\n") == 1
    assert err.strip().isprintable()
    assert len(err) < LONGEST_LINE
    assert "Traceback" not in err


def test_there_are_enough_kinds():
    assert len(KINDS) == len(set(KINDS)) >= 90


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_refused_in_one_line_and_left_as_it_is(call, tmp_path, kind):
    forge(tmp_path / "store.sqlite", kind)
    before = state(tmp_path)
    code, out, err = call("runs", "store.sqlite", "--per-epoch", "--format", "csv")
    assert_one_line(code, err)
    if kind in ROWS:
        assert "damaged at" in err or "damaged (" in err
        assert out.count(f"{OTHER.experiment_id},0,") == out.count(f"{OTHER.experiment_id},1,") == 4
        if not kind.startswith("an epoch of no"):  # which leaves a shorter run that is as it was written
            assert f"{FIRST.experiment_id},0," not in out
        assert "\x1b" not in out
    else:
        assert out == ""
    assert state(tmp_path) == before


@pytest.mark.parametrize("kind", [*FOREIGN, *FILES])
def test_nothing_is_trained_into_it(call, tmp_path, kind):
    forge(tmp_path / "store.sqlite", kind)
    (tmp_path / "config.toml").write_text("epochs = 2\n")
    before = state(tmp_path)
    code, out, err = call("train", "config.toml", "--store", "store.sqlite")
    assert_one_line(code, err)
    assert out == ""
    assert state(tmp_path) == before


@pytest.mark.parametrize("kind", [*ROWS[::8], "a trigger that changes epochs", "a pipe"])
def test_a_merge_adds_nothing_of_it(tmp_path, kind):
    forge(tmp_path / "bad.sqlite", kind)
    fill(tmp_path / "target.sqlite", experiments=(OTHER,), seeds=(0,))
    before = state(tmp_path)
    with pytest.raises(RunStoreError):
        merge_run_stores(tmp_path / "target.sqlite", [tmp_path / "bad.sqlite"])
    with pytest.raises(RunStoreError):
        merge_run_stores(tmp_path / "new.sqlite", [tmp_path / "bad.sqlite"])
    assert state(tmp_path) == before


@pytest.mark.parametrize("kind", ["a digit of a measurement", "no epoch 1", "a description of another experiment"])
def test_training_into_a_damaged_run_is_refused_before_any_work(call, tmp_path, kind):
    forge(tmp_path / "store.sqlite", kind)
    (tmp_path / "config.toml").write_text("epochs = 2\n")
    before = state(tmp_path)
    code, out, err = call("train", "config.toml", "--store", "store.sqlite")
    assert_one_line(code, err)
    assert out == ""
    assert FIRST.experiment_id in err
    assert state(tmp_path) == before
    (tmp_path / "config.toml").write_text("epochs = 3\n")  # the runs of the other experiment are as they were
    code, out, err = call("train", "config.toml", "--store", "store.sqlite", "--quiet", "--format", "csv")
    assert (code, err) == (0, "")
    assert "3/3" in out


def test_stores_that_are_as_they_should_be_are_read(call, tmp_path):
    fill(tmp_path / "store.sqlite")
    code, out, err = call("runs", "store.sqlite", "--format", "csv")
    assert (code, err, len(out.splitlines())) == (0, "", 5)
    shutil.copy("store.sqlite", "copy.sqlite")
    with RunStore(Path("copy.sqlite"), readonly=True) as store:
        assert store.survey()[1] == []
