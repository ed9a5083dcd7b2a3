"""Sweeps and stores from Python: the same numbers as one task at a time, and as the command line."""

import pytest

import neurondeath as nd
from neurondeath_theory.foundation.errors import InvalidArgumentError

POINTS = {"inputs": "gaussian:8", "trials": 60, "seed": 3}


def test_a_sweep_is_its_simulations():
    results = nd.sweep(width=[2, 3], depth="2,4", bias_variance=[0.0, 0.5], **POINTS)
    assert len(results) == len(list(results)) == 8
    for simulation in results:
        network = simulation.network
        alone = nd.simulate(network, "gaussian:8", trials=60, seed=3)
        assert alone.task_id == simulation.task_id
        assert alone.alive.tolist() == simulation.alive.tolist()
        assert alone.living_ratio.tolist() == simulation.living_ratio.tolist()
    assert [(one.network.widths[0], one.network.depth, one.network.bias_variance) for one in results] == [
        (width, depth, bias) for width in (2, 3) for depth in (2, 4) for bias in (0.0, 0.5)
    ]


def test_a_store_is_read_and_not_sampled_again(tmp_path):
    store = tmp_path / "s.sqlite"
    first = nd.sweep(width=[2, 3], depth=3, store=store, **POINTS)
    again = nd.sweep(width=[2, 3], depth=3, store=store, **POINTS)
    assert [one.cpu_seconds for one in again] == [one.cpu_seconds for one in first]
    read = nd.read_results(store)
    assert {one.task_id for one in read} == {one.task_id for one in first}
    assert nd.read_results(store, task=first[1].task_id)[0].alive.tolist() == first[1].alive.tolist()
    every = nd.read_results(store, layer="all", where="width=3")
    assert every.columns()["depth"] == [1, 2, 3]
    assert set(every.columns()["width"]) == {3}
    assert len(nd.read_results(store, layer=2).to_dataframe()) == 2


def test_parts_and_files(tmp_path):
    options = {"width": [2, 3, 4], "depth": 2, "inputs": "gaussian:8", "trials": 40}
    for part in (1, 2):
        nd.sweep(part=f"{part}/2", store=tmp_path / f"{part}.sqlite", **options)
    nd.merge_stores(tmp_path / "all.sqlite", [tmp_path / "1.sqlite", tmp_path / "2.sqlite"])
    whole = {one.task_id: one.alive.tolist() for one in nd.sweep(**options)}
    merged = {one.task_id: one.alive.tolist() for one in nd.read_results(tmp_path / "all.sqlite")}
    assert merged == whole
    grid = tmp_path / "grid.toml"
    grid.write_text('[[study]]\nwidth = "2:4"\ndepth = 2\ninputs = "gaussian:8"\n')
    assert {one.task_id: one.alive.tolist() for one in nd.sweep(grid=grid, trials=40)} == whole
    with pytest.raises(InvalidArgumentError, match="`grid`"):
        nd.sweep(grid=grid, width=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widht": 3}, "did you mean width"),
        ({"width": 3}, "`depth` must be given"),
        ({"width": 0, "depth": 2}, "`width`"),
        ({"width": 2, "depth": 2, "init": "hee"}, "did you mean he"),
        ({"width": 2, "depth": 2, "trials": 0}, "`trials`"),
        ({"width": 2, "depth": 2, "part": "3/2"}, "`part`"),
        ({"width": 2, "depth": 2, "quiet": 1}, "`quiet`"),
    ],
)
def test_what_cannot_be_swept(options, words):
    with pytest.raises(InvalidArgumentError, match=words) as caught:
        nd.sweep(**options)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(nd.StoreError):
        nd.read_results(tmp_path / "none.sqlite")
    store = tmp_path / "s.sqlite"
    nd.sweep(width=2, depth=2, store=store, **POINTS)
    for wrong in ({"where": "width~3"}, {"layer": 0}, {"layer": "first"}):
        with pytest.raises(InvalidArgumentError):
            nd.read_results(store, **wrong)
