"""Coverage of the 95 % intervals of rare death: many seeds of each case, against exact values and references.

For every case: the share of runs with an interval that holds the truth, the share of runs whose interval is withheld,
and the median of log10 P(dead) less the truth. The bars: coverage at least 90 %, withheld in at most 5 %, median within
0.05 decades. References (`tests/references/rare_death.json`) have an error of their own: a truth within two of these
errors of the interval counts as held.

    nice python benchmarks/interval_coverage.py [--seeds 200] [--trials 1000] [--only TEXT] [--json FILE]

Finished cases are written at once and skipped when the same command is given again.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.two_point import two_point_survival

REFERENCES = Path(__file__).parent.parent / "tests" / "references" / "rare_death.json"


def cases() -> dict[str, tuple[Network, Any, float, float]]:
    """Return, by name, the network, the points, log10 P(dead) through the last layer and its standard error."""
    found: dict[str, tuple[Network, Any, float, float]] = {}
    for n in (4, 6, 8, 10, 12, 16):
        found[f"(a) unit vectors n={n}"] = (Network([n]), np.eye(n), -n * n * math.log10(2.0), 0.0)
    for rho in (0.02, 0.1, 0.3, 0.5):
        for n in (4, 8, 12):
            points = np.linalg.cholesky((1.0 - rho) * np.eye(n) + rho)
            found[f"(b) equicorrelated rho={rho} n={n}"] = (Network([n]), points, n * equicorrelated(n, rho), 0.0)
    references = json.loads(REFERENCES.read_text()) if REFERENCES.exists() else {}
    for name, reference in references.items():
        spec, shape = name.split()
        width, depth = (int(number) for number in shape.split("x"))
        network = Network([width] * depth, input_dim=64 if spec.startswith("digits") else width)
        letter = "e" if spec.startswith("digits") else "c"
        error = reference["relative_error"][-1] / math.log(10.0)
        found[f"({letter}) {name}"] = (network, spec, reference["log10_death"][-1], error)
    for width in (3, 5, 8, 12, 16):
        for depth in (5, 20, 60, 200):
            dead = two_point_survival([width] * depth, math.pi).none[-1]
            found[f"(d) rays {width}x{depth}"] = (Network([width] * depth, input_dim=1), "rays", math.log10(dead), 0.0)
    return found


def equicorrelated(n: int, rho: float) -> float:
    """Return log10 of the probability that one unit is inactive on n points of pairwise correlation rho."""
    from scipy.integrate import quad
    from scipy.special import log_ndtr

    slope = math.sqrt(rho / (1.0 - rho))

    def density(t: float) -> float:
        return math.exp(-0.5 * t * t + n * float(log_ndtr(-slope * t))) / math.sqrt(2.0 * math.pi)

    return math.log10(quad(density, -12.0, 12.0, epsabs=0.0, epsrel=1e-11, limit=500)[0])


def measure(network: Network, points: Any, truth: float, error: float, seeds: int, trials: int) -> dict[str, float]:
    """Run a case under many seeds."""
    values, held, withheld, widths = [], 0, 0, []
    begun = time.process_time()
    for seed in range(seeds):
        result = simulate(network, points, trials=trials, seed=seed, estimator="conditional", workers=1)
        low, high = float(result.log10_death_low[-1]), float(result.log10_death_high[-1])
        values.append(float(result.log10_death[-1]))
        if math.isnan(low) or math.isnan(high):
            withheld += 1
            continue
        held += low - 2.0 * error <= truth <= high + 2.0 * error
        widths.append(0.5 * (high - low))
    shown = seeds - withheld
    return {
        "truth": truth,
        "truth_error": error,
        "median": float(np.median(values)),
        "off": float(np.median(values)) - truth,
        "coverage": held / shown if shown else math.nan,
        "withheld": withheld / seeds,
        "half_width": float(np.median(widths)) if widths else math.nan,
        "seeds": seeds,
        "trials": trials,
        "seconds_per_run": (time.process_time() - begun) / seeds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("interval_coverage.json"))
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    for name, (network, points, truth, error) in cases().items():
        done = found.get(name, {})
        if options.only not in name or (done.get("seeds") == options.seeds and done.get("trials") == options.trials):
            continue
        found[name] = measure(network, points, truth, error, options.seeds, options.trials)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
        row = found[name]
        print(
            f"{name:34} truth {truth:9.3f} median {row['off']:+.3f} covered {row['coverage']:.3f} "
            f"withheld {row['withheld']:.3f} half-width {row['half_width']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
