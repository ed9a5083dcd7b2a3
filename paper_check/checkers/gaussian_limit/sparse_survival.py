r"""Survival of one input through narrow sparse networks: the conditioned chain compared with whole networks.

The claim is an expectation of a product over layers of a formula in s = P(phi = 0) at the layer's variance and n, the
width, along a chain of variances that is either conditioned on survival or not. The chain is drawn here by rejection:
all n units of a layer are drawn again until one of them is active. Whole networks come from the simulation engine,
which counts those whose input is still alive.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.checkers.gaussian_limit.escapes import dense_network
from neurondeath.paper_check.comparisons import all_of, binomial_limits, compare, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, sparse_design
from neurondeath_theory.gaussian_limit.sparse_survival import sparse_survival
from neurondeath_theory.gaussian_limit.variance import activation_sparsity

__all__ = ["conditioned_product", "published_survival"]

CHAINS = ("conditioned", "unconditioned")
PATHS = {False: 20_000, True: 200_000}
NETWORKS = {False: 200_000, True: 1_000_000}
PRECISION = 0.15  # relative half-width at which an equality is confirmed: the unconditioned chain is off by 20 to 70 %

Floats = npt.NDArray[np.float64]


def conditioned_product(
    *,
    setting: Setting,
    kind: str,
    sparsity: float,
    v_prime: float,
    width: int,
    depths: Sequence[int],
    factor: str,
    chain: str,
) -> Evidence:
    """Compare the mean product of `factor` along a chain with the share of whole networks that are alive."""
    check_choice("chain", chain, CHAINS)
    design = sparse_design(kind, sparsity, v_prime=v_prime)
    products = np.ones(PATHS[setting.full])
    means = {}
    variances = _chain_paths(design, width, max(depths), PATHS[setting.full], setting.seed, chain)
    for layer, q in enumerate(variances, start=1):
        silent = activation_sparsity(design.activation, q)
        products = products * evaluate(factor, {"s": silent, "n": float(width)})
        means[layer] = products.mean(), products.std(ddof=1) / math.sqrt(products.size)
    trials = NETWORKS[setting.full]
    shares = _alive(setting, design, width, max(depths))
    library = sparse_survival(design, width, max(depths), n_paths=PATHS[setting.full], seed=setting.seed)
    ours = np.array([means[layer] for layer in depths])
    index = np.array(depths) - 1
    share = shares[index]
    errors = np.sqrt(share * (1.0 - share) / trials + ours[:, 1] ** 2)
    low, high = normal_limits(ours[:, 0] - share, errors, false_alarm=setting.false_alarm, comparisons=2 * len(depths))
    found = compare(ours[:, 0] - share, low, high, "==", 0.0, absolute=PRECISION * share)
    verdict = found.verdict
    low, high = normal_limits(
        library.survival[index] - share,
        np.sqrt(share * (1.0 - share) / trials + library.error[index] ** 2),
        false_alarm=setting.false_alarm,
        comparisons=2 * len(depths),
    )
    if ((low > 0.0) | (high < 0.0)).any():
        verdict = Verdict.ERROR
    listed = ", ".join(
        f"{mean:.4g} ± {error:.1g} through {layer} layers (networks {alive:.4g}, library {theirs:.4g})"
        for layer, (mean, error), alive, theirs in zip(
            depths, ours.tolist(), share, library.survival[index], strict=True
        )
    )
    return Evidence(
        route="Monte Carlo",
        verdict=verdict,
        summary=f"E prod({factor}) along the {chain} chain of {kind}, width {width}: {listed}; {trials} networks",
        points=len(depths),
        numbers={
            "depth": list(depths),
            "product": ours[:, 0].tolist(),
            "error": ours[:, 1].tolist(),
            "networks_alive": share.tolist(),
            "library": library.survival[index].tolist(),
        },
    )


def published_survival(
    *,
    setting: Setting,
    kind: str,
    sparsity: float,
    v_prime: float,
    width: int,
    depths: Sequence[int],
    survival: Sequence[str],
) -> Evidence:
    """Compare claimed survival probabilities with the share of whole networks that are alive."""
    design = sparse_design(kind, sparsity, v_prime=v_prime)
    trials = NETWORKS[setting.full]
    share = _alive(setting, design, width, max(depths))[np.array(depths) - 1]
    hits = np.rint(share * trials).astype(np.int64)
    low, high = binomial_limits(hits, trials, false_alarm=setting.false_alarm, comparisons=len(depths))
    verdicts = []
    for text, estimate, least, most in zip(survival, share, low, high, strict=True):
        half = 0.5 * 10.0 ** -len(text.partition(".")[2])  # the claim is an interval: rounded to its last decimal
        claimed = float(np.clip(estimate, float(text) - half, float(text) + half))
        verdicts.append(compare(estimate, least, most, "==", claimed, precision=PRECISION).verdict)
    listed = ", ".join(
        f"{estimate:.4g} in [{least:.4g}, {most:.4g}] (claimed {text}) through {layer} layers"
        for layer, text, estimate, least, most in zip(depths, survival, share, low, high, strict=True)
    )
    return Evidence(
        route="Monte Carlo",
        verdict=all_of(verdicts),
        summary=f"share alive of {trials} networks of {kind}, width {width}: {listed}",
        points=len(depths),
        numbers={
            "depth": list(depths),
            "alive": share.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "claimed": list(survival),
        },
    )


def _alive(setting: Setting, design: EdgeOfChaos, width: int, depth: int) -> Floats:
    network, point = dense_network(design, width, depth)
    simulation = simulate(
        network,
        input_set(point, dimension=1),
        trials=NETWORKS[setting.full],
        seed=setting.seed,
        workers=setting.workers,
        store=setting.store,
    )
    return simulation.alive


@lru_cache(maxsize=8)
def _chain_paths(design: EdgeOfChaos, width: int, depth: int, paths: int, seed: int, chain: str) -> tuple[Floats, ...]:
    """Sample the variances of the layers, conditioned on an active unit in each, by drawing dead layers again."""
    rng = np.random.default_rng([seed, CHAINS.index(chain)])
    q = [np.full(paths, design.q)]
    for _ in range(depth - 1):
        means = np.empty(paths)
        todo = np.arange(paths)
        while todo.size:
            units = design.activation(np.sqrt(q[-1][todo]) * rng.standard_normal((width, todo.size)))
            means[todo] = np.square(units).mean(axis=0)
            todo = todo[(units == 0.0).all(axis=0)] if chain == "conditioned" else todo[:0]
        q.append(design.sigma_w2 * means + design.sigma_b2)
    return tuple(q)
