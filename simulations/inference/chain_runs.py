"""Run a packed program on a batch by a plan: which products skip zeros, and which a library of matrices does.

A plan names for every product BY_UNITS, BY_WEIGHTS or BY_LIBRARY. What lies between two products by the library is one
call of a compiled kernel. Products by the library are NumPy's, with as many threads as its BLAS is set to use.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.packing import Packed, new_scratch
from neurondeath.simulations.inference.programs import Program
from neurondeath.simulations.kernels import sparse_chain as codes
from neurondeath.simulations.kernels.packed_arguments import ChainProgram, ChainScratch

__all__ = ["ChainRunner", "Plan"]

Floats = npt.NDArray[np.float32]


class Plan(NamedTuple):
    """How every product is computed: the kernels' program, and the steps that the library does."""

    choices: Mapping[int, int]
    program: ChainProgram
    by_library: tuple[int, ...]


class ChainRunner:
    """Runs a program.

    Parameters
    ----------
    program : Program
        The program.
    packed : Packed
        The same, laid out.
    """

    def __init__(self, program: Program, packed: Packed) -> None:
        self.program, self.packed = program, packed
        self.n_steps, self._output_size = len(program.steps), program.output_size
        self._row_floats, self._list_stride = packed.row_floats, packed.list_stride
        self._free: list[tuple[int, ChainScratch]] = []  # appending and popping are atomic, so threads can share it

    def plan(self, choices: Mapping[int, int]) -> Plan:
        """Return the plan with these choices; products without one skip units."""
        steps = self.packed.program.steps.copy()
        for number, choice in choices.items():
            steps[number, codes.KIND] = choice
        library = tuple(sorted(number for number, choice in choices.items() if choice == codes.BY_LIBRARY))
        return Plan(dict(choices), self.packed.program._replace(steps=steps), library)

    def run(self, x: Floats, plan: Plan) -> Floats:
        """Return the outputs of a batch, shape (n_rows, output_size)."""
        n_rows = len(x)
        out = np.empty((n_rows, self._output_size), np.float32)
        scratch = self.take_scratch(n_rows)
        if plan.by_library:
            self.run_part(x, out, plan, scratch, 0, self.n_steps)
        else:  # the same without detours: a small network takes a few microseconds
            extent = (0, self.n_steps, n_rows, self._row_floats, self._list_stride)
            codes.run_chain(x, out, *plan.program, *scratch[1], extent)
        self._free.append(scratch)
        return out

    def take_scratch(self, n_rows: int) -> tuple[int, ChainScratch]:
        """Return scratch for so many rows, with its capacity."""
        while self._free:
            try:
                capacity, scratch = self._free.pop()
            except IndexError:  # another thread took it
                break
            if capacity >= n_rows:
                return capacity, scratch
        return n_rows, new_scratch(self.packed, n_rows)

    def run_part(
        self, x: Floats, out: Floats, plan: Plan, scratch: tuple[int, ChainScratch], first: int, last: int
    ) -> None:
        """Run the steps from `first` to before `last`."""
        program, buffers = plan.program, scratch[1]
        arrays = (*program, *buffers)
        n_rows, row_floats, list_stride = len(x), self._row_floats, self._list_stride
        if not plan.by_library:
            codes.run_chain(x, out, *arrays, (first, last, n_rows, row_floats, list_stride))
            return
        stops = [number for number in plan.by_library if first <= number < last]
        for begin, end in pairwise([first - 1, *stops, last]):
            extent = (begin + 1, end, n_rows, row_floats, list_stride)
            if begin + 1 < end or begin + 1 in (0, self.n_steps):  # inputs and outputs are copied by the kernel
                codes.run_chain(x, out, *arrays, extent)
            if end < last:
                self.multiply(end, n_rows, buffers)

    def multiply(self, number: int, n_rows: int, scratch: ChainScratch) -> None:
        """Compute a product by the library."""
        layer = self.program.layers[self.program.steps[number].layer]
        target = self.value(number, n_rows, scratch, target=True)
        np.matmul(self.value(number, n_rows, scratch), layer.weight.T, out=target)
        np.add(target, layer.bias, out=target)

    def value(self, number: int, n_rows: int, scratch: ChainScratch, *, target: bool = False) -> Floats:
        """Return what a step reads, or what it computes, shape (n_rows, size), as a view of the scratch."""
        step = self.packed.program.steps[number]
        at, stride, size = (
            step[column]
            for column in (
                (codes.TARGET, codes.TARGET_STRIDE, codes.TARGET_SIZE)
                if target
                else (codes.SOURCE, codes.SOURCE_STRIDE, codes.SIZE)
            )
        )
        block = scratch.space[at * n_rows : (at + stride) * n_rows]
        return block.reshape(n_rows, stride)[:, :size]
