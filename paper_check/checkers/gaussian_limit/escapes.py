r"""How often finite networks leave their fixed point, by two samplers.

- `chain`: the exact law of the variance q of one input, a layer at a time (`gaussian_limit.variance_chain`).
- `dense`: whole networks, weights multiplied out by the simulation engine; the variance is the mean square of a layer's
  pre-activations, and the single input is scaled so that the first layer has q* exactly.

A case is a design, `kind`, `sparsity`, `v_prime` or `m` where it is clipped and `q` (1 if left out), and what is
claimed of it unless it is claimed of all: `relation` and `right`, a formula, state P(q has left) relation right. Having
left means, at the last layer or, with `when = "any"`, at any layer, to lie outside [q*/factor, q* factor].
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.comparisons import all_of, binomial_limits, compare, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.samplers import crude_general
from neurondeath.simulations.sweeps.driver import check_workers
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, sparse_design
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain
from neurondeath_theory.networks.network import Network

__all__ = ["SAMPLERS", "dense_network", "escapes"]

SAMPLERS = ("chain", "dense")
PATHS = {("chain", False): 1_000, ("chain", True): 10_000, ("dense", False): 1_000, ("dense", True): 10_000}
HALF_WIDTH = 0.05  # of limits narrow enough to have detected a relevant violation
NETWORKS_PER_PASS = 25  # of one thread

Floats = npt.NDArray[np.float64]


def escapes(
    *,
    setting: Setting,
    cases: Sequence[Mapping[str, Any]],
    width: int,
    depth: int,
    factor: float,
    sampler: str,
    relation: str = "",
    right: str = "",
    when: str = "last",
    growth: str = "",
) -> Evidence:
    """Compare the probability of having left q* with a bound, case by case.

    With `growth`, ">" or "<", the probability at the last layer is also compared with that half-way.
    """
    check_choice("sampler", sampler, SAMPLERS)
    check_choice("when", when, ("last", "any"))
    trials = PATHS[sampler, setting.full]
    budget = {"false_alarm": setting.false_alarm, "comparisons": len(cases) * (2 if growth else 1)}
    workers = check_workers("workers", setting.workers)
    rows: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(workers) as pool:  # a chain releases the interpreter lock while it draws
        paths = list(
            pool.map(lambda case: _paths(sampler, _key(case), width, depth, trials, setting.seed, workers), cases)
        )
    for case, sampled in zip(cases, paths, strict=True):
        q = sampled / case.get("q", 1.0)
        away = (q > factor) | (q < 1.0 / factor)
        gone = away.any(axis=1) if when == "any" else away[:, -1]
        low, high = binomial_limits(gone.sum(), trials, **budget)  # type: ignore[arg-type]
        bound, related = case.get("right", right), case.get("relation", relation)
        found = compare(gone.mean(), low, high, related, float(evaluate(bound, {})), absolute=HALF_WIDTH)
        verdicts.append(found.verdict)
        row = {
            "design": _label(case),
            "left": float(gone.mean()),
            "low": float(low),
            "high": float(high),
            "claimed": f"{related} {bound}",
        }
        if growth:
            step = away[:, -1].astype(np.float64) - away[:, depth // 2 - 1]
            error = step.std(ddof=1) / np.sqrt(trials)
            low, high = normal_limits(step.mean(), error, **budget)  # type: ignore[arg-type]
            verdicts.append(compare(step.mean(), low, high, growth, 0.0).verdict)
            row |= {"growth": float(step.mean()), "growth_low": float(low), "growth_high": float(high)}
        rows.append(row)
    listed = ", ".join(f"{row['left']:.3f} (claimed {row['claimed']}) for {row['design']}" for row in rows)
    where = "at some layer up to" if when == "any" else "at layer"
    summary = f"share of {trials} networks of width {width} off q* by a factor {factor:g} {where} {depth}: {listed}"
    if growth:
        summary += f"; growth since layer {depth // 2}: at least {min(row['growth'] for row in rows):.3f}"
    return Evidence(
        route="Monte Carlo",
        verdict=all_of(verdicts),
        summary=summary,
        points=len(verdicts),
        numbers={name: [row[name] for row in rows] for name in rows[0]} if rows else {},
    )


def dense_network(design: EdgeOfChaos, width: int, depth: int) -> tuple[Network, Floats]:
    """Return the network of a design with one input, and the input at which the first layer has variance q*."""
    network = Network(
        [width] * depth,
        input_dim=1,
        activation=design.activation,
        init="gaussian",
        weight_variance=design.sigma_w2,
        bias_variance=design.sigma_b2,
    )
    return network, np.sqrt([[(design.q - design.sigma_b2) / design.sigma_w2]])


def _key(case: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the settings of a case that determine its samples: all except the claim."""
    return tuple(sorted((name, value) for name, value in case.items() if name not in ("relation", "right")))


def _label(case: Mapping[str, Any]) -> str:
    return ", ".join(f"{value}" if name == "kind" else f"{name} {value}" for name, value in _key(case))


@lru_cache(maxsize=32)  # mutations change the claim, not what is sampled
def _paths(
    sampler: str, key: tuple[tuple[str, Any], ...], width: int, depth: int, trials: int, seed: int, workers: int
) -> Floats:
    design = sparse_design(**dict(key))
    if sampler == "dense":
        return _dense_paths(design, width, depth, trials, seed, workers)
    chain = variance_chain(
        design.activation,
        design.sigma_w2,
        design.sigma_b2,
        width=width,
        depth=depth,
        initial_q=design.q,
        n_paths=trials,
        seed=seed,
    )
    return chain.paths


def _dense_paths(design: EdgeOfChaos, width: int, depth: int, trials: int, seed: int, workers: int) -> Floats:
    """Sample one network at a time: a store keeps sums over networks, and this needs their distribution."""
    network, point = dense_network(design, width, depth)
    task = Task(network, input_set(point, dimension=1), outputs=("variance",))

    def batch(start: int, stop: int) -> list[Floats]:
        return [crude_general.sample(task, seed, trial, trial + 1)["variance"] for trial in range(start, stop)]

    starts = range(0, trials, NETWORKS_PER_PASS)
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(lambda at, count: batch(at, min(at + count, trials)), starts, repeat(NETWORKS_PER_PASS))
        return np.array([row for part in parts for row in part])
