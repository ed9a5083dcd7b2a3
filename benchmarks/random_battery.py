"""Test the kernels' random words with the battery `dieharder` (Debian: apt-get install dieharder).

The words are fed in the order in which a simulation uses them: trial by trial, layer by layer, block by block, so that
the counter's coordinates are tested as they are laid out. `python benchmarks/random_battery.py` runs a selection (a
minute or two), with `--all` every test (hours). A p-value below 1e-6 fails; dieharder itself calls anything below
0.005 weak, which happens to a good generator once in a hundred tests.
"""

import subprocess
import sys

import numpy as np

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.kernels.packed_arguments import Position
from neurondeath.simulations.kernels.philox import make_counters, philox_words

BLOCKS, LAYERS = 16, 64  # of every trial: a network of width 8 and depth 64
SELECTION = ("0", "3", "8", "13", "15", "16", "100", "101", "102", "203", "204", "205", "206")
FAILED = 1e-6


def feed(pipe: object, seed: int) -> None:
    """Write words to a pipe until its reader has enough."""
    key0, key1 = stream_key(seed, "battery")
    key = np.uint64(key0), np.uint64(key1)
    counters = make_counters(BLOCKS * LAYERS, BLOCKS)
    words = np.empty((64, 4 * BLOCKS * LAYERS), np.uint32)
    trial = 0
    try:
        while True:
            for row in words:
                position = Position(key, 0, trial % 2**32, np.uint64(trial >> 32 << 8))
                philox_words(row, counters, position, 0)
                trial += 1
            pipe.write(words.tobytes())  # type: ignore[attr-defined]
    except BrokenPipeError:
        pass


def run(test: list[str], seed: int) -> list[tuple[str, float]]:
    """Run one dieharder call and return (test, p-value) pairs."""
    line = ["dieharder", "-g", "200", "-c", ",", "-D", "test_name", "-D", "ntuple", "-D", "pvalues", *test]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    feed(process.stdin, seed)
    rows = [row.split(",") for row in process.stdout.read().decode().splitlines() if row.count(",") >= 2]
    return [(f"{name.strip()} {size.strip()}", float(p)) for name, size, p, *_ in rows]


def main() -> int:
    tests = [["-a"]]
    if "--all" not in sys.argv:
        tests = [["-d", number] for number in SELECTION] + [["-d", "200", "-n", size] for size in ("1", "4", "8")]
    found = []
    for seed, test in enumerate(tests):
        for name, p in run(test, seed):
            print(f"{name:32} p = {p:.4g}{'   FAILED' if p < FAILED else ''}", flush=True)
            found.append(p)
    failed = sum(p < FAILED for p in found)
    print(f"{len(found)} tests, {failed} failed, smallest p {min(found):.3g}")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
