"""Reference values of rare death: a second, plain implementation of tilted chains in double precision.

Written apart from the engine, with NumPy's generator and one large population at a time. Every population of CHAINS
chains estimates P(dead through layer l) for all layers from 2 on (the first layer of these cases dies with less than
1e-100 and is left out); the reference is the mean over populations, its error their standard deviation over the root of
their number. Results are written after every case, and cases that are complete are skipped:

    python -m tests.references.rare_death [--populations 256]    # 256 * 4096 chains: some minutes to an hour per case
"""

import argparse
import json
import math
from pathlib import Path

import numba
import numpy as np

from neurondeath.simulations.inputs.input_sets import input_set

PATH = Path(__file__).with_suffix(".json")
CHAINS = 4096
TILT, UNTILTED, LEAST = 0.3, 0.25, 0.6
CASES = {
    "gaussian:32 20x5": ("gaussian:32", 20, 20, 5),
    "gaussian:32 8x5": ("gaussian:32", 8, 8, 5),
    "gaussian:32 12x10": ("gaussian:32", 12, 12, 10),
    "gaussian:32 20x10": ("gaussian:32", 20, 20, 10),
    "digits:64 8x5": ("digits:64", 64, 8, 5),
    "digits:64 12x5": ("digits:64", 64, 12, 5),
    "digits:64 20x5": ("digits:64", 64, 20, 5),
}
compiled = numba.njit(cache=True)


@compiled
def log_tail(z):
    if z < 12.0:
        return math.log(0.5 * math.erfc(z * math.sqrt(0.5)))
    t = 1.0 / (z * z)
    return -0.5 * z * z - math.log(z * math.sqrt(2.0 * math.pi)) + math.log1p(-t * (1.0 - t * (3.0 - 15.0 * t)))


@compiled
def log_inactive(x, width):
    """Return the sum over `width` units of log v, and the logarithm of the mean v, for living points as columns."""
    points = x / np.sqrt((x * x).sum(axis=0))
    u = points.sum(axis=1)
    u /= math.sqrt((u * u).sum())
    d = points / (u @ points) - u.reshape(-1, 1)
    z = np.random.standard_normal((width, len(x))) @ d  # noqa: NPY002
    logs = np.empty(width)
    for i in range(width):
        a, b = log_tail(max(z[i].max(), 0.0)), log_tail(max(-z[i].min(), 0.0))
        logs[i] = max(a, b) + math.log1p(math.exp(-abs(a - b))) - math.log(2.0)
    largest = logs.max()
    return logs.sum(), largest + math.log(np.exp(logs - largest).mean())


@compiled
def next_layer(x, width):
    """Draw a layer until some point lives; return the living columns, each scaled to a largest entry of 1."""
    while True:
        z = np.maximum(np.random.standard_normal((width, len(x))) @ x, 0.0)  # noqa: NPY002
        peaks = np.array([z[:, p].max() for p in range(z.shape[1])])
        if peaks.max() > 0.0:
            alive = peaks > 0.0
            return z[:, alive] / peaks[alive]


@compiled
def population(points, width, depth, n, seed):
    """Return log P(dead through layer l | alive through layer 1), l = 2..depth."""
    np.random.seed(seed)  # noqa: NPY002
    chains = [next_layer(points, width) for _ in range(n)]
    weights = np.ones(n)
    log_death, log_tilt = np.empty(n), np.empty(n)
    dead, alive, out = -np.inf, 0.0, np.empty(depth - 1)
    for layer in range(1, depth):
        for i in range(n):
            if chains[i].shape[1] == 1:
                log_death[i] = log_tilt[i] = -width * math.log(2.0)
            else:
                log_death[i], mean = log_inactive(chains[i], width)
                log_tilt[i] = width * mean
        largest = log_death.max()
        log_u = largest + math.log((weights * np.exp(log_death - largest)).sum() / weights.sum())
        new = alive + log_u
        dead = max(dead, new) + math.log1p(math.exp(-abs(dead - new)))
        alive += math.log1p(-math.exp(log_u))
        out[layer - 1] = dead
        weights *= -np.expm1(log_death)
        shares = weights * np.exp(TILT * (log_tilt - log_tilt.max()))
        shares = (1.0 - UNTILTED) * shares / shares.sum() + UNTILTED * weights / weights.sum()
        if 1.0 / (shares * shares).sum() < LEAST * n:
            places = (np.arange(n) + np.random.random()) / n  # noqa: NPY002
            chosen = np.minimum(np.searchsorted(np.cumsum(shares), places), n - 1)
            chains = [chains[i] for i in chosen]
            weights = weights[chosen] / shares[chosen]
        weights /= weights.mean()
        chains = [next_layer(x, width) for x in chains]
    return out


def reference(name, populations):
    """Return the mean and its error, layer by layer from the second, as decimal logarithms."""
    spec, dimension, width, depth = CASES[name]
    points = np.ascontiguousarray(input_set(spec, dimension=dimension, seed=0).points.T)
    logs = np.array([population(points, width, depth, CHAINS, seed) for seed in range(populations)])
    largest = logs.max(axis=0)
    shares = np.exp(logs - largest)
    mean = shares.mean(axis=0)
    error = shares.std(axis=0, ddof=1) / math.sqrt(populations) / mean
    return {
        "log10_death": ((largest + np.log(mean)) / math.log(10.0)).round(4).tolist(),
        "relative_error": error.round(4).tolist(),
        "chains": populations * CHAINS,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--populations", type=int, default=256)
    populations = parser.parse_args().populations
    found = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in CASES:
        if found.get(name, {}).get("chains", 0) < populations * CHAINS:
            found[name] = reference(name, populations)
            PATH.write_text(json.dumps(found, indent=1) + "\n")
            print(name, found[name], flush=True)


if __name__ == "__main__":
    main()
