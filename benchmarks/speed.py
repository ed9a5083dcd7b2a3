"""`make bench`: speed of our sampling, compared with rivals in the same run.

Every contestant runs in its own process, after a warm-up, in turns; medians of ROUNDS turns. Prints a table of ratios
with their bars and writes benchmarks/results/speed.json. neural-tangents is measured by the Python that the variable
NEURONDEATH_JAX_PYTHON names: `pip install neural-tangents "jax[cpu]<0.5"` in an environment of its own.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
ROUNDS = 3
POINTS = 256
BARS = {8: (8.0, 6.0), 16: (6.0, 5.0), 64: (4.0, 3.0)}  # against NumPy, against PyTorch
SHARES = {32: 0.4, 64: 0.6}  # of the sgemm rate of the same run


def measure(name: str, **arguments: int) -> dict[str, object]:
    """Run one contestant."""
    python = os.environ.get("NEURONDEATH_JAX_PYTHON", sys.executable) if name == "neural_tangents" else sys.executable
    line = [python, str(HERE / "contestants.py"), name, json.dumps(arguments)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout))


def medians(contestants: dict[str, tuple[str, dict[str, int]]], key: str = "rate") -> dict[str, float | None]:
    """Alternate the contestants and return the median of each; None for one that cannot run."""
    turns: dict[str, list[float]] = {label: [] for label in contestants}
    for turn in range(ROUNDS):
        for label, (name, arguments) in contestants.items():
            result = measure(name, **arguments)
            print(f"  turn {turn + 1}/{ROUNDS} {label}: {result}", file=sys.stderr, flush=True)
            if key in result:
                turns[label].append(float(str(result[key])))
    return {label: median(values) if values else None for label, values in turns.items()}


def ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


def main() -> None:
    rows: list[tuple[str, float | None, str, float]] = []
    for width, (numpy_bar, torch_bar) in BARS.items():
        size = {"width": width, "points": POINTS}
        names = {"ours": "dense", "NumPy": "numpy_crude", "PyTorch": "torch_crude"}
        rates = medians({label: (name, size) for label, name in names.items()})
        title = f"dense engine, width {width}, depth 100, {POINTS} points"
        rows.append((f"{title}, against NumPy", ratio(rates["ours"], rates["NumPy"]), ">=", numpy_bar))
        rows.append((f"{title}, against PyTorch", ratio(rates["ours"], rates["PyTorch"]), ">=", torch_bar))
    for width, bar in SHARES.items():
        rates = medians({"ours": ("dense", {"width": width, "points": POINTS}), "sgemm": ("sgemm", {})})
        products = rates["ours"] and rates["ours"] * 2.0 * width * width * POINTS
        rows.append((f"dense engine's share of sgemm, width {width}", ratio(products, rates["sgemm"]), ">=", bar))
    rates = medians({"ours": ("normals", {}), "NumPy": ("numpy_normals", {})})
    rows.append(("normals, ns each on one core", ratio(1e9, rates["ours"]), "<=", 1.0))
    rows.append(("normals, against NumPy's float32", ratio(rates["ours"], rates["NumPy"]), ">=", 1.0))
    size = {"points": 400}
    spent = medians({"ours": ("covariance", size), "theirs": ("neural_tangents", size)}, "seconds")
    title = "covariance, 400 points, two layers: time over that of neural-tangents"
    rows.append((title, ratio(spent["ours"], spent["theirs"]), "<=", 1.5))
    for name, bar, label in (
        ("single", 1.0, "one point, width 10^6, depth 1000, 10^4 networks, s"),
        ("cold_start", 0.4, "`neurondeath bounds` from a cold start, s"),
    ):
        rows.append((label, medians({label: (name, {})}, "seconds")[label], "<=", bar))

    report = []
    print(f"{'what':66} {'measured':>9}  {'bar':>7}")
    for what, value, sense, bar in rows:
        met = value is not None and (value >= bar if sense == ">=" else value <= bar)
        shown = "-" if value is None else f"{value:.3g}"
        print(
            f"{what:66} {shown:>9}  {sense} {bar:<4g} {'met' if met else 'not measured' if value is None else 'MISSED'}"
        )
        report.append({"what": what, "measured": value, "bar": f"{sense} {bar:g}", "met": met})
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    text = json.dumps({"time": time.time(), "machine": machine, "rows": report}, indent=2)
    (results / "speed.json").write_text(text + "\n")
    print(f"written to {results / 'speed.json'}")


if __name__ == "__main__":
    main()
