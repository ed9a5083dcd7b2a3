"""Count the zeros that a network meets on example inputs."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.chain_runs import ChainRunner
from neurondeath.simulations.inference.packing import pack
from neurondeath.simulations.inference.programs import Program

__all__ = ["ZeroShares", "product_inputs", "zero_shares"]

ROWS = 64  # that are run together


class ZeroShares(NamedTuple):
    """Zeros on example inputs.

    Attributes
    ----------
    units : tuple of float
        Share of zeros in what every product reads, in the order of execution.
    skipped : float
        Share of all multiply-adds whose unit or weight is zero.
    """

    units: tuple[float, ...]
    skipped: float


def zero_shares(program: Program, x: npt.ArrayLike) -> ZeroShares:
    """Count the zeros on inputs, shape (n_points, input_size), at least one."""
    rows = np.ascontiguousarray(x, np.float32)
    read = product_inputs(program, rows)
    weights = [program.layers[program.steps[number].layer].weight for number in program.products]
    units = tuple(float((values == 0.0).mean()) for values in read)
    needed = sum(
        float(((values != 0.0).sum(0) * np.count_nonzero(weight, 0)).sum())
        for values, weight in zip(read, weights, strict=True)
    )
    total = len(rows) * sum(weight.size for weight in weights)
    return ZeroShares(units, 1.0 - needed / total if total else 0.0)


def product_inputs(program: Program, x: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Return what every product reads at inputs of shape (n_points, input_size), in the order of execution."""
    runner = ChainRunner(program, pack(program))
    plan = runner.plan({})
    parts: list[list[npt.NDArray[np.float32]]] = [[] for _ in program.products]
    for begin in range(0, len(x), ROWS):
        rows = x[begin : begin + ROWS]
        out = np.empty((len(rows), program.output_size), np.float32)
        scratch = runner.take_scratch(len(rows))
        done = 0
        for part, number in zip(parts, program.products, strict=True):
            runner.run_part(rows, out, plan, scratch, done, number)
            part.append(runner.value(number, len(rows), scratch[1]).copy())
            done = number
    return [np.concatenate(part) for part in parts]
