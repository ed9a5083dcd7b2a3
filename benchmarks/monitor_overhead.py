"""Cost of a `DeadUnitMonitor`: a batch with it compared with the same batch without it, alternating, medians.

    python benchmarks/monitor_overhead.py [--json PATH]

Models: a small, a deep narrow and a wide fully connected network, a small convolutional one with batch norm, each in a
forward pass without gradients and in a whole training step, from the second pass on. CPU time of one thread, which
depends little on the machine's load.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from neurondeath_torch.watching.monitor import DeadUnitMonitor

ROUNDS = 20
SECONDS = 0.02  # least duration of a measurement


def fully_connected(width: int, depth: int) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers)


class Unrolled(nn.Module):
    """A network that calls its activations as functions, so that every pass is traced call by call."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def convolutional() -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, width in ((3, 32), (32, 64), (64, 64), (64, 128)):
        layers += [nn.Conv2d(fan_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        if width > 32:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 10))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "fully connected, width 32, depth 6, batch 32": (lambda: fully_connected(32, 6), (32, 32)),
    "the same with a forward pass of its own": (lambda: Unrolled(32, 6), (32, 32)),
    "fully connected, width 10, depth 100, batch 256": (lambda: fully_connected(10, 100), (256, 10)),
    "fully connected, width 1024, depth 6, batch 256": (lambda: fully_connected(1024, 6), (256, 1024)),
    "convolutional, 4 layers, 32 x 32, batch 64": (convolutional, (64, 3, 32, 32)),
}


def seconds(step: Callable[[], object]) -> float:
    count, start = 0, time.process_time()
    while (passed := time.process_time() - start) < SECONDS:
        step()
        count += 1
    return passed / count


def measure(model: nn.Module, x: torch.Tensor, training: bool) -> tuple[float, float]:
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-6)

    def step() -> None:
        if not training:
            with torch.no_grad():
                model(x)
            return
        optimiser.zero_grad()
        model(x).square().mean().backward()
        optimiser.step()

    bare, watched = [], []
    monitor = DeadUnitMonitor(model)
    for _ in range(ROUNDS):
        bare.append(seconds(step))
        with monitor:
            step()  # the first pass is traced call by call
            watched.append(seconds(step))
    return statistics.median(bare), statistics.median(watched)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    report = []
    print(f"{'model':50} {'step':10} {'bare, ms':>9} {'watched':>9} {'overhead':>9}")
    for name, (build, shape) in MODELS.items():
        model, x = build(), torch.randn(*shape)
        for training in (False, True):
            bare, watched = measure(model, x, training)
            step = "training" if training else "forward"
            print(f"{name:50} {step:10} {1e3 * bare:9.2f} {1e3 * watched:9.2f} {watched / bare - 1:9.1%}")
            report.append({"model": name, "step": step, "bare": bare, "watched": watched})
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
