"""What dead counts are worth: rank correlations by a second route, and studies of sequences of tasks."""

import math

import numpy as np
import pytest
from scipy import stats

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.studies import running as study_running
from neurondeath_torch.studies.count_worth import (
    CountWorth,
    count_worth,
    partial_rank_correlation,
    rank_correlation,
)
from neurondeath_torch.studies.export import study_rows
from neurondeath_torch.studies.running import run_study
from neurondeath_torch.studies.tables import read_study
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.run_store import RunStore
from tests.references.statistical import assert_agrees, assert_refutes, seeds


def made_up(effect, *, runs=12, tasks=25, trend=0.0, seed=0):
    """Return rows in which the next task's accuracy falls with the dead share by `effect`, and both follow time."""
    rng = np.random.default_rng(seed)
    rows = []
    for run in range(runs):
        dead = rng.normal(size=tasks) + trend * np.arange(tasks)
        reached = rng.normal(size=tasks) - trend * np.arange(tasks)
        reached[1:] -= effect * (dead[:-1] - trend * np.arange(tasks - 1))
        rows += [
            {
                "experiment": "a", "seed": run, "epoch": task + 1, "task": task, "dead_share": dead[task],
                "task_online_accuracy": reached[task],
            }
            for task in range(tasks)
        ]  # fmt: skip
    return rows


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlations_are_those_of_scipy(ties):
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, y, t = rng.normal(size=(3, 15))
        x, y = (x + 0.7 * t, y - 0.5 * t) if not ties else (np.round(x + 0.7 * t), np.round(y))
        assert math.isclose(rank_correlation(x, y), stats.spearmanr(x, y).statistic, rel_tol=1e-12)
        # by another route: correlation of the residuals of the ranks after regression on the ranks of t
        a, b, c = (stats.rankdata(values) for values in (x, y, t))
        left = [values - np.polyval(np.polyfit(c, values, 1), c) for values in (a, b)]
        assert math.isclose(partial_rank_correlation(x, y, t), np.corrcoef(*left)[0, 1], rel_tol=1e-9, abs_tol=1e-12)
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
    assert math.isnan(partial_rank_correlation([1, 2, 3], [3, 1, 2], [1, 2, 3]))


def test_the_next_task_is_what_is_compared_and_time_alone_is_no_worth():
    strong = count_worth(made_up(2.0))
    correlation, low, high = strong.of("dead_share", "beyond_time")
    assert low < correlation < high < -0.7
    by_time = count_worth(made_up(0.0, trend=1.0))
    assert by_time.of("dead_share")[2] < -0.9
    _, low, high = by_time.of("dead_share", "beyond_time")
    assert low < 0.0 < high
    # the accuracy of the same task, with which the count has nothing to do, is not what is compared
    rows = made_up(0.0)
    for row in rows:
        row["task_online_accuracy"] = -row["dead_share"]
    assert abs(count_worth(rows).of("dead_share")[0]) < 0.3


@seeds
def test_intervals_cover_no_effect_as_often_as_they_promise(seed):
    inside = 0
    for repeat in range(60):
        found = count_worth(made_up(0.0, runs=10, tasks=12, seed=[seed, repeat]), confidence=0.8, draws=200)
        _, low, high = found.of("dead_share", "within")
        inside += low <= 0.0 <= high
    stderr = math.sqrt(0.8 * 0.2 / 60)
    assert_agrees(inside / 60, stderr, 0.8)
    assert_refutes(inside / 60, stderr, 0.3)


def test_between_runs_and_runs_that_cannot_be_ranked():
    rows = made_up(0.0, runs=8)
    for row in rows:
        row["dead_share"] += 50.0 * row["seed"]
        row["task_online_accuracy"] -= 50.0 * row["seed"]
        if row["seed"] == 3:
            row["dead_share"] = 0.0
    found = count_worth(rows)
    assert found.runs[0] == 7
    assert found.runs[found.sense.index("between")] == 8
    assert found.of("dead_share", "between")[0] < -0.5
    assert isinstance(found, CountWorth)
    assert "rank correlation with task_online_accuracy of the next task" in str(found)
    lonely = count_worth(made_up(1.0, runs=1))
    correlation, low, high = lonely.of("dead_share")
    assert correlation < -0.3
    assert math.isnan(low)
    assert math.isnan(high)


def test_tasks_that_are_missing_are_not_bridged_and_diverged_values_are_left_out():
    rows = [row for row in made_up(3.0, runs=3) if row["task"] != 9]
    rows[4]["dead_share"] = math.nan
    rows[7]["task_online_accuracy"] = None
    assert count_worth(rows).of("dead_share")[0] < -0.5


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        ([], {}, "`rows` must hold rows at the ends of tasks"),
        ([{"experiment": "a"}], {}, "`rows` must have a column seed"),
        (made_up(1.0, tasks=4), {}, "`rows` must hold a run of at least 5 tasks"),
        (made_up(1.0), {"outcome": "luck"}, "`rows` must have a column luck"),
        (made_up(1.0), {"measures": ["luck"]}, "`measures` must name columns of the rows"),
        (made_up(1.0), {"confidence": 1.0}, "`confidence`"),
        (made_up(1.0), {"confidence": math.nan}, "`confidence`"),
        (made_up(1.0), {"draws": 0}, "`draws`"),
        (made_up(1.0), {"seed": -1}, "`seed`"),
    ],
)
def test_bad_input_is_one_line(rows, more, words):
    with pytest.raises(InvalidArgumentError) as caught:
        count_worth(rows, **more)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["continual_methods", "dead_count_worth"])
def test_a_study_of_tasks_is_written_and_judged(name, tmp_path, monkeypatch):
    document = {
        "epochs": 4,
        "seeds": [0, 1, 2],
        "data": {"n_train": 60, "n_test": 40, "validation": 0.0},
        "model": {"widths": [8]},
        "tasks": {"kind": "permuted-images", "number": 7},
        "grid": {"cases": [{"method": {"kind": "none"}}, {"method": {"kind": "l2-init", "strength": 0.01}}]},
    }
    monkeypatch.setattr(
        study_running, "planned_runs", lambda name, quick=False: (document, *read_experiments(document))
    )
    run_study(name, store=tmp_path / "runs.sqlite", folder=tmp_path, device="cpu")
    table = read_study(name, tmp_path)
    with RunStore(tmp_path / "runs.sqlite", readonly=True) as store:
        runs = store.runs()
    if name == "dead_count_worth":
        assert [row["epoch"] for row in table.rows[:8]] == [0, 4, 8, 12, 16, 20, 24, 28]
        assert "test_loss" not in table.rows[0]
        found = count_worth(table, draws=50)
        assert {"dead_share", "feature_rank", "weight_size"} <= set(found.measure)
        return
    ends = [epoch for epoch in runs[0].epochs if epoch["epoch"] in (24, 28)]
    (last,) = [row for row in study_rows(runs[:1]) if row["epoch"] == 28]
    for column, name in (("late_accuracy", "task_accuracy"), ("late_online_accuracy", "task_online_accuracy")):
        assert math.isclose(last[column], sum(end[name] for end in ends) / 2)
    online = [epoch["online_accuracy"] for epoch in runs[0].epochs[25:29]]
    assert math.isclose(runs[0].epochs[28]["task_online_accuracy"], sum(online) / 4)
    assert all(row["late_online_accuracy"] is not None for row in table.last_epochs())
