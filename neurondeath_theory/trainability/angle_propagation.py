r"""The law of the angle between two points carried through a zero-bias ReLU network, by two routes.

Model: as in `angles`, widths of at least 2. `propagate_exactly` multiplies the law, a row of weights on the values of
smooth functions at the nodes of `survival.angle_operator`, by the operator of every layer, once for all pairs alive and
once without those that have become parallel, which leave at the rate $n r^n$ (`angle_steps`).
`propagate_by_normal_steps` moves probabilities of cells of $v = 2\ln\tan(\theta/2)$ by normal steps with the mean and
variance of `angle_step`. Sources: as in `angles`.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from neurondeath_theory.survival.angle_operator import angle_operators, nodes, start_row
from neurondeath_theory.trainability.angle_steps import angle_step, parallel_probability, small_angle_step

__all__ = ["propagate_by_normal_steps", "propagate_exactly"]

Array = npt.NDArray[np.float64]

LOWEST_V = -170.0  # angles below 2 exp(-85), 1e-37, count as that
STEPS_PER_CELL = 0.25  # width of a cell of v in standard deviations of the least step
MOST_CELLS = 2400
MATRICES_KEPT = 8  # of up to 46 MB each
REACH = 9.0  # standard deviations by which the grid exceeds the drift


def propagate_exactly(layers: npt.NDArray[np.int64], angle: float, *, coarse: bool) -> dict[str, Array]:
    """Moments of the angle after every layer by the operator, given both alive."""
    operators = angle_operators(layers.tolist())
    grid = nodes(coarse)
    functions = {"angle": grid, "cosine": np.cos(grid), "square": np.cos(grid) ** 2}
    result = {name: np.empty(len(layers)) for name in ("both", "parallel", *functions)}
    law, apart = np.empty(0), np.empty(0)  # of all pairs alive, and of those not parallel; each sums to 1
    log_both = log_apart = 0.0
    for layer, width in enumerate(layers.tolist()):
        if layer == 0:
            law = start_row(angle, width, coarse)
            apart = law.copy()
            apart[0] -= float(parallel_probability(angle, width))
        else:
            matrix = operators[width].matrix(coarse)
            leaving = float(apart @ parallel_probability(grid, width))
            law, apart = law @ matrix, apart @ matrix
            apart[0] -= leaving
        total, still_apart = float(law.sum()), max(float(apart.sum()), 0.0)
        log_both += math.log(total)
        log_apart += math.log(still_apart) if still_apart > 0.0 else -math.inf
        law = law / total
        apart = apart / still_apart if still_apart > 0.0 else np.zeros_like(apart)
        result["both"][layer] = math.exp(log_both)
        result["parallel"][layer] = min(max(-math.expm1(log_apart - log_both), 0.0), 1.0) + 0.0
        for name, values in functions.items():
            result[name][layer] = law @ values
    return result


def propagate_by_normal_steps(layers: npt.NDArray[np.int64], angle: float) -> tuple[Array, Array]:
    """Edges of the cells of v, and the mass in every cell after every layer, given both alive and not parallel."""
    distinct = np.unique(layers).tolist()
    drift = np.array([small_angle_step(width) for width in layers.tolist()]).sum(axis=0)
    slowest = 2.0 * math.log(math.tan(min(angle, 1.0) / 2)) - 2.0 * math.log(len(layers) + 1.0)
    low = max(slowest + drift[0] - REACH * math.sqrt(drift[1]) - 1.0, LOWEST_V)
    least = min(math.sqrt(float(angle_step(1.0, width).v_variance)) for width in distinct)
    n_cells = min(math.ceil(-low / (STEPS_PER_CELL * least)), MOST_CELLS)
    edges = np.linspace(low, 0.0, n_cells + 1)
    centre = 2.0 * np.arctan(np.exp(0.25 * (edges[1:] + edges[:-1])))
    cell = float(edges[1] - edges[0])
    steps: dict[int, Array] = {}
    mass = np.empty((len(layers), n_cells))
    for layer, width in enumerate(layers.tolist()):
        if layer > 0:
            if width not in steps:
                if len(steps) == MATRICES_KEPT:
                    del steps[next(iter(steps))]
                steps[width] = _transition(centre, width, edges, cell)
            law = mass[layer - 1] @ steps[width]
        elif angle == math.pi:
            law = np.zeros(n_cells)
            law[-1] = 1.0
        else:
            law = _transition(np.array([angle]), width, edges, 0.0)[0]
        mass[layer] = law / law.sum()
    return edges, mass


def _transition(angles: Array, width: int, edges: Array, cell: float) -> Array:
    """P(the next v lies in a cell; both survive and are not parallel), rows by the present angle."""
    step = angle_step(angles, width)
    # a mass spread over its cell has the variance cell^2 / 12 already
    spread = np.sqrt(np.maximum(step.v_variance - cell**2 / 12.0, 0.25 * step.v_variance))
    below = ndtr((edges[1:-1] - step.v_mean[:, None]) / spread[:, None])
    ends = np.zeros((angles.size, 1))
    inactive = (0.5 - angles / (2.0 * math.pi)) ** width
    apart = 1.0 - 2.0 ** (1 - width) + (1.0 - width) * inactive
    return np.asarray(np.diff(np.hstack([ends, below, ends + 1.0]), axis=1) * apart[:, None])
