"""The conditional and splitting estimators compared with plain twins on the same random numbers."""

import math

import numpy as np
import pytest
from scipy.special import log_ndtr, logsumexp

from neurondeath.simulations.counter_random import (
    PURPOSE_BIASES,
    PURPOSE_COPIES,
    PURPOSE_PROBES,
    PURPOSE_WEIGHTS,
    stream_key,
    stream_normals,
    stream_words,
)
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.kernels.conditional import LEAST_EFFECTIVE, UNTILTED_SHARE
from neurondeath.simulations.populations import TILT, population_of
from neurondeath.simulations.samplers import splitting_dense
from neurondeath.simulations.samplers.half_space import half_space
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network


def scaled(network, points):
    """Return points as columns, the constant of the biases as last row, scaled by powers of two as in the samplers."""
    exponents = np.frexp(np.abs(points).max(axis=1))[1]
    if network.has_bias:
        exponents = np.maximum(exponents, 0)
    return np.vstack([points.T, np.ones(len(points))]) * 0.5**exponents


def layer(network, key, number, trial, x, *, variant=0, skip=0):
    """Return one layer of network number `skip`: outputs at the living points, the constant as last row."""
    width, fan_in = network.widths[number], network.fan_ins[number]
    count, first = width * fan_in, skip * width * fan_in
    address = {"layer": number, "trial": trial, "variant": variant}
    normals = stream_normals(key, first + count, purpose=PURPOSE_WEIGHTS, **address)[first:]
    z = normals.reshape(width, fan_in) * np.sqrt(network.weight_variance / fan_in) @ x[:-1]
    if network.has_bias:
        drawn = stream_normals(key, (skip + 1) * width, purpose=PURPOSE_BIASES, **address)[skip * width :]
        z += np.outer(drawn * np.sqrt(network.bias_variance), x[-1])
    z = np.maximum(z, 0)
    return np.vstack([z, x[-1:]])[:, z.any(axis=0)]


def death_of_next(network, key, number, trial, x, *, variant=0):
    """Estimate log P(layer dead on all columns of x), and with less noise, from the weights across a direction."""
    width, fan_in = network.widths[number], network.fan_ins[number]
    constant = np.sqrt(network.bias_variance / network.weight_variance * fan_in)
    x = np.vstack([x[:-1], constant * x[-1:]]) if network.has_bias else x[:-1]
    if x.shape[1] == 1:
        return (width * math.log(0.5),) * 2
    if x.shape[1] == 2:
        a, b = (x / np.linalg.norm(x, axis=0)).T
        return (width * math.log((math.pi - math.acos(np.clip(a @ b, -1, 1))) / (2 * math.pi)),) * 2
    if number == 0:
        u = half_space(x.T, 0.0)[:-1]
        if not u.any():
            return -math.inf, -math.inf
    else:
        u = x.sum(axis=1)
        u /= np.linalg.norm(u)
    normals = stream_normals(key, width * len(x), layer=number, trial=trial, purpose=PURPOSE_PROBES, variant=variant)
    w = normals.reshape(width, len(x))
    across = w - np.outer(w @ u, u)
    low = (-(across @ x) / (u @ x)).min(axis=1)
    mirrored = ((across @ x) / (u @ x)).min(axis=1)
    log_v = np.logaddexp(log_ndtr(low), log_ndtr(mirrored)) - math.log(2)
    return log_v.sum(), width * (logsumexp(log_v) - math.log(width))


