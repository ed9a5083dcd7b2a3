"""Stores merged into one: nothing counted twice, no source merged in part."""

import csv
import dataclasses
import io
import json
import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath.commands.console import Command, command_line, run
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath.simulations.stores.merging import merge_stores
from neurondeath.simulations.stores.provenance import Provenance
from neurondeath.simulations.stores.seeds import pilot_seed
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.stores.store import ContradictionError, OverlapError, Store, StoreError
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network
from tests.simulations.test_store_schema import make_schema_1

TASKS = [Task(Network([2] * depth), input_set("gaussian:64", dimension=2)) for depth in (1, 2, 3)]


def shard(start, stop, *, task=TASKS[0], seed=0, value=1):
    made = Provenance(version="0.0.1", cpu=f"cpu of {start}", finished=float(start))
    sums = (min(value, 1), value, value * value)  # one network with so many living points
    names = ("alive", "living", "living_squares")
    numbers = {name: np.full(task.network.depth, total) for name, total in zip(names, sums, strict=True)}
    return Shard(
        task_id=task.task_id, seed=seed, start=start, stop=stop, statistics=numbers, cpu_seconds=0.25, provenance=made
    )


def fill(path, *shards):
    with Store(path) as store:
        for task in TASKS:
            if any(one.task_id == task.task_id for one in shards):
                store.add_task(task)
        store.add_many(shards)
    return path


def dump(path):
    with Store(path, readonly=True) as store:
        return {
            (one.task_id, one.seed, one.start, one.stop): (
                {name: values.tolist() for name, values in one.statistics.items()},
                one.provenance,
                one.cpu_seconds,
            )
            for task_id, seed, _ in store.contents(pilots=True)
            for one in store.shards(task_id, seed)
        }


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_shards_keep_their_numbers_and_their_provenance(here):
    one = fill("one.sqlite", shard(0, 10), shard(20, 30), shard(0, 10, task=TASKS[1]), shard(0, 4, seed=pilot_seed(0)))
    two = fill("two.sqlite", shard(10, 20), shard(20, 30), shard(0, 10, seed=5))
    before = {name: (here / name).read_bytes() for name in (one, two)}
    result = merge_stores("all.sqlite", [one, two])
    assert (result.added, result.skipped, result.trials) == ((4, 2), (0, 1), (34, 20))
    assert "6 shards (54 trials) added to all.sqlite, 1 were there already" in str(result)
    assert dump("all.sqlite") == dump(one) | dump(two)
    assert sorted(os.listdir()) == ["all.sqlite", one, two]
    assert {name: (here / name).read_bytes() for name in (one, two)} == before
    with Store("all.sqlite", readonly=True) as store:
        assert store.done(TASKS[0].task_id, 0) == [(0, 10), (10, 20), (20, 30)]
        assert dict(store.tasks())[TASKS[1].task_id] == TASKS[1].description()


