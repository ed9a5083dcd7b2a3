"""A training step of a deep critical residual stream against its matrix products alone, in two precisions.

    python benchmarks/deep_steps.py [--width 300] [--depth 100] [--batch 64] [--rounds 30] [--json PATH]

The steps are those of the study `sparse_and_deep`: forward and backward pass, clipped gradient, fused AdamW. The
products alone are the three of every layer (outputs, gradients of inputs, gradients of weights), each layer with its
own matrices, so that weights come from memory as they do in a step. One thread; all contestants take turns; medians of
CPU time, and of the ratio within a round. A precision is compared with the same network in the other one, never with
a rival.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - its conventional name
from torch import nn

from neurondeath_torch.training.configuration import ModelChoice, OptimiserChoice
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.optimisers import make_optimiser

SHAPE, CLASSES = (1, 28, 28), 10
NETWORKS: dict[str, dict[str, object]] = {
    "dense": {"activation": "relu"},
    "85 % sparse": {"activation": "clipped-shifted-relu", "sparsity": 0.85, "v_prime": 0.7},
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Call = Callable[[], object]


def step_of(network: str, precision: str, width: int, depth: int, batch: int) -> Call:
    """Build a network and return its training step."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, *SHAPE, generator=generator)
    classes = torch.randint(CLASSES, (batch,), generator=generator)
    choice = ModelChoice(
        residual=True,
        effective_depth=1.0,
        normalise="layers",
        options={"width": width, "depth": depth},
        **NETWORKS[network],  # type: ignore[arg-type]
    )
    model = build_model(choice, SHAPE, CLASSES, images=images)
    optimiser = make_optimiser(OptimiserChoice(kind="adamw", learning_rate=1e-3), model.parameters())

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = model(images)
        F.cross_entropy(outputs.float(), classes).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    return step


def products_of(precision: str, width: int, depth: int, batch: int) -> Call:
    """Return the matrix products of a step, without what is between them."""
    dtype = DTYPES[precision]
    weights = [torch.randn(width, width).to(dtype) for _ in range(depth)]
    inputs, gradients = torch.randn(batch, width).to(dtype), torch.randn(batch, width).to(dtype)

    def products() -> None:
        for weight in weights:
            inputs @ weight.T
        for weight in weights:
            gradients @ weight
            gradients.T @ inputs

    return products


def cpu_seconds(do: Call) -> float:
    """Return the CPU time of a call."""
    start = time.process_time()
    do()
    return time.process_time() - start


def measure(width: int, depth: int, batch: int, rounds: int) -> dict[str, dict[str, float]]:
    """Time all contestants in turns."""
    calls: dict[str, Call] = {}
    for precision in DTYPES:
        calls[f"products alone, {precision}"] = products_of(precision, width, depth, batch)
        for network in NETWORKS:
            calls[f"{network}, {precision}"] = step_of(network, precision, width, depth, batch)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-3, rounds):  # three rounds to warm up
        for name, call in calls.items():
            taken = cpu_seconds(call)
            if number >= 0:
                seconds[name].append(taken)
    results = {}
    for name, taken in seconds.items():
        network, precision = name.rsplit(", ", 1)
        alone, single = seconds[f"products alone, {precision}"], seconds[f"{network}, float32"]
        results[name] = {
            "cpu_ms": 1e3 * statistics.median(taken),
            "over_products": statistics.median(a / b for a, b in zip(taken, alone, strict=True)),
            "over_float32": statistics.median(a / b for a, b in zip(taken, single, strict=True)),
        }
    return results


def whole_number(text: str) -> int:
    """Read an argument of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {value}")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("width", 300), ("depth", 100), ("batch", 64), ("rounds", 30)):
        parser.add_argument(f"--{option}", type=whole_number, default=default)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = measure(arguments.width, arguments.depth, arguments.batch, arguments.rounds)
    work = 6.0 * arguments.batch * arguments.width**2 * arguments.depth
    print(
        f"{arguments.depth} x {arguments.width}, batch {arguments.batch}: {work / 1e9:.2f} GFLOP of products per step"
    )
    print(f"  {'':28}{'CPU ms':>8}{'over products':>15}{'over float32':>14}")
    for name, row in results.items():
        print(f"  {name:28}{row['cpu_ms']:8.1f}{row['over_products']:15.2f}{row['over_float32']:14.2f}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
