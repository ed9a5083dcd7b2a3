"""Speed of sparse inference beside PyTorch eager, torch.compile, ONNX Runtime and NumPy.

    python benchmarks/sparse_inference.py [--json PATH] [--quick]

Every contestant runs in its own process with the same number of threads (NEURONDEATH_BENCH_THREADS, 1 by default), in
turns; medians of the turns. Ratios are of processor time and of wall time; a bar is met by wall time. All contestants
must compute the same outputs. ONNX Runtime takes part where onnx and onnxruntime are installed (extra `onnx`). Our own
variants with weights in fewer bits are listed beside, with the time they take over ours and the error of their outputs.

How the ratio of dense to sparse time depends on the share of zeros and the batch, without rivals, is a study:
`neurondeath study inference_speed --out DIR` writes its table, which the figure speed_of_sparsity draws.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ROUNDS = 3
LARGEST_ERROR = 1e-4  # of outputs, relative to the largest
VARIANTS = ("bfloat16", "int8")  # of ours: no rivals, since their outputs are others
RIVALS = ("eager", "compiled", "onnx", "numpy")
# what: network; rivals of which the best counts -> bar, as a function of the measured share of zeros
BOTH = ("eager", "numpy")
CASES: list[tuple[str, dict[str, Any], dict[tuple[str, ...], Any]]] = [
    (
        f"100 x 300, {sparsity:.0%} zeros, batch 1",
        {"width": 300, "depth": 100, "sparsity": sparsity, "batch": 1},
        {("eager",): lambda z: 8.0 * 0.15 / (1.0 - z), ("compiled",): lambda z: 5.0 * 0.15 / (1.0 - z)},
    )
    for sparsity in (0.85, 0.9)
]
CASES += [
    (
        f"one layer of {width}, 85% zeros, batch {batch}",
        {"width": width, "depth": 0, "sparsity": 0.85, "batch": batch},
        {BOTH: lambda z, bar=bar: bar},
    )
    for batch, bars in ((1, {300: 4.0, 1024: 6.0, 4096: 6.0}), (8, {300: 2.5, 1024: 2.5, 4096: 2.5}))
    for width, bar in bars.items()
]
CASES += [
    (
        f"100 x 300, 85% zeros, batch {batch}",
        {"width": 300, "depth": 100, "sparsity": 0.85, "batch": batch},
        {BOTH: lambda z, bar=bar: bar},
    )
    for batch, bar in ((8, 2.5), (64, 1.0), (512, 1.0))
]


def measured(name: str, network: dict[str, Any]) -> dict[str, Any]:
    """Run one contestant."""
    line = [sys.executable, str(HERE / "sparse_contestants.py"), name, json.dumps(network)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def turns(network: dict[str, Any], names: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """Alternate the contestants; return the medians of each, and its last report."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names:
            result = measured(name, network)
            print(f"  turn {turn + 1}/{rounds} {name}: {result}", file=sys.stderr, flush=True)
            if "failed" not in result:
                found[name].append(result)
    return {
        name: results[-1] | {key: median(one[key] for one in results) for key in ("wall_us", "processor_us")}
        for name, results in found.items()
        if results
    }


def check_outputs(results: dict[str, dict[str, Any]]) -> float:
    """Return the largest difference between outputs of contestants; all must agree."""
    truth, size = np.array(results["ours"]["outputs"]), results["ours"]["size"]
    rivals = [one for name, one in results.items() if name not in VARIANTS]
    gaps = [float(np.abs(np.array(one["outputs"]) - truth).max()) / size for one in rivals]
    if max(gaps) > LARGEST_ERROR:
        raise SystemExit(f"the contestants compute different outputs: {max(gaps):.1e}")
    return max(gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "sparse_inference.json")
    parser.add_argument("--quick", action="store_true", help="one turn of each contestant")
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    arguments = parser.parse_args()
    rows = []
    print(f"{'what':44} {'against':14} {'ours us':>9} {'theirs us':>10} {'wall':>6} {'cpu':>6}  bar")
    for what, network, bars in CASES:
        if arguments.only not in what:
            continue
        names = ["ours", *(VARIANTS if network["batch"] <= 8 else ())]
        names += [name for name in RIVALS if name != "compiled" or network["batch"] == 1]
        results = turns(network, names, 1 if arguments.quick else ROUNDS)
        gap = check_outputs(results)
        zeros, us = results["ours"]["zeros"], results["ours"]
        for rivals, bar in ({(name,): None for name in results if name != "ours"} | bars).items():
            here = [name for name in rivals if name in results]
            if not here:
                continue
            wall, processor = (min(results[name][key] for name in here) for key in ("wall_us", "processor_us"))
            ratios = wall / us["wall_us"], processor / us["processor_us"]
            goal = None if bar is None else bar(zeros)
            verdict = "" if goal is None else f">= {goal:.3g} {'met' if ratios[0] >= goal else 'MISSED'}"
            label = "best of both" if rivals == BOTH else rivals[0]
            if label in VARIANTS:
                verdict = f"outputs off by {results[label]['error']:.1e}"
            print(
                f"{what:44} {label:14} {us['wall_us']:9.1f} {wall:10.1f} {ratios[0]:6.2f} {ratios[1]:6.2f}  {verdict}",
                flush=True,
            )
            rows.append(
                {"what": what, "network": network, "against": label, "zeros": zeros, "wall_us": us["wall_us"]}
                | {"processor_us": us["processor_us"], "rival_wall_us": wall, "rival_processor_us": processor}
                | {"wall_ratio": ratios[0], "processor_ratio": ratios[1], "bar": goal, "difference": gap}
            )
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    document = {"time": time.time(), "machine": machine, "cores": os.cpu_count(), "rows": rows}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(document | {"load": os.getloadavg()[0]}, indent=2) + "\n")
    print(f"written to {arguments.json}")


if __name__ == "__main__":
    main()
