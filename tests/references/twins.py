"""Plain NumPy twins of the kernels: same random numbers, double precision, no optimisation; kernels not compiled."""

import os
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest

from neurondeath.simulations.counter_random import PURPOSE_BIASES, PURPOSE_WEIGHTS, stream_normals
from neurondeath_theory.networks.network import Network


def sample_plain(
    network: Network, points: npt.NDArray[np.float64], key: tuple[int, int], trials: range
) -> npt.NDArray[np.bool_]:
    """Return whether each point is alive after each layer of each network, shape (trials, depth, points)."""
    alive = np.zeros((len(trials), network.depth, len(points)), dtype=bool)
    for row, trial in enumerate(trials):
        x = points.T.copy()
        so_far = np.ones(len(points), dtype=bool)
        for layer, (width, fan_in) in enumerate(zip(network.widths, network.fan_ins, strict=True)):
            normals = stream_normals(key, width * fan_in, layer=layer, trial=trial, purpose=PURPOSE_WEIGHTS)
            weights = normals.reshape(width, fan_in) * np.sqrt(network.weight_variance / fan_in)
            z = weights @ x
            if network.has_bias:
                biases = stream_normals(key, width, layer=layer, trial=trial, purpose=PURPOSE_BIASES)
                z += biases[:, None] * np.sqrt(network.bias_variance)
            x = np.maximum(z, 0)
            so_far &= (x > 0).any(axis=0)
            alive[row, layer] = so_far
            if not network.has_bias:
                x /= max(x.max(), 1e-300)
    return alive


other_compilations = pytest.mark.parametrize(
    "setting", [{"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_BOUNDSCHECK": "1"}], ids=str
)
IMPORTS = (
    "from neurondeath_theory.networks.network import Network; from neurondeath.simulations.task import Task;"
    "from neurondeath.simulations.inputs.input_sets import input_set;"
    "from neurondeath.simulations.samplers.shard_sampling import run_shard;"
)


def assert_same_numbers(program, setting, cache):
    """Check that a program prints the same results of kernels with and without a setting of Numba."""
    plain = dict(os.environ)
    outcomes = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", IMPORTS + program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for environment in (plain, plain | setting | {"NUMBA_CACHE_DIR": str(cache)})
    ]
    assert outcomes[0] == outcomes[1]
    assert "alive" in outcomes[0]
