"""Checkers of how well forecasts order learned accuracy: statistics by other routes, limits, and what is left out."""

import numpy as np
import pytest
from scipy import stats

from neurondeath.paper_check.checkers.training import forecast_order
from neurondeath.paper_check.checkers.training.forecast_order import agreement, better
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath_torch.studies.tables import write_study


def study(folder, noise):
    """Write a table in which the score orders the accuracy up to noise, and the width does not."""
    rng = np.random.default_rng(0)
    rows = []
    for width in (4, 8):
        for depth in range(2, 32):
            for remedy in ("one", "two"):
                for seed in (0, 1):
                    rank = 2.0 + depth / 3.0
                    accuracy = 0.1 + 0.85 / (1 + np.exp(-(rank - 7) - noise * rng.standard_normal()))
                    head = {"experiment": f"{remedy}, {width} x {depth}", "seed": seed, "remedy": remedy}
                    size = {"width": width, "depth": depth, "root_rank": rank, "step_gain": 1.0, "living_ratio": 1.0}
                    rows.append(head | size | {"correlation": None, "test_accuracy": accuracy})
    write_study("alive_and_learning", rows, {"date": "today"}, folder)
    return rows, Setting(studies=folder)


def test_statistics_are_those_of_scipy(tmp_path):
    rows, setting = study(tmp_path, 1.0)
    held = [row for row in rows if row["width"] == 8 or row["depth"] not in (5, 10, 20)]
    x, y = (np.array([row[name] for row in held]) for name in ("root_rank", "test_accuracy"))
    found = agreement(setting=setting, right=0.5)
    assert found.numbers["networks"][0] == len(held)
    assert found.numbers["value"][0] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-4)
    auc = agreement(setting=setting, measure="auc", right=0.5)
    u = stats.mannwhitneyu(x[y > 0.8], x[y <= 0.8]).statistic
    assert auc.numbers["value"][0] == pytest.approx(u / ((y > 0.8).sum() * (y <= 0.8).sum()), abs=1e-4)
    assert found.numbers["low"][0] < found.numbers["value"][0] < found.numbers["high"][0]
    assert agreement(setting=setting, right=0.5, held_out=False).numbers["networks"][0] == len(rows)


def test_verdicts_follow_the_limits(tmp_path):
    _, setting = study(tmp_path, 0.1)
    assert agreement(setting=setting, right=0.9).verdict is Verdict.CONFIRMED
    assert agreement(setting=setting, relation="<", right=0.9).verdict is Verdict.REFUTED
    assert agreement(setting=setting, measure="auc", within="remedy", right=0.7).numbers["what"] == ["one", "two"]
    assert better(setting=setting, than=["width", "living_ratio", "remedy"]).verdict is Verdict.CONFIRMED
    assert better(setting=setting, than=["width"], forecast="living_ratio").verdict is not Verdict.CONFIRMED
    with pytest.raises(ValueError, match="no column nonsense"):
        agreement(setting=setting, forecast="nonsense")


def test_thresholds_were_chosen_on_networks_that_are_left_out():
    assert not forecast_order._is_held_out({"width": 16, "depth": 20})
    assert forecast_order._is_held_out({"width": 8, "depth": 20})
    assert forecast_order._is_held_out({"width": 16, "depth": 150})
