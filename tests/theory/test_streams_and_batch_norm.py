"""Residual, dense, skip and batch-normalised networks against brute-force simulation in plain NumPy."""

import math

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_theory.remedies.streams_and_batch_norm import (
    batch_norm_statement,
    dense_survival,
    residual_survival,
    skip_survival,
)
from tests.references.statistical import assert_agrees, assert_refutes, seeds

TRIALS = 40_000


def share(events: np.ndarray) -> tuple[float, float]:
    p = events.mean()
    return p, math.sqrt(p * (1 - p) / len(events))


def layer(x: np.ndarray, n: int, bias: float, rng: np.random.Generator) -> np.ndarray:
    """One fresh layer for every network: x has shape (networks, fan_in)."""
    w = rng.standard_normal((len(x), n, x.shape[1]))
    return np.maximum(np.einsum("tij,tj->ti", w, x) + bias * rng.standard_normal((len(x), n)), 0.0)


@seeds
@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_residual_branches(seed: int, bias: float) -> None:
    rng = np.random.default_rng([seed, 1])
    x = np.tile([-0.7, 0.2], (TRIALS, 1))
    alive = np.zeros(TRIALS, dtype=bool)
    for _ in range(2):
        branch = layer(x, 2, bias, rng)
        alive |= branch.any(axis=1)
        x = x + branch
        assert x.any(axis=1).all()  # the stream never vanishes
    guarantee = residual_survival(2, 2)
    assert_agrees(*share(alive), guarantee.some_alive[-1])
    assert_refutes(*share(alive), residual_survival(2, 1).some_alive[-1])


@seeds
def test_residual_jacobian_is_nonsingular(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    w = rng.standard_normal((2000, 3, 3))
    x = rng.standard_normal((2000, 3, 1))
    jacobian = np.eye(3) + (w @ x > 0) * w
    assert np.abs(np.linalg.det(jacobian)).min() > 1e-9


def test_post_activation_does_die() -> None:
    """relu(x + Wx) is another architecture: it kills points, so the residual guarantee does not cover it."""
    rng = np.random.default_rng(3)
    x = np.tile([0.5, 0.5], (TRIALS, 1))
    for _ in range(3):
        w = rng.standard_normal((TRIALS, 2, 2))
        x = np.maximum(x + np.einsum("tij,tj->ti", w, x), 0.0)
    assert 0.05 < (~x.any(axis=1)).mean() < 0.9


@seeds
def test_dense_layers(seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    x = np.tile([1.0, -2.0], (TRIALS, 1))
    alive = np.zeros(TRIALS, dtype=bool)
    for n in (1, 2, 1):
        new = layer(x, n, 0.0, rng)
        alive |= new.any(axis=1)
        x = np.hstack([x, new])
    assert_agrees(*share(alive), dense_survival([1, 2, 1]).some_alive[-1])
    assert_refutes(*share(alive), dense_survival([1, 2]).some_alive[-1])


@seeds
@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_skip_blocks(seed: int, bias: float) -> None:
    rng = np.random.default_rng([seed, 5])
    x = np.tile([-1.0, 0.5], (TRIALS, 1))
    some = np.zeros(TRIALS, dtype=bool)
    for _ in range(3):
        h, alive = x, np.ones(TRIALS, dtype=bool)
        for n in (1, 3, 2):
            h = layer(h, n, bias, rng)
            alive &= h.any(axis=1)
        some |= alive
        x = x + h
    assert_agrees(*share(some), skip_survival([1, 3, 2], 3).some_alive[-1])
    assert_refutes(*share(some), skip_survival([1, 3, 2], 2).some_alive[-1])


def test_streams_in_closed_form() -> None:
    assert residual_survival(3, 4).log_all_dead == pytest.approx(-3 * math.log(2.0) * np.arange(1, 5))
    assert residual_survival(50, 1000).log10_all_dead[-1] == pytest.approx(-50_000 * math.log10(2.0))
    assert dense_survival([3, 3]).log_all_dead == pytest.approx(residual_survival(3, 2).log_all_dead)
    assert skip_survival([3], 4).log_all_dead == pytest.approx(residual_survival(3, 4).log_all_dead)
    assert skip_survival([60, 60], 2).log_all_dead[-1] == pytest.approx(2 * math.log(2**-60 * (2 - 2**-60)), rel=1e-14)
    assert (np.diff(residual_survival(1, 20).some_alive) > 0).all()


def normalised_network(x: np.ndarray, widths: list[int], rng: np.random.Generator) -> list[np.ndarray]:
    """Activity (points, units) of every layer of one network with batch normalisation before the ReLU."""
    h, active = x, []
    for n in widths:
        z = h @ rng.standard_normal((h.shape[1], n))
        scale = rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2.0, n)
        h = np.maximum(scale * (z - z.mean(axis=0)) / z.std(axis=0), 0.0)
        active.append(h > 0)
    return active


@pytest.mark.parametrize("widths", [[1] * 12, [2] * 8, [5, 1, 3]])
def test_batch_norm_keeps_every_unit_of_every_layer(widths: list[int]) -> None:
    rng = np.random.default_rng(6)
    for m in (2, 3, 10):
        for _ in range(60):
            x = np.vstack([np.ones((m, 3)), rng.standard_normal((1, 3))])  # duplicates, and one other point
            for active in normalised_network(x, widths, rng):
                assert active.any(axis=0).all()
                assert not active.all(axis=0).any()


@seeds
def test_batch_norm_does_not_keep_points(seed: int) -> None:
    rng = np.random.default_rng([seed, 7])
    widths = [2, 3, 1]
    alive = []
    for _ in range(6000):
        active = normalised_network(np.array([[1.0, 0.2], [0.3, -1.0], [2.0, 2.0]]), widths, rng)
        alive.append(np.all([layer.any(axis=1) for layer in active], axis=0)[0])
    guarantee = batch_norm_statement(widths, 3).point_alive_at_most[-1]
    assert_agrees(*share(np.array(alive)), guarantee)
    assert_refutes(*share(np.array(alive)), batch_norm_statement([2, 3], 3).point_alive_at_most[-1])


def test_point_at_the_batch_mean_is_never_active() -> None:
    rng = np.random.default_rng(8)
    active = normalised_network(np.array([[-1.0, -2.0], [0.0, 0.0], [1.0, 2.0]]), [4], rng)
    assert not active[0][1].any()


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        (residual_survival, (0, 3), "`width` must be"),
        (residual_survival, (3, 10**9), "`depth` must be at most"),
        (residual_survival, (3, float("nan")), "`depth` must be"),
        (dense_survival, ([],), "`widths` must be"),
        (dense_survival, ([2, -1],), r"`widths\[1\]` must be"),
        (skip_survival, ([2], 0), "`n_blocks` must be"),
        (skip_survival, (2, 1), "`block_widths` must be"),
        (batch_norm_statement, ([2], 0), "`n_points` must be"),
        (batch_norm_statement, ("2", 4), "`widths` must be"),
    ],
)
def test_refuses(call, arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        call(*arguments)


def test_batch_of_one_point_is_withheld() -> None:
    with pytest.raises(AssumptionError, match="at least 2 distinct points"):
        batch_norm_statement([3], 1)


def test_results_read_well() -> None:
    for result in (residual_survival(2, 3), skip_survival([2], 3), batch_norm_statement([2, 2], 5)):
        assert "point" in str(result)
        assert len(result.to_dataframe()) == len(next(iter(result.columns().values())))
