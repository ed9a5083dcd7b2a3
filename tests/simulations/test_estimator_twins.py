"""The conditional and splitting estimators compared with plain twins on the same random numbers."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

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


def death_of_next(network, key, number, trial, x):
    """Unbiased estimate of P(layer dead on all columns of x), from the weights' parts across the mean direction."""
    width, fan_in = network.widths[number], network.fan_ins[number]
    constant = np.sqrt(network.bias_variance / network.weight_variance * fan_in)
    x = np.vstack([x[:-1], constant * x[-1:]]) if network.has_bias else x[:-1]
    if x.shape[1] == 1:
        return 0.5**width
    if x.shape[1] == 2:
        a, b = (x / np.linalg.norm(x, axis=0)).T
        return ((math.pi - math.acos(np.clip(a @ b, -1, 1))) / (2 * math.pi)) ** width
    if number == 0:
        u = half_space(x.T, 0.0)[:-1]
        if not u.any():
            return 0.0
    else:
        u = x.sum(axis=1)
        u /= np.linalg.norm(u)
    normals = stream_normals(key, width * len(x), layer=number, trial=trial, purpose=PURPOSE_PROBES)
    w = normals.reshape(width, len(x))
    across = w - np.outer(w @ u, u)
    low = (-(across @ x) / (u @ x)).min(axis=1)
    mirrored = ((across @ x) / (u @ x)).min(axis=1)
    return float(np.prod((ndtr(low) + ndtr(mirrored)) / 2))


def conditional_twin(network, points, key, trial):
    """P(dead) and the weighted number of living points, layer by layer, of one chain conditioned on survival."""
    x = scaled(network, points)
    death, dead, living = 0.0, [], []
    for number in range(network.depth):
        u = death_of_next(network, key, number, trial, x)
        death += (1 - death) * u
        variant = 0
        while not (out := layer(network, key, number, trial, x, variant=variant)).size:
            variant += 1
        x = out
        dead.append(death)
        living.append((1 - death) * x.shape[1])
        if not network.has_bias:
            x[:-1] /= x[:-1].max()
    return dead, living


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
@pytest.mark.parametrize(("network", "spec"), TWINS, ids=lambda value: str(value)[:60])
def test_conditional_twin(network, spec, dtype):
    points = input_set(spec, dimension=network.input_dim, seed=3)
    task = Task(network, points, estimator="conditional", dtype=dtype)
    key = stream_key(7, task.stream_name)
    lone = np.cumprod(1 - 0.5 ** np.array(network.widths))
    some = False
    for trial in range(4, 16):
        found = run_shard(task, 7, trial, trial + 1).statistics
        dead, living = conditional_twin(network, points.points, key, trial)
        np.testing.assert_allclose(found["dead"] * 0.5 ** min(network.widths), dead, rtol=2e-3, atol=1e-30)
        np.testing.assert_allclose(found["alive"] * lone, 1 - np.array(dead), rtol=2e-3)
        np.testing.assert_allclose(found["living"] * lone, living, rtol=2e-3)
        for name in ("alive", "dead", "living"):
            np.testing.assert_allclose(found[f"{name}_squares"], found[name] ** 2, rtol=1e-12)
        some = some or found["dead"][0] > 0
    assert some or spec in ("rays", "cube:2", "gaussian:9", "gaussian:70")


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
