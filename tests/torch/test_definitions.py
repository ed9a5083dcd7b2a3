"""The definitions of dead units, on arrays; nothing here needs PyTorch."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.watching import definitions

FLAGS = st.integers(1, 12).flatmap(lambda n: arrays.arrays(np.bool_, n))
# activations of shape (steps, samples, units), many of them zero
HISTORIES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6)),
    elements=st.sampled_from([0.0, 1.0, -2.5]),
)


def statistics(history):
    """Count by loops the statistics that a monitor keeps."""
    steps, samples, units = history.shape
    active = [sum(history[s, i, u] != 0 for s in range(steps) for i in range(samples)) for u in range(units)]
    last = [max([s + 1 for s in range(steps) if history[s, :, u].any()], default=0) for u in range(units)]
    return np.array(active), np.array(last), np.abs(history).mean(axis=(0, 1))


@given(HISTORIES, st.integers(1, 6))
def test_definitions_are_what_they_say(history, window):
    steps, samples, units = history.shape
    active, last, size = statistics(history)
    assert definitions.dead(active).tolist() == [not history[:, :, u].any() for u in range(units)]
    zeros = [np.mean([history[s, i, u] == 0 for s in range(steps) for i in range(samples)]) for u in range(units)]
    assert definitions.apoz(active, steps * samples) == pytest.approx(zeros)
    recent = history[-window:]
    assert definitions.silent(last, steps, window).tolist() == [not recent[:, :, u].any() for u in range(units)]
    scores = size / size.mean() if size.any() else np.zeros(units)
    assert definitions.dormancy(size) == pytest.approx(scores)


@given(HISTORIES)
def test_dead_apoz_one_and_zero_dormant_agree(history):
    active, _, size = statistics(history)
    dead = definitions.dead(active)
    assert (dead == (definitions.apoz(active, history.shape[0] * history.shape[1]) == 1.0)).all()
    assert (dead == definitions.dormant(size)).all()


@given(HISTORIES, st.data())
def test_dynamic_dnr_is_the_mean_over_samples_of_a_share_of_units(history, data):
    flags = data.draw(arrays.arrays(np.bool_, history.shape[2]))
    active, _, _ = statistics(history)
    rows = history.reshape(-1, history.shape[2])
    shares = [np.mean([value == 0 and not flag for value, flag in zip(row, flags, strict=True)]) for row in rows]
    assert definitions.dynamic_dnr(definitions.apoz(active, len(rows)), flags) == pytest.approx(np.mean(shares))
    assert definitions.static_dnr(flags) == pytest.approx(flags.mean())


def test_a_wholly_dead_layer_is_dormant_at_every_tau_and_a_uniform_one_never():
    assert definitions.dormant(np.zeros(4)).all()
    assert definitions.dormant(np.zeros(4), tau=0.9).all()
    assert not definitions.dormant(np.full(4, 3.0), tau=0.9).any()


def test_dormancy_of_huge_and_tiny_activations():
    assert definitions.dormancy([1e308, 1e308, 0.0]) == pytest.approx([1.5, 1.5, 0.0])
    assert definitions.dormancy([5e-324, 0.0]).tolist() == [2.0, 0.0]


def test_one_nonzero_weight_keeps_a_unit_from_being_pruned():
    weight = np.zeros((3, 2, 3, 3))
    weight[1, 1, 2, 0] = -1e-30
    assert definitions.pruned(weight).tolist() == [True, False, True]
    assert definitions.pruned(np.full((1, 2), np.nan)).tolist() == [False]


@given(FLAGS, st.data())
def test_overlap_counts_sets(before, data):
    after = data.draw(arrays.arrays(np.bool_, before.size))
    first, second = set(np.flatnonzero(before)), set(np.flatnonzero(after))
    found = definitions.overlap(before, after)
    assert found.jaccard == (len(first & second) / len(first | second) if first | second else 1.0)
    assert found.persistence == (len(first & second) / len(first) if first else 1.0)
    assert found.by_chance == len(second) / before.size


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: definitions.dead([-1]), "n_active"),
        (lambda: definitions.dead([]), "n_active"),
        (lambda: definitions.dead([0.5]), "n_active"),
        (lambda: definitions.dead([[1]]), "n_active"),
        (lambda: definitions.apoz([5], 4), "n_active"),
        (lambda: definitions.apoz([0], 0), "n_positions"),
        (lambda: definitions.dormancy([np.nan]), "mean_size"),
        (lambda: definitions.dormancy([-1.0]), "mean_size"),
        (lambda: definitions.dormant([1.0], tau=-1), "tau"),
        (lambda: definitions.silent([3], 2, 1), "last_fired"),
        (lambda: definitions.silent([1], 2, 0), "window"),
        (lambda: definitions.pruned(np.zeros((0, 3))), "weight"),
        (lambda: definitions.static_dnr([0.5]), "pruned_units"),
        (lambda: definitions.dynamic_dnr([0.5], [True, False]), "zero_shares"),
        (lambda: definitions.dynamic_dnr([1.5], [True]), "zero_shares"),
        (lambda: definitions.dynamic_dnr([np.nan], [True]), "zero_shares"),
        (lambda: definitions.overlap([True], [True, False]), "after"),
    ],
)
def test_bad_arguments_are_one_line_that_names_them(call, word):
    with pytest.raises(InvalidArgumentError, match=f"`{word}`") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_definitions_do_not_load_torch():
    program = "import sys; sys.modules['torch'] = None; import neurondeath_torch.watching.definitions"
    subprocess.run([sys.executable, "-c", program], check=True)
