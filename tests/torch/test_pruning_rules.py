"""The rules of the training-time methods compared with plain loops over single weights, without PyTorch."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.pruning_rules import (
    least_moved_negative,
    lowest_units,
    lowest_weights,
    stripped,
    weight_saliency,
)

small = st.floats(-4, 4, width=32).map(lambda w: round(w, 1))
factors = st.floats(0, 1)


def layer(values=small):
    shapes = st.tuples(st.integers(1, 5), st.integers(1, 6))
    return shapes.flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.float64, shape, elements=values),
            hnp.arrays(bool, shape),
            hnp.arrays(bool, shape[0]),
        )
    )


def quantile_by_definition(values, factor):
    """Return the value at position factor * (n - 1) of the sorted values, interpolated linearly."""
    ordered = sorted(values)
    place = factor * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@settings(deadline=None)
@given(layer(), factors)
def test_stripping_weight_by_weight(case, factor):
    weights, kept, dead = case
    after = stripped(weights, kept, dead, stripping_factor=factor)
    for unit in range(len(weights)):
        remaining = [w for w, k in zip(weights[unit], kept[unit], strict=True) if k and w != 0]
        for i, w in enumerate(weights[unit]):
            if not (dead[unit] and kept[unit, i] and w != 0):
                assert after[unit, i] == kept[unit, i]
                continue
            bound = quantile_by_definition(remaining, factor)
            if abs(w - bound) > 1e-9:  # where rounding cannot decide
                assert after[unit, i] == (w > bound)


def test_stripping_on_a_worked_example():
    weights = np.array([[-2.0, 1.0, 0.0, -1.0, 3.0]] * 3)
    kept = np.ones_like(weights, dtype=bool)
    after = stripped(weights, kept, np.array([True, False, True]), stripping_factor=0.5)
    # remaining nonzero -2, -1, 1, 3: median 0; the zero weight is not counted and not pruned
    assert after.tolist() == [[False, True, True, False, True], [True] * 5, [False, True, True, False, True]]
    again = stripped(weights, after, np.array([True, False, False]), stripping_factor=0.5)
    assert again[0].tolist() == [False, False, True, False, True]  # the lower of 1 and 3
    assert (kept == 1).all()  # the input masks are not changed


def test_the_default_factor_strips_one_of_twenty_and_the_most_negative():
    weights = np.arange(-5.0, 16.0)[np.random.default_rng(0).permutation(21)][None]
    after = stripped(weights, np.ones((1, 21), bool), np.array([True]))
    assert weights[~after].tolist() == [-5.0]


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])
def test_rows_without_anything_below_their_quantile_keep_all(row):
    weights = np.array([row])
    assert stripped(weights, np.ones((1, 3), bool), np.array([True]), stripping_factor=0.9).all()
    assert not stripped(weights, np.zeros((1, 3), bool), np.array([True])).any()


def test_stripping_single_precision_does_not_round_the_quantile_below_its_weights():
    weights = np.full((1, 40), -0.1, dtype=np.float32)
    assert stripped(weights, np.ones((1, 40), bool), np.array([True])).all()
    neighbours = np.array([[1.0, np.nextafter(np.float32(1), np.float32(2))]], dtype=np.float32)
    assert stripped(neighbours, np.ones((1, 2), bool), np.array([True])).tolist() == [[False, True]]


def test_convolution_kernels_are_rows():
    weights = np.random.default_rng(1).normal(size=(3, 2, 3, 3))
    dead = np.array([False, True, True])
    after = stripped(weights, np.ones(weights.shape, bool), dead, stripping_factor=0.3)
    flat = stripped(weights.reshape(3, -1), np.ones((3, 18), bool), dead, stripping_factor=0.3)
    assert (after.reshape(3, -1) == flat).all()
    assert not after[1].all()


layers = st.lists(layer(), min_size=1, max_size=3)


@settings(deadline=None)
@given(layers, st.integers(0, 30))
def test_lowest_weights_take_exactly_the_lowest(cases, count):
    scores = [np.abs(weights) for weights, _, _ in cases]
    kept = [mask for _, mask, _ in cases]
    after = lowest_weights(scores, kept, count)
    fallen = [score[k & ~a] for score, k, a in zip(scores, kept, after, strict=True)]
    staying = [score[k & a] for score, k, a in zip(scores, kept, after, strict=True)]
    n_kept = sum(int(k.sum()) for k in kept)
    assert all((a <= k).all() for a, k in zip(after, kept, strict=True))
    assert sum(f.size for f in fallen) == min(count, n_kept)
    if 0 < count < n_kept:
        assert max(f.max() for f in fallen if f.size) <= min(s.min() for s in staying if s.size)


@settings(deadline=None)
@given(layers, st.integers(0, 30), st.integers(0, 1000))
def test_only_surviving_negative_weights_fall_and_the_stillest_first(cases, count, seed):
    end = [weights for weights, _, _ in cases]
    kept = [mask for _, mask, _ in cases]
    rng = np.random.default_rng(seed)
    start = [weights + rng.normal(size=weights.shape) for weights in end]
    after = least_moved_negative(start, end, kept, count)
    moves, falls = [], []
    for before, weights, k, a in zip(start, end, kept, after, strict=True):
        assert (a <= k).all()
        assert (weights[k & ~a] < 0).all()
        eligible = k & (weights < 0)
        moves += np.abs(before - weights)[eligible].tolist()
        falls += (~a)[eligible].tolist()
    assert sum(falls) == min(count, len(moves))
    assert sorted(np.array(moves)[falls]) == sorted(moves)[: sum(falls)]


def test_saliency_is_the_first_order_change_of_the_loss():
    rng = np.random.default_rng(2)
    weights, target = rng.normal(size=7), rng.normal(size=7)

    def loss(w):
        return float(np.sum(np.sin(w) * target))

    gradient = np.cos(weights) * target
    for i, score in enumerate(weight_saliency(weights, gradient)):
        shrunk = weights.copy()
        shrunk[i] *= 1 - 1e-6
        assert score == pytest.approx(abs(loss(shrunk) - loss(weights)) / 1e-6, rel=1e-4, abs=1e-8)
    assert weight_saliency(weights).tolist() == np.abs(weights).tolist()


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(0, 9), min_size=1, max_size=5), min_size=1, max_size=4), st.integers(0, 30))
def test_no_layer_loses_its_last_unit(scores, count):
    arrays = [np.array(layer) for layer in scores]
    chosen = lowest_units(arrays, count)
    assert sum(int(mask.sum()) for mask in chosen) == min(count, sum(len(layer) - 1 for layer in scores))
    for layer_scores, mask in zip(arrays, chosen, strict=True):
        assert not mask.all()
        if mask.any():
            assert layer_scores[mask].max() <= layer_scores[~mask].max()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda w, k, d: stripped(w, k, d, stripping_factor=1.1), "stripping_factor"),
        (lambda w, k, d: stripped(w, k, d, stripping_factor=float("nan")), "stripping_factor"),
        (lambda w, k, d: stripped(w, k[:1], d), "kept"),
        (lambda w, k, d: stripped(w, k, d[:1]), "dead"),
        (lambda w, k, d: stripped(w * np.nan, k, d), "diverged"),
        (lambda w, k, d: stripped(w.astype(int), k, d), "floating"),
        (lambda w, k, d: stripped(w, k.astype(int), d), "booleans"),
        (lambda w, k, d: lowest_weights([w], [k, k], 1), "one mask for each"),
        (lambda w, k, d: lowest_weights([w], [k], -1), "count"),
        (lambda w, k, d: lowest_weights([w * np.inf], [k], 1), "finite"),
        (lambda w, k, d: least_moved_negative([w, w], [w], [k], 1), "start"),
        (lambda w, k, d: least_moved_negative([w[:1]], [w], [k], 1), "start"),
        (lambda w, k, d: weight_saliency(w, w[:1]), "gradients"),
    ],
)
def test_bad_input_is_one_clear_line(call, words):
    weights = np.ones((2, 3))
    with pytest.raises(InvalidArgumentError) as caught:
        call(weights, np.ones((2, 3), bool), np.ones(2, bool))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_rules_do_not_need_pytorch():
    modules = "neurondeath_torch.methods.pruning_rules, neurondeath_torch.methods.penalty_schedules"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
