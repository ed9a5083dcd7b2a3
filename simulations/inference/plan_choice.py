"""Choose, by measurement, which products of a network skip zeros at a batch size, and which the library does.

Every product is timed on the activations that the given inputs bring about, in all its ways, in turns; the fastest one
is taken. Then the whole chain is timed with these choices and with the library alone, and the faster of the two is the
plan: on the inputs that were measured the network is never slower than densely, up to the noise of the measurement.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.chain_runs import ChainRunner, Plan
from neurondeath.simulations.kernels import sparse_chain as codes

__all__ = ["MeasuredPlan", "choose_plan", "seconds_of"]

Floats = npt.NDArray[np.float32]

LEAST_SECONDS = 1e-3  # of the calls of one way
MOST_CALLS = 30
ROUNDS = 3


@dataclass(frozen=True)
class MeasuredPlan:
    """The plan of a batch size, with the seconds of a batch by this plan and by the library alone."""

    n_rows: int
    plan: Plan
    seconds: float
    dense_seconds: float

    @property
    def n_sparse(self) -> int:
        """Number of products that skip zeros."""
        return len(self.plan.choices) - len(self.plan.by_library)


def choose_plan(runner: ChainRunner, batches: Sequence[Floats]) -> MeasuredPlan:
    """Choose the plan for batches of the size of those given, shape (n_rows, input_size) each.

    The first one decides between the ways of single products; whole chains are timed on all of them in turn.
    """
    x = batches[0]
    ways = {number: _ways(runner, number) for number in runner.program.products}
    out = np.empty((len(x), runner.program.output_size), np.float32)
    scratch = runner.take_scratch(len(x))
    start, choices, done = runner.plan({}), {}, 0

    def part(plan: Plan, first: int, last: int, rows: Floats = x) -> Callable[[], None]:
        return lambda: runner.run_part(rows, out, plan, scratch, first, last)

    middle = min(1, runner.n_steps - 1)
    call = seconds_of([[part(start, middle, middle)]])[0]  # of the kernels that does nothing
    for number in ways:
        part(start, done, number)()
        done = number
        candidates = [runner.plan({number: way}) for way in ways[number]]
        spent = seconds_of([[part(plan, number, number + 1)] for plan in candidates])
        net = [value - call * (not plan.by_library) for value, plan in zip(spent, candidates, strict=True)]
        choices[number] = ways[number][int(np.argmin(net))]
    plans = [runner.plan(dict.fromkeys(ways, way)) for way in (codes.BY_LIBRARY, codes.BY_UNITS)]
    plans.append(runner.plan(choices))
    spent = seconds_of([[part(plan, 0, runner.n_steps, rows) for rows in batches] for plan in plans])
    best = int(np.argmin(spent))
    return MeasuredPlan(len(x), plans[best], spent[best], spent[0])


def seconds_of(contestants: Sequence[Sequence[Callable[[], object]]]) -> list[float]:
    """Return the seconds of each contestant: of each of its works the least, and their mean.

    The works of a contestant follow each other, so that none finds in the cache what it left there itself, as long as
    there are several; contestants take turns.
    """
    n_works = sum(len(works) for works in contestants)
    begun = time.perf_counter()
    for works in contestants:
        for work in works:
            work()
    once = (time.perf_counter() - begun) / n_works
    calls = max(2, min(MOST_CALLS, int(LEAST_SECONDS / max(once, 1e-7))))
    least = [[float("inf")] * len(works) for works in contestants]
    for _ in range(ROUNDS):
        for works, spent in zip(contestants, least, strict=True):
            for _ in range(calls):
                for i, work in enumerate(works):
                    begun = time.perf_counter()
                    work()
                    spent[i] = min(spent[i], time.perf_counter() - begun)
    return [sum(spent) / len(spent) for spent in least]


def _ways(runner: ChainRunner, number: int) -> list[int]:
    weights = [codes.BY_WEIGHTS] if number in runner.packed.sparse_weights else []
    return [codes.BY_UNITS, *weights, codes.BY_LIBRARY]