def conditional_twin(network, points_of, key, start, stop, per_trial, *, separate):
    """Return the logarithms of P(dead) and P(alive), and the mean of living points, of one population, per layer."""
    n = (stop - start) * per_trial
    xs = [scaled(network, points_of(start + i // per_trial)) for i in range(n)]
    weights, parents = np.ones(n), np.arange(n)
    dead, alive, rows = -math.inf, 0.0, []
    lone = np.cumsum(np.log1p(-(0.5 ** np.array(network.widths))))
    for number in range(network.depth):
        if number > 0 or separate:
            pairs = [
                death_of_next(network, key, number, start + i // per_trial, x, variant=i % per_trial)
                for i, x in enumerate(xs)
            ]
            u, t = (np.array(values) for values in zip(*pairs, strict=True))
            log_share = logsumexp(u, b=weights) - math.log(weights.sum()) if u.max() > -math.inf else -math.inf
            dead = np.logaddexp(dead, alive + log_share)
            alive += np.log1p(-np.exp(log_share))
            weights = weights * -np.expm1(u)
            weights /= weights.mean()
            tilt = TILT if lone[number] > math.log(0.5) else 0.0
            preferred = weights * np.exp(tilt * (t - t.max())) if tilt and u.max() > -math.inf else weights
            shares = (1 - UNTILTED_SHARE) * preferred / preferred.sum() + UNTILTED_SHARE * weights / n
            parents = np.arange(n)
            if 1 / (shares**2).sum() < LEAST_EFFECTIVE * n:
                word = stream_words(key, 4, layer=number, trial=start, purpose=PURPOSE_COPIES)[0]
                places = (np.arange(n) + (word + 0.5) * 2.0**-32) / n
                parents = np.searchsorted(np.cumsum(shares), places, side="right")
                weights = weights[parents] / shares[parents]
                weights /= weights.mean()
        drawn = []
        for i in range(n):
            attempt = 0
            while True:
                address = {"variant": i % per_trial + 256 * attempt}
                out = layer(network, key, number, start + i // per_trial, xs[parents[i]], **address)
                if out.size:
                    break
                attempt += 1
            if not network.has_bias:
                out[:-1] /= out[:-1].max()
            drawn.append(out)
        xs = drawn
        counts = np.array([x.shape[1] for x in xs])
        rows.append((dead, alive, (weights * counts).mean() * math.exp(alive - lone[number])))
    return np.array(rows).T


def splitting_twin(network, points, key, trial, population):
    """P(alive) and the weighted number of living points, layer by layer, of one population."""
    members = [scaled(network, points)] * population
    product, alive, living = 1.0, [], []
    for number in range(network.depth):
        out = [layer(network, key, number, trial, x, skip=index) for index, x in enumerate(members)]
        survivors = [index for index, x in enumerate(out) if x.shape[1]]
        living.append(product * sum(x.shape[1] for x in out) / population)
        product *= len(survivors) / population
        alive.append(product)
        if not survivors:
            pad = [0.0] * (network.depth - number - 1)
            return alive + pad, living + pad
        dead = [index for index, x in enumerate(out) if not x.shape[1]]
        words = stream_words(key, len(dead), layer=number, trial=trial, purpose=PURPOSE_COPIES)
        order = list(survivors)
        for place in range(min(len(dead), len(order))):
            pick = place + (int(words[place]) * (len(order) - place) >> 32)
            order[place], order[pick] = order[pick], order[place]
        members = [x if x.shape[1] else None for x in out]
        for turn, index in enumerate(dead):
            members[index] = out[order[turn % len(order)]]
    return alive, living


TWINS = [
    (Network([3] * 8), "gaussian:9"),
    (Network([5, 2, 9, 3, 17], input_dim=4), "orthant:40"),
    (Network([4] * 6, bias_variance=0.5), "gaussian:6"),
    (Network([3, 6, 2, 5], input_dim=2, init="gaussian", weight_variance=0.7, bias_variance=1.3), "orthant:10"),
    (Network([12] * 5, input_dim=700), "gaussian:70"),
    (Network([2] * 6, input_dim=1), "rays"),
    (Network([1] * 4, input_dim=3), "cube:2"),
    (Network([3] * 4, input_dim=2, bias_variance=1e4), "gaussian:5"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(("network", "spec"), TWINS, ids=lambda value: str(value)[:60])
def test_conditional_twin(network, spec, separate, dtype):
    if separate and spec == "rays":
        pytest.skip("these points are not random")
    points = input_set(spec, dimension=network.input_dim, seed=3, resample=separate)
    task = Task(network, points, estimator="conditional", dtype=dtype)
    per_trial = population_of(network, points).per_trial
    key = stream_key(7, task.stream_name)

    def points_of(trial):
        return points.points_of_trial(key, trial) if separate else points.points

    for start, stop in ((60, 64), (64, 69)):  # the populations end at multiples of 64
        found = run_shard(task, 7, start, stop).statistics
        dead, alive, living = conditional_twin(network, points_of, key, start, stop, per_trial, separate=separate)
        size = stop - start
        shown = np.isfinite(dead)
        np.testing.assert_allclose(found["log_dead"][shown], size * dead[shown], rtol=2e-3, atol=1e-3)
        np.testing.assert_allclose(found["log_alive"], size * alive, rtol=2e-3, atol=1e-9)
        np.testing.assert_allclose(found["living"], size * living, rtol=2e-3)
        np.testing.assert_array_equal(found["populations"], 1)
        np.testing.assert_array_equal(found["deadly"][shown], 1)
        for name in ("log_dead", "log_alive", "living"):
            np.testing.assert_allclose(found[f"{name}_squares"][shown] * size, found[name][shown] ** 2, rtol=1e-12)
    both = run_shard(task, 7, 60, 69).statistics
    np.testing.assert_allclose(both["living"] - found["living"], run_shard(task, 7, 60, 64).statistics["living"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("network", "spec"), [TWINS[i] for i in (0, 1, 2, 3, 5, 6)], ids=lambda value: str(value)[:60])
def test_splitting_twin(network, spec, dtype, monkeypatch):
    monkeypatch.setattr(splitting_dense, "POPULATION", 13)
    points = input_set(spec, dimension=network.input_dim, seed=3)
    task = Task(network, points, estimator="splitting", dtype=dtype)
    key = stream_key(7, task.stream_name)
    lone = np.cumprod(1 - 0.5 ** np.array(network.widths))
    replaced = 0
    for trial in range(4, 16):
        found = run_shard(task, 7, trial, trial + 1).statistics
        alive, living = splitting_twin(network, points.points, key, trial, 13)
        np.testing.assert_allclose(found["alive"] * lone, alive, rtol=1e-12)
        np.testing.assert_allclose(found["living"] * lone, living, rtol=1e-12)
        np.testing.assert_allclose(found["alive_squares"], found["alive"] ** 2, rtol=1e-12)
        replaced += 0 < alive[-1] < 1
    assert replaced
