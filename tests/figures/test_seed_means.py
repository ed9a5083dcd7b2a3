"""Means over seeds: groups, intervals by another route, runs without a number."""

import numpy as np
import pytest
from scipy import stats

from neurondeath.figures.training.seed_means import over_seeds

ROWS = [
    {"method": "a", "width": 8, "seed": 0, "dead": 3, "accuracy": 0.9},
    {"method": "a", "width": 8, "seed": 1, "dead": 8, "accuracy": 0.8},
    {"method": "a", "width": 8, "seed": 2, "dead": 4, "accuracy": 0.7},
    {"method": "b", "width": 8, "seed": 0, "dead": None, "accuracy": 0.1},
    {"method": "b", "width": 8, "seed": 1, "dead": 5, "accuracy": float("nan")},
    {"method": "b", "width": 16, "seed": 0, "dead": 7, "accuracy": 0.5},
]


def test_groups_and_intervals():
    keys = {"method": "method", "label": lambda row: f"width {row['width']}"}
    first, second, third = over_seeds(ROWS, keys, {"dead": "dead", "right": "accuracy"})
    assert (first["method"], first["label"], first["trials"], first["diverged"]) == ("a", "width 8", 3, 0)
    for name, values in (("dead", [3, 8, 4]), ("right", [0.9, 0.8, 0.7])):
        low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
        assert [first[name], first[f"{name}_low"], first[f"{name}_high"]] == pytest.approx([np.mean(values), low, high])
    assert (second["trials"], second["diverged"]) == (0, 2)  # either number is missing
    assert np.isnan(second["dead"])
    assert (third["dead"], third["dead_low"], third["trials"]) == (7.0, 7.0, 1)
