"""Checkpoints: damaged, foreign and forged files are refused in one line and kept; sound ones resume exactly."""

import io
import os
import pickle
import zipfile

import pytest
import torch

from neurondeath_torch.training import checkpoints, sealed_archives
from neurondeath_torch.training.checkpoints import read_checkpoint, write_checkpoint
from neurondeath_torch.training.configuration import DataChoice, Experiment, ModelChoice
from neurondeath_torch.training.labelled_data import load_labelled_data
from neurondeath_torch.training.loop import train
from neurondeath_torch.training.run_errors import RunBusyError, RunStoreError
from neurondeath_torch.training.run_leases import lease
from neurondeath_torch.training.run_store import RunStore

SMALL = DataChoice(n_train=60, n_test=40, validation=0.2)
ASKED = Experiment(epochs=3, data=SMALL, model=ModelChoice(options={"widths": [6]}))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return load_labelled_data("digits", n_train=60, n_test=40, validation=0.2)


@pytest.fixture
def path(tmp_path, data):
    train(ASKED, checkpoint=tmp_path / "run.pt", data=data, stopped=stop_after(2))
    return tmp_path / "run.pt"


def stop_after(calls):
    left = iter(range(calls))
    return lambda: next(left, None) is None


def numbers(run):
    return [{name: value for name, value in epoch.items() if name != "train_seconds"} for epoch in run.epochs]


def read(path):
    return read_checkpoint(path, CPU, ASKED.experiment_id, 0)


def saved(path):
    return torch.load(path, weights_only=True)


