"""What the theory says of a design at once: survival, safe sizes, the edge of chaos, its maps; plain data for the page.

Every number is one of the library's. Where a statement does not hold for the network, its reason stands in its place.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from neurondeath.explorer.choices import Choice, design_of, network_of, points_of
from neurondeath.explorer.recipes import command_lines, python_lines
from neurondeath.simulations.estimation.expectations import Expectation, expected
from neurondeath_theory.foundation.probability_text import probability_range
from neurondeath_theory.gaussian_limit.correlation import correlation_map
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos
from neurondeath_theory.gaussian_limit.variance import chi1, variance_map
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.safe_sizes import max_depth, min_width, safe_region

__all__ = ["GOAL", "closed_forms", "plain_number", "thinned_layers"]

GOAL = 0.99  # P(alive) of a safe network
REGION_WIDTHS = np.arange(1, 33)
REGION_DEPTHS = np.unique(np.geomspace(1, 1e4, 72).astype(int))
MAP_VARIANCES = np.linspace(0.02, 4.0, 80)  # in units of q*
MAP_CORRELATIONS = np.linspace(0.0, 1.0, 60)
MOST_LAYERS = 200  # of a curve
LONGEST_DEPTH = 15  # digits of a greatest depth that is written out
NOT_PLAIN = "safe sizes are known for plain networks"


def closed_forms(choice: Choice) -> dict[str, Any]:
    """Compute all that closed forms answer about a design.

    Parameters
    ----------
    choice : Choice
        The design.

    Returns
    -------
    dict
        Plain data: "network", "inputs", "survival", "region", "design", "maps", "python", "commands".

    Raises
    ------
    InvalidArgumentError
        If the parts of the design do not fit together.

    Examples
    --------
    >>> closed_forms(Choice(width=3, depth=20))["survival"]["sentence"]
    '0.069209 <= P(alive through 20 layers) <= 0.96354'
    """
    network, points = network_of(choice), points_of(choice)
    theory = expected(network, points.description())
    return {
        "network": str(network),
        "inputs": f"{points.n_points} points of {points.spec}, dimension {points.dimension}",
        "survival": _survival(network, theory),
        "region": _region(network, theory),
        **_edge_of_chaos(choice.activation, choice.sparsity, choice.v_prime),
        "python": python_lines(choice),
        "commands": command_lines(choice),
    }


def plain_number(value: float | None) -> float | None:
    """Return a number that JSON can hold, None for one that is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def thinned_layers(depth: int) -> list[int]:
    """Return at most MOST_LAYERS indices of layers, the first and the last among them."""
    return [int(layer) for layer in np.unique(np.linspace(0, depth - 1, min(depth, MOST_LAYERS)).astype(int))]


def _survival(network: Network, theory: Expectation) -> dict[str, Any]:
    layers = thinned_layers(network.depth)
    curves = {"lower": theory.lower, "upper": theory.upper, "living_ratio": theory.living_ratio}
    return {
        "depth": [layer + 1 for layer in layers],
        **{name: None if curve is None else curve[layers].tolist() for name, curve in curves.items()},
        "reasons": dict(theory.reasons),
        "sentence": _sentence(network, theory),
    }


def _sentence(network: Network, theory: Expectation) -> str:
    """Return the bounds at the last layer in words."""
    if network.architecture == "plain" and not theory.reasons:
        return str(survival_bounds(network.widths, input_dim=network.input_dim, bias=network.has_bias))
    through = f"through {network.depth} layer{'s' * (network.depth > 1)}"
    if theory.lower is None and theory.upper is None:
        return f"no bound on P(alive {through}) is known"
    with np.errstate(divide="ignore"):
        log_lower = -math.inf if theory.lower is None else float(np.log(theory.lower[-1]))
        log_upper = 0.0 if theory.upper is None else float(np.log(theory.upper[-1]))
    return probability_range(
        through,
        log_lower=log_lower,
        log_upper=log_upper,
        log_death_at_most=float(np.broadcast_to(theory.log_death_at_most, network.depth)[-1]),
        log_death_at_least=float(np.broadcast_to(theory.log_death_at_least, network.depth)[-1]),
    )


def _region(network: Network, theory: Expectation) -> dict[str, Any]:
    """Return the verdict of every size; safe only where the lower bound holds, doomed only where the upper one does."""
    if network.architecture != "plain":
        return {"reason": NOT_PLAIN}
    holds = {"safe": "lower" not in theory.reasons, "doomed": "upper" not in theory.reasons}
    if not any(holds.values()):
        return {"reason": theory.reasons["lower"]}
    region = safe_region(REGION_WIDTHS, REGION_DEPTHS, survival=GOAL, bias=network.has_bias)
    one = safe_region([network.widths[0]], [network.depth], survival=GOAL, bias=network.has_bias).verdict[0, 0]
    letters = [
        "".join(verdict[0] if holds.get(verdict, True) else "u" for verdict in row) for row in region.verdict.tolist()
    ]
    found: dict[str, Any] = {
        "goal": GOAL,
        "widths": region.widths.tolist(),
        "depths": region.depths.tolist(),
        "verdicts": letters,
        "here": str(one) if holds.get(str(one), True) else "undecided",
    }
    if not holds["safe"]:
        return {**found, "note": f"no size is known to be safe: {theory.reasons['lower']}"}
    deepest = str(max_depth(network.widths[0], GOAL))
    if len(deepest) > LONGEST_DEPTH:
        deepest = f"a number of {len(deepest)} digits"
    return {**found, "min_width": min_width(network.depth, GOAL), "max_depth": deepest}


@lru_cache(maxsize=128)
def _edge_of_chaos(activation: str, sparsity: float | None, v_prime: float | None) -> Mapping[str, Any]:
    design = design_of(Choice(activation=activation, sparsity=sparsity, v_prime=v_prime))
    gain = float(chi1(design.activation, design.q, design.sigma_w2))
    numbers = {name: plain_number(getattr(design, name)) for name in ("tau", "m", "sigma_w2", "sigma_b2", "q")}
    shape = {name: plain_number(getattr(design, name)) for name in ("sparsity", "v_prime", "v_second")}
    return {
        "design": {
            "activation": str(design.activation),
            **numbers,
            **shape,
            "chi1": gain,
            "verdict": design.verdict,
            "stable": design.stable,
        },
        "maps": _maps(design),
    }


def _maps(design: EdgeOfChaos) -> dict[str, Any]:
    q = MAP_VARIANCES * design.q
    values = variance_map(design.activation, q, design.sigma_w2, design.sigma_b2)
    image = correlation_map(design.activation, MAP_CORRELATIONS, design.q, design.sigma_w2, design.sigma_b2)
    return {
        "variance": {"q": q.tolist(), "v": values.tolist()},
        "correlation": {"rho": MAP_CORRELATIONS.tolist(), "image": np.asarray(image).tolist()},
    }
