"""The page of benchmarks, from the JSON files that `make bench` writes on the machine that builds the site."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generators.markdown import escaped

__all__ = ["benchmark_page"]

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
INTRODUCTION = """# Benchmarks

`make bench` measures our speed with the rivals in the same run: each contestant runs in a process of its own, warm, in
turns, and the medians are compared; compile time is apart. The bars stand in the programs in `benchmarks/`. A ratio
above 1 says how many times faster or more precise ours is. This page shows what the machine that built it has measured
last.
"""
NONE_YET = """Nothing has been measured on the machine that built this page: run `make bench`, then `make docs`."""
TITLES = {
    "speed": "Sampling networks: speed against NumPy, PyTorch and sgemm",
    "precision": "Precision per second of rare probabilities",
    "monitor": "Cost of the dead-unit monitor",
    "methods": "Cost of the training methods",
}


def benchmark_page(results: Path = RESULTS) -> dict[str, str]:
    """Return the page: path below `docs/generated` -> text.

    Parameters
    ----------
    results : path, optional
        Folder of the JSON files.
    """
    parts = [INTRODUCTION]
    files = sorted(results.glob("*.json")) if results.is_dir() else []
    for file in sorted(
        files, key=lambda path: (list(TITLES).index(path.stem) if path.stem in TITLES else 99, path.stem)
    ):
        parts += [f"## {TITLES.get(file.stem, file.stem)}\n", *_section(json.loads(file.read_text(encoding="utf-8")))]
    return {"project/benchmarks.md": "\n".join([*parts, *([] if files else [NONE_YET]), ""])}


def _section(found: Any) -> list[str]:
    lines: list[str] = []
    if isinstance(found, Mapping) and "rows" in found:
        machine = ", ".join(f"{name} {value}" for name, value in found.get("machine", {}).items())
        day = time.strftime("%Y-%m-%d", time.gmtime(found["time"])) if "time" in found else "unknown day"
        lines += [f"Measured on {day}: {machine}.\n"]
        found = found["rows"]
    if isinstance(found, Mapping):
        found = [{"what": name, **(row if isinstance(row, Mapping) else {"value": row})} for name, row in found.items()]
    names = list(dict.fromkeys(name for row in found for name in row))
    lines += ["| " + " | ".join(name.replace("_", " ") for name in names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in found]
    return [*lines, ""]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return "-" if value is None else escaped(str(value))