def archive(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


class Code:
    def __reduce__(self):
        return os.mkdir, ("code_ran",)


def compressed(content):
    """Return an archive whose parts are compressed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return packed.getvalue()


# content of a file from that of a sound checkpoint, and from its state
DAMAGED = {
    "empty": lambda whole, state: b"",
    "cut": lambda whole, state: whole[: len(whole) // 2],
    "without its end": lambda whole, state: whole[:-1],
    "without its checksum": lambda whole, state: whole[: -len(checkpoints.COMMENT) - 8],
    "longer": lambda whole, state: whole + b"0",
    "a flipped bit": lambda whole, state: whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:],
    "a flipped bit of the weights": lambda whole, state: whole[:-3000] + bytes([whole[-3000] ^ 64]) + whole[-2999:],
    "a flipped digit of the checksum": lambda whole, state: whole[:-1] + (b"0" if whole[-1:] != b"0" else b"1"),
    "text": lambda whole, state: b"no archive" * 1000,
    "an archive of something else": lambda whole, state: archive([1, 2]),
    "an empty archive": lambda whole, state: compressed(archive({}))[-22:],
    "a pickle with code": lambda whole, state: pickle.dumps({"layout": 2, "model": Code()}),
    "an archive with code": lambda whole, state: checkpoints._seal({**state, "model": Code()}),
    "a compressed archive": lambda whole, state: compressed(archive(state)),
    "no layout": lambda whole, state: archive(without(state, "layout")),
    "layout 2 without a checksum": lambda whole, state: archive(state),
    "no name": lambda whole, state: checkpoints._seal(without(state, "experiment_id")),
    "no model": lambda whole, state: checkpoints._seal(without(state, "model")),
    "no epoch": lambda whole, state: checkpoints._seal({**state, "measured": [], "made": []}),
    "an epoch that is text": lambda whole, state: checkpoints._seal({**state, "measured": ["0"], "made": [None]}),
    "an epoch in another's place": lambda whole, state: checkpoints._seal(
        {**state, "measured": state["measured"][::-1]}
    ),
    "a measurement that is text": lambda whole, state: checkpoints._seal(
        {**state, "measured": [{**state["measured"][0], "units": "6"}], "made": [None]}
    ),
    "more epochs than there are": lambda whole, state: checkpoints._seal(
        {
            **state,
            "measured": [{**state["measured"][0], "epoch": epoch} for epoch in range(9)],
            "made": [None] * 9,
        }
    ),
    "places of other epochs": lambda whole, state: checkpoints._seal({**state, "made": []}),
    "a model of other layers": lambda whole, state: checkpoints._seal({**state, "model": {"a": torch.zeros(2)}}),
    "a larger model": lambda whole, state: checkpoints._seal(
        {**state, "model": {name: torch.zeros(50, 50) for name in state["model"]}}
    ),
    "a model of text": lambda whole, state: checkpoints._seal(
        {**state, "model": dict.fromkeys(state["model"], "weights")}
    ),
    "a tensor without entries": lambda whole, state: checkpoints._seal(
        {**state, "model": {name: torch.zeros(1).expand(10**9) for name in state["model"]}}
    ),
    "an optimiser of text": lambda whole, state: checkpoints._seal({**state, "optimiser": {"state": "x"}}),
    "an optimiser of other parameters": lambda whole, state: checkpoints._seal(
        {**state, "optimiser": {"state": {}, "param_groups": []}}
    ),
    "a schedule of text": lambda whole, state: checkpoints._seal({**state, "schedule": []}),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path, monkeypatch, path, data, kind):
    monkeypatch.chdir(tmp_path)
    content = DAMAGED[kind](path.read_bytes(), saved(path))
    path.write_bytes(content)
    with pytest.raises(RunStoreError, match="is damaged") as caught:
        train(ASKED, checkpoint=path, data=data)
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith("delete it to retrain")
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_other_layouts_runs_and_files_are_named(tmp_path, path):
    state = saved(path)
    path.write_bytes(checkpoints._seal({**state, "layout": 7}))
    with pytest.raises(RunStoreError, match="has layout 7"):
        read(path)
    for change in ({"seed": 1}, {"experiment_id": "0123456789abcdef"}):
        path.write_bytes(checkpoints._seal({**state, **change}))
        with pytest.raises(
            RunStoreError, match=rf"is of run .*, not of run {ASKED.experiment_id}, seed 0; move it away"
        ):
            read(path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(checkpoints.MOST_BYTES + 1)
    for name in ("pipe", "endless", "nowhere", "huge", ""):
        with pytest.raises(RunStoreError, match="cannot read the checkpoint"):
            read(tmp_path / name)
    assert read(tmp_path / "none") is None


def test_a_checkpoint_of_layout_1_is_resumed(path, data):
    whole = train(ASKED, data=data)
    state = saved(path)
    old = {name: value for name, value in state.items() if name not in ("experiment_id", "seed", "made")}
    path.write_bytes(archive({**old, "layout": 1}))
    assert numbers(train(ASKED, checkpoint=path, data=data)) == numbers(whole)
    assert saved(path)["seed"] == 0


def test_a_checkpoint_older_or_newer_than_the_store_gives_the_same_run(tmp_path, path, data):
    whole = train(ASKED, data=data)
    older = path.read_bytes()
    with RunStore(tmp_path / "runs.sqlite") as store:
        first = train(ASKED, store=store, checkpoint=path, data=data)  # the store begins behind the checkpoint
        assert numbers(first) == numbers(whole)
        stored = store.runs()
        key = (ASKED.experiment_id, 0)
        for left in (older, None):
            store.connection.execute("DELETE FROM epochs WHERE epoch > 2")  # so that the run is not complete
            path.unlink()
            if left is not None:
                path.write_bytes(left)
            assert numbers(train(ASKED, store=store, checkpoint=path, data=data)) == numbers(whole)
            assert store.n_epochs(*key) == 4
            assert store.runs()[0].epochs[:3] == stored[0].epochs[:3]  # kept as they were


def test_a_checkpoint_of_another_training_is_not_mixed_with_a_store(tmp_path, path, data):
    key = (ASKED.experiment_id, 0)
    with RunStore(tmp_path / "runs.sqlite") as store:
        store.begin(*key, name="", description=ASKED.description(), provenance={"torch": "0"})
        store.note(*key, 0, {"epoch": 0, "test_accuracy": 0.5})
        with pytest.raises(RunStoreError, match=r"epoch 0 of run .* contradicts the stored one"):
            train(ASKED, store=store, checkpoint=path, data=data)
        assert store.runs()[0].epochs == [{"epoch": 0, "test_accuracy": 0.5}]
        path.unlink()
        run = train(ASKED, store=store, checkpoint=path, data=data)  # trained again, elsewhere than the stored epoch
        assert len(store.runs()[0].epochs) == len(run.epochs) == 4


def test_only_one_process_writes_a_checkpoint(path, data):
    with lease(path, "", "run x"), pytest.raises(RunBusyError, match="is being trained by process"):
        train(ASKED, checkpoint=path, data=data)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, path):
    before = path.read_bytes()
    monkeypatch.setattr(sealed_archives, "MOST_BYTES", 1000)
    with pytest.raises(RunStoreError, match="cannot write the checkpoint"):
        write_checkpoint(path, saved(path))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