def test_merging_again_adds_nothing(here):
    fill("one.sqlite", shard(0, 10), shard(10, 20))
    for again in (False, True):
        result = merge_stores("all.sqlite", ["one.sqlite", "one.sqlite"])
        assert result.added == (0 if again else 2, 0)
        assert result.skipped == (2 if again else 0, 2)
    assert dump("all.sqlite") == dump("one.sqlite")


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 6)), unique=True, max_size=8),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=15, deadline=None)
def test_the_order_of_merging_does_not_matter(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("stores")
    paths = [
        fill(folder / f"{i}", *(shard(10 * k, 10 * k + 10, task=TASKS[t], seed=s, value=k + s) for t, s, k in keys))
        for i, keys in enumerate(contents)
    ]
    forward = merge_stores(folder / "forward", paths)
    backward = merge_stores(folder / "backward", paths[::-1])
    assert dump(folder / "forward") == dump(folder / "backward")
    distinct = len({key for keys in contents for key in keys})
    assert sum(forward.added) == sum(backward.added) == distinct
    assert sum(forward.skipped) == sum(len(keys) for keys in contents) - distinct


def test_contradictions_name_the_shard_and_merge_nothing_of_their_source(here):
    good = fill("good.sqlite", shard(30, 40))
    bad = fill("bad.sqlite", shard(0, 10), shard(10, 20, value=2), shard(0, 10, task=TASKS[1]))
    fill("all.sqlite", shard(10, 20))
    with pytest.raises(ContradictionError) as caught:
        merge_stores("all.sqlite", [good, bad])
    for words in ("'bad.sqlite', the 1 before it is merged", "trials 10 to 19", TASKS[0].task_id, "cpu of 10"):
        assert words in str(caught.value)
    with Store("all.sqlite", readonly=True) as store:
        assert store.done(TASKS[0].task_id, 0) == [(10, 20), (30, 40)]
        assert [task_id for task_id, _ in store.tasks()] == [TASKS[0].task_id]


@pytest.mark.parametrize("stretch", [(0, 15), (12, 18), (15, 40), (10, 15), (0, 100)])
def test_other_cuts_of_the_same_trials_are_refused(here, stretch):
    fill("all.sqlite", shard(10, 20))
    fill("other.sqlite", shard(100, 110), shard(*stretch))
    before = dump("all.sqlite")
    with pytest.raises(OverlapError, match=r"nothing is merged: .* overlap trials 10 to 19"):
        merge_stores("all.sqlite", ["other.sqlite"])
    assert dump("all.sqlite") == before


def test_a_live_source_is_read_as_it_stands(here):
    with Store("live.sqlite") as store:
        store.add_task(TASKS[0])
        store.add(shard(0, 10))
        assert merge_stores("all.sqlite", ["live.sqlite"]).added == (1,)
        store.add(shard(10, 20))
        assert merge_stores("all.sqlite", ["live.sqlite"]).added == (1,)
        assert merge_stores("live.sqlite", ["all.sqlite"]).skipped == (2,)


def test_a_source_of_an_older_schema(here):
    make_schema_1(here / "old.sqlite")
    before = (here / "old.sqlite").read_bytes()
    assert merge_stores("all.sqlite", ["old.sqlite"]).added == (3,)
    assert {made.version for _, made, _ in dump("all.sqlite").values()} == {"0.0.1"}
    assert (here / "old.sqlite").read_bytes() == before


def test_a_damaged_source_merges_nothing(here):
    fill("bad.sqlite", *(shard(start, start + 1) for start in range(50)))
    with closing(sqlite3.connect("bad.sqlite")) as connection, connection:
        connection.execute("UPDATE shards SET checksum = 0 WHERE start = 30")
    with pytest.raises(StoreError, match=r"nothing is merged: .* damaged at trials 30 to 31"):
        merge_stores("all.sqlite", ["bad.sqlite"])
    assert os.listdir() == ["bad.sqlite"]
    fill("all.sqlite", shard(0, 1))
    before = (here / "all.sqlite").read_bytes()
    with pytest.raises(StoreError, match=r"nothing is merged: .* damaged at trials 30 to 31"):
        merge_stores("all.sqlite", ["bad.sqlite"])
    assert (here / "all.sqlite").read_bytes() == before


def test_what_cannot_be_merged_makes_no_target(here):
    fill("one.sqlite", shard(0, 10))
    os.link("one.sqlite", "alias.sqlite")
    (here / "text").write_text("no store at all, just words" * 50)
    for target, source, words in (
        ("new.sqlite", "missing.sqlite", "no store at 'missing.sqlite'"),
        ("new.sqlite", "text", "not a neurondeath store"),
        ("new.sqlite", ".", "is a folder"),
        ("one.sqlite", "./one.sqlite", "is the target itself"),
        ("one.sqlite", "alias.sqlite", "is the target itself"),
    ):
        with pytest.raises(StoreError, match=words):
            merge_stores(target, ["one.sqlite", source] if target == "new.sqlite" else [source])
    assert not (here / "new.sqlite").exists()


def test_parts_sampled_apart_give_the_whole(here):
    network = Network([3] * 4)
    options = {"inputs": "gaussian:8", "workers": 1}
    simulate(network, trials=3000, store="whole.sqlite", **options)
    for part in (0, 1):
        with Store("whole.sqlite", readonly=True) as whole, Store(f"part{part}.sqlite") as store:
            ((task_id, seed, description),) = whole.contents()
            store.add_description(task_id, description)
            store.add_many(list(whole.shards(task_id, seed))[part::2])
    merge_stores("merged.sqlite", ["part1.sqlite", "part0.sqlite"])
    again = simulate(network, trials=3000, store="merged.sqlite", **options)
    assert dump("merged.sqlite") == dump("whole.sqlite")
    assert again.alive.tolist() == simulate(network, trials=3000, **options).alive.tolist()


def command(capsys, *arguments):
    app = command_line("neurondeath", {"merge": Command("neurondeath.commands.merge:merge", "")}, help="")
    code = run(app, "neurondeath", ["merge", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command(here, capsys):
    fill("one.sqlite", shard(0, 10))
    fill("two.sqlite", shard(0, 10), shard(10, 30))
    code, out, err = command(capsys, "all.sqlite", "one.sqlite", "two.sqlite", "--format", "json")
    assert (code, err) == (0, "")
    sources = [
        {"source": "one.sqlite", "added": 1, "skipped": 0, "trials": 10},
        {"source": "two.sqlite", "added": 1, "skipped": 1, "trials": 20},
    ]
    assert json.loads(out) == {"target": "all.sqlite", "sources": sources}
    code, out, _ = command(capsys, "all.sqlite", "two.sqlite", "--format", "csv")
    assert list(csv.DictReader(io.StringIO(out))) == [
        {"source": "two.sqlite", "added": "0", "skipped": "2", "trials": "0"}
    ]
    code, out, _ = command(capsys, "all.sqlite", "two.sqlite")
    assert "0 shards (0 trials) added to all.sqlite, 2 were there already" in out
    for arguments in (["all.sqlite"], ["all.sqlite", "all.sqlite"], ["all.sqlite", "none.sqlite"], []):
        code, out, err = command(capsys, *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "Traceback" not in err


def test_the_same_shard_is_the_same_wherever_it_was_sampled(here):
    """Provenance is kept, but shards that differ only in it are equal."""
    elsewhere = dataclasses.replace(shard(0, 10), provenance=Provenance(version="9", cpu="other", finished=1.0))
    fill("one.sqlite", shard(0, 10))
    fill("two.sqlite", elsewhere)
    result = merge_stores("one.sqlite", ["two.sqlite"])
    assert (result.added, result.skipped) == ((0,), (1,))
    assert dump("one.sqlite").popitem()[1][1].version == "0.0.1"
