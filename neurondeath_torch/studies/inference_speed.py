"""Measure how much faster zeros make inference: single layers and a deep critical residual stream, on one thread.

Networks are drawn at the edge of chaos of clipped shifted ReLUs; the same chain is run by the library of matrices
(dense) and by the kernels that skip the zeros of the activations (sparse), in turns, on fresh inputs. The prediction is
that of `neurondeath.simulations.inference.speed`: times of this machine with no unit and with all units at zero, and
the share of units that a batch needs from the theory. Times depend on the machine and on what else it does; ratios much
less.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neurondeath.simulations.inference.speed import InferenceSpeed, inference_speed
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design

__all__ = ["NETWORKS", "speed_rows"]

NETWORKS = {"one layer of 300": (300, 1), "one layer of 1024": (1024, 1), "100 layers of 300": (300, 100)}
SPARSITIES = (0.5, 0.7, 0.85, 0.9, 0.95)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
V_PRIME = 0.7
Rows = list[dict[str, Any]]


def speed_rows(
    *,
    networks: Mapping[str, tuple[int, int]] = NETWORKS,
    sparsities: Sequence[float] = SPARSITIES,
    batches: Sequence[int] = BATCHES,
    seeds: Sequence[int] = (0, 1, 2, 3),
    finished: Sequence[Mapping[str, Any]] = (),
    keep: Callable[[Rows], Any] = lambda rows: None,
) -> Rows:
    """Time random networks densely and sparsely.

    Parameters
    ----------
    networks : mapping of str to (int, int)
        Name, width and number of layers; of several layers D = 1.
    sparsities : sequence of float
        Shares of zeros of the designs.
    batches : sequence of int
        Batch sizes.
    seeds : sequence of int
        One network and one set of inputs per seed.
    finished : sequence of rows
        Rows of an interrupted study, which are not measured again.
    keep : callable
        Called with all rows so far after every network.

    Returns
    -------
    list of dict
        One row per network, sparsity, batch and seed: `needed_predicted`, `needed`, their difference `needed_gap`,
        `dense_us`, `sparse_us` per batch, `ratio_predicted`, `ratio`, `log2_ratio`, `crossover_predicted` (the smallest
        batch for which sparse is not faster).

    Examples
    --------
    >>> rows = speed_rows(networks={"small": (32, 2)}, sparsities=[0.8], batches=[1, 4], seeds=[0])
    >>> [row["batch"] for row in rows], rows[0]["needed_predicted"] < rows[1]["needed_predicted"]
    ([1, 4], True)
    """
    rows = [dict(row) for row in finished]
    done = {(row["network"], row["sparsity"], row["seed"]) for row in rows}
    for seed in seeds:
        for name, (width, depth) in networks.items():
            for sparsity in sparsities:
                if (name, sparsity, seed) in done:
                    continue
                design = sparse_design("clipped-shifted-relu", sparsity, v_prime=V_PRIME)
                found = inference_speed(design, width, depth, batches, seed=seed)
                rows += _rows(name, sparsity, seed, found)
                keep(rows)
    return rows


def _rows(name: str, sparsity: float, seed: int, found: InferenceSpeed) -> Rows:
    columns = found.columns()
    head = {"network": name, "width": found.width, "depth": found.depth, "sparsity": sparsity}
    gaps = [a - b for a, b in zip(found.needed, found.predicted_needed, strict=True)]
    return [
        {
            "experiment": f"{name}, {sparsity:g}, {batch}",
            "seed": seed,
            "epoch": 0,
            **head,
            **{column: values[i] for column, values in columns.items()},
            "needed_gap": gaps[i],
            "log2_ratio": math.log2(found.ratio[i]),
            "crossover_predicted": found.predicted_crossover,
        }
        for i, batch in enumerate(found.batches)
    ]
