"""Cost of each training-time method: a training step with it compared with the bare step, and its periodic work.

    python benchmarks/method_overhead.py [--json PATH]

Steps without and with the method alternate; medians are reported. The periodic work (stripping, removal, the end of a
cycle, recycling) is one call on four batches of the data that the method examines, in units of bare steps.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its conventional name
from torch import nn

from neurondeath_torch.methods.activate_while_pruning import ActivateWhilePruning
from neurondeath_torch.methods.continual_backprop import ContinualBackprop
from neurondeath_torch.methods.demon_pruning import DemonPruning
from neurondeath_torch.methods.l2_init import L2Init
from neurondeath_torch.methods.penalty_schedules import Constant
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.methods.self_normalised_resets import SelfNormalisedResets
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from neurondeath_torch.methods.training_method import NoMethod, TrainingMethod

ROUNDS = 30
CLASSES = 10
NEVER = 10**6  # events are timed separately


def perceptron() -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in in (784, 512, 512):
        layers += [nn.Linear(fan_in, 512), nn.BatchNorm1d(512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, CLASSES))


def convolutional() -> nn.Module:
    layers: list[nn.Module] = []
    for fan_in, width in ((3, 32), (32, 64), (64, 64), (64, 128)):
        layers += [nn.Conv2d(fan_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        if width > 32:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, CLASSES))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron, 3 x 512, batch 128": (perceptron, (128, 784)),
    "convolutional, 4 layers, 16 x 16, batch 64": (convolutional, (64, 3, 16, 16)),
}

Maker = Callable[[nn.Module, torch.optim.Optimizer, Any], TrainingMethod]
METHODS: dict[str, tuple[Maker, Callable[[Any], object]]] = {
    "no method": (lambda model, _, __: NoMethod(model), lambda method: method.after_epoch()),
    "synaptic stripping": (
        lambda model, _, data: SynapticStripping(model, data=data, every=NEVER),
        lambda method: method.strip(),
    ),
    "demon pruning": (
        lambda model, optimiser, data: DemonPruning(
            model, optimiser, data=data, steps=NEVER, peak=1e-4, schedule=Constant(), remove_every=NEVER
        ),
        lambda method: method.remove(),
    ),
    "activate-while-pruning": (
        lambda model, _, __: ActivateWhilePruning(model),
        lambda method: method.after_cycle(),
    ),
    "structured pruning": (
        lambda model, optimiser, data: StructuredPruning(model, optimiser, data=data, every=NEVER),
        lambda method: method.remove(),
    ),
    "ReDo": (
        lambda model, optimiser, data: ReDo(model, optimiser, data=data, every=NEVER, tau=0.1),
        lambda method: method.recycle(),
    ),
    "demon pruning, gradients": (
        lambda model, optimiser, data: DemonPruning(
            model,
            optimiser,
            data=data,
            steps=NEVER,
            peak=1e-4,
            schedule=Constant(),
            remove_every=NEVER,
            noise_on="gradients",
        ),
        lambda method: method.remove(),
    ),
    "continual backprop": (
        lambda model, optimiser, data: ContinualBackprop(model, optimiser, data=data, rate=0.0),
        lambda method: method._resetter.reset({"0": [0]}),
    ),
    "self-normalised resets": (
        lambda model, optimiser, data: SelfNormalisedResets(model, optimiser, data=data),
        lambda method: method._resetter.reset({"0": [0]}),
    ),
    "L2 init": (
        lambda model, optimiser, _: L2Init(model, optimiser),
        lambda method: method.after_epoch(),
    ),
}


def measure(make_model: Callable[[], nn.Module], shape: tuple[int, ...], method: str) -> dict[str, float]:
    torch.manual_seed(0)
    make_method, event = METHODS[method]
    x, y = torch.randn(shape), torch.randint(CLASSES, shape[:1])
    bare_model = make_model()
    model = copy.deepcopy(bare_model)
    bare_optimiser, optimiser = (torch.optim.SGD(m.parameters(), lr=1e-3, momentum=0.9) for m in (bare_model, model))
    treated = make_method(model, optimiser, [x] * 4)

    def bare_step() -> None:
        bare_optimiser.zero_grad()
        F.cross_entropy(bare_model(x), y).backward()
        bare_optimiser.step()

    def step() -> None:
        optimiser.zero_grad()
        (F.cross_entropy(model(x), y) + treated.penalty()).backward()
        optimiser.step()
        treated.after_step()

    for warm in (bare_step, step):
        warm()
        warm()
    bare_seconds, seconds = [], []
    for _ in range(ROUNDS):
        bare_seconds.append(elapsed(bare_step))
        seconds.append(elapsed(step))
    bare = statistics.median(bare_seconds)
    return {
        "bare_step_ms": 1e3 * bare,
        "step_ms": 1e3 * statistics.median(seconds),
        "overhead": statistics.median(s / b for s, b in zip(seconds, bare_seconds, strict=True)) - 1,
        "event_in_bare_steps": elapsed(lambda: event(treated)) / bare,
    }


def elapsed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {}
    for name, (make_model, shape) in MODELS.items():
        print(f"{name}\n  {'method':24}{'bare ms':>9}{'with ms':>9}{'overhead':>10}{'event, in bare steps':>23}")
        for method in METHODS:
            row = measure(make_model, shape, method)
            results[f"{name}; {method}"] = row
            print(
                f"  {method:24}{row['bare_step_ms']:9.2f}{row['step_ms']:9.2f}{row['overhead']:10.1%}"
                f"{row['event_in_bare_steps']:23.1f}"
            )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
