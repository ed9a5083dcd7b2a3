"""Fuzzing of what `train` reads: run stores, their rows, checkpoints and experiment files. Right, or refused."""

import json
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_torch.training.checkpoints import read_checkpoint, write_checkpoint
from neurondeath_torch.training.configuration_guide import experiment_template
from neurondeath_torch.training.experiment_files import read_experiment, read_experiments
from neurondeath_torch.training.run_rows import read_measured, read_object, same_numbers, write_measured, write_object
from neurondeath_torch.training.run_store import RunStore, RunStoreError
from tests.torch.run_store_forgeries import EPOCH, FIRST, RUN, change, measured, whole_store

fuzz = settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
NAMES = st.sampled_from(["epoch", "units", "dead_units", "test_accuracy", "diverged", "loss"]) | st.text(max_size=5)
NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3))
CONTENTS = st.dictionaries(NAMES, VALUES, max_size=6) | VALUES
EDITS = st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255), st.integers(1, 600)), min_size=1, max_size=6)


def edited(content, edits, *, cut):
    """Change bytes, overwrite stretches, and perhaps cut the end."""
    changed = bytearray(content)
    for place, value, length in edits:
        at = place % len(changed)
        if length < 500:
            changed[at] ^= value or 1
        else:
            changed[at : at + length] = bytes([value]) * min(length, len(changed) - at)
    return bytes(changed[: len(changed) - cut % len(changed)]) if cut else bytes(changed)


def assert_one_line(error):
    assert str(error) == visible(str(error))
    assert len(str(error)) < 600


@pytest.mark.faults
@fuzz
@given(edits=EDITS, cut=st.sampled_from([0, 0, 0, 1, 100, 5000]))
def test_damaged_stores_give_right_runs_or_an_error(tmp_path, edits, cut):
    path = tmp_path / "store.sqlite"
    path.write_bytes(whole_store())
    with RunStore(path, readonly=True) as store:
        truth = {(run.experiment_id, run.seed): run for run in store.runs()}
    content = edited(whole_store(), edits, cut=cut)
    path.write_bytes(content)
    try:
        with RunStore(path, readonly=True) as store:
            runs, damaged = store.survey()
    except RunStoreError as error:
        assert_one_line(error)
    else:
        for run in runs:
            assert run.epochs == truth[run.experiment_id, run.seed].epochs[: len(run.epochs)]
            assert damaged or run == truth[run.experiment_id, run.seed]
        assert damaged or len(runs) == len(truth)
        for error in damaged:
            assert_one_line(error)
    assert path.read_bytes() == content


@pytest.mark.faults
@fuzz
@given(content=CONTENTS, column=st.sampled_from(["measured", "made"]))
def test_forged_epochs_are_read_back_or_refused(tmp_path, content, column):
    path = tmp_path / "store.sqlite"
    path.write_bytes(whole_store())
    change(path, (f"UPDATE epochs SET {column} = ? WHERE {EPOCH}", (json.dumps(content),)), sealed=True)
    with RunStore(path, readonly=True) as store:
        runs, damaged = store.survey()
        for error in damaged:
            assert_one_line(error)
        assert len(runs) + len(damaged) == 4
        run = next((run for run in runs if (run.experiment_id, run.seed) == (FIRST.experiment_id, 0)), None)
        if run is not None and column == "measured":
            assert same_numbers(run.epochs[1], read_measured(json.dumps(content), 1))


@pytest.mark.faults
@fuzz
@given(
    content=st.dictionaries(NAMES, VALUES, max_size=6) | VALUES, column=st.sampled_from(["description", "provenance"])
)
def test_forged_runs_are_refused_or_harmless(tmp_path, content, column):
    path = tmp_path / "store.sqlite"
    path.write_bytes(whole_store())
    change(path, (f"UPDATE runs SET {column} = ? WHERE {RUN}", (json.dumps(content),)), sealed=True)
    with RunStore(path, readonly=True) as store:
        runs, damaged = store.survey()
    assert len(runs) + len(damaged) == 4
    if column == "description":
        assert len(damaged) == 1


@pytest.mark.faults
@fuzz
@given(content=st.dictionaries(NAMES, VALUES, max_size=6))
def test_what_is_written_is_read_back(content):
    try:
        text = write_measured(content)
    except ValueError:
        return
    json.loads(text, parse_constant=pytest.fail)
    again = read_measured(text)
    assert write_measured(again) == text
    assert all(
        math.isnan(again[name]) for name, value in content.items() if isinstance(value, float) and math.isnan(value)
    )


@pytest.mark.faults
@fuzz
@given(text=st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_text_is_an_object_or_refused(text):
    for read, write in ((read_object, write_object), (read_measured, write_measured)):
        try:
            content = read(text)
        except ValueError:
            continue
        write(content)


@pytest.mark.faults
@fuzz
@given(edits=EDITS, cut=st.sampled_from([0, 0, 0, 1, 100, 2000]))
def test_damaged_checkpoints_are_refused(tmp_path, edits, cut):
    path = tmp_path / "run.pt"
    state = {"model": {"a": torch.arange(60.0)}, "optimiser": {}, "schedule": {}, "method": {}, "made": [None]}
    if not path.exists():
        write_checkpoint(path, {**state, "measured": [measured(0)], "experiment_id": "a", "seed": 0})
        (tmp_path / "whole").write_bytes(path.read_bytes())
    whole = (tmp_path / "whole").read_bytes()
    content = edited(whole, edits, cut=cut)
    path.write_bytes(content)
    if content == whole:
        return
    with pytest.raises(RunStoreError) as caught:
        read_checkpoint(path, torch.device("cpu"), "a", 0)
    assert_one_line(caught.value)
    assert path.read_bytes() == content


LINES = experiment_template().splitlines()
KEYS = st.sampled_from(["epochs", "seeds", "measure", "data", "model", "optimiser", "method", "grid", "name"])
INNER = st.sampled_from(["name", "n_train", "kind", "widths", "learning_rate", "every", "m", "tau", "sparsity", "q"])
TABLES = st.dictionaries(INNER | st.text(max_size=4), VALUES, max_size=4)
DOCUMENTS = st.dictionaries(KEYS | st.text(max_size=4), VALUES | TABLES, max_size=6)


@pytest.mark.faults
@fuzz
@given(document=DOCUMENTS)
def test_any_document_is_experiments_or_one_line(document):
    for read in (read_experiments, read_experiment):
        try:
            read({"epochs": 1, **document})
        except InvalidArgumentError as error:
            assert_one_line(error)


@pytest.mark.faults
@fuzz
@given(data=st.data())
def test_any_file_is_experiments_or_one_line(tmp_path, data):
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(
            st.just("") | st.sampled_from(LINES) | st.text(max_size=30) | st.just(lines[at][: len(lines[at]) // 2])
            | st.sampled_from(["epochs = 1_0", "seeds = [" * 99, "a" + ".a" * 99 + " = 1", "epochs = " + "9" * 5000])
        )  # fmt: skip
    path = tmp_path / "config.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        read_experiments(path)
    except InvalidArgumentError as error:
        assert_one_line(error)
